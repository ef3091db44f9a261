/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/dominators.h"

#include <stdlib.h>

#include "base/alloc.h"

/* A pointer v -> w that the walk found w visited by, before v: back or across. Later: v, and the next one to the same w. */
struct cross {
	uint32_t to, from;
};

/* A vertex of the core, by its number there. */
struct vert {
	uint32_t anc; /* the walk's parent; then, with compression, one above it */
	uint32_t
		label; /* of those from here up to below anc: the one with the least semi. Before: first of its crosses */
	uint32_t semi; /* semidominator. Before it is known: first of those whose semidominator this is, 0: none */
	uint32_t dom;  /* first the least parent; then the next of the same semidominator; then the dominator */
};

struct finder {
	const struct graph *g;
	uint32_t n;	  /* visited so far */
	uint32_t *vertex; /* as in struct dominators */
	uint32_t *order;
	uint32_t *parent; /* by order */
	uint32_t *
		least; /* by order: of a vertex being walked, its next edge; then the least of those above that point to it */
	VEC(struct cross) crosses;
	uint64_t *in_core; /* a bit by order */
	uint32_t *rank;	   /* by word of in_core: how many of the core come before */
	uint32_t m;	   /* of the core */
	struct vert *verts;
};

static uint32_t visit(struct finder *f, uint32_t v, uint32_t parent)
{
	uint32_t i = f->n++;
	f->order[v] = i;
	f->vertex[i] = v;
	f->parent[i] = parent;
	f->least[i] = parent;
	return i;
}

/* A pointer from i to a vertex that was visited as o. */
static void seen_again(struct finder *f, uint32_t o, uint32_t i)
{
	if (o < i)
		*vec_push(&f->crosses) = (struct cross){ .to = o, .from = i };
	else if (o > i && f->least[o] > i)
		f->least[o] = i;
}

enum { AHEAD = 8, PLACE_AHEAD = 5, EDGES_AHEAD = 2 };

ALWAYS_INLINE void fetch_orders(const struct finder *f, const graph_edge *out, uint32_t n)
{
	for (uint32_t e = 0; e < n && e < AHEAD; e++)
		__builtin_prefetch(&f->order[graph_target(out[e])]);
}

/* What the walk will need of those that stand beside edge e, in the order in which one tells where the next is. */
ALWAYS_INLINE void fetch_ahead(const struct finder *f, const graph_edge *out, uint32_t e, uint32_t n)
{
	const struct graph *g = f->g;
	uint32_t some = 0;
	if (e + AHEAD < n)
		__builtin_prefetch(&f->order[graph_target(out[e + AHEAD])]);
	if (e + PLACE_AHEAD < n)
		graph_fetch(g, graph_target(out[e + PLACE_AHEAD]));
	if (e + EDGES_AHEAD < n && f->order[graph_target(out[e + EDGES_AHEAD])] == GRAPH_NONE)
		__builtin_prefetch(graph_out(g, graph_target(out[e + EDGES_AHEAD]), &some));
}

/* The walk below a vertex that was just visited. Its way back is in `parent`, and where it goes on in `least`. */
static void walk(struct finder *f, uint32_t at)
{
	uint32_t top = f->parent[at], n = 0, e = 0;
	const graph_edge *out = graph_out(f->g, f->vertex[at], &n);
	fetch_orders(f, out, n);
	while (at != top) {
		if (e == n) {
			uint32_t done = at;
			at = f->parent[at];
			f->least[done] = at;
			if (at == top)
				return;
			e = f->least[at];
			out = graph_out(f->g, f->vertex[at], &n);
			continue;
		}
		fetch_ahead(f, out, e, n);
		uint32_t to = graph_target(out[e++]);
		if (f->order[to] != GRAPH_NONE) {
			seen_again(f, f->order[to], at);
			continue;
		}
		uint32_t child = visit(f, to, at);
		if (to >= f->g->n_inner && to < f->g->n)
			continue;
		f->least[at] = e;
		at = child;
		e = 0;
		out = graph_out(f->g, to, &n);
		fetch_orders(f, out, n);
	}
}

static void walk_all(struct finder *f)
{
	f->vertex[0] = GRAPH_NONE;
	f->parent[0] = f->least[0] = 0;
	f->n = 1;
	for (uint32_t r = 0; r < f->g->n_roots; r++) {
		uint32_t root = f->g->n + r;
		if (f->order[root] != GRAPH_NONE)
			seen_again(f, f->order[root], 0);
		else
			walk(f, visit(f, root, 0));
	}
}

