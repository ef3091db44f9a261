/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/heaps.h"

#include "base/bisect.h"
#include "base/cursor.h"
#include "base/num.h"
#include "glibc/pieces.h"

enum { PAGE = 4096, HEAP_INFO = 32 };

static uint64_t align(uint64_t addr)
{
	return (addr + GLIBC_CHUNK_ALIGN - 1) / GLIBC_CHUNK_ALIGN * GLIBC_CHUNK_ALIGN;
}

static void add(struct glibc_heaps *h, struct glibc_region r)
{
	if (h->regions.n == GLIBC_REGIONS_MAX)
		h->cut = true;
	else if (r.start <= r.first && r.first < r.end && r.end <= r.limit)
		*vec_push(&h->regions) = r;
}

/* Where the top chunk ends; 0 when its head makes no sense. */
static uint64_t top_end(const struct glibc *g, uint64_t top)
{
	uint64_t head = 0;
	if (!memsrc_u64(g->where.src, top + 8, &head))
		return 0;
	uint64_t size = head & ~(uint64_t)GLIBC_FLAGS;
	const struct vma *v = NULL;
	glibc_map_at(&g->where, top, &v);
	return v && size % GLIBC_CHUNK_ALIGN == 0 && size <= v->end - top ? top + size : 0;
}

/* ---- the main arena ---- */

static const struct vma *brk_map(const struct glibc *g, uint64_t brk)
{
	const struct vma *v = NULL;
	return glibc_map_at(&g->where, brk, &v) == GLIBC_MAP_BRK ? v : NULL;
}

/* What brk gave: up to the top chunk, or as far as it goes when the arena had to go on elsewhere. */
static uint64_t add_brk(const struct glibc *g, const struct glibc_malloc *m, uint32_t arena, uint64_t top,
			struct glibc_heaps *h)
{
	const struct vma *v = brk_map(g, m->brk ? m->brk : top);
	if (!v)
		return 0;
	bool ends = top >= v->start && top < v->end;
	uint64_t start = m->brk ? m->brk : v->start, end = ends ? top_end(g, top) : v->end;
	add(h, (struct glibc_region){ start, align(start), end, end, arena });
	return num_sub(end, start);
}

static void add_main(const struct glibc *g, const struct glibc_malloc *m, uint32_t arena, struct glibc_heaps *h)
{
	struct glibc_arena *a = &h->arenas.v[arena];
	uint64_t have = add_brk(g, m, arena, a->top, h);
	const struct glibc_piece_search search = {
		.g = g, .first = m->brk, .top = a->top, .bytes = num_sub(a->system, have)
	};
	struct glibc_piece_vec pieces = { 0 };
	if (search.bytes)
		glibc_pieces_find(&search, &pieces);
	for (size_t i = 0; i < pieces.n; i++) {
		const struct glibc_piece *p = &pieces.v[i];
		add(h, (struct glibc_region){ p->start, p->start, p->end, p->end, arena });
		have += p->end - p->start;
	}
	vec_deinit(&pieces);
	a->missing = num_sub(a->system, have);
}

/* ---- other arenas ---- */

/* Where chunks begin in a heap: behind its head, and in the first one behind the arena's record too. */
static uint64_t first_chunk(const struct glibc_malloc *m, uint64_t arena, uint64_t heap)
{
	uint64_t info = arena & (m->heap_max - 1);
	return arena - info == heap ? align(arena + m->arena->bytes) : heap + info;
}

static void add_heaps(const struct glibc *g, const struct glibc_malloc *m, uint32_t arena, struct glibc_heaps *h)
{
	struct glibc_arena *a = &h->arenas.v[arena];
	uint64_t heap = a->top & ~(m->heap_max - 1), have = 0;
	while (heap && !h->cut) {
		unsigned char info[HEAP_INFO];
		if (!memsrc_read(g->where.src, heap, info, sizeof(info)) || load_u64(info) != a->addr)
			break;
		uint64_t prev = load_u64(info + 8), size = load_u64(info + 16), writable = load_u64(info + 24);
		if (size > writable || writable > m->heap_max || size % PAGE)
			break;
		add(h,
		    (struct glibc_region){ heap, first_chunk(m, a->addr, heap), heap + size, heap + writable, arena });
		have += size;
		/* a chain that is longer than what the arena has goes in a circle */
		heap = have < a->system && prev % m->heap_max == 0 ? prev : 0;
	}
	a->missing = num_sub(a->system, have);
}

