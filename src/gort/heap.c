/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/heap.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bisect.h"
#include "base/cursor.h"
#include "base/num.h"
#include "gort/stats.h"

enum {
	SPANS_MAX = 64 << 20, /* 512 GiB of 8 kB spans */
	ARENAS_MAX = 1 << 22, /* the index has this many entries on amd64 */
	ARENAS_MIN = 1 << 21, /* those before are of addresses that no process has */
	UNLISTED_MAX = 4096,  /* arenas that only the index knows */
	BATCH = 4096,	      /* spans copied at a time */
	INLINE_MIN = 16,      /* sizes of objects in spans with marks inside (green tea) */
	INLINE_MAX = 512,
	CLOSE_ENOUGH_SHIFT =
		7, /* a walk within 1 % of the counter needs no second one: that takes longer than it helps */
};

static const uint64_t ARENA_OFFSET = UINT64_C(0xffff800000000000);

/* ---- arenas ---- */

static int by_base(const void *a, const void *b)
{
	const struct gort_arena *x = a, *y = b;
	return x->base < y->base ? -1 : x->base > y->base;
}

static struct err *read_arenas(const struct gort *g, struct gort_heap *h)
{
	const struct gort_layout *l = g->layout;
	uint64_t mheap = gort_var(g, GORT_VAR_MHEAP);
	enum gort_field list = gort_has(l, GORT_mheap_heapArenas) ? GORT_mheap_heapArenas : GORT_mheap_allArenas;
	uint64_t ptr = memsrc_ptr(g->src, gort_at(l, mheap, list));
	uint64_t n = memsrc_ptr(g->src, gort_at(l, mheap, list) + 8);
	uint64_t l2 = memsrc_ptr(g->src, gort_at(l, mheap, GORT_mheap_arenas));
	if (!ptr || !l2 || n > ARENAS_MAX)
		return err_new(ERR_FORMAT, "the list of heap arenas is damaged (%llu entries)", (unsigned long long)n);
	AUTO_FREE uint64_t *index = NULL; /* arenaIdx is a uint */
	TRY(alloc_checked(n, sizeof(*index), ARENAS_MAX * sizeof(*index), &index));
	if (n && !memsrc_read(g->src, ptr, index, n * sizeof(*index)))
		return memsrc_fault(ptr, n * sizeof(*index), "the list of heap arenas");
	for (uint64_t i = 0; i < n; i++) {
		if (index[i] < ARENAS_MIN || index[i] >= ARENAS_MAX)
			return err_new(ERR_FORMAT, "heap arena %llu is outside the address space",
				       (unsigned long long)index[i]);
		struct gort_arena *a = vec_push(&h->arenas);
		a->base = (index[i] << 26) + ARENA_OFFSET;
		a->meta = memsrc_ptr(g->src, l2 + index[i] * 8);
	}
	h->l2 = l2;
	vec_sort(&h->arenas, by_base);
	return NULL;
}

const struct gort_arena *gort_heap_arena(const struct gort_heap *h, uint64_t addr)
{
	size_t lo = bisect(h->arenas.n, i, h->arenas.v[i].base + GORT_ARENA_BYTES <= addr);
	return lo < h->arenas.n && h->arenas.v[lo].base <= addr ? &h->arenas.v[lo] : NULL;
}

/* An arena that is not in the list but in the index: one of user arenas, or newer than the list. */
static const struct gort_arena *unlisted(struct gort_heap *h, uint64_t addr)
{
	uint64_t index = (addr - ARENA_OFFSET) >> 26;
	uint64_t meta = h->l2 && index >= ARENAS_MIN && index < ARENAS_MAX && h->unlisted < UNLISTED_MAX
				? memsrc_ptr(h->g->src, h->l2 + index * 8)
				: 0;
	if (!meta)
		return NULL;
	h->unlisted++;
	*vec_push(&h->arenas) = (struct gort_arena){ .base = addr - addr % GORT_ARENA_BYTES, .meta = meta };
	vec_sort(&h->arenas, by_base);
	return gort_heap_arena(h, addr);
}

/* The table entry of a page; a table is made when the first span of its arena is entered. */
static uint32_t *owner_at(struct gort_heap *h, uint64_t addr)
{
	const struct gort_arena *found = gort_heap_arena(h, addr);
	if (!found)
		found = unlisted(h, addr);
	if (!found)
		return NULL;
	struct gort_arena *a = &h->arenas.v[found - h->arenas.v];
	if (!a->owner)
		a->owner = xcalloc(GORT_ARENA_PAGES, sizeof(*a->owner));
	return &a->owner[(addr - a->base) / GORT_PAGE];
}

