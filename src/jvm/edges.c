/* SPDX-License-Identifier: Apache-2.0 */
#include "jvm/edges.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"

enum { FIRST_CAP = 1 << 10 };

struct err *jvm_edges_init(uint32_t n_inner, struct jvm_edges *ret)
{
	*ret = (struct jvm_edges){ .n_inner = n_inner };
	ret->n_blocks = (uint32_t)(((uint64_t)n_inner + GRAPH_BLOCK - 1) >> GRAPH_BLOCK_SHIFT);
	ret->blocks = xcalloc((size_t)ret->n_blocks + 1, sizeof(*ret->blocks));
	for (uint32_t i = 0; i < ret->n_blocks; i++) {
		struct jvm_edges_block *b = &ret->blocks[i];
		size_t objects = num_min(GRAPH_BLOCK, n_inner - ((uint64_t)i << GRAPH_BLOCK_SHIFT));
		TRY(alloc_checked(objects, sizeof(*b->at), SIZE_MAX, &b->at));
		TRY(alloc_checked(objects, sizeof(*b->count), SIZE_MAX, &b->count));
		memset(b->at, 0xff, objects * sizeof(*b->at));
		ret->bytes += objects * (sizeof(*b->at) + sizeof(*b->count));
	}
	return NULL;
}

static void block_free(struct jvm_edges_block *b)
{
	free(b->v);
	free(b->at);
	free(b->count);
	*b = (struct jvm_edges_block){ 0 };
}

void jvm_edges_deinit(struct jvm_edges *e)
{
	for (uint32_t i = 0; e->blocks && i < e->n_blocks; i++)
		block_free(&e->blocks[i]);
	free(e->blocks);
	*e = (struct jvm_edges){ 0 };
}

bool jvm_edges_begin(struct jvm_edges *e, uint32_t object)
{
	e->current = &e->blocks[object >> GRAPH_BLOCK_SHIFT];
	e->object = object & (GRAPH_BLOCK - 1);
	if (e->current->at[e->object] != GRAPH_NONE)
		return false;
	e->current->at[e->object] = e->current->n;
	return true;
}

bool jvm_edges_grow(struct jvm_edges *e)
{
	struct jvm_edges_block *b = e->current;
	if (b->n >= GRAPH_NONE / 2)
		return false;
	uint32_t cap = b->cap < FIRST_CAP ? FIRST_CAP : b->cap + b->cap / 4;
	b->v = xrealloc(b->v, cap * sizeof(*b->v));
	e->bytes += (cap - b->cap) * sizeof(*b->v);
	b->cap = cap;
	return true;
}

struct err *jvm_edges_finish(struct jvm_edges *e, struct graph *g, jvm_edges_fn choose, void *ctx)
{
	for (uint32_t i = 0; i < e->n_blocks; i++) {
		struct jvm_edges_block *b = &e->blocks[i];
		uint32_t objects = (uint32_t)num_min(GRAPH_BLOCK, e->n_inner - ((uint64_t)i << GRAPH_BLOCK_SHIFT));
		AUTO_FREE uint32_t *first = NULL;
		AUTO_FREE graph_edge *edges = NULL;
		uint32_t n = 0;
		TRY(alloc_checked((size_t)objects + 1, sizeof(*first), SIZE_MAX, &first));
		TRY(alloc_checked((size_t)b->n + objects + 1, sizeof(*edges), SIZE_MAX, &edges));
		for (uint32_t k = 0; k < objects; k++) {
			uint32_t count = b->count[k];
			first[k] = n;
			if (count)
				memcpy(edges + n, b->v + b->at[k], count * sizeof(*edges));
			choose(ctx, i << GRAPH_BLOCK_SHIFT | k, edges + n, &count);
			n += count;
		}
		first[objects] = n;
		block_free(b);
		edges = xrealloc(edges, ((size_t)n + 1) * sizeof(*edges));
		graph_block_take(g, i, take_ptr(first), take_ptr(edges));
	}
	return NULL;
}
