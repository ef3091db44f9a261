/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * graph/dominators - what every way from the roots to an object goes through.
 *
 * Vertices are renumbered in the order of a depth-first walk from a virtual root (0) over all roots; a dominator
 * always comes before what it dominates, so a loop downwards adds up and a loop upwards hands down.
 * Exact; a list of any length, a hub that everything points to and cycles through everything cost no more than others.
 */

#include "graph/graph.h"

struct dominators {
	uint32_t n;	  /* vertices that are reachable, the virtual root (0) included */
	uint32_t *vertex; /* [n] order -> number in the graph; of 0: GRAPH_NONE */
	uint32_t *idom;	  /* [n] order -> order of the immediate dominator; idom[0] = 0 */
};

MUST_CHECK struct err *dominators_find(const struct graph *g, struct dominators *ret);
void dominators_deinit(struct dominators *d);
