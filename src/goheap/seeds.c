/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "goheap/typing.h"
#include "gort/calls.h"
#include "gort/site.h"

enum {
	BATCH = 4096,
	WORD = 8,
	RECORD_MAX = 128,
	STEPS_MAX = 1 << 20, /* along the list of one span */
	FRAMES = 32,	     /* looked at for the call that allocated */
};

/* ---- what the sampled objects of a bucket are ---- */

struct sampled {
	const struct goheap_objects *o;
	struct gort_types *types;
	struct goheap_seed_vec *out;
	struct hash_map buckets; /* address -> index + 1 in sites, 0: unknown */
	VEC(struct gort_site) sites;
	uint8_t kind; /* of specials that tell of a sample */
};

/* How the kinds of specials are numbered, from each version on. */
static uint8_t number_of_profile(const struct gort_layout *l)
{
	static const struct {
		int minor;
		uint8_t number;
	} numbers[] = { { 25, 4 }, { 23, 3 }, { 0, 2 } };
	size_t i = 0;
	while (numbers[i].minor > l->minor)
		i++;
	return numbers[i].number;
}

/* Functions that allocate for others. */
static bool is_allocator(const char *name)
{
	static const char *const prefixes[] = { "runtime.", "internal/runtime/", "reflect.", "internal/bytealg." };
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	}
	return false;
}

/* The call that allocated, of the innermost function that is not the runtime's. */
static bool site_of_stack(struct sampled *s, const uint64_t *pcs, size_t n, struct gort_site *ret)
{
	struct sym_pclntab *tab = s->types->g->pclntab;
	for (size_t i = 0; i < n; i++) {
		size_t f = 0;
		uint64_t pc = load_u64(&pcs[i]);
		if (!pc || !sym_pclntab_find(tab, pc - 1, &f))
			return false;
		if (!is_allocator(sym_pclntab_name(tab, f)))
			return gort_site_type(s->types, pc, ret) && ret->rtype;
	}
	return false;
}

static const struct gort_site *site_of(struct sampled *s, uint64_t bucket)
{
	const struct gort *g = s->types->g;
	bool fresh = false;
	uint64_t *known = hash_map_at(&s->buckets, bucket, &fresh), pcs[FRAMES];
	if (fresh) {
		uint64_t n = num_min(gort_word(g, bucket, GORT_bucket_nstk), FRAMES);
		uint64_t at = bucket + gort_sizeof(g->layout, GORT_bucket_SIZEOF);
		struct gort_site site;
		if (n && memsrc_read(g->src, at, pcs, n * WORD) && site_of_stack(s, pcs, n, &site)) {
			*vec_push(&s->sites) = site;
			*known = s->sites.n;
		}
	}
	return *known ? &s->sites.v[*known - 1] : NULL;
}

/* ---- specials, span by span ---- */

struct steps {
	uint32_t span[BATCH]; /* index in heap->spans */
	uint64_t at[BATCH];
	bool ok[BATCH];
	unsigned char record[BATCH * RECORD_MAX];
};

static void take(struct sampled *s, const struct gort_span *span, uint64_t offset, uint64_t bucket)
{
	const struct gort_site *site = bucket ? site_of(s, bucket) : NULL;
	if (!site || offset >= gort_span_bytes(span))
		return;
	*vec_push(s->out) = (struct goheap_seed){
		.addr = span->start + offset,
		.rtype = site->rtype,
		.object = true,
		.array = site->array,
		.part = site->parts,
	};
}

/* One step along n lists; returns how many go on. */
static size_t step(struct sampled *s, struct steps *k, size_t n)
{
	const struct gort *g = s->types->g;
	const struct gort_layout *l = g->layout;
	size_t len = gort_sizeof(l, GORT_specialprofile_SIZEOF), kept = 0;
	memsrc_gather(g->src, k->at, n, len, k->record, k->ok);
	for (size_t i = 0; i < n; i++) {
		const unsigned char *rec = k->record + i * len;
		const struct gort_span *span = &s->o->heap->spans.v[k->span[i]];
		uint64_t next = gort_load(l, rec, len, GORT_special_next);
		if (!k->ok[i])
			continue;
		if (gort_load(l, rec, len, GORT_special_kind) == s->kind)
			take(s, span, gort_load(l, rec, len, GORT_special_offset),
			     gort_load(l, rec, len, GORT_specialprofile_b));
		k->span[kept] = k->span[i];
		k->at[kept] = next;
		kept += next != 0;
	}
	return kept;
}

/* The lists of a batch of spans, whose heads are at k->at. */
static void follow(struct sampled *s, struct steps *k, size_t n)
{
	uint64_t heads[BATCH];
	size_t kept = 0;
	memsrc_gather(s->types->g->src, k->at, n, WORD, heads, NULL);
	for (size_t i = 0; i < n; i++) {
		k->span[kept] = k->span[i];
		k->at[kept] = load_u64(&heads[i]);
		kept += k->at[kept] != 0;
	}
	for (unsigned steps = 0; kept && steps < STEPS_MAX; steps++)
		kept = step(s, k, kept);
}

void goheap_seeds_sampled(const struct goheap_objects *o, struct gort_types *types, struct goheap_seed_vec *ret)
{
	const struct gort_layout *l = types->g->layout;
	size_t len = gort_sizeof(l, GORT_specialprofile_SIZEOF), n = 0;
	if (!types->g->pclntab || !gort_has(l, GORT_mspan_specials) || len > RECORD_MAX)
		return;
	struct sampled s = { .o = o, .types = types, .out = ret, .kind = number_of_profile(l) };
	AUTO_FREE struct steps *k = xmalloc(sizeof(*k));
	for (size_t i = 0; i < o->heap->spans.n; i++) {
		if (o->heap->spans.v[i].state != GORT_SPAN_HEAP)
			continue;
		k->span[n] = (uint32_t)i;
		k->at[n++] = gort_at(l, o->heap->mspans.v[i], GORT_mspan_specials);
		if (n == BATCH) {
			follow(&s, k, n);
			n = 0;
		}
	}
	follow(&s, k, n);
	hash_map_deinit(&s.buckets);
	vec_deinit(&s.sites);
}

/* ---- variables and closures, by code ---- */

void goheap_seeds_globals(const struct gort *g, struct gort_types *types, struct goheap_seed_vec *ret)
{
	struct gort_call_vec calls = { 0 };
	gort_calls_read(types, &calls);
	for (size_t i = 0; i < calls.n; i++) {
		const struct gort_call *c = &calls.v[i];
		struct goheap_seed seed = { .addr = c->addr, .rtype = c->rtype };
		seed.closure = c->says == GORT_CALL_CLOSURE;
		seed.array = c->says == GORT_CALL_SLICE;
		seed.object = seed.array || c->says == GORT_CALL_POINTER || c->says == GORT_CALL_SELF;
		if (seed.object) /* what the variable points to */
			seed.addr = memsrc_ptr(g->src, c->addr);
		if (seed.addr)
			*vec_push(ret) = seed;
	}
	vec_deinit(&calls);
}
