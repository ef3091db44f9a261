/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include <unistd.h>

#include "proc/cpu.h"

static void work_takes_cpu_time(void **state)
{
	(void)state;
	uint64_t before = 0, after = 0;
	assert_true(proc_cpu_ns(getpid(), &before));
	for (volatile unsigned i = 0; i < 10000000;)
		i = i + 1;
	assert_true(proc_cpu_ns(getpid(), &after));
	assert_true(after - before > 1000000);
}

static void a_process_that_is_not_there_has_none(void **state)
{
	(void)state;
	uint64_t ns = 7;
	assert_false(proc_cpu_ns(4194305, &ns)); /* one more than there can be */
	assert_int_equal(ns, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_takes_cpu_time),
		cmocka_unit_test(a_process_that_is_not_there_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
