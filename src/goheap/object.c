/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/object.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/num.h"
#include "gort/census.h"

enum {
	BATCH = 16384, /* spans whose bits are read together */
	WORDS = GORT_MARKS_MAX / 8,
	INLINE_MIN = 16, /* sizes of objects in spans with marks inside (green tea) */
	INLINE_MAX = GORT_HEADER_OVER,
};

static const uint64_t BITS_MAX = UINT64_C(1) << 29; /* bytes of 2^32 bits */

/* ---- places ---- */

/*
 * A quotient by multiplication is exact as long as (largest offset) * size < 2^32, which holds for all spans of the
 * runtime; one of another shape is made up or torn.
 */
static bool small_shape(const struct gort_span *s, uint64_t size)
{
	return gort_span_bytes(s) * size < UINT64_C(1) << 32 && s->nelems && s->nelems <= GORT_MARKS_MAX * 8u &&
	       s->nelems * size <= gort_span_bytes(s);
}

static bool place_init(const struct gort_span *s, bool headers, struct goheap_place *p)
{
	uint64_t size = gort_span_elemsize(s);
	bool noscan = s->spanclass & 1, large = s->flags & GORT_SPAN_LARGE;
	p->start = s->start;
	p->flags = (noscan ? GOHEAP_PLACE_NOSCAN : 0) |
		   (headers && !noscan && !large && size > GORT_HEADER_OVER ? GOHEAP_PLACE_HEADER : 0);
	p->slots = 1;
	if (large)
		return true;
	if (!small_shape(s, size))
		return false;
	p->size = (uint32_t)size;
	p->slots = s->nelems;
	p->magic = (uint32_t)(UINT32_MAX / size + 1);
	return true;
}

/* Which pages are spans with marks inside, one bit a page of an arena; false: there are none. */
static bool read_inline(const struct goheap_objects *o, const struct gort_arena *a, uint8_t *bits)
{
	struct gort_offset table = o->g->layout->f[GORT_heapArena_pageUseSpanInlineMarkBits];
	return table.off >= 0 && table.size >= GORT_ARENA_PAGES / 8 && a->meta &&
	       memsrc_read(o->g->src, a->meta + (uint64_t)table.off, bits, GORT_ARENA_PAGES / 8);
}

static bool is_inline(const struct goheap_place *p, const uint8_t *bits, uint64_t page)
{
	return p->magic && p->size >= INLINE_MIN && p->size <= INLINE_MAX && bits[page / 8] >> (page % 8) & 1;
}

/* The spans that begin in an arena, by address. */
static void place_arena(struct goheap_objects *o, const struct gort_arena *a, bool headers)
{
	uint8_t bits[GORT_ARENA_PAGES / 8];
	bool has_inline = read_inline(o, a, bits);
	for (uint64_t page = 0; a->owner && page < GORT_ARENA_PAGES; page++) {
		uint32_t at = a->owner[page];
		if (!at || at > o->heap->spans.n)
			continue;
		const struct gort_span *s = &o->heap->spans.v[at - 1];
		struct goheap_place *p = &o->places[at - 1];
		if (s->start != a->base + page * GORT_PAGE || s->state != GORT_SPAN_HEAP)
			continue;
		if (!place_init(s, headers, p)) {
			o->refused_spans++;
			continue;
		}
		if (has_inline && is_inline(p, bits, page))
			p->flags |= GOHEAP_PLACE_INLINE;
		*vec_push(&o->spans) = (struct goheap_slots){ .span = at - 1 };
		page += num_min(s->npages, GORT_ARENA_PAGES) - 1;
	}
}

/* Numbers for the slots of one sort of spans, those with pointers or those without; `n` slots have one already. */
static uint64_t number(struct goheap_objects *o, const struct goheap_slots_vec *all, uint32_t noscan, uint64_t n)
{
	for (size_t i = 0; i < all->n; i++) {
		struct goheap_place *p = &o->places[all->v[i].span];
		if ((p->flags & GOHEAP_PLACE_NOSCAN) != noscan)
			continue;
		if (n < UINT32_MAX) {
			p->first = (uint32_t)n;
			o->first[all->v[i].span] = p->first;
			*vec_push(&o->spans) = (struct goheap_slots){ p->first, all->v[i].span };
		}
		n += p->slots;
	}
	return n;
}

static struct err *number_all(struct goheap_objects *o)
{
	struct goheap_slots_vec all = o->spans;
	o->spans = (struct goheap_slots_vec){ 0 };
	vec_reserve(&o->spans, all.n);
	uint64_t inner = number(o, &all, 0, 0), n = number(o, &all, GOHEAP_PLACE_NOSCAN, inner);
	vec_deinit(&all);
	if (n >= UINT32_MAX)
		return err_new(ERR_LIMIT, "the heap has %llu slots, more than can be numbered", (unsigned long long)n);
	o->n_inner = (uint32_t)inner;
	o->n = (uint32_t)n;
	return NULL;
}

/* ---- tables for lookups ---- */