/* ---- spans ---- */

static unsigned sweep_flags(const struct gort_heap *h, uint32_t sweepgen)
{
	uint32_t ahead = sweepgen - h->sweepgen;
	/* -2 needs sweeping, -1 is being swept, +1 was cached before the sweep began */
	return ahead == (uint32_t)-2 || ahead == (uint32_t)-1 || ahead == 1 ? GORT_SPAN_UNSWEPT : 0;
}

/* Take one copied mspan; false when it is no span that is in use. */
static bool take_span(const struct gort_heap *h, const void *rec, struct gort_span *s)
{
	const struct gort_layout *l = h->g->layout;
	size_t len = gort_sizeof(l, GORT_mspan_SIZEOF);
	uint64_t npages = gort_load(l, rec, len, GORT_mspan_npages);
	*s = (struct gort_span){
		.start = gort_load(l, rec, len, GORT_mspan_startAddr),
		.npages = (uint32_t)npages,
		.alloc_bits = gort_load(l, rec, len, GORT_mspan_allocBits),
		.mark_bits = gort_load(l, rec, len, GORT_mspan_gcmarkBits),
		.nelems = (uint16_t)gort_load(l, rec, len, GORT_mspan_nelems),
		.freeindex = (uint16_t)gort_load(l, rec, len, GORT_mspan_freeindex),
		.alloc_count = (uint16_t)gort_load(l, rec, len, GORT_mspan_allocCount),
		.spanclass = (uint8_t)gort_load(l, rec, len, GORT_mspan_spanclass),
		.state = (uint8_t)gort_load(l, rec, len, GORT_mspan_state),
	};
	if ((s->state != GORT_SPAN_HEAP && s->state != GORT_SPAN_MANUAL) || !npages || npages > UINT32_MAX)
		return false;
	if (s->state == GORT_SPAN_MANUAL) {
		/* mspan.init clears elemsize; only stack code sets it */
		s->flags = gort_load(l, rec, len, GORT_mspan_elemsize) ? GORT_SPAN_STACK : 0;
		return true;
	}
	s->flags = (uint8_t)sweep_flags(h, (uint32_t)gort_load(l, rec, len, GORT_mspan_sweepgen));
	if (!(s->spanclass >> 1) || s->spanclass >> 1 >= GORT_SIZE_CLASSES)
		s->flags |= GORT_SPAN_LARGE;
	if (!gort_has(l, GORT_heapArena_bitmap) && gort_load(l, rec, len, GORT_mspan_isUserArenaChunk) & 1 &&
	    s->flags & GORT_SPAN_LARGE && npages > 1)
		s->flags |= GORT_SPAN_RESERVED;
	return true;
}

/*
 * Enter a span in the page tables. A page that another span holds was given on while we walked: the later look is the
 * true one, so the earlier span is stale as a whole.
 */
static bool place_span(struct gort_heap *h, const struct gort_span *s, uint32_t index)
{
	bool placed = false;
	for (uint32_t i = 0; i < s->npages; i++) {
		uint32_t *owner = owner_at(h, s->start + (uint64_t)i * GORT_PAGE);
		if (!owner)
			return placed; /* outside every arena: torn, or grown since */
		if (*owner && *owner != index + 1) {
			h->overlap_bytes += GORT_PAGE;
			h->spans.v[*owner - 1].state = GORT_SPAN_DEAD;
		}
		*owner = index + 1;
		placed = true;
	}
	return placed;
}

static void count_span(struct gort_heap *h, const struct gort_span *s)
{
	if (s->state == GORT_SPAN_DEAD)
		return;
	if (s->state == GORT_SPAN_MANUAL) {
		*(s->flags & GORT_SPAN_STACK ? &h->stack_bytes : &h->work_buf_bytes) += gort_span_bytes(s);
		return;
	}
	h->heap_bytes += gort_span_bytes(s);
	h->objects += s->alloc_count;
	h->object_bytes += s->alloc_count * gort_span_elemsize(s);
}

static void take_batch(struct gort_heap *h, const uint64_t *addrs, size_t n, void *recs, bool *ok)
{
	size_t size = gort_sizeof(h->g->layout, GORT_mspan_SIZEOF);
	memsrc_gather(h->g->src, addrs, n, size, recs, ok);
	for (size_t i = 0; i < n; i++) {
		claim_add(&h->structs, addrs[i], addrs[i] + size, CLASS_GO_META_SPANS, 0);
		struct gort_span s;
		if (!ok[i] || !take_span(h, (char *)recs + i * size, &s) || s.start % GORT_PAGE)
			continue;
		if (!place_span(h, &s, (uint32_t)h->spans.n))
			continue;
		if (s.flags & GORT_SPAN_UNSWEPT)
			*vec_push(&h->unswept) = (struct gort_unswept){ (uint32_t)h->spans.n, addrs[i] };
		*vec_push(&h->spans) = s;
		*vec_push(&h->mspans) = addrs[i];
	}
}