/* ---- all of them ---- */

static bool read_arena(const struct glibc *g, const struct glibc_malloc *m, uint64_t addr, struct glibc_arena *ret,
		       uint64_t *next)
{
	unsigned char record[GLIBC_ARENA_BYTES_MAX];
	const struct glibc_arena_layout *l = m->arena;
	if (!memsrc_read(g->where.src, addr, record, l->bytes))
		return false;
	*ret = (struct glibc_arena){
		.addr = addr,
		.malloc = (uint32_t)(m - g->v),
		.main = addr == m->main_arena,
		.threads = load_u64(record + l->threads),
		.top = load_u64(record + l->top),
		.system = load_u64(record + l->system),
	};
	*next = load_u64(record + l->next);
	return true;
}

static struct err *read_ring(const struct glibc *g, const struct glibc_malloc *m, struct glibc_heaps *h)
{
	uint64_t at = m->main_arena, next = 0;
	do {
		struct glibc_arena a;
		if (h->arenas.n == GLIBC_ARENAS_MAX) {
			h->cut = true;
			break;
		}
		if (!read_arena(g, m, at, &a, &next)) {
			if (at == m->main_arena)
				return memsrc_fault(at, m->arena->bytes, "glibc's main arena");
			h->cut = true;
			break;
		}
		*vec_push(&h->arenas) = a;
		uint32_t arena = (uint32_t)h->arenas.n - 1;
		if (a.main)
			add_main(g, m, arena, h);
		else
			add_heaps(g, m, arena, h);
		at = next;
	} while (at != m->main_arena);
	return NULL;
}

static int by_start(const void *x, const void *y)
{
	const struct glibc_region *a = x, *b = y;
	return a->start < b->start ? -1 : a->start > b->start;
}

/* What a target that changes, or lies, shows twice, counts once. */
static void drop_overlaps(struct glibc_heaps *h)
{
	size_t n = 0;
	vec_sort(&h->regions, by_start);
	for (size_t i = 0; i < h->regions.n; i++) {
		if (n && h->regions.v[i].start < h->regions.v[n - 1].limit)
			h->cut = true;
		else
			h->regions.v[n++] = h->regions.v[i];
	}
	h->regions.n = n;
}

struct err *glibc_heaps_read(const struct glibc *g, struct glibc_heaps *ret)
{
	*ret = (struct glibc_heaps){ 0 };
	for (size_t i = 0; i < g->n; i++)
		TRY(read_ring(g, &g->v[i], ret));
	drop_overlaps(ret);
	return NULL;
}

void glibc_heaps_deinit(struct glibc_heaps *h)
{
	vec_deinit(&h->arenas);
	vec_deinit(&h->regions);
}

bool glibc_totals(const struct glibc *g, struct glibc_totals *ret)
{
	*ret = (struct glibc_totals){ 0 };
	for (size_t i = 0; i < g->n; i++) {
		const struct glibc_malloc *m = &g->v[i];
		uint64_t at = m->main_arena, next = 0, blocks = 0, bytes = 0, head = 0;
		do {
			struct glibc_arena a;
			if (!read_arena(g, m, at, &a, &next))
				return false;
			ret->system += a.system;
			if (memsrc_u64(g->where.src, a.top + 8, &head))
				ret->top += num_min(head & ~(uint64_t)GLIBC_FLAGS, a.system);
			at = next;
		} while (++ret->arenas < GLIBC_ARENAS_MAX && at != m->main_arena);
		if (!glibc_mmapped(g, m, &blocks, &bytes))
			ret->mmapped = UINT64_MAX;
		else if (ret->mmapped != UINT64_MAX)
			ret->mmapped += bytes;
	}
	return true;
}

const struct glibc_region *glibc_region_after(const struct glibc_heaps *h, uint64_t addr)
{
	size_t lo = bisect(h->regions.n, i, h->regions.v[i].limit <= addr);
	return lo < h->regions.n ? &h->regions.v[lo] : NULL;
}

const struct glibc_region *glibc_region_at(const struct glibc_heaps *h, uint64_t addr)
{
	const struct glibc_region *r = glibc_region_after(h, addr);
	return r && r->start <= addr ? r : NULL;
}
