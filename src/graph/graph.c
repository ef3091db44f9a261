/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/graph.h"

#include <stdlib.h>

#include "base/alloc.h"

static uint32_t blocks_of(uint32_t n_inner)
{
	return (uint32_t)(((uint64_t)n_inner + GRAPH_BLOCK - 1) >> GRAPH_BLOCK_SHIFT);
}

struct err *graph_init(struct graph *g, uint64_t n, uint64_t n_inner)
{
	*g = (struct graph){ 0 };
	if (n >= GRAPH_NONE || n_inner > n)
		return err_new(ERR_LIMIT, "%llu objects are more than can be numbered", (unsigned long long)n);
	g->n = (uint32_t)n;
	g->n_inner = (uint32_t)n_inner;
	g->blocks = xcalloc(blocks_of(g->n_inner) + 1, sizeof(*g->blocks));
	return NULL;
}

void graph_deinit(struct graph *g)
{
	for (uint32_t i = 0; g->blocks && i < blocks_of(g->n_inner); i++) {
		free(g->blocks[i].first);
		free(g->blocks[i].edges);
	}
	free(g->blocks);
	free(g->roots.first);
	free(g->roots.edges);
	*g = (struct graph){ 0 };
}

void graph_block_take(struct graph *g, uint32_t block, uint32_t *first, graph_edge *edges)
{
	g->blocks[block] = (struct graph_block){ .first = first, .edges = edges };
}

struct err *graph_roots_take(struct graph *g, uint32_t n, uint32_t *first, graph_edge *edges)
{
	g->roots = (struct graph_block){ .first = first, .edges = edges };
	if (n >= GRAPH_NONE - g->n)
		return err_new(ERR_LIMIT, "%u roots are more than can be numbered", n);
	g->n_roots = n;
	return NULL;
}
