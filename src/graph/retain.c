/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/retain.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"

/* Children that a node has got, by (node, kind, field). In front of it a small table of those found last. */
struct joints {
	struct hash_index index;
	struct joint {
		uint32_t node, kind, field, child;
	} recent[1024];
	VEC(struct joint) all;
};

static bool same_joint(const void *ctx, uint32_t id)
{
	const struct joint *want = ((const struct joint *const *)ctx)[0], *all = ((const struct joint *const *)ctx)[1];
	return all[id].node == want->node && all[id].kind == want->kind && all[id].field == want->field;
}

static uint64_t joint_hash(const struct joint *j)
{
	uint64_t x = (uint64_t)j->node << 32 | j->kind;
	x = (x ^ (uint64_t)j->field * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

static struct joint *recent_of(struct joints *js, const struct joint *j)
{
	return &js->recent[joint_hash(j) >> 20 & 1023];
}

/* The child, or GRAPH_NONE. */
static uint32_t joint_find(struct joints *js, const struct joint *want)
{
	struct joint *recent = recent_of(js, want);
	if (recent->child != GRAPH_NONE && recent->node == want->node && recent->kind == want->kind &&
	    recent->field == want->field)
		return recent->child;
	const void *ctx[] = { want, js->all.v };
	uint32_t id = hash_index_find(&js->index, hash_u64(joint_hash(want)), same_joint, ctx);
	if (id == HASH_NONE)
		return GRAPH_NONE;
	*recent = js->all.v[id];
	return recent->child;
}

static uint32_t joint_add(struct joints *js, struct joint j, uint32_t child)
{
	j.child = child;
	hash_index_add(&js->index, hash_u64(joint_hash(&j)), (uint32_t)js->all.n);
	*vec_push(&js->all) = j;
	*recent_of(js, &j) = j;
	return child;
}

static struct joints *joints_new(void)
{
	struct joints *js = xcalloc(1, sizeof(*js));
	for (size_t i = 0; i < sizeof(js->recent) / sizeof(js->recent[0]); i++)
		js->recent[i].child = GRAPH_NONE;
	return js;
}

static void joints_free(struct joints *js)
{
	hash_index_deinit(&js->index);
	vec_deinit(&js->all);
	free(js);
}

/*
 * A chain is a set of kinds that are above an object, itself included, in the order in which they came; an object that
 * brings a new one is a topmost one of its kind.
 */
struct chain {
	uint32_t above, kind;
	uint64_t bytes, objects;
};

/* Where an object is: all that its own children need to know of it. The first ones are the roots. */
struct spot {
	uint32_t path, chain;
	uint64_t bytes, objects, own; /* own: those that are no parts */
};

struct finder {
	const struct retain_input *in;
	const struct dominators *d;
	struct retain *ret;
	uint32_t *spot_of; /* by order; in the end, the path */
	VEC(struct chain) chains;
	VEC(struct spot) spots;
	struct joints *by_step, *by_kind, *by_chain, *by_both; /* spots, paths, chains; spots again */
	uint32_t n_roots;
};

static bool is_root(const struct finder *f, uint32_t i)
{
	return i == 0 || f->d->vertex[i] >= f->in->graph->n;
}

static uint32_t kind_of(const struct finder *f, uint32_t object)
{
	return f->in->kinds ? f->in->kinds[object] : f->in->kind(f->in->ctx, object);
}

static uint32_t alike(const struct finder *f, uint32_t kind)
{
	return f->in->alike ? f->in->alike[kind] : kind;
}

static uint32_t chain_below(struct finder *f, uint32_t above, uint32_t kind)
{
	struct joint key = { .node = above, .kind = kind };
	uint32_t found = joint_find(f->by_chain, &key);
	if (found != GRAPH_NONE)
		return found;
	for (uint32_t c = above; c; c = f->chains.v[c].above)
		if (f->chains.v[c].kind == kind)
			return joint_add(f->by_chain, key, above);
	if (f->chains.n > RETAIN_PATHS_MAX) {
		f->ret->cut = true;
		return above;
	}
	*vec_push(&f->chains) = (struct chain){ .above = above, .kind = kind };
	return joint_add(f->by_chain, key, (uint32_t)f->chains.n - 1);
}

static uint32_t path_new(struct finder *f, uint32_t parent, uint32_t root, const struct joint *key)
{
	*vec_push(&f->ret->paths) =
		(struct retain_path){ .parent = parent, .root = root, .kind = key->kind, .field = key->field };
	return joint_add(f->by_kind, *key, (uint32_t)f->ret->paths.n - 1);
}

/* The node of a kind at a place below another node, or below a root. */
static uint32_t path_below(struct finder *f, uint32_t parent, uint32_t root, uint32_t kind, uint32_t field)
{
	/* below a root, keys begin behind those of nodes */
	struct joint key = { .node = parent != GRAPH_NONE ? parent : GRAPH_NONE - 1 - root,
			     .kind = kind,
			     .field = field };
	uint32_t found = joint_find(f->by_kind, &key);
	if (found != GRAPH_NONE)
		return found;
	const struct retain_path_vec *paths = &f->ret->paths;
	for (uint32_t p = parent; kind && p != GRAPH_NONE; p = paths->v[p].parent)
		if (alike(f, paths->v[p].kind) == alike(f, kind))
			return joint_add(f->by_kind, key, p);
	if (parent != GRAPH_NONE && paths->v[parent].kind == kind)
		return parent;
	if (paths->n < RETAIN_PATHS_MAX)
		return path_new(f, parent, root, &key);
	f->ret->cut = true;
	if (parent != GRAPH_NONE)
		return parent;
	key.kind = key.field = 0; /* one more for each root, for all that is left */
	found = joint_find(f->by_kind, &key);
	return found != GRAPH_NONE ? found : path_new(f, parent, root, &key);
}

/* The spot of a path and a chain. */
static uint32_t spot_at(struct finder *f, uint32_t above, uint32_t path, uint32_t chain)
{
	struct joint key = { .node = path, .kind = chain };
	uint32_t found = joint_find(f->by_both, &key);
	if (found != GRAPH_NONE)
		return found;
	if (f->spots.n > 4 * (size_t)RETAIN_PATHS_MAX && above > f->n_roots) {
		f->ret->cut = true;
		return above;
	}
	*vec_push(&f->spots) = (struct spot){ .path = path, .chain = chain };
	return joint_add(f->by_both, key, (uint32_t)f->spots.n - 1);
}

enum { PART = GRAPH_NONE }; /* as a field */

static uint32_t spot_below(struct finder *f, uint32_t above, uint32_t kind, struct retain_step step)
{
	struct joint key = { .node = above, .kind = kind, .field = step.part ? PART : step.field };
	uint32_t found = joint_find(f->by_step, &key);
	if (found != GRAPH_NONE)
		return found;
	struct spot s = f->spots.v[above];
	uint32_t root = above <= f->n_roots ? above : f->ret->paths.v[s.path].root;
	uint32_t path = step.part ? s.path : path_below(f, s.path, root, kind, step.field);
	found = spot_at(f, above, path, chain_below(f, s.chain, alike(f, kind)));
	return joint_add(f->by_step, key, found);
}

/* Puts what i, the dominator, holds at `word` into its spot. */
static void place(struct finder *f, uint32_t i, uint32_t o, uint32_t object, uint32_t word)
{
	uint32_t kind = kind_of(f, object), above = f->spot_of[i];
	uint64_t bytes = f->in->bytes(f->in->ctx, object);
	struct retain_step step = { 0 };
	if (above <= f->n_roots) {
		f->ret->roots[above].objects++;
		f->ret->roots[above].bytes += bytes;
	} else if (f->in->step) {
		step = f->in->step(f->in->ctx, kind_of(f, f->d->vertex[i]), kind, word);
	}
	struct retain_sum *sum = &f->ret->kinds[alike(f, kind)];
	sum->objects++;
	sum->bytes += bytes;
	uint32_t to = f->spot_of[o] = spot_below(f, above, kind, step);
	struct spot *s = &f->spots.v[to];
	s->bytes += bytes;
	s->objects++;
	s->own += !step.part;
}

/*
 * What the loop will need soon, in the order in which one tells where the next is: the place of the edges, the edges, the
 * numbers of what they point to and its kinds, and what is known of those. Most vertices are leaves and take no time, so
 * it is far ahead.
 */
enum { FIRST = 96, EDGES = 64, TARGETS = 32, FOUND = 16, TARGETS_MAX = 12 };

static const graph_edge *out_of(const struct finder *f, uint32_t i, uint32_t *n)
{
	*n = 0;
	return i < f->d->n ? graph_out(f->in->graph, f->d->vertex[i], n) : NULL;
}

ALWAYS_INLINE void fetch_soon(const struct finder *f, uint32_t i)
{
	const struct graph *g = f->in->graph;
	const uint32_t *order = f->d->order, *idom = f->d->idom;
	uint32_t n = 0, v = i + FIRST < f->d->n ? f->d->vertex[i + FIRST] : GRAPH_NONE;
	graph_fetch(g, v);
	__builtin_prefetch(out_of(f, i + EDGES, &n));
	const graph_edge *out = out_of(f, i + TARGETS, &n);
	for (uint32_t e = 0; e < n && e < TARGETS_MAX; e++) {
		__builtin_prefetch(&order[graph_target(out[e])]);
		if (f->in->kinds)
			__builtin_prefetch(&f->in->kinds[graph_target(out[e])]);
	}
	out = out_of(f, i + FOUND, &n);
	for (uint32_t e = 0; e < n && e < TARGETS_MAX; e++) {
		__builtin_prefetch(&idom[order[graph_target(out[e])]]);
		__builtin_prefetch(&f->spot_of[order[graph_target(out[e])]]);
	}
}

/* An object that its dominator points to is met when that one is; another one when it is its turn. */
static void place_all(struct finder *f)
{
	const struct dominators *d = f->d;
	for (uint32_t i = 0; i < d->n; i++)
		f->spot_of[i] = is_root(f, i) ? (i ? d->vertex[i] - f->in->graph->n : f->n_roots) : GRAPH_NONE;
	for (uint32_t i = 1; i < d->n; i++) {
		fetch_soon(f, i);
		if (f->spot_of[i] == GRAPH_NONE)
			place(f, d->idom[i], i, d->vertex[i], GRAPH_WORD_MAX);
		uint32_t n = 0;
		const graph_edge *out = out_of(f, i, &n);
		for (uint32_t e = 0; e < n; e++) {
			if (e + TARGETS_MAX < n)
				__builtin_prefetch(&d->order[graph_target(out[e + TARGETS_MAX])]);
			uint32_t object = graph_target(out[e]), o = d->order[object];
			if (d->idom[o] == i && f->spot_of[o] == GRAPH_NONE)
				place(f, i, o, object, graph_word(out[e]));
		}
	}
}

static void sum_up(struct finder *f)
{
	for (size_t s = (size_t)f->n_roots + 1; s < f->spots.n; s++) {
		const struct spot *spot = &f->spots.v[s];
		struct retain_sum *path = &f->ret->paths.v[spot->path].sum;
		path->objects += spot->own;
		path->bytes += spot->bytes;
		path->retained_objects += spot->objects;
		f->chains.v[spot->chain].bytes += spot->bytes;
		f->chains.v[spot->chain].objects += spot->objects;
	}
	for (size_t c = f->chains.n - 1; c; c--) {
		const struct chain *chain = &f->chains.v[c];
		f->ret->kinds[chain->kind].retained += chain->bytes;
		f->ret->kinds[chain->kind].retained_objects += chain->objects;
		f->chains.v[chain->above].bytes += chain->bytes;
		f->chains.v[chain->above].objects += chain->objects;
	}
	struct retain_path_vec *paths = &f->ret->paths;
	for (size_t p = paths->n; p-- > 0;) {
		struct retain_path *path = &paths->v[p];
		path->sum.retained += path->sum.bytes;
		struct retain_sum *to =
			path->parent == GRAPH_NONE ? &f->ret->roots[path->root] : &paths->v[path->parent].sum;
		to->retained += path->sum.retained;
		to->retained_objects += path->sum.retained_objects;
	}
	for (uint32_t i = 0; i < f->d->n; i++)
		f->spot_of[i] = f->spots.v[f->spot_of[i]].path;
}

static void finder_init(struct finder *f)
{
	*vec_push(&f->chains) = (struct chain){ 0 };
	for (uint32_t r = 0; r <= f->n_roots; r++)
		*vec_push(&f->spots) = (struct spot){ .path = GRAPH_NONE };
	f->by_step = joints_new();
	f->by_kind = joints_new();
	f->by_chain = joints_new();
	f->by_both = joints_new();
}

static void finder_deinit(struct finder *f)
{
	vec_deinit(&f->chains);
	vec_deinit(&f->spots);
	joints_free(f->by_step);
	joints_free(f->by_kind);
	joints_free(f->by_chain);
	joints_free(f->by_both);
}

struct err *retain_find(const struct retain_input *in, struct retain *ret)
{
	*ret = (struct retain){ 0 };
	struct finder f = { .in = in, .d = in->dominators, .ret = ret, .n_roots = in->graph->n_roots };
	ret->roots = xcalloc((size_t)f.n_roots + 1, sizeof(*ret->roots));
	ret->kinds = xcalloc((size_t)in->n_kinds + 1, sizeof(*ret->kinds));
	TRY(alloc_wide(f.d->n, sizeof(*ret->path_of), &ret->path_of));
	f.spot_of = ret->path_of;
	finder_init(&f);
	place_all(&f);
	sum_up(&f);
	finder_deinit(&f);
	return NULL;
}

void retain_deinit(struct retain *r)
{
	free(r->roots);
	free(r->kinds);
	free(r->path_of);
	vec_deinit(&r->paths);
	*r = (struct retain){ 0 };
}
