/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "base/cleanup.h"
#include "base/err.h"

static void each_floor_adds_what_it_knows(void **state)
{
	AUTO(err) struct err *err = err_new(ERR_FORMAT, "line %d has no address range", 3);
	err = err_wrap(err, "reading %s", "smaps");
	err = err_wrap(err, "pid %d", 81);
	assert_string_equal(err_text(err), "pid 81: reading smaps: line 3 has no address range");
	assert_int_equal(err_code(err), ERR_FORMAT);
}

static void errno_becomes_a_code(void **state)
{
	static const struct {
		int os;
		enum err_code code;
	} rows[] = {
		{ ESRCH, ERR_GONE },   { EPERM, ERR_DENIED }, { EACCES, ERR_DENIED },
		{ ENOMEM, ERR_NOMEM }, { EIO, ERR_OS },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO(err) struct err *err = err_os(rows[i].os, "open %s", "maps");
		assert_int_equal(err_code(err), rows[i].code);
	}
	AUTO(err) struct err *err = err_os(EIO, "read %s", "maps");
	assert_string_equal(err_text(err), "read maps: Input/output error");
	AUTO(err) struct err *ended = err_os(ESRCH, "read %s", "maps");
	assert_string_equal(err_text(ended), "read maps: the process is gone");
}

static void static_errors_are_never_freed(void **state)
{
	err_free(err_gone());
	err_free(err_gone());
	AUTO(err) struct err *err = err_wrap(err_gone(), "pid 7");
	assert_int_equal(err_code(err), ERR_GONE);
	assert_string_equal(err_text(err), "pid 7: the process is gone");
	AUTO(err) struct err *other = err_recode(err_nomem(), ERR_LIMIT);
	assert_int_equal(err_code(other), ERR_LIMIT);
	AUTO(err) struct err *still = err_nomem();
	assert_int_equal(err_code(still), ERR_NOMEM);
}

static void success_stays_success(void **state)
{
	assert_null(err_wrap(NULL, "pid 7"));
	assert_null(err_recode(NULL, ERR_OS));
	err_free(NULL);
}

static struct err *fails_early(int *calls)
{
	TRY(NULL);
	*calls += 1;
	TRY(err_new(ERR_ARG, "no"));
	*calls += 1;
	return NULL;
}

static void try_returns_the_error(void **state)
{
	int calls = 0;
	AUTO(err) struct err *err = fails_early(&calls);
	assert_int_equal(err_code(err), ERR_ARG);
	assert_int_equal(calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_floor_adds_what_it_knows), cmocka_unit_test(errno_becomes_a_code),
		cmocka_unit_test(static_errors_are_never_freed), cmocka_unit_test(success_stays_success),
		cmocka_unit_test(try_returns_the_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
