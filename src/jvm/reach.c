/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "graph/paths.h"
#include "jvm/work.h"

/* The shortest ways: a tree that graph/retain takes for one of dominators, whose objects weigh what the type's retain. */
struct reach {
	struct jvm_work *w;
	uint64_t *weights; /* by object */
	struct dominators tree;
	struct retain retain;
};

static uint64_t weight_of(void *ctx, uint32_t object)
{
	const struct reach *r = ctx;
	return r->weights[object];
}

static uint32_t kind_of(void *ctx, uint32_t object)
{
	const struct reach *r = ctx;
	return jvm_kind_of(r->w, object);
}

static struct retain_step step_of(void *ctx, uint32_t holder, uint32_t kind, uint32_t word)
{
	const struct reach *r = ctx;
	return jvm_step_of(r->w, holder, kind, word);
}

/* What each object of these kinds retains; 0 where one above it is of them too, whose part it is. */
static struct err *weigh(struct reach *r, const bool *kinds)
{
	const struct dominators *d = &r->w->dominators;
	const uint32_t n = r->w->heap->ids.n;
	AUTO_FREE uint64_t *sums = NULL;
	AUTO_FREE bool *below = NULL;
	TRY(alloc_checked(n, sizeof(*r->weights), SIZE_MAX, &r->weights));
	TRY(alloc_checked(d->n, sizeof(*sums), SIZE_MAX, &sums));
	TRY(alloc_checked(d->n, sizeof(*below), SIZE_MAX, &below));
	for (uint32_t i = d->n - 1; i; i--) {
		if (d->vertex[i] < n)
			sums[i] += jvm_shape_of(r->w->heap, d->vertex[i])->bytes;
		sums[d->idom[i]] += sums[i];
	}
	for (uint32_t i = 1; i < d->n; i++) {
		bool is = d->vertex[i] < n && kinds[kind_of(r, d->vertex[i])];
		below[i] = below[d->idom[i]] | is;
		if (is && !below[d->idom[i]])
			r->weights[d->vertex[i]] = sums[i];
	}
	return NULL;
}

static void visit(struct dominators *t, uint32_t v, uint32_t from)
{
	if (t->order[v] != GRAPH_NONE)
		return;
	t->order[v] = t->n;
	t->vertex[t->n] = v;
	t->idom[t->n++] = from;
}

/* Breadth first from all roots at once. */
static struct err *grow(struct reach *r)
{
	const struct graph *g = &r->w->heap->graph;
	struct dominators *t = &r->tree;
	const size_t n = (size_t)graph_vertices(g) + 1;
	TRY(alloc_checked(n, sizeof(*t->vertex), SIZE_MAX, &t->vertex));
	TRY(alloc_checked(n, sizeof(*t->idom), SIZE_MAX, &t->idom));
	TRY(alloc_checked(n, sizeof(*t->order), SIZE_MAX, &t->order));
	memset(t->order, 0xff, n * sizeof(*t->order));
	t->vertex[t->n++] = GRAPH_NONE;
	for (uint32_t v = g->n; v < graph_vertices(g); v++)
		visit(t, v, 0);
	for (uint32_t i = 1; i < t->n; i++) {
		uint32_t count = 0;
		const graph_edge *out = graph_out(g, t->vertex[i], &count);
		for (uint32_t e = 0; e < count; e++)
			visit(t, graph_target(out[e]), i);
	}
	return NULL;
}

static struct err *put_paths(struct reach *r, const uint32_t *root_of, const char *const *root_text)
{
	struct jvm_work *w = r->w;
	const struct retain_input in = {
		.graph = &w->heap->graph,
		.dominators = &r->tree,
		.ctx = r,
		.bytes = weight_of,
		.kind = kind_of,
		.step = step_of,
		.n_kinds = w->n_kinds,
		.alike = w->alike,
	};
	TRY(retain_find(&in, &r->retain));
	struct paths_words words = jvm_words(w);
	words.root_of = root_of;
	words.root = root_text;
	w->out->paths.n = w->out->steps.n = 0;
	paths_fill(&r->retain, &words, w->arena, w->out);
	return NULL;
}

/* The end of a path counts itself alone. */
static void count_ends(struct owners *out)
{
	for (size_t i = 0; i < out->paths.n; i++) {
		struct owners_path *p = &out->paths.v[i];
		if (p->step_n)
			p->objects = out->steps.v[p->step_at + p->step_n - 1].objects;
	}
}

static struct err *fill(struct reach *r, const bool *kinds)
{
	struct jvm_work *w = r->w;
	const uint64_t n = w->heap->ids.n;
	TRY(jvm_heap_room(w->heap, n * (3 * sizeof(uint64_t) + 5 * sizeof(uint32_t))));
	TRY(weigh(r, kinds));
	retain_deinit(&w->retain);
	dominators_deinit(&w->dominators);
	TRY(grow(r));
	TRY(put_paths(r, w->root_of, w->root_text));
	count_ends(w->out);
	return NULL;
}

struct err *jvm_reach_fill(struct jvm_work *w, const char *type)
{
	struct reach r = { .w = w };
	AUTO_FREE bool *kinds = xcalloc(w->n_kinds, sizeof(*kinds));
	for (uint32_t k = 0; k < w->n_kinds; k++)
		kinds[k] = strcmp(jvm_kind_text(w, k), type) == 0;
	struct err *err = fill(&r, kinds);
	free(r.weights);
	dominators_deinit(&r.tree);
	retain_deinit(&r.retain);
	return err;
}
