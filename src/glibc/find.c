/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/glibc.h"

#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/num.h"

enum {
	PAGE = 4096,
	STEP = 1 << 20,		  /* data read at a time */
	DATA_MAX = 256 << 20,	  /* ... and in all */
	RING_MAX = 65536,	  /* arenas */
	PAR_AROUND = 16384,	  /* mp_ and main_arena are neighbours in the same object file */
	CACHED_BINS_MAX = 128,	  /* more than any tcache has */
	CACHED_COUNT_MAX = 65535, /* a tunable's ceiling */
	CACHED_BYTES_MAX = 64 << 20,
	THREADS_MAX = 1 << 22, /* of Linux */
	TEXT_MAX = 4 << 20,    /* of a library, in which its version is looked for */
};

#define WORD ((size_t)8)

static const uint64_t USER_END = UINT64_C(1) << 47;

enum glibc_map glibc_map_at(const struct glibc_where *w, uint64_t addr, const struct vma **map)
{
	const struct vma *v = vma_find(w->maps, addr);
	if (map)
		*map = v;
	return v ? (enum glibc_map)w->kinds[v - w->maps->v] : GLIBC_MAP_OTHER;
}

static bool is_chunk_address(uint64_t p)
{
	return p && p % GLIBC_CHUNK_ALIGN == 0 && p < USER_END;
}

/* ---- main_arena ---- */

/* The head of bin i looks like a chunk whose fd and bk are the bin's two words. */
static uint64_t bin_at(const struct glibc_arena_layout *l, uint64_t arena, unsigned i)
{
	return arena + l->bins + i * WORD * 2 - GLIBC_CHUNK_FD;
}

/*
 * How many are empty depends on the program: one that frees blocks of all sizes fills nearly all. The last is for no size,
 * so its head always points at itself.
 */
static bool are_bins(const struct glibc_arena_layout *l, const unsigned char *p, uint64_t addr)
{
	bool empty = false;
	for (unsigned i = 0; i < GLIBC_BINS; i++) {
		const unsigned char *bin = p + l->bins + i * WORD * 2;
		uint64_t fd = load_u64(bin), bk = load_u64(bin + WORD), self = bin_at(l, addr, i);
		empty = fd == self && bk == self;
		if (!empty && (!is_chunk_address(fd) || !is_chunk_address(bk) || fd == self || bk == self))
			return false;
	}
	return empty;
}

/* Cheap tests first: this is asked of every word of data. */
static bool is_arena_record(const struct glibc_arena_layout *l, const unsigned char *p, uint64_t addr)
{
	uint64_t system = load_u64(p + l->system), max = load_u64(p + l->system_max), top = load_u64(p + l->top);
	return system && system <= max && max < USER_END && is_chunk_address(load_u64(p + l->next)) &&
	       is_chunk_address(top) && load_u64(p + l->threads) <= THREADS_MAX && are_bins(l, p, addr);
}

/* Another arena stands behind the head of its first heap, which points at it. */
static bool heads_heap(struct memsrc *src, uint64_t arena)
{
	uint64_t at = 0;
	for (unsigned i = 0; i < glibc_n_heap_infos; i++) {
		uint64_t heap = arena - glibc_heap_infos[i];
		if (heap % PAGE == 0 && memsrc_u64(src, heap, &at) && at == arena)
			return true;
	}
	return false;
}

static bool ring_closes(struct memsrc *src, const struct glibc_arena_layout *l, uint64_t arena)
{
	uint64_t at = arena;
	for (unsigned i = 0; i < RING_MAX; i++) {
		at = memsrc_ptr(src, at + l->next);
		if (at == arena)
			return true;
		if (!is_chunk_address(at) || !heads_heap(src, at))
			return false;
	}
	return false;
}

/* ---- mp_ ---- */

static bool are_counts(const struct glibc_par_layout *l, const unsigned char *p)
{
	uint32_t n = load_u32(p + l->n_mmaps), most = load_u32(p + l->n_mmaps + 8);
	uint64_t bytes = load_u64(p + l->mmapped), max = load_u64(p + l->mmapped + WORD);
	return n <= most && most <= INT32_MAX && load_u32(p + l->n_mmaps + 4) <= INT32_MAX && bytes <= max &&
	       max < USER_END && bytes % GLIBC_CHUNK_ALIGN == 0 && (n == 0) == (bytes == 0) &&
	       (most == 0) == (max == 0);
}

/* The number of bins follows from the largest size that is cached: 64 and 1032 unless tuned. */
static bool are_cache_limits(const unsigned char *p)
{
	uint64_t bins = load_u64(p), bytes = load_u64(p + WORD), count = load_u64(p + 2 * WORD);
	uint64_t chunk = (bytes + WORD + GLIBC_CHUNK_ALIGN - 1) / GLIBC_CHUNK_ALIGN * GLIBC_CHUNK_ALIGN;
	uint64_t want = chunk < GLIBC_CHUNK_MIN ? 1 : (chunk - GLIBC_CHUNK_MIN) / GLIBC_CHUNK_ALIGN + 1;
	return bins && bins <= CACHED_BINS_MAX && bytes <= CACHED_BYTES_MAX && count <= CACHED_COUNT_MAX &&
	       (bins == want || bins + 1 == want || bytes > 1040);
}

static bool is_par(const struct glibc_where *w, const struct glibc_par_layout *l, const unsigned char *p)
{
	uint64_t brk = load_u64(p + l->mmapped + 2 * WORD);
	enum glibc_map kind = brk && brk < USER_END ? glibc_map_at(w, brk, NULL) : GLIBC_MAP_OTHER;
	return (kind == GLIBC_MAP_BRK || kind == GLIBC_MAP_ANON) && are_counts(l, p) && are_cache_limits(p + l->bytes);
}