static struct err *walk_spans(struct gort_heap *h, uint64_t list, uint64_t n)
{
	size_t size = gort_sizeof(h->g->layout, GORT_mspan_SIZEOF);
	AUTO_FREE uint64_t *addrs = xmalloc(BATCH * sizeof(*addrs));
	AUTO_FREE void *recs = xmalloc(BATCH * size);
	AUTO_FREE bool *ok = xmalloc(BATCH * sizeof(*ok));
	vec_reserve(&h->spans, n);
	vec_reserve(&h->mspans, n);
	for (uint64_t at = 0; at < n; at += BATCH) {
		size_t some = (size_t)num_min(BATCH, n - at);
		if (!memsrc_read(h->g->src, list + at * 8, addrs, some * 8))
			return memsrc_fault(list + at * 8, some * 8, "the list of spans");
		take_batch(h, addrs, some, recs, ok);
	}
	return NULL;
}

/* ---- marks ---- */

static bool inline_marks(struct gort_heap *h, const struct gort_span *s)
{
	const struct gort_layout *l = h->g->layout;
	struct gort_offset table = l->f[GORT_heapArena_pageUseSpanInlineMarkBits];
	uint64_t elem = gort_span_elemsize(s);
	if (table.off < 0 || table.size < GORT_ARENA_PAGES / 8 || s->npages != 1 || s->flags & GORT_SPAN_LARGE ||
	    elem < INLINE_MIN || elem > INLINE_MAX)
		return false;
	const struct gort_arena *found = gort_heap_arena(h, s->start);
	if (!found || !found->meta)
		return false;
	struct gort_arena *a = &h->arenas.v[found - h->arenas.v];
	if (!a->inline_marks) {
		a->inline_marks = xcalloc(1, GORT_ARENA_PAGES / 8);
		if (!memsrc_read(h->g->src, a->meta + (uint64_t)table.off, a->inline_marks, GORT_ARENA_PAGES / 8))
			memset(a->inline_marks, 0, GORT_ARENA_PAGES / 8);
	}
	uint64_t page = (s->start - a->base) / GORT_PAGE;
	return a->inline_marks[page / 8] >> (page % 8) & 1;
}

static unsigned count_bits(const unsigned char *bits, unsigned n)
{
	unsigned count = 0;
	for (unsigned i = 0; i < n / 8; i++)
		count += (unsigned)__builtin_popcount(bits[i]);
	if (n % 8)
		count += (unsigned)__builtin_popcount(bits[n / 8] & ((1u << n % 8) - 1));
	return count;
}

/* What a batch of unswept spans is counted with: their marks, and a second look at their structures. */
struct marks_batch {
	uint64_t bits_at[BATCH], mspan[BATCH];
	uint32_t span[BATCH];
	bool bits_ok[BATCH], rec_ok[BATCH];
	unsigned char bits[BATCH * GORT_MARKS_MAX];
	size_t n;
};

static void count_one(struct gort_heap *h, const struct marks_batch *b, size_t i, const void *rec)
{
	struct gort_span *s = &h->spans.v[b->span[i]], now;
	if (!b->rec_ok[i])
		return;
	if (!take_span(h, rec, &now) || now.start != s->start || now.state != s->state)
		s->live = 0; /* swept, and nothing was left of it */
	else if (!(now.flags & GORT_SPAN_UNSWEPT))
		s->live = (uint16_t)num_min(now.alloc_count, s->alloc_count);
	else if (b->bits_ok[i])
		s->live = (uint16_t)num_min(count_bits(b->bits + i * GORT_MARKS_MAX, s->nelems), s->alloc_count);
	else
		return;
	s->flags |= GORT_SPAN_MARKS_KNOWN;
}

