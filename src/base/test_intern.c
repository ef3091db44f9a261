/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/intern.h"

static void equal_text_is_one_pointer(void **state)
{
	struct intern in;
	intern_init(&in);
	char copy[] = "runtime.gopark";
	const char *a = intern_str(&in, "runtime.gopark");
	assert_ptr_equal(a, intern_str(&in, copy));
	assert_ptr_equal(a, intern_mem(&in, "runtime.gopark+0x1", 14));
	assert_string_equal(a, "runtime.gopark");
	assert_ptr_not_equal(a, intern_str(&in, "runtime.gopar"));
	assert_ptr_equal(intern_str(&in, NULL), intern_str(&in, ""));
	intern_deinit(&in);
}

static void a_nul_inside_is_part_of_the_text(void **state)
{
	struct intern in;
	intern_init(&in);
	const char *a = intern_mem(&in, "a\0b", 3);
	assert_ptr_not_equal(a, intern_mem(&in, "a\0c", 3));
	assert_ptr_equal(a, intern_mem(&in, "a\0b", 3));
	assert_memory_equal(a, "a\0b", 4);
	intern_deinit(&in);
}

static void many_strings_stay_apart(void **state)
{
	struct intern in;
	intern_init(&in);
	char text[32];
	const char *first = intern_str(&in, "s0");
	for (int i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "s%d", i);
		assert_string_equal(intern_str(&in, text), text);
	}
	assert_int_equal(in.list.n, 5000);
	assert_ptr_equal(first, intern_str(&in, "s0"));
	intern_deinit(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_text_is_one_pointer),
		cmocka_unit_test(a_nul_inside_is_part_of_the_text),
		cmocka_unit_test(many_strings_stay_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
