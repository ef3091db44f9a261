/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture/graphs.h"

static uint32_t random_state = 1;

static uint32_t below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)random_state * n >> 32);
}

static struct dominators find(const struct graph *g)
{
	struct dominators d;
	assert_null(dominators_find(g, &d));
	return d;
}

static void done(struct graph *g, struct dominators *d, struct graph_arrow_vec *arrows)
{
	dominators_deinit(d);
	graph_deinit(g);
	vec_deinit(arrows);
}

/* The dominator of an object, as a number of the graph. */
static uint32_t idom(const struct dominators *d, uint32_t v)
{
	return d->vertex[d->idom[d->order[v]]];
}

static void random_graphs_agree_with_the_definition(void **state)
{
	for (unsigned round = 0; round < 4000; round++) {
		struct graph_arrow_vec arrows = { 0 };
		uint32_t n = 1 + below(24), inner = below(n + 1), roots = below(5), all = n + roots;
		uint32_t dense = 1 + below(4), edges = below(all * dense + 1);
		for (uint32_t e = 0; e < edges; e++)
			fixture_arrow(&arrows, below(all), below(round % 3 ? n : all));
		struct graph g;
		fixture_graph(&g, n, inner, roots, &arrows);
		struct dominators d = find(&g);
		assert_true(fixture_dominators_right(&g, &d));
		done(&g, &d, &arrows);
	}
}

/* Trees with a few more arrows: what heaps are like, and where much is not in the core. */
static void trees_with_shortcuts_agree_with_the_definition(void **state)
{
	for (unsigned round = 0; round < 2000; round++) {
		struct graph_arrow_vec arrows = { 0 };
		uint32_t n = 10 + below(50), inner = n / 2 + below(n / 2), near = 1 + below(n);
		for (uint32_t v = 0; v < n; v++)
			fixture_arrow(&arrows, v ? v - 1 - below(v < near ? v : near) : n, v);
		for (uint32_t e = below(8); e > 0; e--)
			fixture_arrow(&arrows, below(n), below(n));
		struct graph g;
		fixture_graph(&g, n, inner, 2, &arrows);
		struct dominators d = find(&g);
		assert_true(fixture_dominators_right(&g, &d));
		done(&g, &d, &arrows);
	}
}

enum { MANY = 1000000 };

static void a_long_list_needs_no_stack_and_no_core(void **state)
{
	struct graph_arrow_vec arrows = { 0 };
	fixture_arrow(&arrows, MANY, 0);
	for (uint32_t v = 1; v < MANY; v++)
		fixture_arrow(&arrows, v - 1, v);
	struct graph g;
	fixture_graph(&g, MANY, MANY, 1, &arrows);
	struct dominators d = find(&g);
	assert_int_equal(d.n, MANY + 2);
	assert_int_equal(d.core, 1);
	for (uint32_t v = 1; v < MANY; v++)
		assert_int_equal(idom(&d, v), v - 1);
	done(&g, &d, &arrows);
}

/* container/list: a sentinel, next and prev round it, and every element points to the list. */
static void a_ring_with_a_shared_head_is_held_by_the_head(void **state)
{
	struct graph_arrow_vec arrows = { 0 };
	fixture_arrow(&arrows, MANY, 0);
	for (uint32_t v = 0; v < MANY; v++) {
		fixture_arrow(&arrows, v, (v + 1) % MANY);
		fixture_arrow(&arrows, v, (v + MANY - 1) % MANY);
		fixture_arrow(&arrows, v, 0);
	}
	struct graph g;
	fixture_graph(&g, MANY, MANY, 1, &arrows);
	struct dominators d = find(&g);
	for (uint32_t v = 1; v < MANY; v++)
		assert_int_equal(idom(&d, v), 0);
	assert_int_equal(idom(&d, 0), MANY);
	done(&g, &d, &arrows);
}

/* A deep chain of dominators, and at its end many that have another way in from the top: walking up takes a square. */
static void what_the_end_of_a_list_shares_with_its_root_is_found_in_time(void **state)
{
	enum { HALF = MANY / 2 };
	struct graph_arrow_vec arrows = { 0 };
	fixture_arrow(&arrows, MANY, 0);
	for (uint32_t v = 1; v < HALF; v++)
		fixture_arrow(&arrows, v - 1, v);
	for (uint32_t v = HALF; v < MANY; v++) {
		fixture_arrow(&arrows, HALF - 1, v);
		fixture_arrow(&arrows, v, MANY - 1);
	}
	for (uint32_t v = HALF; v < MANY; v++)
		fixture_arrow(&arrows, 0, v);
	struct graph g;
	fixture_graph(&g, MANY, MANY, 1, &arrows);
	struct dominators d = find(&g);
	for (uint32_t v = HALF; v < MANY; v++)
		assert_int_equal(idom(&d, v), 0);
	assert_int_equal(idom(&d, HALF - 1), HALF - 2);
	done(&g, &d, &arrows);
}

static void everything_pointing_to_everything_is_held_by_the_first(void **state)
{
	enum { N = 1000 };
	struct graph_arrow_vec arrows = { 0 };
	fixture_arrow(&arrows, N, 0);
	for (uint32_t v = 0; v < N; v++)
		for (uint32_t w = 0; w < N; w++)
			fixture_arrow(&arrows, v, w);
	struct graph g;
	fixture_graph(&g, N, N, 1, &arrows);
	struct dominators d = find(&g);
	for (uint32_t v = 1; v < N; v++)
		assert_int_equal(idom(&d, v), 0);
	done(&g, &d, &arrows);
}

static void what_two_roots_hold_is_held_by_none(void **state)
{
	struct graph_arrow_vec arrows = { 0 };
	fixture_arrow(&arrows, 4, 0); /* both roots to 0, which holds 1; 2 of one alone; 3 of none */
	fixture_arrow(&arrows, 5, 0);
	fixture_arrow(&arrows, 0, 1);
	fixture_arrow(&arrows, 5, 2);
	struct graph g;
	fixture_graph(&g, 4, 3, 2, &arrows);
	struct dominators d = find(&g);
	assert_int_equal(d.n, 6);
	assert_int_equal(d.idom[d.order[0]], 0);
	assert_int_equal(idom(&d, 1), 0);
	assert_int_equal(idom(&d, 2), 5);
	assert_int_equal(d.order[3], GRAPH_NONE);
	done(&g, &d, &arrows);
}

static void a_graph_without_roots_has_nothing(void **state)
{
	struct graph_arrow_vec arrows = { 0 };
	fixture_arrow(&arrows, 0, 1);
	struct graph g;
	fixture_graph(&g, 2, 2, 0, &arrows);
	struct dominators d = find(&g);
	assert_int_equal(d.n, 1);
	done(&g, &d, &arrows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_graphs_agree_with_the_definition),
		cmocka_unit_test(trees_with_shortcuts_agree_with_the_definition),
		cmocka_unit_test(a_long_list_needs_no_stack_and_no_core),
		cmocka_unit_test(a_ring_with_a_shared_head_is_held_by_the_head),
		cmocka_unit_test(what_the_end_of_a_list_shares_with_its_root_is_found_in_time),
		cmocka_unit_test(everything_pointing_to_everything_is_held_by_the_first),
		cmocka_unit_test(what_two_roots_hold_is_held_by_none),
		cmocka_unit_test(a_graph_without_roots_has_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
