/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/lists.h"

#include "base/cursor.h"
#include "base/num.h"
#include "model/memcache.h"

enum {
	WORD = 8,
	CACHES_MAX = 1 << 20,
	CACHE_BYTES_MAX = 0x300,
	CACHE_BLOCKS = 1024, /* lists lead to and fro in heaps */
	COUNT_MAX = 65535,   /* entries of a cache's list */
	FAST_MAX = 1 << 24,  /* entries of a fast bin */
	PAGE_BITS = 12,
};

void glibc_lists_init(struct glibc_lists *l, const struct glibc *g, const struct glibc_heaps *h)
{
	*l = (struct glibc_lists){ .g = g, .h = h };
}

void glibc_lists_deinit(struct glibc_lists *l)
{
	vec_deinit(&l->caches);
}

/* ---- caches ---- */

static const struct glibc_cache_layout *layout_of(uint64_t size)
{
	for (unsigned i = 0; i < glibc_n_cache_layouts; i++) {
		/* a chunk that was split may keep what is too little for another one */
		uint64_t chunk = glibc_cache_layouts[i].chunk;
		if (size == chunk || size == chunk + GLIBC_CHUNK_ALIGN)
			return &glibc_cache_layouts[i];
	}
	return NULL;
}

static size_t bytes_of(const struct glibc_cache_layout *l)
{
	return (size_t)l->bins * (l->count + WORD);
}

size_t glibc_lists_cache_bytes(uint64_t size)
{
	const struct glibc_cache_layout *l = layout_of(size);
	return l ? bytes_of(l) : 0;
}

static unsigned count_at(const struct glibc_cache_layout *l, const unsigned char *p, unsigned bin)
{
	return l->count == 1 ? p[bin] : load_u16(p + (size_t)bin * 2);
}

static uint64_t entry_at(const struct glibc_cache_layout *l, const unsigned char *p, unsigned bin)
{
	return load_u64(p + (size_t)l->bins * l->count + (size_t)bin * WORD);
}

/* Is that a pointer to a block in some heap? */
static const struct glibc_region *block_in(const struct glibc_heaps *h, uint64_t block)
{
	if (block % GLIBC_CHUNK_ALIGN || block < GLIBC_CHUNK_HEAD)
		return NULL;
	const struct glibc_region *r = glibc_region_at(h, block);
	return r && block - GLIBC_CHUNK_HEAD >= r->first && block < r->end ? r : NULL;
}

void glibc_lists_offer(struct glibc_lists *l, const struct glibc_chunk *chunk, const unsigned char *contents)
{
	const struct glibc_cache_layout *layout = layout_of(chunk->size);
	bool any = false;
	for (unsigned i = 0; layout && i < layout->bins; i++) {
		uint64_t entry = entry_at(layout, contents, i);
		if (entry && !block_in(l->h, entry))
			return;
		if (entry && !layout->slots && !count_at(layout, contents, i))
			return;
		any |= entry != 0;
	}
	if (!any)
		return;
	if (l->caches.n == CACHES_MAX)
		l->cut = true;
	else
		*vec_push(&l->caches) = (struct glibc_cache){ chunk->addr + GLIBC_CHUNK_HEAD, layout };
}

/* ---- lists ---- */

struct list {
	struct glibc_lists *l;
	struct memsrc *src;
	uint64_t size; /* of chunks, 0: of any */
	uint64_t max;  /* entries */
	enum glibc_state state;
	glibc_chunk_fn fn;
	void *ctx;
};

/* The pointer that stands at `at`: plain, or hidden by its own place. *ok false: neither leads anywhere. */
static uint64_t reveal(const struct glibc_heaps *h, uint64_t at, uint64_t word, uint64_t less, bool *ok)
{
	uint64_t shown = word ^ at >> PAGE_BITS;
	*ok = true;
	if (!shown || block_in(h, shown + less))
		return shown;
	if (!word || block_in(h, word + less))
		return word;
	*ok = false;
	return 0;
}

