/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "analysis/goroutine_groups.h"

static const int64_t MINUTE = 60000000000;

/* "f;g;main.h" is a stack, the innermost first; each frame's address differs from call to call. */
static uint32_t stack(struct goroutines *gs, const char *text)
{
	static uint64_t addr;
	uint32_t frames[16], n = 0;
	while (*text) {
		char name[128] = "";
		size_t len = strcspn(text, ";");
		memcpy(name, text, len);
		frames[n++] = stacks_frame(
			&gs->stacks, &(struct frame){ .function = name, .file = "a.go", .line = 7, .addr = ++addr });
		text += len + (text[len] == ';');
	}
	return stacks_add(&gs->stacks, frames, n);
}

static struct goroutine *add(struct goroutines *gs, const char *reason, const char *frames, const char *creator)
{
	struct goroutine *g = vec_push(&gs->v);
	*g = (struct goroutine){
		.id = gs->v.n,
		.state = reason ? "waiting" : "running",
		.wait_reason = reason,
		.wait_ns = -1,
		.stack_bytes = ACCOUNT_UNKNOWN,
		.stack = stack(gs, frames),
		.created_by = creator ? stacks_place(&gs->stacks, creator, "b.go", 1) : 0,
		.count = 1,
		.fd = -1,
	};
	gs->total++;
	return g;
}

static void what_waits_at_one_place_for_one_creator_is_one_group(void **state)
{
	struct goroutines gs;
	struct goroutine_groups groups;
	goroutines_init(&gs);
	add(&gs, NULL, "main.main", NULL);
	for (int i = 0; i < 3; i++) /* alike but for what the runtime and the carriers add */
		add(&gs, "IO wait",
		    i ? "runtime.gopark;internal/poll.runtime_pollWait;net.(*conn).Read;main.serve"
		      : "net.(*conn).Read;main.serve",
		    "main.accept");
	add(&gs, "IO wait", "net.(*conn).Read;main.serve", "main.other");
	goroutine_groups_make(&gs, GOROUTINE_BY_SITE, false, &groups);
	assert_int_equal(groups.v.n, 3);
	const struct goroutine_group *g = &groups.v.v[0];
	assert_int_equal(g->count, 3);
	assert_int_equal(g->n_stacks, 2);
	assert_string_equal(g->wait_reason, "IO wait");
	assert_string_equal(stacks_at(&groups.stacks, g->stack, g->blocked)->function, "main.serve");
	assert_string_equal(stacks_at(&groups.stacks, g->created_by, 0)->function, "main.accept");
	assert_string_equal(stacks_at(&groups.stacks, g->stack, 0)->function, "internal/poll.runtime_pollWait");
	assert_int_equal(stacks_at(&groups.stacks, g->stack, 0)->addr, 0);
	goroutine_groups_deinit(&groups);
	goroutines_deinit(&gs);
}

static void each_way_of_grouping_counts_every_goroutine(void **state)
{
	static const size_t expected[] = {
		[GOROUTINE_BY_SITE] = 3, [GOROUTINE_BY_STATE] = 2, [GOROUTINE_BY_STACK] = 4, [GOROUTINE_BY_NONE] = 5
	};
	struct goroutines gs;
	goroutines_init(&gs);
	add(&gs, "chan receive", "main.a;main.x", "main.main");
	add(&gs, "chan receive", "main.a;main.y", "main.main");
	add(&gs, "chan receive", "main.a;main.y", "main.main");
	add(&gs, "select", "main.a;main.y", "main.main");
	add(&gs, "select", "main.b;main.y", "main.main");
	for (size_t by = 0; by < sizeof(expected) / sizeof(expected[0]); by++) {
		struct goroutine_groups groups;
		goroutine_groups_make(&gs, (enum goroutine_group_by)by, false, &groups);
		uint64_t sum = 0;
		for (size_t i = 0; i < groups.v.n; i++)
			sum += groups.v.v[i].count;
		assert_int_equal(groups.v.n, expected[by]);
		assert_int_equal(groups.members.n, 5);
		assert_int_equal(sum, 5);
		goroutine_groups_deinit(&groups);
	}
	goroutines_deinit(&gs);
}

