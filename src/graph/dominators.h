/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * graph/dominators - what every way from the roots to an object goes through.
 *
 * Vertices are renumbered in the order of a depth-first walk from a virtual root (0) over all roots; a dominator
 * always comes before what it dominates, so a loop downwards adds up and a loop upwards hands down.
 * Exact; a list of any length, a hub that everything points to and cycles through everything cost no more than others.
 *
 * Source: Lengauer and Tarjan, A fast algorithm for finding dominators in a flowgraph (1979), with path compression.
 * It is asked only about the core: vertices with more than one way in, and what the walk came through to those. Of all
 * others the immediate dominator is where the walk came from.
 * Memory at the walk: 4 bytes a vertex of the graph and 12 a reachable one; then 8 a reachable one and 20 a vertex of the
 * core (and still 4 a vertex while the core is small); at both, 8 a pointer that leads back or across in the walk. What
 * stays: 4 a vertex of the graph and 8 a reachable one.
 */

#include "graph/graph.h"

struct dominators {
	uint32_t n;	  /* vertices that are reachable, the virtual root (0) included */
	uint32_t core;	  /* of them: those that the way in did not decide */
	uint32_t *vertex; /* [n] order -> number in the graph; of 0: GRAPH_NONE */
	uint32_t *idom;	  /* [n] order -> order of the immediate dominator; idom[0] = 0 */
	uint32_t *order;  /* [graph_vertices()] number in the graph -> order; GRAPH_NONE: not reachable */
};

/* Every target of an edge must be below graph_vertices(). NOMEM. */
MUST_CHECK struct err *dominators_find(const struct graph *g, struct dominators *ret);
void dominators_deinit(struct dominators *d);
