/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/census.h"

#include <string.h>

#include "base/cursor.h"
#include "base/num.h"

enum {
	PROCS_MAX = 1 << 14,
	BITS = 8,     /* bytes of allocation bits of a span of objects over 512 bytes: far fewer than 64 */
	BATCH = 4096, /* spans or objects */
};

/* ---- what the Ps hold ---- */

struct holders {
	struct hash_map p; /* address of an mspan -> number of a P + 1 */
};

static void read_holders(const struct gort *g, struct holders *ret)
{
	const struct gort_layout *l = g->layout;
	uint64_t alloc[GORT_SPAN_CLASSES], var = gort_var(g, GORT_VAR_ALLP);
	uint64_t list = var ? memsrc_ptr(g->src, var) : 0, n = var ? memsrc_ptr(g->src, var + 8) : 0;
	for (uint64_t i = 0; i < n && i < PROCS_MAX; i++) {
		uint64_t p = memsrc_ptr(g->src, list + i * 8), mcache = p ? gort_word(g, p, GORT_p_mcache) : 0;
		if (!mcache || !memsrc_read(g->src, gort_at(l, mcache, GORT_mcache_alloc), alloc, sizeof(alloc)))
			continue;
		for (size_t c = 0; c < GORT_SPAN_CLASSES; c++)
			*hash_map_at(&ret->p, load_u64(&alloc[c]), NULL) = i + 1;
	}
}

static int holder(const struct holders *h, uint64_t mspan)
{
	const uint64_t *p = hash_map_get(&h->p, mspan);
	return p ? (int)*p - 1 : -1;
}

/* ---- rows ---- */

static void count(struct gort_census_row *row, const struct gort_span *s, bool cached)
{
	row->spans++;
	row->bytes += gort_span_bytes(s);
	row->objects += s->alloc_count;
	row->object_bytes += s->alloc_count * gort_span_elemsize(s);
	row->slots += s->nelems;
	if (cached)
		row->cached++;
	else if (s->flags & GORT_SPAN_UNSWEPT)
		row->unswept++;
	else if (s->alloc_count >= s->nelems)
		row->full++;
	else
		row->partial++;
}

static int by_class(const void *a, const void *b)
{
	const struct gort_census_row *x = a, *y = b;
	if (x->spanclass != y->spanclass)
		return x->spanclass < y->spanclass ? -1 : 1;
	return x->p < y->p ? -1 : x->p > y->p;
}

/* What is of no class known is a large object's, as in gort/heap. */
static uint8_t class_of(const struct gort_span *s)
{
	return s->flags & GORT_SPAN_LARGE ? s->spanclass & 1 : s->spanclass;
}

void gort_census_count(const struct gort *g, const struct gort_heap *h, struct gort_census_vec *ret)
{
	struct gort_census_row all[GORT_SPAN_CLASSES] = { { 0 } };
	struct holders holders = { 0 };
	read_holders(g, &holders);
	for (size_t i = 0; i < h->spans.n; i++) {
		const struct gort_span *s = &h->spans.v[i];
		if (s->state != GORT_SPAN_HEAP)
			continue;
		int p = holder(&holders, h->mspans.v[i]);
		count(&all[class_of(s)], s, p >= 0);
		if (p < 0)
			continue;
		struct gort_census_row *row = vec_push(ret);
		*row = (struct gort_census_row){ .p = p, .spanclass = class_of(s) };
		count(row, s, true);
	}
	for (size_t c = 0; c < GORT_SPAN_CLASSES; c++) {
		all[c].p = -1;
		all[c].spanclass = (uint8_t)c;
		if (all[c].spans)
			*vec_push(ret) = all[c];
	}
	vec_sort(ret, by_class);
	hash_map_deinit(&holders.p);
}

/* ---- types ---- */

bool gort_census_headers(const struct gort *g)
{
	return gort_has(g->layout, GORT_mspan_largeType) && strcmp(g->layout->experiment, "noallocheaders") != 0;
}

