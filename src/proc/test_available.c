/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proc/available.h"

static uint64_t available_of(const char *meminfo)
{
	char dir[] = "/tmp/ullage-meminfo.XXXXXX", path[64];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/meminfo", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(meminfo, f);
	fclose(f);
	uint64_t got = proc_available(dir);
	unlink(path);
	rmdir(dir);
	return got;
}

static void it_is_what_meminfo_says(void **state)
{
	assert_int_equal(available_of("MemTotal:  100 kB\nMemAvailable:     1234 kB\nBuffers: 1 kB\n"), 1234 << 10);
}

static void what_is_not_said_is_zero(void **state)
{
	assert_int_equal(available_of("MemTotal: 100 kB\n"), 0);
	assert_int_equal(available_of("MemAvailable: many kB\n"), 0);
	assert_int_equal(available_of("MemAvailable:"), 0);
	assert_int_equal(proc_available("/nowhere"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_what_meminfo_says),
		cmocka_unit_test(what_is_not_said_is_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
