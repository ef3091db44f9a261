/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/arena.h"

static void memory_is_zeroed_and_aligned(void **state)
{
	struct arena arena;
	arena_init(&arena);
	for (size_t size = 1; size < 100000; size = size * 3 + 1) {
		unsigned char *p = arena_alloc(&arena, size);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
	}
	arena_deinit(&arena);
}

static void strings_stay(void **state)
{
	struct arena arena;
	arena_init(&arena);
	char *strings[1000];
	for (int i = 0; i < 1000; i++)
		strings[i] = arena_printf(&arena, "string %d", i);
	assert_string_equal(strings[0], "string 0");
	assert_string_equal(strings[999], "string 999");
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	assert_string_equal(arena_strdup(&arena, ""), "");
	assert_true(arena.used >= 1000 * sizeof("string 0"));
	arena_deinit(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_and_aligned),
		cmocka_unit_test(strings_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
