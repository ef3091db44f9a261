/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "goheap/sample.h"
#include "gort/heap_sites.h"
#include "owners/words.h"

/*
 * "Allocated in A, held by B": each sampled object has a stack, and a path that it is on; what is sampled on a path and below
 * it counts for it, each sample as many bytes as it stands for.
 */
struct join {
	struct owners_work *w;
	struct heap_sites sites;
	struct hash_map stacks;	 /* bucket -> number in out->stacks */
	struct hash_map weights; /* path << 32 | stack -> bytes */
	uint32_t *path_of;	 /* by node: path + 1; 0: none */
	uint64_t *sampled;	 /* by path: bytes */
	double rate;
};

static uint32_t stack_of(struct join *j, uint64_t bucket)
{
	uint64_t pcs[GORT_PROFILE_STACK];
	bool fresh = false;
	uint64_t *known = hash_map_at(&j->stacks, bucket, &fresh);
	if (fresh) {
		size_t n = goheap_sample_stack(j->w->in->g, bucket, pcs);
		*known = n ? heap_sites_stack(&j->sites, pcs, n) : 0;
	}
	return (uint32_t)*known;
}

/* What one sampled object stands for: its size through the chance that it was sampled. */
static uint64_t weight_of(const struct join *j, uint32_t object)
{
	double size = (double)goheap_object_get(&j->w->objects, object).size;
	return (uint64_t)(j->rate > 1 ? size / -expm1(-size / j->rate) : size);
}

static void take(struct join *j, const struct goheap_sample *s)
{
	const struct retain *r = &j->w->retain;
	uint32_t i = j->w->dominators.order[s->object], stack = i == GRAPH_NONE ? 0 : stack_of(j, s->bucket);
	if (!stack)
		return;
	uint64_t weight = weight_of(j, s->object);
	for (uint32_t node = r->path_of[i]; node != GRAPH_NONE; node = r->paths.v[node].parent) {
		uint32_t path = j->path_of[node];
		if (!path--)
			continue;
		*hash_map_at(&j->weights, (uint64_t)path << 32 | stack, NULL) += weight;
		j->sampled[path] += weight;
	}
}

/* The stack with the most bytes of each path. */
static void name_sites(const struct join *j)
{
	struct owners_path_vec *paths = &j->w->out->paths;
	for (size_t i = 0; i < j->weights.cap; i++) {
		if (!j->weights.used[i])
			continue;
		const struct hash_pair *pair = &j->weights.slots[i];
		struct owners_path *path = &paths->v[pair->key >> 32];
		uint32_t stack = (uint32_t)pair->key;
		double share = (double)pair->value / (double)j->sampled[pair->key >> 32];
		if (share < path->site_share || (share <= path->site_share && stack > path->site))
			continue;
		path->site = stack;
		path->site_share = share;
	}
}

void owners_sampled_join(struct owners_work *w)
{
	struct join j = { .w = w };
	struct goheap_sample_vec samples = { 0 };
	const struct u32_vec *nodes = &w->words->nodes;
	uint64_t rate = 0, at = gort_var(w->in->g, GORT_VAR_MEMPROFILERATE);
	if (!at || !memsrc_u64(w->in->g->src, at, &rate) || !w->in->g->pclntab)
		return;
	j.rate = (double)rate;
	goheap_samples_read(&w->objects, &samples);
	heap_sites_init(&j.sites, w->in->g, &w->out->stacks);
	j.path_of = xcalloc(w->retain.paths.n + 1, sizeof(*j.path_of));
	j.sampled = xcalloc(nodes->n + 1, sizeof(*j.sampled));
	for (uint32_t p = 0; p < nodes->n; p++)
		j.path_of[nodes->v[p]] = p + 1;
	for (size_t i = 0; i < samples.n; i++)
		take(&j, &samples.v[i]);
	name_sites(&j);
	heap_sites_deinit(&j.sites);
	hash_map_deinit(&j.stacks);
	hash_map_deinit(&j.weights);
	vec_deinit(&samples);
	free(j.path_of);
	free(j.sampled);
}
