/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jvm/edges - the references of all objects, collected in the order of the file, given to struct graph in the order of
 * numbers. Memory: 8 bytes a reference, a quarter of that to spare while they come, and 8 bytes an object that may refer.
 */

#include "graph/graph.h"

struct jvm_edges_block {
	graph_edge *v;
	uint32_t n, cap;
	uint32_t *at, *count; /* by object: its references in v; at: GRAPH_NONE before it came */
};

struct jvm_edges {
	struct jvm_edges_block *blocks;
	struct jvm_edges_block *current;
	uint32_t n_inner, n_blocks, object; /* object: index in the current block */
	uint64_t n, bytes;		    /* references; memory */
};

/* NOMEM. On every return *ret is to be given to jvm_edges_deinit(). */
MUST_CHECK struct err *jvm_edges_init(uint32_t n_inner, struct jvm_edges *ret);
void jvm_edges_deinit(struct jvm_edges *e);

/* What jvm_edges_put() gives belongs to this object, < n_inner, from now on. False when it had its turn. */
bool jvm_edges_begin(struct jvm_edges *e, uint32_t object);
/* False when a block has too many, which 32 bits cannot count. */
bool jvm_edges_grow(struct jvm_edges *e);

static inline bool jvm_edges_put(struct jvm_edges *e, graph_edge edge)
{
	struct jvm_edges_block *b = e->current;
	if (b->n == b->cap && !jvm_edges_grow(e))
		return false;
	b->v[b->n++] = edge;
	b->count[e->object]++;
	e->n++;
	return true;
}

/* May change an object's references, *n as they came; there is room for one more. */
typedef void (*jvm_edges_fn)(void *ctx, uint32_t object, graph_edge *edges, uint32_t *n);

/* Hands the blocks to the graph one by one. NOMEM. */
MUST_CHECK struct err *jvm_edges_finish(struct jvm_edges *e, struct graph *g, jvm_edges_fn choose, void *ctx);
