/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/reach.h"

#include <stdlib.h>

#include "base/alloc.h"

void graph_reach_init(struct graph_reach *r, const struct graph *g)
{
	*r = (struct graph_reach){ .g = g };
	r->marked = xcalloc(graph_vertices(g) / 64 + 1, sizeof(*r->marked));
}

void graph_reach_deinit(struct graph_reach *r)
{
	free(r->marked);
	vec_deinit(&r->stack);
}

void graph_reach_block(struct graph_reach *r, uint32_t v)
{
	r->marked[v >> 6] |= UINT64_C(1) << (v & 63);
}

static void add(struct graph_reach *r, uint32_t v)
{
	if (graph_reached(r, v))
		return;
	graph_reach_block(r, v);
	if (v < r->g->n_inner || v >= r->g->n)
		*vec_push(&r->stack) = v;
}

/*
 * Vertices on their way from the stack to being walked: where their edges are is asked for when they come, the edges when
 * half of those before them are done. Nothing depends on the order.
 */
enum { WAITING = 16, HALF = WAITING / 2 };

struct waiting {
	uint32_t v[WAITING];
	uint32_t at, n;
};

ALWAYS_INLINE uint32_t next(struct graph_reach *r, struct waiting *w)
{
	uint32_t n = 0;
	while (w->n < WAITING && r->stack.n) {
		uint32_t v = r->stack.v[--r->stack.n];
		w->v[(w->at + w->n++) % WAITING] = v;
		graph_fetch(r->g, v);
	}
	if (w->n > HALF)
		__builtin_prefetch(graph_out(r->g, w->v[(w->at + HALF) % WAITING], &n));
	w->n--;
	return w->v[w->at++ % WAITING];
}

void graph_reach_from(struct graph_reach *r, uint32_t v)
{
	struct waiting w = { .n = 0 };
	add(r, v);
	while (r->stack.n || w.n) {
		uint32_t n = 0;
		const graph_edge *out = graph_out(r->g, next(r, &w), &n);
		for (uint32_t i = 0; i < n; i++)
			add(r, graph_target(out[i]));
	}
}

void graph_reach_all_roots(struct graph_reach *r)
{
	for (uint32_t i = 0; i < r->g->n_roots; i++)
		graph_reach_from(r, r->g->n + i);
}