static bool try_par(const struct glibc_where *w, const unsigned char *p, size_t len, uint64_t addr,
		    struct glibc_malloc *m)
{
	for (unsigned i = 0; i < glibc_n_par_layouts; i++) {
		const struct glibc_par_layout *l = &glibc_par_layouts[i];
		if (len < l->bytes + 3 * WORD || !is_par(w, l, p))
			continue;
		m->par = addr;
		m->params = l;
		m->brk = load_u64(p + l->mmapped + 2 * WORD);
		uint64_t huge = l->huge_page ? load_u64(p + l->huge_page) : 0;
		if (huge && huge % PAGE == 0 && huge < USER_END / 8)
			m->heap_max = huge * 4; /* as the library reckons where huge pages were asked for */
		return true;
	}
	return false;
}

/* The nearest that fits: first downwards, where it lies in every library seen. */
static void find_par(const struct glibc_where *w, const struct vma *v, struct glibc_malloc *m)
{
	uint64_t start = num_max(v->start, num_sub(m->main_arena, PAR_AROUND));
	uint64_t end = num_min(v->end, m->main_arena + PAR_AROUND);
	size_t len = (size_t)(end - start), middle = (size_t)(m->main_arena - start);
	AUTO_FREE unsigned char *data = xmalloc(len);
	if (!memsrc_read(w->src, start, data, len))
		return;
	for (size_t at = middle; at >= WORD;) {
		at -= WORD;
		if (try_par(w, data + at, len - at, start + at, m))
			return;
	}
	for (size_t at = middle; at < len; at += WORD) {
		if (try_par(w, data + at, len - at, start + at, m))
			return;
	}
}

/* ---- the search ---- */

static void try_arena(struct glibc *g, const struct vma *v, const unsigned char *p, size_t len, uint64_t addr)
{
	for (unsigned i = 0; i < glibc_n_arena_layouts && g->n < GLIBC_MALLOCS; i++) {
		const struct glibc_arena_layout *l = &glibc_arena_layouts[i];
		if (len < l->bytes || !is_arena_record(l, p, addr) || !ring_closes(g->where.src, l, addr))
			continue;
		struct glibc_malloc *m = &g->v[g->n++];
		*m = (struct glibc_malloc){ .main_arena = addr, .arena = l, .heap_max = GLIBC_HEAP_MAX };
		find_par(&g->where, v, m);
		return;
	}
}

static void search(struct glibc *g, const struct vma *v, unsigned char *buf, uint64_t *budget)
{
	const size_t step = STEP - PAGE; /* windows overlap, so that a record is whole in one of them */
	for (uint64_t at = v->start; at < v->end && *budget; at += step) {
		size_t len = (size_t)num_min(v->end - at, STEP);
		*budget = num_sub(*budget, len);
		if (!memsrc_read(g->where.src, at, buf, len))
			continue;
		for (size_t i = 0; i + WORD <= len && i < step; i += WORD)
			try_arena(g, v, buf + i, len - i, at + i);
	}
}

/* "... release version 2.36." in the library's read-only data. */
static bool find_version(struct glibc *g, const unsigned char *text, size_t len)
{
	static const char banner[] = "GNU C Library", mark[] = "release version ";
	const unsigned char *p = memmem(text, len, banner, sizeof(banner) - 1);
	if (!p)
		return false;
	size_t left = num_min(len - (size_t)(p - text), 200), n = 0;
	p = memmem(p, left, mark, sizeof(mark) - 1);
	if (!p)
		return false;
	p += sizeof(mark) - 1;
	left = len - (size_t)(p - text);
	while (n < left && n < sizeof(g->version) - 1 && ((p[n] >= '0' && p[n] <= '9') || p[n] == '.'))
		n++;
	while (n && p[n - 1] == '.')
		n--;
	memcpy(g->version, p, n);
	return n > 0;
}

static void read_version(struct glibc *g)
{
	const struct vma *data = vma_find(g->where.maps, g->v[0].main_arena);
	for (size_t i = 0; data && data->inode && i < g->where.maps->n; i++) {
		const struct vma *v = &g->where.maps->v[i];
		if (v->inode != data->inode || v->dev_major != data->dev_major || v->dev_minor != data->dev_minor ||
		    v->flags & VMA_WRITE || !(v->flags & VMA_READ))
			continue;
		size_t len = (size_t)num_min(vma_size(v), TEXT_MAX);
		AUTO_FREE unsigned char *text = xmalloc(len);
		if (memsrc_read(g->where.src, v->start, text, len) && find_version(g, text, len))
			return;
	}
}

struct err *glibc_find(const struct glibc_where *where, struct glibc *ret)
{
	uint64_t budget = DATA_MAX;
	AUTO_FREE unsigned char *buf = xmalloc(STEP);
	*ret = (struct glibc){ .where = *where };
	for (size_t i = 0; i < where->maps->n; i++) {
		if (where->kinds[i] == GLIBC_MAP_DATA)
			search(ret, &where->maps->v[i], buf, &budget);
	}
	if (!ret->n)
		return err_new(ERR_NOT_FOUND, "no malloc of glibc that is in use was found");
	read_version(ret);
	return NULL;
}

bool glibc_mmapped(const struct glibc *g, const struct glibc_malloc *m, uint64_t *blocks, uint64_t *bytes)
{
	uint32_t n = 0;
	if (!m->par || !memsrc_u32(g->where.src, m->par + m->params->n_mmaps, &n) ||
	    !memsrc_u64(g->where.src, m->par + m->params->mmapped, bytes))
		return false;
	*blocks = n;
	return true;
}
