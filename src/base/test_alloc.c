/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/alloc.h"

static void ceiling_is_an_error(void **state)
{
	void *p = NULL;
	AUTO(err) struct err *err = alloc_checked(1024, 1024, 1024 * 1024 - 1, &p);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_LIMIT);
	assert_null(p);
}

static void overflow_is_an_error(void **state)
{
	void *p = NULL;
	AUTO(err) struct err *err = alloc_checked(SIZE_MAX / 2, 4, SIZE_MAX, &p);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_LIMIT);
}

static void memory_is_zeroed(void **state)
{
	AUTO_FREE unsigned char *p = NULL;
	assert_null(alloc_checked(100, 3, 300, &p));
	for (size_t i = 0; i < 300; i++)
		assert_int_equal(p[i], 0);
}

static void nothing_is_something(void **state)
{
	AUTO_FREE char *p = NULL;
	assert_null(alloc_checked(0, 8, 0, &p));
	assert_non_null(p);
}

static void take_moves(void **state)
{
	char *p = xstrdup("moved");
	AUTO_FREE char *q = take_ptr(p);
	assert_null(p);
	assert_string_equal(q, "moved");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ceiling_is_an_error), cmocka_unit_test(overflow_is_an_error),
		cmocka_unit_test(memory_is_zeroed),    cmocka_unit_test(nothing_is_something),
		cmocka_unit_test(take_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
