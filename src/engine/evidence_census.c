/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include <math.h>
#include <stdio.h>

#include "base/num.h"
#include "gort/census.h"
#include "gort/heap_sites.h"
#include "gort/profile.h"
#include "gort/site.h"
#include "target/target.h"

enum { WALKS = 2 };

/* ---- which pages of which class are there ---- */

static void add_run(const struct gort_heap *h, const struct gort_arena *a, const struct page_run *run,
		    uint64_t resident[GORT_SPAN_CLASSES])
{
	if (run->kind == PAGE_SWAP || !a->owner)
		return;
	for (uint64_t at = run->start; at < run->end;) {
		uint64_t page = (at - a->base) / GORT_PAGE, end = num_min(a->base + (page + 1) * GORT_PAGE, run->end);
		uint32_t owner = a->owner[page];
		const struct gort_span *s = owner ? &h->spans.v[owner - 1] : NULL;
		if (s && s->state == GORT_SPAN_HEAP)
			resident[s->flags & GORT_SPAN_LARGE ? s->spanclass & 1 : s->spanclass] += end - at;
		at = end;
	}
}

static struct err *read_resident(struct target *t, const struct gort_heap *h, uint64_t resident[GORT_SPAN_CLASSES])
{
	struct page_vec runs = { 0 };
	struct err *err = NULL;
	for (size_t i = 0; i < h->arenas.n && !err; i++) {
		const struct gort_arena *a = &h->arenas.v[i];
		runs.n = 0;
		err = target_pages(t, a->base, a->base + GORT_ARENA_BYTES, &runs);
		for (size_t r = 0; r < runs.n; r++)
			add_run(h, a, &runs.v[r], resident);
	}
	vec_deinit(&runs);
	return err;
}

static void take_rows(const struct gort_census_vec *rows, const uint64_t resident[GORT_SPAN_CLASSES],
		      struct heap_view *out)
{
	for (size_t i = 0; i < rows->n; i++) {
		const struct gort_census_row *r = &rows->v[i];
		*vec_push(&out->spans) = (struct heap_span){
			.class_bytes = gort_class_sizes[r->spanclass >> 1],
			.noscan = r->spanclass & 1,
			.p = r->p,
			.spans = r->spans,
			.span_bytes = r->bytes,
			.objects = r->objects,
			.object_bytes = r->object_bytes,
			.free_slots = num_sub(r->slots, r->objects),
			.cached_in_mcache = r->cached,
			.unswept = r->unswept,
			.partial = r->partial,
			.full = r->full,
			.resident = r->p < 0 ? resident[r->spanclass] : ACCOUNT_UNKNOWN,
		};
	}
}

/* ---- types ---- */

struct tally_row {
	const char *type;
	double objects, bytes;
	bool estimated;
};

struct type_tally {
	struct gort_types types;
	struct hash_map rows; /* address of the name, twice over: with a header or estimated -> row */
	VEC(struct tally_row) v;
	double exact, estimated; /* bytes */
	double unknown;		 /* bytes of sampled sites whose type is not told */
};

static void add_type(struct type_tally *tt, const char *type, double objects, double bytes, bool estimated)
{
	bool fresh = false;
	uint64_t *row = hash_map_at(&tt->rows, (uint64_t)(uintptr_t)type << 1 | estimated, &fresh);
	if (fresh) {
		*row = tt->v.n;
		*vec_push(&tt->v) = (struct tally_row){ .type = type, .estimated = estimated };
	}
	tt->v.v[*row].objects += objects;
	tt->v.v[*row].bytes += bytes;
	*(estimated ? &tt->estimated : &tt->exact) += bytes;
}

/* An object with room for several of its type is the array of a slice. */
static void take_header(void *ctx, const struct gort_type *type, uint64_t bytes, uint64_t weight)
{
	struct type_tally *tt = ctx;
	const char *name = type->name;
	if (type->size && bytes / 2 >= type->size + 8) {
		char text[256];
		int n = snprintf(text, sizeof(text), "[]%s", name);
		if (n > 0 && (size_t)n < sizeof(text))
			name = intern_str(&tt->types.strings, text);
	}
	add_type(tt, name, (double)weight, (double)(bytes * weight), false);
}

/* Was every object of this bucket counted by its header? */
static bool has_header(const struct gort *g, const struct gort_site *site, uint64_t size)
{
	return gort_census_headers(g) && size > GORT_HEADER_OVER && (site->pointers || site->parts);
}

struct site_memo {
	bool known;
	struct gort_site site;
};

VEC_TYPE(site_memo_vec, struct site_memo);

/* What the allocation at this return address makes, kept by address. */
static const struct site_memo *site_at(struct type_tally *tt, struct hash_map *index, struct site_memo_vec *memo,
				       uint64_t pc)
{
	bool fresh = false;
	uint64_t *at = hash_map_at(index, pc, &fresh);
	if (fresh) {
		*at = memo->n;
		struct site_memo *m = vec_push(memo);
		m->known = gort_site_type(&tt->types, pc, &m->site);
		if (m->known)
			m->site.type = intern_str(&tt->types.strings, m->site.type);
	}
	return &memo->v[*at];
}

