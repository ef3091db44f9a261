/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/pointers.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/num.h"
#include "base/parallel.h"
#include "goheap/bitmap.h"
#include "goheap/dynamic.h"
#include "goheap/mask.h"
#include "goheap/sweep.h"

enum {
	WORD = 8,
	TINY = 16,
	BATCH = 1024,	     /* pointers that are looked up together */
	KEPT = 256,	     /* types whose masks a worker remembers */
	HAND_OVER = 1 << 20, /* edges: an array so large is handed on, a smaller one copied */
	EDGES_FIRST = 1 << 16,
};

/* Pointers that wait to be looked up. The look-ups of one do not wait for those of another: memory is the slow part. */
struct candidates {
	uint64_t v[BATCH];
	uint32_t from[BATCH]; /* object, within the block */
	uint32_t word[BATCH]; /* of it */
	uint32_t span[BATCH], number[BATCH];
	bool interior[BATCH];
	size_t n;
};

/* What an interface says about a candidate. */
struct told {
	uint32_t candidate;
	uint64_t rtype;
};

struct kept_mask {
	uint64_t type, bytes;
	const struct goheap_mask *mask;
};

struct worker {
	struct candidates c;
	struct told told[BATCH];
	size_t n_told;
	struct graph_edge_vec edges;
	uint32_t *count; /* by object of the block, and one more: edges; in the end handed on as `first` */
	uint32_t lo, hi; /* objects of the block */
	struct goheap_dynamic dynamic;
	struct goheap_bitmap bitmap;
	struct kept_mask kept[KEPT];
	uint32_t large;	     /* span whose windows come one after the other ... */
	bool stopped;	     /* ... and that has no more pointers */
	uint64_t large_type; /* ... and its type */
	struct goheap_seen_vec seen;
	uint64_t n_edges, conservative;
	bool limit;
};

struct reading {
	const struct goheap_objects *o;
	struct graph *graph;
	struct goheap_sweep sweep;
	struct goheap_masks masks;
	struct goheap_dynamic_ranges ranges;
	struct worker *workers[PARALLEL_MAX];
	uint64_t *by_iface;    /* one bit a slot: an interface has told its type */
	uint64_t *torn;	       /* goheap_pointers.torn; a block is whole words of it */
	uint32_t *block_spans; /* by block: index in o->spans of the span that its first slot is in */
	uint64_t heap_lo, heap_len;
	bool bitmaps, headers;
};

/* ---- from pointers to edges ---- */

/* Small values without pointers share such slots: what an interface points to may be the second in one. */
static bool is_shared(const struct goheap_objects *o, uint32_t span)
{
	const struct goheap_place *p = &o->places[span];
	return p->size == TINY && p->flags & GOHEAP_PLACE_NOSCAN;
}

static void tell(struct reading *r, struct worker *w)
{
	for (size_t i = 0; i < w->n_told; i++) {
		uint32_t c = w->told[i].candidate, object = w->c.number[c];
		uint64_t bit = UINT64_C(1) << object % 64;
		if (object == GOHEAP_NONE || (w->c.interior[c] && !is_shared(r->o, w->c.span[c])) ||
		    r->by_iface[object / 64] & bit ||
		    __atomic_fetch_or(&r->by_iface[object / 64], bit, __ATOMIC_RELAXED) & bit)
			continue;
		*vec_push(&w->seen) = (struct goheap_seen){ object, GOHEAP_SEEN_IFACE, w->told[i].rtype };
	}
	w->n_told = 0;
}

/* A page that no span holds: the pointer is older or newer than the look at the spans. */
static bool is_free(const struct goheap_objects *o, uint64_t addr)
{
	uint64_t arena = (addr - o->owner_base) / GORT_ARENA_BYTES;
	if (arena >= o->owner_n || !o->owner[arena])
		return arena < o->owner_n;
	uint32_t span = o->owner[arena][addr % GORT_ARENA_BYTES / GORT_PAGE];
	return !span || o->heap->spans.v[span - 1].state == GORT_SPAN_DEAD;
}

/* An object of this block holds a pointer that leads nowhere. */
static void set_torn(struct reading *r, const struct worker *w, uint32_t from)
{
	uint32_t object = w->lo + from;
	r->torn[object / 64] |= UINT64_C(1) << object % 64;
}

