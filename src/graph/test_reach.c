/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture/graphs.h"
#include "graph/reach.h"

static uint32_t random_state = 1;

static uint32_t below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)random_state * n >> 32);
}

static void all_that_can_be_reached_is_marked_and_nothing_else(void **state)
{
	for (unsigned round = 0; round < 500; round++) {
		struct graph_arrow_vec arrows = { 0 };
		uint32_t n = 1 + below(60), inner = below(n + 1), roots = below(4), all = n + roots;
		for (uint32_t e = below(2 * all); e > 0; e--)
			fixture_arrow(&arrows, below(all), below(n));
		struct graph g;
		fixture_graph(&g, n, inner, roots, &arrows);
		bool *dom = fixture_dominance(&g);
		struct graph_reach r;
		graph_reach_init(&r, &g);
		graph_reach_all_roots(&r);
		for (uint32_t v = 0; v < all; v++)
			assert_int_equal(graph_reached(&r, v), dom[(size_t)v * (all + 1) + v]);
		graph_reach_deinit(&r);
		graph_deinit(&g);
		free(dom);
		vec_deinit(&arrows);
	}
}

static void roots_can_be_added_and_what_is_blocked_ends_the_walk(void **state)
{
	struct graph_arrow_vec arrows = { 0 };
	fixture_arrow(&arrows, 5, 0); /* 0 -> 1 -> 2 and 3 -> 4 */
	fixture_arrow(&arrows, 0, 1);
	fixture_arrow(&arrows, 1, 2);
	fixture_arrow(&arrows, 3, 4);
	struct graph g;
	fixture_graph(&g, 5, 5, 1, &arrows);
	struct graph_reach r;
	graph_reach_init(&r, &g);
	graph_reach_block(&r, 1);
	graph_reach_all_roots(&r);
	assert_true(graph_reached(&r, 0) && graph_reached(&r, 1) && graph_reached(&r, 5));
	assert_false(graph_reached(&r, 2) || graph_reached(&r, 3));
	graph_reach_from(&r, 3);
	assert_true(graph_reached(&r, 3) && graph_reached(&r, 4));
	assert_false(graph_reached(&r, 2));
	graph_reach_deinit(&r);
	graph_deinit(&g);
	vec_deinit(&arrows);
}

static void a_list_of_a_million_is_walked(void **state)
{
	enum { MANY = 1000000 };
	struct graph_arrow_vec arrows = { 0 };
	fixture_arrow(&arrows, MANY, MANY - 1);
	for (uint32_t v = 1; v < MANY; v++)
		fixture_arrow(&arrows, v, v - 1);
	struct graph g;
	fixture_graph(&g, MANY, MANY, 1, &arrows);
	struct graph_reach r;
	graph_reach_init(&r, &g);
	graph_reach_all_roots(&r);
	for (uint32_t v = 0; v < MANY; v++)
		assert_true(graph_reached(&r, v));
	graph_reach_deinit(&r);
	graph_deinit(&g);
	vec_deinit(&arrows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_can_be_reached_is_marked_and_nothing_else),
		cmocka_unit_test(roots_can_be_added_and_what_is_blocked_ends_the_walk),
		cmocka_unit_test(a_list_of_a_million_is_walked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
