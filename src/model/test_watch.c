/* SPDX-License-Identifier: Apache-2.0 */
#include "model/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void nothing_is_known_of_a_new_sample(void **state)
{
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	watch_process_sample_init(&p);
	watch_cgroup_sample_init(&g);
	assert_true(p.rss == WATCH_UNKNOWN && p.goroutines == WATCH_UNKNOWN && isnan(p.gc_cpu_fraction));
	assert_int_equal(p.time_ns, 0);
	assert_true(g.usage == WATCH_UNKNOWN && g.limit == WATCH_UNKNOWN && isnan(g.psi_some) && !g.psi_triggered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_of_a_new_sample),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