static bool core_has(const struct finder *f, uint32_t i)
{
	return f->in_core[i >> 6] >> (i & 63) & 1;
}

static void core_add(struct finder *f, uint32_t i)
{
	f->in_core[i >> 6] |= UINT64_C(1) << (i & 63);
}

/* The number in the core of one that is in it. */
static uint32_t core_number(const struct finder *f, uint32_t i)
{
	uint64_t before = f->in_core[i >> 6] & ((UINT64_C(1) << (i & 63)) - 1);
	return f->rank[i >> 6] + (uint32_t)__builtin_popcountll(before);
}

/* Those with a second way in, and all that the walk came through to them. */
static void find_core(struct finder *f)
{
	uint32_t words = f->n / 64 + 1;
	f->in_core = xcalloc(words, sizeof(*f->in_core));
	f->rank = xcalloc(words, sizeof(*f->rank));
	core_add(f, 0);
	for (size_t c = 0; c < f->crosses.n; c++)
		core_add(f, f->crosses.v[c].to);
	for (uint32_t i = f->n - 1; i; i--) {
		if (f->least[i] < f->parent[i])
			core_add(f, i);
		if (core_has(f, i))
			core_add(f, f->parent[i]);
	}
	for (uint32_t w = 0; w < words; w++) {
		f->rank[w] = f->m;
		f->m += (uint32_t)__builtin_popcountll(f->in_core[w]);
	}
}

/*
 * Numbers of the core from here on. For one that is not in it stands the lowest above it that is: all between have one way
 * in, so whatever they point to is reached exactly when that one is.
 */
static void to_core(struct finder *f)
{
	for (uint32_t i = 1; i < f->n; i++) {
		if (core_has(f, i))
			continue;
		uint32_t p = f->parent[i];
		f->least[i] = core_has(f, p) ? core_number(f, p) : f->least[p];
	}
	size_t kept = 0;
	for (size_t c = 0; c < f->crosses.n; c++) {
		struct cross x = f->crosses.v[c];
		x.to = core_number(f, x.to);
		x.from = core_has(f, x.from) ? core_number(f, x.from) : f->least[x.from];
		const struct cross *last = kept ? &f->crosses.v[kept - 1] : NULL;
		if (x.to != x.from && !(last && last->to == x.to && last->from == x.from))
			f->crosses.v[kept++] = x;
	}
	f->crosses.n = kept;
	for (uint32_t i = 0, c = 0; i < f->n; i++)
		if (core_has(f, i))
			f->least[c++] = core_number(f, f->least[i]);
	f->least = xrealloc(f->least, f->m * sizeof(*f->least));
}

static struct err *make_verts(struct finder *f)
{
	TRY(alloc_wide(f->m, sizeof(*f->verts), &f->verts));
	for (uint32_t i = 0, c = 0; i < f->n; i++) {
		if (!core_has(f, i))
			continue;
		f->verts[c] =
			(struct vert){ .anc = core_number(f, f->parent[i]), .label = GRAPH_NONE, .dom = f->least[c] };
		c++;
	}
	free(f->least);
	f->least = NULL;
	for (size_t c = 0; c < f->crosses.n; c++) {
		struct vert *to = &f->verts[f->crosses.v[c].to];
		f->crosses.v[c].to = to->label;
		to->label = (uint32_t)c;
	}
	return NULL;
}

/*
 * Of v and those above it that were numbered after `done`, the one with the least semidominator. All on the way then point
 * to where it ends. Going up turns the pointers round, so that no stack is needed for the way down.
 */
static uint32_t eval(struct vert *verts, uint32_t v, uint32_t done)
{
	if (verts[v].anc <= done)
		return verts[v].label;
	uint32_t below = GRAPH_NONE, top = v;
	while (verts[top].anc > done) {
		uint32_t up = verts[top].anc;
		verts[top].anc = below;
		below = top;
		top = up;
	}
	uint32_t end = verts[top].anc, best = verts[top].label;
	while (below != GRAPH_NONE) {
		struct vert *x = &verts[below];
		if (verts[best].semi < verts[x->label].semi)
			x->label = best;
		best = x->label;
		below = x->anc;
		x->anc = end;
	}
	return best;
}