/* The chunk of a block, as a list has it. `link` is where its pointer to the next one stands: at the block's start. */
static bool read_entry(const struct list *s, uint64_t block, struct glibc_chunk *chunk, uint64_t *word)
{
	unsigned char head[GLIBC_CHUNK_HEAD + WORD];
	const struct glibc_region *r = block_in(s->l->h, block);
	if (!r || !memsrc_read(s->src, block - GLIBC_CHUNK_HEAD, head, sizeof(head)))
		return false;
	uint64_t size = load_u64(head + 8) & ~(uint64_t)GLIBC_FLAGS, at = block - GLIBC_CHUNK_HEAD;
	if (size < GLIBC_CHUNK_MIN || size > r->end - at || (s->size && size != s->size))
		return false;
	*chunk = (struct glibc_chunk){ at, size, (uint32_t)(r - s->l->h->regions.v), s->state };
	*word = load_u64(head + GLIBC_CHUNK_HEAD);
	return true;
}

/*
 * Follow a list from `first` (a chunk when `less` is the head's length, a block when it is 0). A circle, as a target that
 * changes may show, is left when the place that is moved ahead by powers of two comes again.
 */
static bool follow(const struct list *s, uint64_t first, uint64_t less)
{
	uint64_t mark = 0, n = 0, next_mark = 1;
	for (uint64_t at = first; at; n++) {
		struct glibc_chunk chunk;
		uint64_t word = 0;
		bool ok = false;
		if (n == s->max || at == mark || !read_entry(s, at + less, &chunk, &word))
			return false;
		if (n == next_mark) {
			mark = at;
			next_mark *= 2;
		}
		s->fn(s->ctx, &chunk);
		at = reveal(s->l->h, at + less, word, less, &ok);
		if (!ok)
			return false;
	}
	return true;
}

static bool read_fast(struct list s, const struct glibc_arena *a)
{
	const struct glibc_arena_layout *layout = s.l->g->v[a->malloc].arena;
	bool whole = true;
	s.state = GLIBC_FAST;
	s.max = FAST_MAX;
	for (unsigned i = 0; i < layout->n_fast; i++) {
		uint64_t first = memsrc_ptr(s.src, a->addr + layout->fast + (uint64_t)i * WORD);
		s.size = GLIBC_CHUNK_MIN + (uint64_t)i * GLIBC_CHUNK_ALIGN;
		whole &= follow(&s, first, GLIBC_CHUNK_HEAD);
	}
	return whole;
}

static bool read_cache(struct list s, const struct glibc_cache *c)
{
	unsigned char record[CACHE_BYTES_MAX];
	bool whole = true;
	if (!memsrc_read(s.src, c->addr, record, bytes_of(c->layout)))
		return false;
	s.state = GLIBC_CACHED;
	for (unsigned i = 0; i < c->layout->bins; i++) {
		unsigned count = count_at(c->layout, record, i);
		s.size = i < c->layout->same ? GLIBC_CHUNK_MIN + (uint64_t)i * GLIBC_CHUNK_ALIGN : 0;
		s.max = c->layout->slots ? COUNT_MAX : count;
		whole &= follow(&s, entry_at(c->layout, record, i), 0);
	}
	return whole;
}

bool glibc_lists_read(struct glibc_lists *l, glibc_chunk_fn fn, void *ctx)
{
	struct memcache cache AUTO(memcache);
	memcache_init_sized(&cache, l->g->where.src, MEMCACHE_BLOCK, CACHE_BLOCKS);
	const struct list s = { .l = l, .src = &cache.src, .fn = fn, .ctx = ctx };
	bool whole = !l->cut;
	for (size_t i = 0; i < l->h->arenas.n; i++)
		whole &= read_fast(s, &l->h->arenas.v[i]);
	for (size_t i = 0; i < l->caches.n; i++)
		whole &= read_cache(s, &l->caches.v[i]);
	return whole;
}
