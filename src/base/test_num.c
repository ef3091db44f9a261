/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/num.h"

static void decimals(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} rows[] = {
		{ "0", true, 0 },
		{ "007", true, 7 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ "0x1", false, 0 },
		{ "1e3", false, 0 },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t v = 42;
		assert_int_equal(num_str(rows[i].text, &v), rows[i].ok);
		assert_true(v == (rows[i].ok ? rows[i].value : 42));
	}
}

static void hexadecimals(void **state)
{
	uint64_t v = 0;
	assert_true(num_hex("7fFf", 4, &v) && v == 0x7fff);
	assert_true(num_hex("ffffffffffffffff", 16, &v) && v == UINT64_MAX);
	assert_false(num_hex("10000000000000000", 17, &v));
	assert_false(num_hex("", 0, &v));
	assert_false(num_hex("0x1", 3, &v));
	assert_true(num_hex("12 and more", 2, &v) && v == 0x12);
}

static void sizes_for_people(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.00 KiB" },
		{ 1536, "1.50 KiB" },
		{ 10 * 1024, "10.0 KiB" },
		{ 812 * 1024, "812 KiB" },
		{ 1024 * 1024 - 1, "1.00 MiB" },
		{ UINT64_C(3) << 30, "3.00 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char buf[NUM_SIZE_LEN];
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(num_size(rows[i].bytes, buf), rows[i].text);
}

static void subtraction_stops_at_zero(void **state)
{
	assert_true(num_sub(3, 5) == 0);
	assert_true(num_sub(5, 3) == 2);
}

static void a_median_is_in_the_middle(void **state)
{
	double odd[] = { 9, 1, 5 }, even[] = { 4, 1, 3, 100 };
	assert_true(num_median(odd, 3) == 5);
	assert_true(num_median(even, 4) == 3.5);
	assert_true(isnan(num_median(odd, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals),
		cmocka_unit_test(hexadecimals),
		cmocka_unit_test(sizes_for_people),
		cmocka_unit_test(subtraction_stops_at_zero),
		cmocka_unit_test(a_median_is_in_the_middle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