static uint32_t least_semi(const struct finder *f, uint32_t w)
{
	uint32_t semi = f->verts[w].dom;
	for (uint32_t c = f->verts[w].label; c != GRAPH_NONE; c = f->crosses.v[c].to) {
		uint32_t from = f->crosses.v[c].from;
		uint32_t found = from > w ? f->verts[eval(f->verts, from, w)].semi : from;
		if (found < semi)
			semi = found;
	}
	return semi;
}

static void dominate_core(const struct finder *f)
{
	struct vert *verts = f->verts;
	for (uint32_t w = f->m - 1; w; w--) {
		for (uint32_t v = verts[w].semi, next = 0; v; v = next) {
			next = verts[v].dom;
			uint32_t u = eval(verts, v, w);
			verts[v].dom = verts[u].semi < w ? u : w;
		}
		uint32_t semi = least_semi(f, w), parent = verts[w].anc;
		verts[w].label = w;
		verts[w].semi = semi;
		verts[w].dom = semi;
		if (semi == parent || !semi)
			continue; /* nothing lies between, or nothing can */
		verts[w].dom = verts[semi].semi;
		verts[semi].semi = w;
	}
	verts[0].semi = verts[0].dom = 0;
	for (uint32_t w = 1; w < f->m; w++)
		if (verts[w].dom != verts[w].semi)
			verts[w].dom = verts[verts[w].dom].dom;
}

/* From numbers of the core back to the order; what is not in it has its parent already. */
static void from_core(struct finder *f)
{
	for (uint32_t i = 0, c = 0; i < f->n; i++) {
		if (!core_has(f, i))
			continue;
		f->verts[c].label = i;
		f->parent[i] = f->verts[f->verts[c].dom].label;
		c++;
	}
}

static void finder_deinit(struct finder *f)
{
	free(f->least);
	vec_deinit(&f->crosses);
	free(f->in_core);
	free(f->rank);
	free(f->verts);
	*f = (struct finder){ 0 };
}

static struct err *make_order(uint32_t all, struct dominators *ret)
{
	TRY(alloc_wide(all + (size_t)1, sizeof(uint32_t), &ret->order));
	memset(ret->order, 0xff, all * sizeof(uint32_t));
	for (uint32_t i = 1; i < ret->n; i++)
		ret->order[ret->vertex[i]] = i;
	return NULL;
}

enum { CROSSES = 5 << 20 }; /* for a start: so large is memory of its own, which grows without being copied */
enum { LARGE_CORE = 5 };    /* a core of more than a fifth: the order by number makes room for it, and is made again */

static struct err *find(struct finder *f, struct dominators *ret)
{
	uint32_t all = graph_vertices(f->g);
	TRY(make_order(all, ret));
	TRY(alloc_wide(all + (size_t)1, sizeof(uint32_t), &ret->vertex));
	TRY(alloc_wide(all + (size_t)1, sizeof(uint32_t), &ret->idom));
	TRY(alloc_wide(all + (size_t)1, sizeof(uint32_t), &f->least));
	vec_reserve(&f->crosses, all < CROSSES ? all : CROSSES);
	f->order = ret->order;
	f->vertex = ret->vertex;
	f->parent = ret->idom;
	walk_all(f);
	find_core(f);
	ret->n = f->n;
	ret->core = f->m;
	ret->vertex = xrealloc(ret->vertex, f->n * sizeof(uint32_t));
	ret->idom = f->parent = xrealloc(ret->idom, f->n * sizeof(uint32_t));
	if (f->m > f->n / LARGE_CORE) {
		free(ret->order);
		ret->order = NULL;
	}
	to_core(f);
	TRY(make_verts(f));
	dominate_core(f);
	from_core(f);
	finder_deinit(f);
	return ret->order ? NULL : make_order(all, ret);
}

struct err *dominators_find(const struct graph *g, struct dominators *ret)
{
	*ret = (struct dominators){ 0 };
	struct finder f = { .g = g };
	struct err *err = find(&f, ret);
	finder_deinit(&f);
	if (err)
		dominators_deinit(ret);
	return err;
}

void dominators_deinit(struct dominators *d)
{
	free(d->vertex);
	free(d->idom);
	free(d->order);
	*d = (struct dominators){ 0 };
}
