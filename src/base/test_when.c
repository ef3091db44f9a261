/* SPDX-License-Identifier: Apache-2.0 */
#include "base/when.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S INT64_C(1000000000)

enum { NOW = 1795683296 }; /* 2026-11-26T08:54:56Z, a time of day after 03:12 and before 23:00 */

static void moments_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} rows[] = {
		{ "2026-11-26T03:12:00Z", 1795662720 * S },
		{ "1970-01-01T00:00:01.5Z", S + S / 2 },
		{ "1970-01-02", 86400 * S },
		{ "1970-01-02 00:01", 86460 * S },
		{ "1970-01-01T01:00:00+01:00", 0 },
		{ "1970-01-01T00:00:00-01:30", 5400 * S },
		{ "now", NOW * S },
		{ "1795662720", 1795662720 * S },
		{ "100000000.5", 100000000 * S + S / 2 },
		{ "-2h", NOW * S - 7200 * S },
		{ "-1d12h30m5s", NOW * S - (86400 + 45005) * S },
		{ "00:00", NOW / 86400 * 86400 * S },
		{ "23:59:59", (NOW / 86400 * 86400 - 1) * S },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ns = -1;
		assert_true(when_parse(rows[i].text, NOW * S, &ns));
		assert_int_equal(ns, rows[i].ns);
	}
}

static void spans_are_read_in_units_and_as_seconds(void **state)
{
	static const struct {
		const char *text;
		int64_t ns; /* 0: none */
	} rows[] = {
		{ "10s", 10 * S }, { "1h30m", 5400 * S }, { "60", 60 * S }, { "0", 0 },	 { "0s", 0 },
		{ "", 0 },	   { "-5s", 0 },	  { "x", 0 },	    { "5x", 0 }, { "99999999999999999999", 0 }
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ns = 0;
		assert_int_equal(when_span(rows[i].text, &ns), rows[i].ns > 0);
		if (rows[i].ns)
			assert_int_equal(ns, rows[i].ns);
	}
}

static void the_last_time_of_day_is_meant(void **state)
{
	int64_t day = 0, hour = 0;
	assert_true(when_parse("2026-11-26T03:12Z", NOW * S, &day));
	assert_true(when_parse("03:12", NOW * S, &hour));
	assert_int_equal(day, hour);
	assert_true(hour < NOW * S);
}

static void what_is_no_moment_is_refused(void **state)
{
	static const char *const rows[] = { "",
					    "2026",
					    "2026-13-01",
					    "2026-02-30",
					    "24:00",
					    "3:12",
					    "2026-11-26T",
					    "-",
					    "-2",
					    "-2x",
					    "x",
					    "1969-01-01",
					    "03:12Zx",
					    "2026-11-26T03:12+1",
					    "-99999999w",
					    "9999-01-01",
					    "03:12:3",
					    "20261126",
					    "1795662720.",
					    "17956627200" };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t ns = 0;
		assert_false(when_parse(rows[i], NOW * S, &ns));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_read_as_people_write_them),
		cmocka_unit_test(spans_are_read_in_units_and_as_seconds),
		cmocka_unit_test(the_last_time_of_day_is_meant),
		cmocka_unit_test(what_is_no_moment_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
