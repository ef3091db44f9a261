/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "fixture/graphs.h"
#include "graph/reach.h"
#include "graph/retain.h"

enum { VERTICES = 48, KINDS = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Kinds come from the input: byte v of it tells that of object v. */
struct bytes {
	const uint8_t *data;
	size_t size;
};

static uint32_t kind_of(void *ctx, uint32_t object)
{
	const struct bytes *b = ctx;
	return b->data[object % b->size] % KINDS;
}

static uint64_t bytes_of(void *ctx, uint32_t object)
{
	return 8 + object;
}

static struct retain_step step_of(void *ctx, uint32_t holder, uint32_t kind, uint32_t word)
{
	return (struct retain_step){ .part = kind == 5, .field = word % 4 };
}

/* Everything that is reachable is below one root or below several, and in one path. */
static void check_sums(const struct graph *g, const struct dominators *d, struct bytes *b)
{
	const struct retain_input in = { .graph = g,
					 .dominators = d,
					 .ctx = b,
					 .bytes = bytes_of,
					 .kind = kind_of,
					 .step = step_of,
					 .n_kinds = KINDS };
	struct retain r;
	uint64_t all = 0, roots = 0, paths = 0, kinds = 0;
	err_free(retain_find(&in, &r));
	for (uint32_t v = 0; v < g->n; v++)
		all += d->order[v] == GRAPH_NONE ? 0 : bytes_of(b, v);
	for (uint32_t i = 0; i <= g->n_roots; i++)
		roots += r.roots[i].retained;
	for (size_t i = 0; i < r.paths.n; i++) {
		assert(r.paths.v[i].parent == GRAPH_NONE || r.paths.v[i].parent < i);
		paths += r.paths.v[i].sum.bytes;
	}
	for (uint32_t k = 0; k < KINDS; k++) {
		assert(r.kinds[k].retained >= r.kinds[k].bytes && r.kinds[k].retained <= all);
		kinds += r.kinds[k].bytes;
	}
	assert(roots == all && paths == all && kinds == all);
	retain_deinit(&r);
}

/* Numbers of objects, inner objects and roots, then pairs: from, to. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return 0;
	uint32_t n = 1 + data[0] % VERTICES, inner = data[1] % (n + 1), roots = data[2] % 5, all = n + roots;
	struct graph_arrow_vec arrows = { 0 };
	for (size_t i = 3; i + 1 < size && arrows.n < 512; i += 2)
		fixture_arrow(&arrows, data[i] % all, data[i + 1] % all);
	struct graph g;
	struct dominators d;
	struct graph_reach r;
	struct bytes b = { data, size };
	fixture_graph(&g, n, inner, roots, &arrows);
	err_free(dominators_find(&g, &d));
	assert(fixture_dominators_right(&g, &d));
	graph_reach_init(&r, &g);
	graph_reach_all_roots(&r);
	for (uint32_t v = 0; v < all; v++)
		assert(graph_reached(&r, v) == (d.order[v] != GRAPH_NONE));
	check_sums(&g, &d, &b);
	graph_reach_deinit(&r);
	dominators_deinit(&d);
	graph_deinit(&g);
	vec_deinit(&arrows);
	return 0;
}
