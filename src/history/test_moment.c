/* SPDX-License-Identifier: Apache-2.0 */
#include "history/moment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const int64_t now = 1764135000000000000; /* 2025-11-26T05:30:00Z */
static const int64_t s = 1000000000;

static void a_span_has_two_ends_in_order(void **state)
{
	int64_t from, to;
	assert_null(moment_span("-2h..-1h", now, &from, &to));
	assert_true(from == now - 7200 * s && to == now - 3600 * s);
	assert_null(moment_span("..03:12", now, &from, &to));
	assert_true(from == 0 && to == 1764126720 * s);
	assert_null(moment_span("-1h..", now, &from, &to));
	assert_true(to == now);
	static const char *const bad[] = { "-1h", "-1h..-2h", "x..", "-1h..y", "" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err *err = moment_span(bad[i], now, &from, &to);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_ARG);
		err_free(err);
	}
}

static void a_date_is_shown_where_it_is_another(void **state)
{
	char buf[MOMENT_LEN];
	assert_string_equal(moment_text(1764126724 * s, buf), "2025-11-26 03:12:04");
	assert_string_equal(moment_short(1764126724 * s, now, buf), "03:12:04");
	assert_string_equal(moment_short(1764126724 * s, now + 86400 * s, buf), "2025-11-26 03:12:04");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_span_has_two_ends_in_order),
		cmocka_unit_test(a_date_is_shown_where_it_is_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
