/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * graph/reach - which objects a set of vertices leads to.
 *
 * Marks stay, so that roots can be added step by step (goroutines that turn out to be alive). A depth-first walk with a
 * stack of its own: any shape of graph is walked, a list of a hundred million elements too.
 * Memory: a bit a vertex, and the stack.
 */

#include "graph/graph.h"

struct graph_reach {
	const struct graph *g; /* borrowed */
	uint64_t *marked;      /* one bit a vertex */
	struct {
		uint32_t *v;
		size_t n, cap;
	} stack;
};

void graph_reach_init(struct graph_reach *r, const struct graph *g);
void graph_reach_deinit(struct graph_reach *r);

static inline bool graph_reached(const struct graph_reach *r, uint32_t v)
{
	return r->marked[v >> 6] >> (v & 63) & 1;
}

/* Mark a vertex that is not walked through (it counts as reached; what it points to does not by that). */
void graph_reach_block(struct graph_reach *r, uint32_t v);

/* Everything that v leads to, v included. */
void graph_reach_from(struct graph_reach *r, uint32_t v);
void graph_reach_all_roots(struct graph_reach *r);