/* Addresses go from 2^63 up to 2^64 and on from 0: that is the order in which the runtime numbers arenas. */
static void index_arenas(struct goheap_objects *o)
{
	const struct gort_arena_vec *a = &o->heap->arenas;
	const uint64_t middle = UINT64_C(1) << 63;
	uint64_t lo = UINT64_MAX, hi = 0;
	for (size_t i = 0; i < a->n; i++) {
		lo = num_min(lo, a->v[i].base + middle);
		hi = num_max(hi, a->v[i].base + middle);
	}
	if (!a->n)
		return;
	o->owner_base = lo - middle;
	o->owner_n = (hi - lo) / GORT_ARENA_BYTES + 1;
	o->owner = xcalloc(o->owner_n, sizeof(const uint32_t *)); /* 2^22 at most: gort_heap_read() saw to that */
	for (size_t i = 0; i < a->n; i++)
		o->owner[(a->v[i].base - o->owner_base) / GORT_ARENA_BYTES] = a->v[i].owner;
}

static void index_numbers(struct goheap_objects *o)
{
	size_t n = (o->n >> GOHEAP_COARSE_SHIFT) + 1;
	o->coarse = xcalloc(n, sizeof(*o->coarse));
	for (size_t i = 0, k = 0; i < n; i++) {
		while (k + 1 < o->spans.n && o->spans.v[k + 1].first <= i << GOHEAP_COARSE_SHIFT)
			k++;
		o->coarse[i] = (uint32_t)k;
	}
}

/* ---- allocation bits ---- */

static void set_bits(uint64_t *bits, uint64_t first, uint64_t n)
{
	for (uint64_t i = first; i < first + n;) {
		uint64_t some = num_min(64 - i % 64, first + n - i);
		bits[i / 64] |= (some == 64 ? UINT64_MAX : (UINT64_C(1) << some) - 1) << i % 64;
		i += some;
	}
}

/* The same for those bits of `from` that are set. */
static void or_bits(uint64_t *bits, uint64_t first, const uint64_t *from, uint64_t n)
{
	for (uint64_t i = 0; i < n; i += 64) {
		uint64_t w = from[i / 64], at = first + i;
		if (n - i < 64)
			w &= (UINT64_C(1) << (n - i)) - 1;
		bits[at / 64] |= w << at % 64;
		if (at % 64 && w >> (64 - at % 64))
			bits[at / 64 + 1] |= w >> (64 - at % 64);
	}
}

/* Spans whose bits are read together. */
struct bit_batch {
	uint64_t at[BATCH], bits[BATCH * WORDS];
	uint32_t span[BATCH];
	bool ok[BATCH];
	size_t n;
};

static void read_bits(const struct goheap_objects *o, struct bit_batch *b)
{
	memsrc_gather(o->g->src, b->at, b->n, GORT_MARKS_MAX, b->bits, b->ok);
	for (size_t i = 0; i < b->n; i++) {
		uint64_t *bits = b->bits + i * WORDS;
		uint32_t slots = o->places[b->span[i]].slots;
		if (!b->ok[i]) /* the last bits of a block: shorter than GORT_MARKS_MAX */
			b->ok[i] = b->at[i] && memsrc_read(o->g->src, b->at[i], bits, (slots + 7) / 8);
		for (size_t w = 0; w < WORDS; w++)
			bits[w] = load_u64(&bits[w]);
	}
}

/* Slot i is allocated when it is below freeindex, or its bit is set. */
static void take_allocated(struct goheap_objects *o, struct bit_batch *b)
{
	read_bits(o, b);
	for (size_t i = 0; i < b->n; i++) {
		struct goheap_place *p = &o->places[b->span[i]];
		if (b->ok[i]) {
			or_bits(o->allocated, p->first, b->bits + i * WORDS, p->slots);
			continue;
		}
		p->flags |= GOHEAP_PLACE_GUESSED;
		o->guessed_spans++;
		set_bits(o->allocated, p->first, p->slots);
	}
	b->n = 0;
}

static void read_allocated(struct goheap_objects *o, struct bit_batch *b)
{
	for (size_t k = 0; k < o->spans.n; k++) {
		const struct gort_span *s = &o->heap->spans.v[o->spans.v[k].span];
		const struct goheap_place *p = &o->places[o->spans.v[k].span];
		uint64_t known = s->alloc_count >= p->slots ? p->slots : num_min(s->freeindex, p->slots);
		set_bits(o->allocated, p->first, known);
		if (known == p->slots)
			continue;
		b->at[b->n] = s->alloc_bits;
		b->span[b->n++] = o->spans.v[k].span;
		if (b->n == BATCH)
			take_allocated(o, b);
	}
	take_allocated(o, b);
}

static void take_dead(struct goheap_objects *o, struct bit_batch *b)
{
	read_bits(o, b);
	for (size_t i = 0; i < b->n; i++) {
		const struct goheap_place *p = &o->places[b->span[i]];
		uint64_t *bits = b->bits + i * WORDS;
		for (size_t w = 0; w < WORDS; w++)
			bits[w] = ~bits[w];
		if (b->ok[i])
			or_bits(o->dead, p->first, bits, p->slots);
	}
	b->n = 0;
}

