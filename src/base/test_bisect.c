/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bisect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include <cmocka.h>

static void the_first_that_is_not_before_is_found(void **state)
{
	static const int v[] = { 1, 3, 3, 5, 9 };
	static const struct {
		int value;
		size_t below, above;
	} rows[] = { { 0, 0, 0 }, { 1, 0, 1 }, { 2, 1, 1 }, { 3, 1, 3 }, { 5, 3, 4 }, { 9, 4, 5 }, { 10, 5, 5 } };
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		assert_int_equal(bisect(5, k, v[k] < rows[r].value), rows[r].below);
		assert_int_equal(bisect(5, k, v[k] <= rows[r].value), rows[r].above);
	}
}

static void nothing_is_asked_of_an_empty_array(void **state)
{
	assert_int_equal(bisect(0, k, (fail(), true)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_that_is_not_before_is_found),
		cmocka_unit_test(nothing_is_asked_of_an_empty_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