/* Objects without a header: the sampled ones stand for the others of their site. */
static void estimate(struct target *t, struct type_tally *tt)
{
	struct gort_profile p AUTO(gort_profile);
	struct heap_sites sites;
	struct stacks unused;
	struct hash_map index = { 0 };
	struct site_memo_vec memo = { 0 };
	gort_profile_read(&t->gort, GORT_PROFILE_FRESHEST, &p);
	stacks_init(&unused);
	heap_sites_init(&sites, &t->gort, &unused);
	for (size_t i = 0; i < p.buckets.n; i++) {
		const struct gort_bucket *b = &p.buckets.v[i];
		int64_t objects = 0, bytes = 0;
		if (b->allocs <= b->frees)
			continue;
		uint64_t pc = heap_sites_call(&sites, p.pcs.v + b->at, b->depth);
		const struct site_memo *m = pc ? site_at(tt, &index, &memo, pc) : NULL;
		bool known = m && m->known && m->site.size <= b->size;
		if (known && has_header(&t->gort, &m->site, b->size))
			continue;
		gort_profile_scale(b->allocs - b->frees, b->alloc_bytes - b->free_bytes, p.rate, &objects, &bytes);
		if (objects <= 0 || bytes <= 0)
			continue;
		if (known)
			add_type(tt, m->site.type, (double)objects, (double)bytes, true);
		else
			tt->unknown += (double)bytes;
	}
	heap_sites_deinit(&sites);
	stacks_deinit(&unused);
	hash_map_deinit(&index);
	vec_deinit(&memo);
}

static int by_bytes(const void *a, const void *b)
{
	const struct heap_type *x = a, *y = b;
	return x->bytes > y->bytes ? -1 : x->bytes < y->bytes;
}

/*
 * Rows by name, and the rest. Estimates vary by chance: where those of all sampled sites, told or not, come out larger
 * than what there is besides the exact ones, they shrink to that, so that each keeps its share.
 */
static void take_types(const struct type_tally *tt, const struct gort_heap *h, struct heap_view *out)
{
	double room = fmax(0, (double)h->object_bytes - tt->exact);
	double sampled = tt->estimated + tt->unknown, shrink = sampled > room && sampled > 0 ? room / sampled : 1;
	uint64_t objects = 0, bytes = 0;
	struct hash_map rows = { 0 };
	for (size_t i = 0; i < tt->v.n; i++) {
		const struct tally_row *r = &tt->v.v[i];
		bool fresh = false;
		double by = r->estimated ? shrink : 1;
		uint64_t *row = hash_map_at(&rows, (uint64_t)(uintptr_t)r->type, &fresh);
		if (fresh) {
			*row = out->types.n;
			*vec_push(&out->types) = (struct heap_type){
				.type = intern_str(&out->profile.stacks.strings, r->type),
			};
		}
		out->types.v[*row].objects += (uint64_t)ceil(r->objects * by);
		out->types.v[*row].bytes += (uint64_t)(r->bytes * by);
	}
	hash_map_deinit(&rows);
	vec_sort(&out->types, by_bytes);
	for (size_t i = 0; i < out->types.n; i++) {
		objects += out->types.v[i].objects;
		bytes += out->types.v[i].bytes;
	}
	*vec_push(&out->types) = (struct heap_type){
		.type = intern_str(&out->profile.stacks.strings, "(no type)"),
		.objects = num_sub(h->objects, objects),
		.bytes = num_sub(h->object_bytes, bytes),
	};
	out->typed_ratio = h->object_bytes ? fmin(1, (double)bytes / (double)h->object_bytes) : 1;
}

static void count_types(struct target *t, const struct gort_heap *h, struct snapshot *s)
{
	struct type_tally tt = { 0 };
	gort_types_init(&tt.types, &t->gort);
	uint64_t step = gort_census_types(&t->gort, h, &tt.types, take_header, &tt);
	estimate(t, &tt);
	take_types(&tt, h, &s->heap);
	if (step > 1)
		snapshot_note(s, "types of objects over %d bytes are those of each %llu-th span", GORT_HEADER_OVER,
			      (unsigned long long)step);
	if (tt.estimated > 0)
		snapshot_note(
			s,
			"types: %.0f %% of the typed bytes are estimates, told by the code that allocated the sampled "
			"objects; the others carry their type",
			100 * tt.estimated / (tt.estimated + tt.exact));
	gort_types_deinit(&tt.types);
	hash_map_deinit(&tt.rows);
	vec_deinit(&tt.v);
}

struct err *evidence_census(struct target *t, const struct evidence_options *opt, struct snapshot *s)
{
	struct gort_heap h;
	struct gort_census_vec rows = { 0 };
	uint64_t resident[GORT_SPAN_CLASSES] = { 0 };
	TRY(gort_heap_read(&t->gort, WALKS, &h));
	gort_census_count(&t->gort, &h, &rows);
	struct err *err = read_resident(t, &h, resident);
	if (!err) {
		take_rows(&rows, resident, &s->heap);
		count_types(t, &h, s);
		if (h.error_bound)
			snapshot_note(s,
				      "the heap changed while it was counted: figures of spans may be off by %llu kB "
				      "together",
				      (unsigned long long)(h.error_bound + 1023) / 1024);
	}
	vec_deinit(&rows);
	gort_heap_deinit(&h);
	return err;
}
