/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"
#include "gocode/calls.h"
#include "goheap/sample.h"
#include "goheap/typing.h"
#include "gort/site.h"

enum { FRAMES_MAX = 1 << 14 /* different places where goroutines wait or call */ };

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

static void take(struct goheap_seed_vec *ret, uint64_t addr, uint64_t rtype, enum gocode_call_says says)
{
	struct goheap_seed seed = { .addr = addr, .rtype = rtype };
	seed.closure = says == GOCODE_CALL_CLOSURE;
	seed.array = says == GOCODE_CALL_SLICE;
	seed.object = seed.array || says == GOCODE_CALL_POINTER || says == GOCODE_CALL_SELF;
	if (seed.addr)
		*vec_push(ret) = seed;
}

static void take_variables(struct gocode_reader *r, struct goheap_seed_vec *ret)
{
	struct gocode_call_vec calls = { 0 };
	struct hash_map known = { 0 };
	note_variables(ret, &known);
	gocode_calls_read(r, &calls);
	for (size_t i = 0; i < calls.n; i++) {
		const struct gocode_call *c = &calls.v[i];
		bool itself = c->says == GOCODE_CALL_VALUE || c->says == GOCODE_CALL_CLOSURE;
		if (!hash_map_get(&known, c->addr)) /* the type is the variable's, or that of what it points to */
			take(ret, itself ? c->addr : memsrc_ptr(r->g->src, c->addr), c->rtype,
			     (enum gocode_call_says)c->says);
	}
	hash_map_deinit(&known);
	vec_deinit(&calls);
}

/* ---- frames ---- */

struct frames {
	struct gocode_reader *r;
	struct gocode_slot_vec slots;
	struct hash_map known; /* return address -> first of its slots << 32 | how many */
};

/* What a word of the frames whose callee returns to pc points to, or NULL. */
static const struct gocode_slot *slot_at(struct frames *f, const struct goheap_frame_place *p)
{
	bool fresh = false;
	uint64_t *known = hash_map_at(&f->known, p->pc, &fresh);
	if (fresh) {
		size_t first = f->slots.n;
		gocode_flow_slots(f->r, p->pc, &f->slots);
		*known = (uint64_t)first << 32 | (f->slots.n - first);
	}
	for (uint64_t i = *known >> 32, end = i + (uint32_t)*known; i < end; i++) {
		if (f->slots.v[i].word == p->word)
			return &f->slots.v[i];
	}
	return NULL;
}

static void take_frames(struct gocode_reader *r, const struct goheap_roots *roots, struct goheap_seed_vec *ret)
{
	struct frames f = { .r = r };
	gocode_reader_refill(r);
	for (size_t i = 0; i < roots->v.n && f.known.n < FRAMES_MAX; i++) {
		const struct goheap_root *root = &roots->v.v[i];
		const struct gocode_slot *s = root->place && root->place <= roots->places.n
						      ? slot_at(&f, &roots->places.v[root->place - 1])
						      : NULL;
		if (s)
			take(ret, root->value, s->rtype, (enum gocode_call_says)s->says);
	}
	hash_map_deinit(&f.known);
	vec_deinit(&f.slots);
}

void goheap_seeds_code(struct gort_types *types, const struct goheap_roots *roots, struct goheap_seed_vec *ret,
		       struct gocode_map_use_vec *maps)
{
	struct gocode_reader r;
	if (!types->g->pclntab || !sym_pclntab_count(types->g->pclntab))
		return;
	gocode_reader_init(&r, types);
	take_variables(&r, ret);
	take_frames(&r, roots, ret);
	*maps = r.maps;
	r.maps = (struct gocode_map_use_vec){ 0 };
	gocode_reader_deinit(&r);
}