static void find_slots(struct reading *r, struct worker *w)
{
	const struct goheap_objects *o = r->o;
	struct candidates *c = &w->c;
	for (size_t i = 0; i < c->n; i++) {
		c->span[i] = goheap_object_span(o, c->v[i]);
		if (c->span[i] != GOHEAP_NONE)
			__builtin_prefetch(&o->places[c->span[i]]);
	}
	for (size_t i = 0; i < c->n; i++) {
		c->number[i] = GOHEAP_NONE;
		if (c->span[i] == GOHEAP_NONE) {
			if (is_free(o, c->v[i]))
				set_torn(r, w, c->from[i]);
			continue;
		}
		const struct goheap_place *p = &o->places[c->span[i]];
		uint64_t offset = 0;
		c->number[i] = goheap_object_slot(p, c->v[i], &offset);
		c->interior[i] = offset != (p->flags & GOHEAP_PLACE_HEADER ? WORD : 0);
		if (c->number[i] != GOHEAP_NONE)
			__builtin_prefetch(&o->allocated[c->number[i] / 64]);
	}
}

static void flush(struct reading *r, struct worker *w)
{
	struct candidates *c = &w->c;
	find_slots(r, w);
	if (w->edges.n + c->n > w->edges.cap)
		vec_reserve(&w->edges, num_max(EDGES_FIRST, w->edges.cap * 2));
	for (size_t i = 0; i < c->n; i++) {
		uint32_t to = c->number[i];
		if (to == GOHEAP_NONE)
			continue;
		if (!goheap_object_allocated(r->o, to)) {
			set_torn(r, w, c->from[i]);
			if (!r->o->moving) {
				c->number[i] = GOHEAP_NONE;
				continue;
			}
		}
		if (to == w->lo + c->from[i]) /* itself: it keeps nothing alive */
			continue;
		w->edges.v[w->edges.n++] = graph_edge_make(to, c->word[i], c->interior[i]);
		w->count[c->from[i]]++;
	}
	c->n = 0;
	if (w->n_told)
		tell(r, w);
	if (w->edges.n > UINT32_MAX - BATCH) {
		w->limit = true;
		w->edges.n = 0;
	}
}

/* ---- from words to pointers ---- */

/* Where in an object a mask begins. */
struct place {
	const uint8_t *bytes; /* of its first word */
	uint32_t from;	      /* object, within the block */
	uint64_t word;	      /* of the object */
	bool after_scalar;    /* the word before is one of the object, and no pointer */
};

static void look_before(const struct reading *r, struct worker *w, const uint8_t *at)
{
	uint64_t before = load_u64(at - WORD);
	if (before - r->ranges.lo >= r->ranges.len)
		return;
	uint64_t type = goheap_dynamic_type(&w->dynamic, before);
	if (type)
		w->told[w->n_told++] = (struct told){ (uint32_t)w->c.n, type };
}

static void take_mask(struct reading *r, struct worker *w, const struct place *p, uint64_t mask)
{
	struct candidates *c = &w->c;
	/* Bit i: word i is behind one that is no pointer. */
	uint64_t after_scalar = ~(mask << 1);
	if (!p->after_scalar)
		after_scalar &= ~UINT64_C(1);
	if (c->n + 64 > BATCH)
		flush(r, w);
	for (uint64_t left = mask; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		const uint8_t *at = p->bytes + (size_t)i * WORD;
		uint64_t v = load_u64(at);
		if (v - r->heap_lo >= r->heap_len)
			continue;
		if (after_scalar >> i & 1)
			look_before(r, w, at);
		c->v[c->n] = v;
		c->from[c->n] = p->from;
		c->word[c->n++] = (uint32_t)num_min(p->word + i, GRAPH_WORD_MAX);
	}
}

/* Words [from, to) of an object with a mask of its type (NULL: any may be a pointer); `skip` words are in front of it. */
static void take_typed(struct reading *r, struct worker *w, const struct goheap_mask *mask, const struct place *object,
		       uint64_t from, uint64_t to)
{
	struct place p = *object;
	for (uint64_t at = from; at < to; at += 64) {
		uint64_t bits = mask ? goheap_mask_word(mask, at) : UINT64_MAX;
		if (to - at < 64)
			bits &= (UINT64_C(1) << (to - at)) - 1;
		if (bits)
			take_mask(r, w, &p, bits);
		p.bytes += (size_t)64 * WORD;
		p.word += 64;
		p.after_scalar = !(bits >> 63);
	}
}