static bool has_headers(const struct gort_span *s)
{
	return s->state == GORT_SPAN_HEAP && !(s->spanclass & 1) && !(s->flags & GORT_SPAN_LARGE) &&
	       gort_span_elemsize(s) > GORT_HEADER_OVER && s->nelems <= BITS * 8;
}

static bool has_large_type(const struct gort_span *s)
{
	return s->state == GORT_SPAN_HEAP && !(s->spanclass & 1) && s->flags & GORT_SPAN_LARGE && s->alloc_count;
}

/* Words of the target that are addresses of types, a batch at a time. */
struct words {
	const struct gort *g;
	struct gort_types *types;
	gort_census_fn fn;
	void *ctx;
	uint64_t weight;
	uint64_t at[BATCH], bytes[BATCH], word[BATCH];
	bool ok[BATCH];
	size_t n;
};

static void words_read(struct words *w)
{
	memsrc_gather(w->g->src, w->at, w->n, 8, w->word, w->ok);
	for (size_t i = 0; i < w->n; i++) {
		const struct gort_type *type = w->ok[i] ? gort_type_at(w->types, load_u64(&w->word[i])) : NULL;
		if (type)
			w->fn(w->ctx, type, w->bytes[i], w->weight);
	}
	w->n = 0;
}

static void words_add(struct words *w, uint64_t at, uint64_t bytes)
{
	w->at[w->n] = at;
	w->bytes[w->n++] = bytes;
	if (w->n == BATCH)
		words_read(w);
}

/* Spans with headers whose allocation bits are read together. */
struct bit_batch {
	uint64_t at[BATCH], bits[BATCH];
	uint32_t span[BATCH];
	bool ok[BATCH];
	size_t n;
};

static void take_objects(struct words *w, const struct gort_heap *h, struct bit_batch *b)
{
	memsrc_gather(w->g->src, b->at, b->n, BITS, b->bits, b->ok);
	for (size_t i = 0; i < b->n; i++) {
		const struct gort_span *s = &h->spans.v[b->span[i]];
		uint64_t bits = b->ok[i] ? load_u64(&b->bits[i]) : 0, size = gort_span_elemsize(s);
		for (unsigned k = 0; k < s->nelems; k++) {
			if (k < s->freeindex || bits >> k & 1)
				words_add(w, s->start + k * size, size);
		}
	}
	b->n = 0;
}

static uint64_t every(const struct gort_heap *h)
{
	uint64_t objects = 0;
	for (size_t i = 0; i < h->spans.n; i++)
		objects += has_headers(&h->spans.v[i]) ? h->spans.v[i].alloc_count : 0;
	return objects / GORT_CENSUS_READS + 1;
}

uint64_t gort_census_types(const struct gort *g, const struct gort_heap *h, struct gort_types *types, gort_census_fn fn,
			   void *ctx)
{
	uint64_t step = every(h), seen = 0;
	if (!gort_census_headers(g))
		return 1;
	AUTO_FREE struct words *w = xcalloc(1, sizeof(*w));
	AUTO_FREE struct bit_batch *b = xcalloc(1, sizeof(*b));
	*w = (struct words){ .g = g, .types = types, .fn = fn, .ctx = ctx, .weight = step };
	for (size_t i = 0; i < h->spans.n; i++) {
		const struct gort_span *s = &h->spans.v[i];
		if (!has_headers(s) || seen++ % step)
			continue;
		b->at[b->n] = s->alloc_bits;
		b->span[b->n++] = (uint32_t)i;
		if (b->n == BATCH)
			take_objects(w, h, b);
	}
	take_objects(w, h, b);
	words_read(w);
	w->weight = 1;
	for (size_t i = 0; i < h->spans.n; i++) {
		if (has_large_type(&h->spans.v[i]))
			words_add(w, gort_at(g->layout, h->mspans.v[i], GORT_mspan_largeType),
				  gort_span_bytes(&h->spans.v[i]));
	}
	words_read(w);
	return step;
}
