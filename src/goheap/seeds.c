/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "gocode/calls.h"
#include "goheap/sample.h"
#include "goheap/typing.h"
#include "gort/site.h"

/* ---- what the sampled objects of a bucket are ---- */

struct sampled {
	struct gort_types *types;
	struct hash_map buckets; /* address -> index + 1 in sites, 0: unknown */
	VEC(struct gort_site) sites;
};

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
	uint64_t pcs[GORT_PROFILE_STACK];
	bool fresh = false;
	uint64_t *known = hash_map_at(&s->buckets, bucket, &fresh);
	if (fresh) {
		struct gort_site site;
		size_t n = goheap_sample_stack(s->types->g, bucket, pcs);
		if (n && site_of_stack(s, pcs, n, &site)) {
			*vec_push(&s->sites) = site;
			*known = s->sites.n;
		}
	}
	return *known ? &s->sites.v[*known - 1] : NULL;
}

void goheap_seeds_sampled(const struct goheap_objects *o, struct gort_types *types, struct goheap_seed_vec *ret)
{
	struct sampled s = { .types = types };
	struct goheap_sample_vec samples = { 0 };
	if (!types->g->pclntab)
		return;
	goheap_samples_read(o, &samples);
	for (size_t i = 0; i < samples.n; i++) {
		const struct gort_site *site = site_of(&s, samples.v[i].bucket);
		if (site)
			*vec_push(ret) = (struct goheap_seed){
				.addr = samples.v[i].addr,
				.rtype = site->rtype,
				.object = true,
				.array = site->array,
				.part = site->parts,
			};
	}
	vec_deinit(&samples);
	hash_map_deinit(&s.buckets);
	vec_deinit(&s.sites);
}

/* ---- variables and closures, by code ---- */

/* Variables that seeds are there of already. */
static void note_variables(const struct goheap_seed_vec *seeds, struct hash_map *ret)
{
	for (size_t i = 0; i < seeds->n; i++) {
		if (seeds->v[i].variable)
			hash_map_at(ret, seeds->v[i].variable, NULL);
	}
}

static void take_call(const struct gort *g, const struct gocode_call *c, struct goheap_seed_vec *ret)
{
	struct goheap_seed seed = { .addr = c->addr, .rtype = c->rtype };
	seed.closure = c->says == GOCODE_CALL_CLOSURE;
	seed.array = c->says == GOCODE_CALL_SLICE;
	seed.object = seed.array || c->says == GOCODE_CALL_POINTER || c->says == GOCODE_CALL_SELF;
	if (seed.object) /* what the variable points to */
		seed.addr = memsrc_ptr(g->src, c->addr);
	if (seed.addr)
		*vec_push(ret) = seed;
}

void goheap_seeds_globals(const struct gort *g, struct gort_types *types, struct goheap_seed_vec *ret)
{
	struct gocode_call_vec calls = { 0 };
	struct gocode_reader r;
	struct hash_map known = { 0 };
	if (!g->pclntab || !sym_pclntab_count(g->pclntab))
		return;
	note_variables(ret, &known);
	gocode_reader_init(&r, types);
	gocode_calls_read(&r, &calls);
	for (size_t i = 0; i < calls.n; i++) {
		if (!hash_map_get(&known, calls.v[i].addr))
			take_call(g, &calls.v[i], ret);
	}
	gocode_reader_deinit(&r);
	hash_map_deinit(&known);
	vec_deinit(&calls);
}