static const struct goheap_mask *mask_of(struct reading *r, struct worker *w, uint64_t type, uint64_t bytes)
{
	struct kept_mask *k = &w->kept[(type >> 5 ^ type >> 13) % KEPT];
	if (k->type != type || k->bytes != bytes)
		*k = (struct kept_mask){ type, bytes, goheap_mask_of(&r->masks, type, bytes) };
	return k->mask;
}

static void saw(struct worker *w, uint32_t object, enum goheap_seen_how how, uint64_t type)
{
	*vec_push(&w->seen) = (struct goheap_seen){ object, how, type };
}

/* ---- objects ---- */

/* Bits of the objects of a span, a bit a word, in its last bytes. */
static void take_small(struct reading *r, struct worker *w, const struct goheap_place *p, uint32_t object,
		       const uint8_t *bits, const struct place *place)
{
	uint64_t words = p->size / WORD, at = (object - p->first) * words;
	uint64_t mask = load_u64(bits + at / 64 * 8) >> at % 64;
	if (at % 64 + words > 64)
		mask |= load_u64(bits + at / 64 * 8 + 8) << (64 - at % 64);
	if (words < 64)
		mask &= (UINT64_C(1) << words) - 1;
	take_mask(r, w, place, mask);
}

/* An object that begins with its type. One that has none yet is being made, and empty. */
static void take_headed(struct reading *r, struct worker *w, const struct goheap_place *p, uint32_t object,
			struct place *place)
{
	uint64_t type = load_u64(place->bytes), bytes = p->size - WORD;
	if (!type)
		return;
	const struct goheap_mask *mask = mask_of(r, w, type, bytes);
	if (mask)
		saw(w, object, GOHEAP_SEEN_HEADER, type);
	else
		w->conservative += goheap_object_allocated(r->o, object);
	place->bytes += WORD;
	place->word = 1;
	take_typed(r, w, mask, place, 0, bytes / WORD);
}

/* Words [place->word, place->word + n) of an object, by the bitmap of its arena. True when more pointers may follow. */
static bool take_mapped(struct reading *r, struct worker *w, uint64_t addr, uint64_t n, struct place *place)
{
	bool more = true;
	for (uint64_t at = 0; more && at < n;) {
		uint64_t some = num_min(64, n - at), bits = 0;
		if (!goheap_bitmap_at(&w->bitmap, addr + at * WORD, &some, &bits, &more)) {
			w->conservative += !place->word;
			take_typed(r, w, NULL, place, 0, n - at);
			return true;
		}
		if (bits)
			take_mask(r, w, place, bits);
		place->bytes += some * WORD;
		place->word += some;
		place->after_scalar = some && !(bits >> (some - 1) & 1);
		at += some;
	}
	return more;
}

/* A window of an object that has a span of its own. */
static void take_large(struct reading *r, struct worker *w, const struct goheap_sweep_part *part, uint32_t object)
{
	uint64_t start = r->o->places[part->span].start, bytes = gort_span_bytes(&r->o->heap->spans.v[part->span]);
	struct place place = { part->bytes, object - w->lo, part->at / WORD, false };
	bool begins = w->large != part->span || !part->at;
	if (begins)
		w->stopped = false;
	w->large = part->span;
	if (r->bitmaps) {
		w->stopped = w->stopped || !take_mapped(r, w, start + part->at, part->len / WORD, &place);
		return;
	}
	if (begins && r->headers) {
		w->large_type = memsrc_ptr(&r->sweep.src.src, gort_at(r->o->g->layout, r->o->heap->mspans.v[part->span],
								      GORT_mspan_largeType));
		w->stopped = !w->large_type; /* it is being made */
		if (w->large_type && mask_of(r, w, w->large_type, bytes))
			saw(w, object, GOHEAP_SEEN_LARGE, w->large_type);
		else if (w->large_type)
			w->conservative++;
	}
	if (!w->stopped)
		take_typed(r, w, r->headers ? mask_of(r, w, w->large_type, bytes) : NULL, &place, part->at / WORD,
			   (part->at + part->len) / WORD);
}

