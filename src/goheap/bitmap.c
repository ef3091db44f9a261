/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/bitmap.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/num.h"

enum {
	ARENA_WORDS = GORT_ARENA_BYTES / 8,
	BITS_BYTES = ARENA_WORDS / 8,	/* one bit a word */
	PAIRS_BYTES = ARENA_WORDS / 4,	/* two */
	LAST_BYTES = ARENA_WORDS / 512, /* one bit for 64 words */
	PAIR_WORDS = 32,		/* words whose bits are in eight bytes of pairs */
};

bool goheap_bitmap_used(const struct gort *g)
{
	return gort_has(g->layout, GORT_heapArena_bitmap);
}

void goheap_bitmap_init(struct goheap_bitmap *b, const struct gort_heap *heap, struct memsrc *src)
{
	*b = (struct goheap_bitmap){ .heap = heap, .src = src };
	b->pairs = !gort_has(heap->g->layout, GORT_heapArena_noMorePtrs);
}

void goheap_bitmap_deinit(struct goheap_bitmap *b)
{
	free(b->bits);
	free(b->last);
}

static bool read_field(const struct goheap_bitmap *b, uint64_t meta, enum gort_field field, void *to, size_t len)
{
	const struct gort_layout *l = b->heap->g->layout;
	return l->f[field].size == len && memsrc_read(b->src, gort_at(l, meta, field), to, len);
}

static void keep_arena(struct goheap_bitmap *b, uint64_t addr)
{
	size_t len = b->pairs ? PAIRS_BYTES : BITS_BYTES;
	const struct gort_arena *a = gort_heap_arena(b->heap, addr);
	if (!b->bits) {
		b->bits = xmalloc(len);
		b->last = xcalloc(1, LAST_BYTES);
	}
	b->base = addr - addr % GORT_ARENA_BYTES;
	b->known = a && a->meta && read_field(b, a->meta, GORT_heapArena_bitmap, b->bits, len) &&
		   (b->pairs || read_field(b, a->meta, GORT_heapArena_noMorePtrs, b->last, LAST_BYTES));
}

/* The lower halves of eight bytes, one behind the other. */
static uint64_t low_halves(uint64_t w)
{
	w &= UINT64_C(0x0f0f0f0f0f0f0f0f);
	w = (w | w >> 4) & UINT64_C(0x00ff00ff00ff00ff);
	w = (w | w >> 8) & UINT64_C(0x0000ffff0000ffff);
	return (w | w >> 16) & UINT64_C(0xffffffff);
}

static uint64_t low_bits(uint64_t n)
{
	return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

/* A word without "more" is looked at no more, whatever its pointer bit says. */
static void pairs_at(const struct goheap_bitmap *b, uint64_t word, uint64_t *n, uint64_t *bits, bool *more)
{
	uint64_t w = load_u64(b->bits + word / PAIR_WORDS * 8), skip = word % PAIR_WORDS;
	*n = num_min(*n, PAIR_WORDS - skip);
	uint64_t follow = low_halves(w >> 4) >> skip, end = ~follow & low_bits(*n);
	*bits = low_halves(w) >> skip & low_bits(end ? (uint64_t)__builtin_ctzll(end) : *n);
	*more = !end;
}

static void bits_at(const struct goheap_bitmap *b, uint64_t word, uint64_t *n, uint64_t *bits, bool *more)
{
	uint64_t skip = word % 64;
	*n = num_min(*n, 64 - skip);
	*bits = load_u64(b->bits + word / 64 * 8) >> skip & low_bits(*n);
	*more = !(b->last[word / 512] >> (word / 64 % 8) & 1);
}

bool goheap_bitmap_at(struct goheap_bitmap *b, uint64_t addr, uint64_t *n, uint64_t *bits, bool *more)
{
	if (!b->base || addr - b->base >= GORT_ARENA_BYTES)
		keep_arena(b, addr);
	if (!b->known)
		return false;
	(b->pairs ? pairs_at : bits_at)(b, (addr - b->base) / 8, n, bits, more);
	return true;
}
