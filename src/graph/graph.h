/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * graph/graph - objects and what they point to, for any heap: Go's or a JVM's.
 *
 * Vertices are numbers: objects [0, n), of which those below n_inner may point to others and the rest are leaves; then
 * roots [n, n + n_roots). Edges are kept in blocks of GRAPH_BLOCK objects, so that several workers can fill different
 * blocks; the edges of the roots are one more block. Numbers need not all be objects (a free slot is a number without edges
 * in or out).
 * Memory: 4 bytes an inner object and 8 an edge.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

enum { GRAPH_BLOCK_SHIFT = 16, GRAPH_BLOCK = 1 << GRAPH_BLOCK_SHIFT };

#define GRAPH_NONE UINT32_MAX

/* For functions that do nothing but fetch ahead: gcc takes a call of such a one for a call without effect. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* target | word << 32 | interior << 63: the pointer is at this word (8 bytes) of the source; interior: not to the start. */
typedef uint64_t graph_edge;

#define GRAPH_WORD_MAX 0x7fffffffu
#define GRAPH_INTERIOR (UINT64_C(1) << 63)

static inline graph_edge graph_edge_make(uint32_t target, uint64_t word, bool interior)
{
	uint64_t at = word < GRAPH_WORD_MAX ? word : GRAPH_WORD_MAX;
	return target | at << 32 | (interior ? GRAPH_INTERIOR : 0);
}

static inline uint32_t graph_target(graph_edge e)
{
	return (uint32_t)e;
}

static inline uint32_t graph_word(graph_edge e)
{
	return (uint32_t)(e >> 32) & GRAPH_WORD_MAX;
}

VEC_TYPE(graph_edge_vec, graph_edge);

struct graph_block {
	uint32_t *first; /* [objects of the block + 1]: index in edges; NULL: none of them has edges */
	graph_edge *edges;
};

struct graph {
	uint32_t n, n_inner, n_roots;
	struct graph_block *blocks; /* (n_inner + GRAPH_BLOCK - 1) >> GRAPH_BLOCK_SHIFT of them */
	struct graph_block roots;   /* first: [n_roots + 1] */
};

/* An empty graph. LIMIT when n + n_roots is no number. */
MUST_CHECK struct err *graph_init(struct graph *g, uint64_t n, uint64_t n_inner);
void graph_deinit(struct graph *g);

/*
 * Gives a block its edges: first has one more entry than the block has objects, both arrays are taken over (free()).
 * Different blocks may be given by different threads.
 */
void graph_block_take(struct graph *g, uint32_t block, uint32_t *first, graph_edge *edges);

/* The roots' edges, in the same shape; n_roots = n. Once, when the objects are there. */
MUST_CHECK struct err *graph_roots_take(struct graph *g, uint32_t n, uint32_t *first, graph_edge *edges);

/* All vertices, the roots among them. */
static inline uint32_t graph_vertices(const struct graph *g)
{
	return g->n + g->n_roots;
}

/* The edges of a vertex, *n of them. */
static inline const graph_edge *graph_out(const struct graph *g, uint32_t v, uint32_t *n)
{
	const struct graph_block *b = NULL;
	uint32_t at = 0;
	if (v >= g->n) {
		b = &g->roots;
		at = v - g->n;
	} else if (v < g->n_inner) {
		b = &g->blocks[v >> GRAPH_BLOCK_SHIFT];
		at = v & (GRAPH_BLOCK - 1);
	}
	if (!b || !b->first) {
		*n = 0;
		return NULL;
	}
	*n = b->first[at + 1] - b->first[at];
	return b->edges + b->first[at];
}

/* Asks for the place of a vertex's edges, before it is needed. */
ALWAYS_INLINE void graph_fetch(const struct graph *g, uint32_t v)
{
	const struct graph_block *b = v < g->n_inner ? &g->blocks[v >> GRAPH_BLOCK_SHIFT] : NULL;
	if (b && b->first)
		__builtin_prefetch(&b->first[v & (GRAPH_BLOCK - 1)]);
}