static void take_object(struct reading *r, struct worker *w, const struct goheap_sweep_part *part, uint32_t object)
{
	const struct goheap_place *p = &r->o->places[part->span];
	uint64_t at = (uint64_t)(object - p->first) * p->size, bytes = part->len;
	struct place place = { part->bytes + at, object - w->lo, 0, false };
	if (!p->magic)
		take_large(r, w, part, object);
	else if (r->bitmaps)
		take_mapped(r, w, p->start + at, p->size / WORD, &place);
	else if (p->flags & GOHEAP_PLACE_HEADER)
		take_headed(r, w, p, object, &place);
	else
		take_small(r, w, p, object,
			   part->bytes + bytes - bytes / 64 - (p->flags & GOHEAP_PLACE_INLINE ? GORT_TRAILER : 0),
			   &place);
}

/* Of a target that runs, what was free or dead may have been taken since: whether it was, a pointer to it tells. */
static uint64_t live_bits(const struct goheap_objects *o, uint64_t word)
{
	if (o->moving)
		return UINT64_MAX;
	return o->allocated[word] & (o->dead ? ~o->dead[word] : UINT64_MAX);
}

/* The objects of a part of the heap that belong to the worker's block. */
static void take_part(void *ctx, const struct goheap_sweep_part *part)
{
	struct reading *r = ctx;
	struct worker *w = r->workers[part->worker];
	const struct goheap_place *p = &r->o->places[part->span];
	uint64_t from = num_max(p->first, w->lo), to = num_min((uint64_t)p->first + p->slots, w->hi);
	for (uint64_t at = from; at < to;) {
		uint64_t next = num_min((at | 63) + 1, to);
		uint64_t live = live_bits(r->o, at / 64) >> at % 64;
		if (next - at < 64)
			live &= (UINT64_C(1) << (next - at)) - 1;
		for (; live; live &= live - 1)
			take_object(r, w, part, (uint32_t)(at + (uint64_t)__builtin_ctzll(live)));
		at = next;
	}
}

/* A span without a live object need not be read. */
static bool has_live(void *ctx, uint32_t span)
{
	const struct reading *r = ctx;
	const struct goheap_place *p = &r->o->places[span];
	if (!r->o->dead)
		return true;
	for (uint64_t at = p->first; at < (uint64_t)p->first + p->slots; at++) {
		if (live_bits(r->o, at / 64) >> at % 64 & 1)
			return true;
	}
	return false;
}

/* ---- blocks ---- */

static struct worker *worker_of(struct reading *r, unsigned number)
{
	struct worker *w = r->workers[number];
	if (w)
		return w;
	w = r->workers[number] = xcalloc(1, sizeof(*w));
	goheap_dynamic_init(&w->dynamic, &r->ranges, &r->sweep.src.src);
	goheap_bitmap_init(&w->bitmap, r->o->heap, &r->sweep.src.src);
	return w;
}

static void worker_free(struct worker *w)
{
	goheap_dynamic_deinit(&w->dynamic);
	goheap_bitmap_deinit(&w->bitmap);
	vec_deinit(&w->edges);
	vec_deinit(&w->seen);
	free(w->count);
	free(w);
}

/* Hands the edges of a block on: exactly as much memory as they need stays. */
static void give_block(struct reading *r, struct worker *w, uint32_t block)
{
	size_t n = w->edges.n;
	uint32_t sum = 0;
	w->n_edges += n;
	if (!n)
		return; /* nothing was counted, the array can be used again */
	for (size_t i = 0; i <= w->hi - w->lo; i++) {
		uint32_t count = w->count[i];
		w->count[i] = sum;
		sum += count;
	}
	graph_edge *edges = NULL;
	if (w->edges.cap > HAND_OVER) {
		edges = xrealloc(w->edges.v, n * sizeof(*edges));
		w->edges = (struct graph_edge_vec){ 0 };
	} else {
		edges = xmalloc(n * sizeof(*edges));
		memcpy(edges, w->edges.v, n * sizeof(*edges));
		w->edges.n = 0;
	}
	graph_block_take(r->graph, block, take_ptr(w->count), edges);
}

