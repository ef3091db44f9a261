/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "sense/kills.h"

enum { GONE = 5000 };

/* Each cgroup that was ever watched is remembered with what was told of it, and there are new ones all the time. */
static void cgroups_that_are_gone_are_forgotten(void **state)
{
	struct sense_kills k = { 0 };
	const struct sense_groups none = { 0 };
	struct stat st;
	sense_kills_begin(&k, &none, "/proc/self/mountinfo");
	if (!k.root || stat(k.root, &st) != 0) {
		sense_kills_deinit(&k);
		skip();
	}
	sense_kills_told(&k, st.st_ino, 7);
	const size_t there = k.seen.n;
	for (uint64_t i = 1; i <= GONE; i++) {
		sense_kills_told(&k, UINT64_C(1) << 60 | i, i);
		sense_kills_forget(&k);
	}
	assert_true(k.seen.n < 2 * there + GONE / 2);
	assert_int_equal(sense_kills_before(&k, st.st_ino), 7); /* of what is there nothing is forgotten */
	sense_kills_deinit(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cgroups_that_are_gone_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
