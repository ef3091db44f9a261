/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "fixture/graphs.h"
#include "graph/retain.h"

static uint32_t random_state = 1;

static uint32_t below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)random_state * n >> 32);
}

/* The kinds of the objects of a test, and which kinds are parts. */
struct heap {
	const uint32_t *kinds;
	uint32_t part;
	bool fields;
};

static uint64_t bytes_of(void *ctx, uint32_t object)
{
	return 16 + object;
}

static uint32_t kind_of(void *ctx, uint32_t object)
{
	return ((const struct heap *)ctx)->kinds[object];
}

static struct retain_step step_of(void *ctx, uint32_t holder, uint32_t kind, uint32_t word)
{
	const struct heap *h = ctx;
	return (struct retain_step){ .part = h->part && kind == h->part, .field = h->fields ? word % 3 : 0 };
}

struct world {
	struct graph graph;
	struct dominators dominators;
	struct retain retain;
	struct graph_arrow_vec arrows;
	struct heap heap;
};

static void make(struct world *w, uint32_t n, uint32_t inner, uint32_t roots, uint32_t n_kinds)
{
	fixture_graph(&w->graph, n, inner, roots, &w->arrows);
	assert_null(dominators_find(&w->graph, &w->dominators));
	struct retain_input in = { .graph = &w->graph,
				   .dominators = &w->dominators,
				   .ctx = &w->heap,
				   .bytes = bytes_of,
				   .kind = kind_of,
				   .step = step_of,
				   .n_kinds = n_kinds };
	assert_null(retain_find(&in, &w->retain));
}

static void drop(struct world *w)
{
	retain_deinit(&w->retain);
	dominators_deinit(&w->dominators);
	graph_deinit(&w->graph);
	vec_deinit(&w->arrows);
}

/* By definition: what is dominated by any object of the kind. */
static struct retain_sum of_kind(const struct world *w, const bool *dom, uint32_t kind)
{
	struct retain_sum sum = { 0 };
	uint32_t all = graph_vertices(&w->graph);
	for (uint32_t x = 0; x < w->graph.n; x++) {
		bool held = false;
		for (uint32_t v = 0; v < w->graph.n; v++)
			held = held || (w->heap.kinds[v] == kind && dom[(size_t)x * (all + 1) + v]);
		sum.retained += held ? bytes_of(NULL, x) : 0;
		sum.retained_objects += held;
		if (w->heap.kinds[x] == kind && dom[(size_t)x * (all + 1) + x]) {
			sum.objects++;
			sum.bytes += bytes_of(NULL, x);
		}
	}
	return sum;
}

static struct retain_sum of_root(const struct world *w, const bool *dom, uint32_t root)
{
	struct retain_sum sum = { 0 };
	uint32_t all = graph_vertices(&w->graph);
	for (uint32_t x = 0; x < w->graph.n; x++) {
		bool any = false, held = dom[(size_t)x * (all + 1) + x];
		for (uint32_t r = 0; r < w->graph.n_roots; r++)
			any = any || dom[(size_t)x * (all + 1) + w->graph.n + r];
		held = held && (root == w->graph.n_roots ? !any : dom[(size_t)x * (all + 1) + w->graph.n + root]);
		sum.retained += held ? bytes_of(NULL, x) : 0;
		sum.retained_objects += held;
	}
	return sum;
}

static void check_sums(const struct world *w, uint32_t n_kinds)
{
	bool *dom = fixture_dominance(&w->graph);
	for (uint32_t k = 0; k < n_kinds; k++) {
		struct retain_sum want = of_kind(w, dom, k);
		assert_memory_equal(&want, &w->retain.kinds[k], sizeof(want));
	}
	for (uint32_t r = 0; r <= w->graph.n_roots; r++) {
		struct retain_sum want = of_root(w, dom, r);
		assert_int_equal(want.retained, w->retain.roots[r].retained);
		assert_int_equal(want.retained_objects, w->retain.roots[r].retained_objects);
	}
	free(dom);
}

/* Each object has a node, below the right root; nodes stand before what is below them, and add up. */
static void check_paths(const struct world *w)
{
	const struct retain_path_vec *paths = &w->retain.paths;
	uint64_t bytes = 0, all = 0;
	for (size_t p = 0; p < paths->n; p++) {
		const struct retain_path *path = &paths->v[p];
		bytes += path->sum.bytes;
		if (path->parent == GRAPH_NONE)
			all += path->sum.retained;
		else
			assert_true(path->parent < p && paths->v[path->parent].root == path->root);
	}
	assert_int_equal(bytes, all);
	uint64_t roots = 0;
	for (uint32_t r = 0; r <= w->graph.n_roots; r++)
		roots += w->retain.roots[r].retained;
	assert_int_equal(bytes, roots);
	for (uint32_t i = 1; i < w->dominators.n; i++) {
		bool object = w->dominators.vertex[i] < w->graph.n;
		assert_int_equal(w->retain.path_of[i] < paths->n, object);
	}
}

static void sums_of_random_graphs_agree_with_the_definition(void **state)
{
	for (unsigned round = 0; round < 1500; round++) {
		struct world w = { .heap = { .part = round % 4, .fields = round % 2 } };
		uint32_t n = 1 + below(30), inner = below(n + 1), roots = below(5), n_kinds = 1 + below(6);
		uint32_t kinds[32];
		for (uint32_t v = 0; v < n; v++)
			kinds[v] = below(n_kinds);
		w.heap.kinds = kinds;
		for (uint32_t e = below(2 * (n + roots)); e > 0; e--)
			fixture_arrow(&w.arrows, below(n + roots), below(n));
		make(&w, n, inner, roots, n_kinds);
		check_sums(&w, n_kinds);
		check_paths(&w);
		drop(&w);
	}
}