static void read_block(void *ctx, size_t block, unsigned number)
{
	struct reading *r = ctx;
	struct worker *w = worker_of(r, number);
	size_t k = r->block_spans[block], last = k;
	w->lo = (uint32_t)block << GRAPH_BLOCK_SHIFT;
	w->hi = (uint32_t)num_min((uint64_t)w->lo + GRAPH_BLOCK, r->o->n_inner);
	w->large = GOHEAP_NONE;
	if (!w->count || w->hi - w->lo < GRAPH_BLOCK) {
		free(w->count);
		w->count = xcalloc((size_t)(w->hi - w->lo) + 1, sizeof(*w->count));
	}
	while (last < r->o->spans.n && r->o->spans.v[last].first < w->hi)
		last++;
	goheap_sweep_spans(&r->sweep, k, last, number);
	flush(r, w);
	give_block(r, w, (uint32_t)block);
}

static uint32_t blocks_of(const struct goheap_objects *o)
{
	return (uint32_t)(((uint64_t)o->n_inner + GRAPH_BLOCK - 1) >> GRAPH_BLOCK_SHIFT);
}

static void find_block_spans(struct reading *r)
{
	uint32_t n = blocks_of(r->o), next = 0;
	r->block_spans = xcalloc((size_t)n + 1, sizeof(*r->block_spans));
	for (size_t k = 0; k < r->o->spans.n && next < n; k++) {
		uint64_t end = (uint64_t)r->o->spans.v[k].first + goheap_objects_slots(r->o, k);
		while (next < n && (uint64_t)next << GRAPH_BLOCK_SHIFT < end)
			r->block_spans[next++] = (uint32_t)k;
	}
}

/* The largest object there is: no type has pointers beyond it. */
static uint64_t largest(const struct goheap_objects *o)
{
	uint64_t max = 0;
	for (size_t k = 0; k < o->spans.n; k++)
		max = num_max(max, gort_span_bytes(&o->heap->spans.v[o->spans.v[k].span]));
	return max;
}

static void collect(struct reading *r, struct goheap_pointers *ret, bool *limit)
{
	for (size_t i = 0; i < PARALLEL_MAX; i++) {
		struct worker *w = r->workers[i];
		if (!w)
			continue;
		ret->edges += w->n_edges;
		ret->conservative += w->conservative;
		*limit = *limit || w->limit;
		if (!ret->seen.n) {
			vec_deinit(&ret->seen);
			ret->seen = w->seen;
			w->seen = (struct goheap_seen_vec){ 0 };
		} else if (w->seen.n) {
			vec_reserve(&ret->seen, ret->seen.n + w->seen.n);
			memcpy(ret->seen.v + ret->seen.n, w->seen.v, w->seen.n * sizeof(*w->seen.v));
			ret->seen.n += w->seen.n;
		}
		worker_free(w);
	}
	ret->torn = take_ptr(r->torn);
	ret->copied = r->sweep.copied;
	ret->unreadable = r->sweep.unreadable;
}

struct err *goheap_pointers_read(const struct goheap_objects *o, struct graph *graph, struct goheap_pointers *ret)
{
	*ret = (struct goheap_pointers){ 0 };
	struct reading *r = xcalloc(1, sizeof(*r));
	bool limit = false;
	*r = (struct reading){ .o = o, .graph = graph };
	r->sweep = (struct goheap_sweep){ .objects = o, .wanted = has_live, .fn = take_part, .ctx = r };
	r->bitmaps = goheap_bitmap_used(o->g);
	r->headers = gort_has(o->g->layout, GORT_mspan_largeType);
	r->heap_lo = o->owner_base;
	r->heap_len = o->owner_n * GORT_ARENA_BYTES;
	r->by_iface = xcalloc((size_t)o->n / 64 + 1, sizeof(*r->by_iface));
	r->torn = xcalloc((size_t)o->n_inner / 64 + 1, sizeof(*r->torn));
	find_block_spans(r);
	goheap_sweep_begin(&r->sweep);
	goheap_masks_init(&r->masks, o->g, &r->sweep.src.src, largest(o));
	goheap_dynamic_ranges_init(&r->ranges, o->g);
	parallel_for(blocks_of(o), read_block, r);
	goheap_masks_deinit(&r->masks);
	goheap_dynamic_ranges_deinit(&r->ranges);
	goheap_sweep_end(&r->sweep);
	collect(r, ret, &limit);
	free(r->by_iface);
	free(r->block_spans);
	free(r);
	return limit ? err_new(ERR_LIMIT, "objects of the heap hold more pointers than can be numbered") : NULL;
}

void goheap_pointers_deinit(struct goheap_pointers *p)
{
	vec_deinit(&p->seen);
	free(p->torn);
}
