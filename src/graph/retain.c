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

struct finder {
	const struct retain_input *in;
	const struct dominators *d;
	struct retain *ret;
	struct joints *joints;
	uint32_t n_roots;
};

static bool is_root(const struct finder *f, uint32_t i)
{
	return i == 0 || f->d->vertex[i] >= f->in->graph->n;
}

static uint32_t alike(const struct finder *f, uint32_t kind)
{
	return f->in->alike ? f->in->alike[kind] : kind;
}

/*
 * Kinds. A chain is a set of kinds that are above an object, itself included, in the order in which they came; an object
 * that brings a new one is a topmost one of its kind.
 */
struct chain {
	uint32_t above, kind;
	uint64_t bytes, objects;
};

VEC_TYPE(chain_vec, struct chain);

static uint32_t chain_below(struct finder *f, struct chain_vec *chains, uint32_t above, uint32_t kind)
{
	struct joint key = { .node = above, .kind = kind };
	uint32_t found = joint_find(f->joints, &key);
	if (found != GRAPH_NONE)
		return found;
	for (uint32_t c = above; c; c = chains->v[c].above)
		if (chains->v[c].kind == kind)
			return joint_add(f->joints, key, above);
	if (chains->n > RETAIN_PATHS_MAX) {
		f->ret->cut = true;
		return above;
	}
	*vec_push(chains) = (struct chain){ .above = above, .kind = kind };
	return joint_add(f->joints, key, (uint32_t)chains->n - 1);
}

static void sum_kinds(struct finder *f)
{
	struct chain_vec chains = { 0 };
	uint32_t *chain_of = f->ret->path_of; /* until the paths are known */
	*vec_push(&chains) = (struct chain){ 0 };
	for (uint32_t i = 0; i < f->d->n; i++) {
		if (is_root(f, i)) {
			chain_of[i] = 0;
			continue;
		}
		uint32_t object = f->d->vertex[i], kind = alike(f, f->in->kind(f->in->ctx, object));
		uint64_t bytes = f->in->bytes(f->in->ctx, object);
		uint32_t c = chain_of[i] = chain_below(f, &chains, chain_of[f->d->idom[i]], kind);
		chains.v[c].bytes += bytes;
		chains.v[c].objects++;
		f->ret->kinds[kind].bytes += bytes;
		f->ret->kinds[kind].objects++;
	}
	for (size_t c = chains.n - 1; c; c--) {
		struct retain_sum *sum = &f->ret->kinds[chains.v[c].kind];
		sum->retained += chains.v[c].bytes;
		sum->retained_objects += chains.v[c].objects;
		chains.v[chains.v[c].above].bytes += chains.v[c].bytes;
		chains.v[chains.v[c].above].objects += chains.v[c].objects;
	}
	vec_deinit(&chains);
}

static uint32_t path_new(struct finder *f, uint32_t parent, uint32_t root, const struct joint *key)
{
	*vec_push(&f->ret->paths) =
		(struct retain_path){ .parent = parent, .root = root, .kind = key->kind, .field = key->field };
	return joint_add(f->joints, *key, (uint32_t)f->ret->paths.n - 1);
}

/* The node of a kind at a place below another node, or below a root. */
static uint32_t path_below(struct finder *f, uint32_t parent, uint32_t root, uint32_t kind, uint32_t field)
{
	/* below a root, keys begin behind those of nodes */
	struct joint key = { .node = parent != GRAPH_NONE ? parent : GRAPH_NONE - 1 - root,
			     .kind = kind,
			     .field = field };
	uint32_t found = joint_find(f->joints, &key);
	if (found != GRAPH_NONE)
		return found;
	const struct retain_path_vec *paths = &f->ret->paths;
	for (uint32_t p = parent; kind && p != GRAPH_NONE; p = paths->v[p].parent)
		if (alike(f, paths->v[p].kind) == alike(f, kind))
			return joint_add(f->joints, key, p);
	if (parent != GRAPH_NONE && paths->v[parent].kind == kind)
		return parent;
	if (paths->n < RETAIN_PATHS_MAX)
		return path_new(f, parent, root, &key);
	f->ret->cut = true;
	if (parent != GRAPH_NONE)
		return parent;
	key.kind = key.field = 0; /* one more for each root, for all that is left */
	found = joint_find(f->joints, &key);
	return found != GRAPH_NONE ? found : path_new(f, parent, root, &key);
}