static const struct retain_path *path_of(const struct world *w, uint32_t object)
{
	return &w->retain.paths.v[w->retain.path_of[w->dominators.order[object]]];
}

/* Root -> map (kind 1) -> two groups (kind 2, parts) -> four sessions (kind 3), each with a buffer (kind 4). */
static void objects_held_alike_are_one_node_and_parts_are_in_their_holder(void **state)
{
	const uint32_t kinds[] = { 1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4 };
	struct world w = { .heap = { .kinds = kinds, .part = 2 } };
	fixture_arrow(&w.arrows, 11, 0);
	fixture_arrow(&w.arrows, 0, 1);
	fixture_arrow(&w.arrows, 0, 2);
	for (uint32_t s = 0; s < 4; s++) {
		fixture_arrow(&w.arrows, 1 + s / 2, 3 + s);
		fixture_arrow(&w.arrows, 3 + s, 7 + s);
	}
	make(&w, 11, 7, 1, 5);
	assert_int_equal(w.retain.paths.n, 3);
	const struct retain_path *buffer = path_of(&w, 9), *session = path_of(&w, 5), *map = path_of(&w, 2);
	assert_int_equal(buffer->sum.objects, 4);
	assert_int_equal(buffer->sum.retained, 16 * 4 + 7 + 8 + 9 + 10);
	assert_ptr_equal(&w.retain.paths.v[buffer->parent], session);
	assert_int_equal(session->sum.objects, 4);
	assert_int_equal(session->sum.retained_objects, 8);
	assert_ptr_equal(&w.retain.paths.v[session->parent], map);
	assert_int_equal(map->kind, 1);
	assert_int_equal(map->sum.objects, 1);
	assert_int_equal(map->sum.bytes, 16 * 3 + 0 + 1 + 2);
	assert_int_equal(map->parent, GRAPH_NONE);
	assert_int_equal(w.retain.roots[0].retained, map->sum.retained);
	assert_int_equal(w.retain.roots[0].objects, 1);
	drop(&w);
}

/* A list of a kind, each element with a payload; and a kind of list through another kind. */
static void a_list_stays_in_one_node_whatever_is_between(void **state)
{
	for (uint32_t between = 0; between < 2; between++) {
		enum { N = 3000 };
		uint32_t kinds[N], step = between ? 3 : 2;
		struct world w = { .heap = { .kinds = kinds, .fields = true } };
		fixture_arrow(&w.arrows, N, 0);
		for (uint32_t v = 0; v < N; v += step) {
			kinds[v] = 1;
			kinds[v + 1] = 2;
			fixture_arrow(&w.arrows, v, v + 1);
			if (between) {
				kinds[v + 2] = 3;
				fixture_arrow(&w.arrows, v, v + 2);
			}
			if (v + step < N)
				fixture_arrow(&w.arrows, v + (between ? 2 : 0), v + step);
		}
		make(&w, N, N, 1, 4);
		const struct retain_path *list = path_of(&w, 0);
		assert_int_equal(list->sum.objects, N / step);
		assert_ptr_equal(path_of(&w, N - step), list);
		assert_int_equal(list->sum.retained_objects, N);
		assert_true(w.retain.paths.n <= 1 + 3 * (between + 1));
		drop(&w);
	}
}

static void different_fields_are_different_places(void **state)
{
	const uint32_t kinds[] = { 1, 2, 2, 2 };
	struct world w = { .heap = { .kinds = kinds, .fields = true } };
	fixture_arrow(&w.arrows, 4, 0);
	fixture_arrow(&w.arrows, 0, 1);
	fixture_arrow(&w.arrows, 0, 2);
	fixture_arrow(&w.arrows, 1, 3); /* by two ways: below 0, at no word */
	fixture_arrow(&w.arrows, 2, 3);
	make(&w, 4, 4, 1, 3);
	assert_true(path_of(&w, 1) != path_of(&w, 2));
	assert_int_equal(path_of(&w, 3)->field, GRAPH_WORD_MAX % 3);
	assert_int_equal(path_of(&w, 3)->parent, w.retain.path_of[w.dominators.order[0]]);
	drop(&w);
}

static void kinds_that_are_alike_are_added_up_as_one(void **state)
{
	const uint32_t kinds[] = { 1, 2, 3 }, alike[] = { 0, 1, 1, 3 };
	struct world w = { .heap = { .kinds = kinds } };
	fixture_arrow(&w.arrows, 3, 0);
	fixture_arrow(&w.arrows, 0, 1);
	fixture_arrow(&w.arrows, 1, 2);
	fixture_graph(&w.graph, 3, 3, 1, &w.arrows);
	assert_null(dominators_find(&w.graph, &w.dominators));
	struct retain_input in = { .graph = &w.graph,
				   .dominators = &w.dominators,
				   .ctx = &w.heap,
				   .bytes = bytes_of,
				   .kind = kind_of,
				   .n_kinds = 4,
				   .alike = alike };
	assert_null(retain_find(&in, &w.retain));
	assert_int_equal(w.retain.kinds[1].objects, 2);
	assert_int_equal(w.retain.kinds[1].retained, 16 * 3 + 3);
	assert_int_equal(w.retain.kinds[2].objects, 0);
	assert_int_equal(w.retain.paths.n, 2);
	drop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_of_random_graphs_agree_with_the_definition),
		cmocka_unit_test(objects_held_alike_are_one_node_and_parts_are_in_their_holder),
		cmocka_unit_test(a_list_stays_in_one_node_whatever_is_between),
		cmocka_unit_test(different_fields_are_different_places),
		cmocka_unit_test(kinds_that_are_alike_are_added_up_as_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