static void read_dead(struct goheap_objects *o, struct bit_batch *b)
{
	for (size_t i = 0; i < o->heap->unswept.n; i++) {
		uint32_t span = o->heap->unswept.v[i].span;
		struct gort_span s = o->heap->spans.v[span];
		if (o->first[span] == GOHEAP_NONE)
			continue;
		if (o->places[span].flags & GOHEAP_PLACE_INLINE)
			s.flags |= GORT_SPAN_INLINE_MARKS;
		b->at[b->n] = gort_span_marks(&s);
		b->span[b->n++] = span;
		if (b->n == BATCH)
			take_dead(o, b);
	}
	take_dead(o, b);
}

static void count(struct goheap_objects *o)
{
	for (size_t k = 0; k < o->spans.n; k++) {
		const struct goheap_place *p = &o->places[o->spans.v[k].span];
		uint64_t n = 0;
		for (uint64_t i = p->first; i < (uint64_t)p->first + p->slots;) {
			uint64_t some = num_min(64 - i % 64, (uint64_t)p->first + p->slots - i);
			uint64_t w = o->allocated[i / 64] >> i % 64;
			n += (uint64_t)__builtin_popcountll(some == 64 ? w : w & ((UINT64_C(1) << some) - 1));
			i += some;
		}
		o->allocated_objects += n;
		o->allocated_bytes += n * gort_span_elemsize(&o->heap->spans.v[o->spans.v[k].span]);
	}
}

/* ---- the whole ---- */

static struct err *init(struct goheap_objects *o)
{
	const struct gort_heap *heap = o->heap;
	o->places = xcalloc(heap->spans.n + 1, sizeof(*o->places));
	o->first = xmalloc((heap->spans.n + 1) * sizeof(*o->first));
	for (size_t i = 0; i < heap->spans.n; i++)
		o->places[i].first = o->first[i] = GOHEAP_NONE;
	for (size_t i = 0; i < heap->arenas.n; i++)
		place_arena(o, &heap->arenas.v[i], gort_census_headers(o->g));
	TRY(number_all(o));
	index_arenas(o);
	index_numbers(o);
	size_t words = (size_t)o->n / 64 + 2;
	TRY(alloc_checked(words, 8, BITS_MAX, &o->allocated));
	AUTO_FREE struct bit_batch *b = xmalloc(sizeof(*b));
	b->n = 0;
	read_allocated(o, b);
	if (heap->unswept.n) {
		TRY(alloc_checked(words, 8, BITS_MAX, &o->dead));
		read_dead(o, b);
	}
	count(o);
	return NULL;
}

struct err *goheap_objects_init(const struct gort *g, const struct gort_heap *heap, struct goheap_objects *ret)
{
	*ret = (struct goheap_objects){ .g = g, .heap = heap };
	struct err *err = init(ret);
	if (err)
		goheap_objects_deinit(ret);
	return err;
}

void goheap_objects_deinit(struct goheap_objects *o)
{
	vec_deinit(&o->spans);
	free(o->first);
	free(o->allocated);
	free(o->dead);
	free(o->places);
	free(o->owner);
	free(o->coarse);
	*o = (struct goheap_objects){ 0 };
}

static struct goheap_object_at slot_at(const struct goheap_objects *o, uint32_t span, uint32_t n, uint64_t offset)
{
	const struct goheap_place *p = &o->places[span];
	return (struct goheap_object_at){
		.number = n,
		.span = span,
		.start = p->start + (uint64_t)(n - p->first) * p->size,
		.size = p->size ? p->size : gort_span_bytes(&o->heap->spans.v[span]),
		.offset = offset,
		.allocated = goheap_object_allocated(o, n),
	};
}

bool goheap_object_find(const struct goheap_objects *o, uint64_t addr, struct goheap_object_at *ret)
{
	uint32_t span = goheap_object_span(o, addr);
	if (span == GOHEAP_NONE)
		return false;
	uint64_t offset = 0;
	uint32_t n = goheap_object_slot(&o->places[span], addr, &offset);
	if (n == GOHEAP_NONE)
		return false;
	*ret = slot_at(o, span, n, offset);
	return true;
}

struct goheap_object_at goheap_object_get(const struct goheap_objects *o, uint32_t number)
{
	size_t lo = o->coarse[number >> GOHEAP_COARSE_SHIFT], hi = o->spans.n;
	if ((uint64_t)(number >> GOHEAP_COARSE_SHIFT) + 1 <= o->n >> GOHEAP_COARSE_SHIFT)
		hi = o->coarse[(number >> GOHEAP_COARSE_SHIFT) + 1] + (size_t)1;
	while (hi - lo > 1) { /* the last span that begins at or before it */
		size_t mid = lo + (hi - lo) / 2;
		if (o->spans.v[mid].first <= number)
			lo = mid;
		else
			hi = mid;
	}
	return slot_at(o, o->spans.v[lo].span, number, 0);
}

uint64_t goheap_object_header(const struct goheap_objects *o, uint32_t span)
{
	return o->places[span].flags & GOHEAP_PLACE_HEADER ? 8 : 0;
}