/* Puts what i, the dominator, holds at `word` into its node. */
static void place(struct finder *f, uint32_t i, uint32_t holder, uint32_t o, uint32_t word)
{
	uint32_t object = f->d->vertex[o], kind = f->in->kind(f->in->ctx, object), node = GRAPH_NONE;
	uint64_t bytes = f->in->bytes(f->in->ctx, object);
	struct retain_step step = { 0 };
	if (is_root(f, i)) {
		uint32_t root = i ? f->d->vertex[i] - f->in->graph->n : f->n_roots;
		f->ret->roots[root].objects++;
		f->ret->roots[root].bytes += bytes;
		node = path_below(f, GRAPH_NONE, root, kind, 0);
	} else {
		if (f->in->step)
			step = f->in->step(f->in->ctx, holder, kind, word);
		node = f->ret->path_of[i];
		if (!step.part)
			node = path_below(f, node, f->ret->paths.v[node].root, kind, step.field);
	}
	f->ret->path_of[o] = node;
	struct retain_sum *sum = &f->ret->paths.v[node].sum;
	sum->objects += !step.part;
	sum->bytes += bytes;
	sum->retained_objects++;
}

/* An object that its dominator points to is met when that one is; another one when it is its turn. */
static void walk_paths(struct finder *f)
{
	const struct dominators *d = f->d;
	for (uint32_t i = 0; i < d->n; i++)
		f->ret->path_of[i] = GRAPH_NONE;
	for (uint32_t i = 1; i < d->n; i++) {
		uint32_t v = d->vertex[i], holder = 0, n = 0;
		if (!is_root(f, i)) {
			holder = f->in->kind(f->in->ctx, v);
			if (f->ret->path_of[i] == GRAPH_NONE) {
				uint32_t above = d->idom[i];
				uint32_t kind = is_root(f, above) ? 0 : f->in->kind(f->in->ctx, d->vertex[above]);
				place(f, above, kind, i, GRAPH_WORD_MAX);
			}
		}
		const graph_edge *out = graph_out(f->in->graph, v, &n);
		for (uint32_t e = 0; e < n; e++) {
			uint32_t o = d->order[graph_target(out[e])];
			if (d->idom[o] == i && f->ret->path_of[o] == GRAPH_NONE && !is_root(f, o))
				place(f, i, holder, o, graph_word(out[e]));
		}
	}
}

static void sum_paths(struct finder *f)
{
	struct retain_path_vec *paths = &f->ret->paths;
	for (size_t p = paths->n; p-- > 0;) {
		struct retain_path *path = &paths->v[p];
		path->sum.retained += path->sum.bytes;
		struct retain_sum *to =
			path->parent == GRAPH_NONE ? &f->ret->roots[path->root] : &paths->v[path->parent].sum;
		to->retained += path->sum.retained;
		to->retained_objects += path->sum.retained_objects;
	}
}

struct err *retain_find(const struct retain_input *in, struct retain *ret)
{
	*ret = (struct retain){ 0 };
	struct finder f = { .in = in, .d = in->dominators, .ret = ret, .n_roots = in->graph->n_roots };
	ret->roots = xcalloc((size_t)f.n_roots + 1, sizeof(*ret->roots));
	ret->kinds = xcalloc((size_t)in->n_kinds + 1, sizeof(*ret->kinds));
	TRY(alloc_checked(f.d->n, sizeof(*ret->path_of), SIZE_MAX, &ret->path_of));
	f.joints = joints_new();
	sum_kinds(&f);
	joints_free(f.joints);
	f.joints = joints_new();
	walk_paths(&f);
	sum_paths(&f);
	joints_free(f.joints);
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