static void count_batch(struct gort_heap *h, struct marks_batch *b)
{
	size_t size = gort_sizeof(h->g->layout, GORT_mspan_SIZEOF);
	AUTO_FREE unsigned char *recs = xmalloc(BATCH * size);
	memsrc_gather(h->g->src, b->bits_at, b->n, GORT_MARKS_MAX, b->bits, b->bits_ok);
	for (size_t i = 0; i < b->n; i++) {
		if (!b->bits_ok[i]) /* the last bits of a block: shorter than GORT_MARKS_MAX */
			b->bits_ok[i] = memsrc_read(h->g->src, b->bits_at[i], b->bits + i * GORT_MARKS_MAX,
						    (h->spans.v[b->span[i]].nelems + 7u) / 8);
	}
	memsrc_gather(h->g->src, b->mspan, b->n, size, recs, b->rec_ok);
	for (size_t i = 0; i < b->n; i++)
		count_one(h, b, i, recs + i * size);
	b->n = 0;
}

void gort_heap_marks(struct gort_heap *h)
{
	AUTO_FREE struct marks_batch *b = xmalloc(sizeof(*b));
	b->n = 0;
	for (size_t i = 0; i < h->unswept.n; i++) {
		struct gort_span *s = &h->spans.v[h->unswept.v[i].span];
		if (s->state != GORT_SPAN_HEAP || s->nelems > GORT_MARKS_MAX * 8)
			continue;
		if (inline_marks(h, s))
			s->flags |= GORT_SPAN_INLINE_MARKS;
		b->bits_at[b->n] = gort_span_marks(s);
		b->mspan[b->n] = h->unswept.v[i].mspan;
		b->span[b->n++] = h->unswept.v[i].span;
		if (b->n == BATCH)
			count_batch(h, b);
	}
	count_batch(h, b);
}

/* ---- one look, and the best of several ---- */

static void clear(struct gort_heap *h)
{
	for (size_t i = 0; i < h->arenas.n; i++) {
		free(h->arenas.v[i].owner);
		free(h->arenas.v[i].inline_marks);
	}
	vec_deinit(&h->unswept);
	vec_deinit(&h->arenas);
	vec_deinit(&h->spans);
	vec_deinit(&h->mspans);
	vec_deinit(&h->structs);
}

void gort_heap_deinit(struct gort_heap *h)
{
	clear(h);
	*h = (struct gort_heap){ 0 };
}

static uint64_t distance(uint64_t v, uint64_t lo, uint64_t hi)
{
	return v < lo ? lo - v : num_sub(v, hi);
}

static struct err *walk(const struct gort *g, struct gort_heap *h)
{
	const struct gort_layout *l = g->layout;
	uint64_t mheap = gort_var(g, GORT_VAR_MHEAP);
	*h = (struct gort_heap){ .g = g };
	TRY(read_arenas(g, h));
	if (!memsrc_u32(g->src, gort_at(l, mheap, GORT_mheap_sweepgen), &h->sweepgen))
		return memsrc_fault(gort_at(l, mheap, GORT_mheap_sweepgen), 4, "the heap's sweep generation");
	uint64_t at = gort_at(l, mheap, GORT_mheap_allspans);
	h->in_use_before = gort_stats_heap_in_use(g);
	h->allspans = memsrc_ptr(g->src, at);
	uint64_t n = memsrc_ptr(g->src, at + 8);
	h->allspans_cap = memsrc_ptr(g->src, at + 16);
	if (!h->allspans || n > SPANS_MAX || n > h->allspans_cap)
		return err_new(ERR_FORMAT, "the list of spans is damaged (%llu entries)", (unsigned long long)n);
	TRY(walk_spans(h, h->allspans, n));
	h->in_use_after = gort_stats_heap_in_use(g);
	for (size_t i = 0; i < h->spans.n; i++)
		count_span(h, &h->spans.v[i]);
	uint64_t lo = num_min(h->in_use_before, h->in_use_after), hi = num_max(h->in_use_before, h->in_use_after);
	h->error_bound = distance(h->heap_bytes, lo, hi) + (hi - lo) + h->overlap_bytes;
	return NULL;
}

struct err *gort_heap_read(const struct gort *g, unsigned max_walks, struct gort_heap *ret)
{
	struct gort_heap best = { 0 };
	for (unsigned i = 0; i < max_walks; i++) {
		struct gort_heap h = { 0 };
		struct err *err = walk(g, &h);
		if (err) {
			gort_heap_deinit(&h);
			if (best.g) { /* an earlier look is better than none */
				err_free(err);
				break;
			}
			return err;
		}
		if (best.g && best.error_bound <= h.error_bound) {
			gort_heap_deinit(&h);
		} else {
			gort_heap_deinit(&best);
			best = h;
		}
		best.walks = i + 1;
		if (best.error_bound <= best.heap_bytes >> CLOSE_ENOUGH_SHIFT)
			break;
	}
	*ret = best;
	return NULL;
}
