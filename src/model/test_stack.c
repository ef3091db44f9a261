/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "model/stack.h"

static uint32_t frame(struct stacks *s, const char *function, uint32_t line, uint64_t addr)
{
	return stacks_frame(s, &(struct frame){ .function = function, .file = "a.go", .line = line, .addr = addr });
}

static void the_same_stack_has_the_same_number(void **state)
{
	struct stacks s;
	stacks_init(&s);
	uint32_t a[] = { frame(&s, "f", 1, 0), frame(&s, "main.main", 2, 0) };
	uint32_t b[] = { frame(&s, "f", 1, 0), frame(&s, "main.main", 2, 0) };
	assert_memory_equal(a, b, sizeof(a));
	uint32_t id = stacks_add(&s, a, 2);
	assert_int_equal(stacks_add(&s, b, 2), id);
	assert_int_not_equal(stacks_add(&s, a, 1), id);
	assert_int_equal(stacks_add(&s, NULL, 0), 0);
	assert_int_equal(stacks_depth(&s, id), 2);
	assert_string_equal(stacks_at(&s, id, 0)->function, "f");
	assert_int_equal(stacks_at(&s, id, 1)->line, 2);
	stacks_deinit(&s);
}

static void a_copy_without_addresses_merges_what_looks_alike(void **state)
{
	struct stacks s, t;
	stacks_init(&s);
	stacks_init(&t);
	uint32_t a = frame(&s, "f", 1, 0x10), b = frame(&s, "f", 1, 0x20);
	assert_int_not_equal(a, b);
	uint32_t x = stacks_add(&s, &a, 1), y = stacks_add(&s, &b, 1);
	assert_int_not_equal(stacks_copy(&t, &s, x, true), stacks_copy(&t, &s, y, true));
	assert_int_equal(stacks_copy(&t, &s, x, false), stacks_copy(&t, &s, y, false));
	assert_string_equal(stacks_at(&t, stacks_copy(&t, &s, x, false), 0)->file, "a.go");
	stacks_deinit(&s);
	stacks_deinit(&t);
}

static void an_endless_stack_is_cut(void **state)
{
	struct stacks s;
	static uint32_t frames[STACK_FRAMES_MAX + 10];
	stacks_init(&s);
	frames[0] = frame(&s, "f", 1, 0);
	assert_int_equal(stacks_depth(&s, stacks_add(&s, frames, STACK_FRAMES_MAX + 10)), STACK_FRAMES_MAX);
	stacks_deinit(&s);
}

static void a_place_is_a_stack_of_one_frame(void **state)
{
	struct stacks s;
	stacks_init(&s);
	uint32_t id = stacks_place(&s, "main.serve", "main.go", 12);
	assert_int_equal(stacks_depth(&s, id), 1);
	assert_int_equal(stacks_at(&s, id, 0)->line, 12);
	assert_string_equal(stacks_at(&s, stacks_place(&s, NULL, NULL, 0), 0)->function, "");
	stacks_deinit(&s);
}

static void a_package_is_what_stands_before_the_first_dot_of_the_last_element(void **state)
{
	static const struct {
		const char *function, *package;
	} cases[] = {
		{ "main.main", "main" },
		{ "net/http.(*conn).serve", "net/http" },
		{ "github.com/x/y.f", "github.com/x/y" },
		{ "main.f[go.shape.struct { a/b.c int }]", "main" },
		{ "a/b.c[d/e.f]", "a/b" },
		{ "gopkg.in/yaml%2ev2.f", "gopkg.in/yaml%2ev2" },
		{ "x_cgo_thread_start", "" },
		{ "", "" },
		{ ".f", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(stack_package(cases[i].function), strlen(cases[i].package));
}

static void the_runtime_is_told_from_what_it_exports(void **state)
{
	assert_true(stack_is_runtime("runtime.gopark"));
	assert_true(stack_is_runtime("runtime.(*timers).run"));
	assert_false(stack_is_runtime("runtime.GC"));
	assert_false(stack_is_runtime("runtime/pprof.Do"));
	assert_false(stack_is_runtime("main.runtime.x"));
	assert_false(stack_is_runtime(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_stack_has_the_same_number),
		cmocka_unit_test(a_copy_without_addresses_merges_what_looks_alike),
		cmocka_unit_test(an_endless_stack_is_cut),
		cmocka_unit_test(a_place_is_a_stack_of_one_frame),
		cmocka_unit_test(a_package_is_what_stands_before_the_first_dot_of_the_last_element),
		cmocka_unit_test(the_runtime_is_told_from_what_it_exports),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