static void waits_and_stacks_are_of_those_that_are_known(void **state)
{
	struct goroutines gs;
	struct goroutine_groups groups;
	goroutines_init(&gs);
	static const int64_t waits[] = { 9, -1, 2, 3 };
	for (size_t i = 0; i < 4; i++) {
		struct goroutine *g = add(&gs, "select", "main.a", NULL);
		g->wait_ns = waits[i] < 0 ? -1 : waits[i] * MINUTE;
		g->stack_bytes = i == 1 ? ACCOUNT_UNKNOWN : 2048;
	}
	add(&gs, NULL, "main.main", NULL);
	goroutine_groups_make(&gs, GOROUTINE_BY_SITE, false, &groups);
	const struct goroutine_group *g = &groups.v.v[0];
	assert_int_equal(g->wait_min, 2 * MINUTE);
	assert_int_equal(g->wait_median, 3 * MINUTE);
	assert_int_equal(g->wait_max, 9 * MINUTE);
	assert_int_equal(g->stack_bytes, 3 * 2048);
	assert_int_equal(groups.v.v[1].wait_min, -1);
	assert_true(groups.v.v[1].stack_bytes == ACCOUNT_UNKNOWN);
	goroutine_groups_deinit(&groups);
	goroutines_deinit(&gs);
}

static void the_runtimes_own_are_left_out_unless_wanted(void **state)
{
	struct goroutines gs;
	struct goroutine_groups groups;
	goroutines_init(&gs);
	add(&gs, "GC worker (idle)", "runtime.gopark;runtime.gcBgMarkWorker", NULL)->flags = GOROUTINE_SYSTEM;
	add(&gs, NULL, "main.main", NULL)->count = 4;
	for (int system = 0; system < 2; system++) {
		goroutine_groups_make(&gs, GOROUTINE_BY_SITE, system, &groups);
		assert_int_equal(groups.v.n, 1 + system);
		assert_int_equal(groups.v.v[0].count, 4);
		goroutine_groups_deinit(&groups);
	}
	goroutines_deinit(&gs);
}

static void the_most_frequent_stack_stands_for_its_group(void **state)
{
	struct goroutines gs;
	struct goroutine_groups groups;
	goroutines_init(&gs);
	add(&gs, "select", "main.a;main.x", NULL)->count = 2;
	add(&gs, "select", "main.a;main.y", NULL);
	add(&gs, "select", "main.a;main.y", NULL)->count = 2;
	goroutine_groups_make(&gs, GOROUTINE_BY_SITE, false, &groups);
	assert_int_equal(groups.v.n, 1);
	assert_string_equal(stacks_at(&groups.stacks, groups.v.v[0].stack, 1)->function, "main.y");
	assert_int_equal(groups.v.v[0].n_stacks, 2);
	goroutine_groups_deinit(&groups);
	goroutines_deinit(&gs);
}

static void a_leaked_goroutine_is_not_with_those_that_look_alike(void **state)
{
	struct goroutines gs;
	struct goroutine_groups groups;
	goroutines_init(&gs);
	add(&gs, "chan send", "main.a", NULL)->flags = GOROUTINE_LEAKED;
	add(&gs, "chan send", "main.a", NULL);
	goroutine_groups_make(&gs, GOROUTINE_BY_SITE, false, &groups);
	assert_int_equal(groups.v.n, 2);
	goroutine_groups_deinit(&groups);
	goroutines_deinit(&gs);
}

static void nothing_gives_no_group(void **state)
{
	struct goroutines gs;
	struct goroutine_groups groups;
	goroutines_init(&gs);
	goroutine_groups_make(&gs, GOROUTINE_BY_SITE, false, &groups);
	assert_int_equal(groups.v.n, 0);
	goroutine_groups_deinit(&groups);
	goroutines_deinit(&gs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_waits_at_one_place_for_one_creator_is_one_group),
		cmocka_unit_test(each_way_of_grouping_counts_every_goroutine),
		cmocka_unit_test(waits_and_stacks_are_of_those_that_are_known),
		cmocka_unit_test(the_runtimes_own_are_left_out_unless_wanted),
		cmocka_unit_test(the_most_frequent_stack_stands_for_its_group),
		cmocka_unit_test(a_leaked_goroutine_is_not_with_those_that_look_alike),
		cmocka_unit_test(nothing_gives_no_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
