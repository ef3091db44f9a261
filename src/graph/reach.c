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

void graph_reach_from(struct graph_reach *r, uint32_t v)
{
	add(r, v);
	while (r->stack.n) {
		uint32_t n = 0;
		const graph_edge *out = graph_out(r->g, r->stack.v[--r->stack.n], &n);
		for (uint32_t i = 0; i < n; i++)
			add(r, graph_target(out[i]));
	}
}

void graph_reach_all_roots(struct graph_reach *r)
{
	for (uint32_t i = 0; i < r->g->n_roots; i++)
		graph_reach_from(r, r->g->n + i);
}
