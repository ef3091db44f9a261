/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"

static void without_a_file_nothing_harmful_is_done(void **state)
{
	struct config c;
	config_defaults(&c);
	assert_int_equal(c.policies.n, 1);
	assert_int_equal(c.policies.v[0].mode, CONFIG_CANARY);
	assert_int_equal(c.policies.v[0].actions.n, 0);
	assert_false(c.bpf || c.kernel_log || c.store_arguments);
	assert_string_equal(c.listen, "127.0.0.1:9723");
	assert_int_equal(c.targets.n, 0);
	config_deinit(&c);
}

static void looks_come_oftener_the_nearer_the_limit(void **state)
{
	struct config c;
	config_defaults(&c);
	assert_int_equal(c.n_steps, 3);
	for (unsigned i = 1; i < c.n_steps; i++) {
		assert_true(c.steps[i].below > c.steps[i - 1].below);
		assert_true(c.steps[i].interval_ms < c.steps[i - 1].interval_ms);
	}
	assert_true(c.steps[c.n_steps - 1].below == 1 && c.steps[c.n_steps - 1].snapshot);
	config_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_nothing_harmful_is_done),
		cmocka_unit_test(looks_come_oftener_the_nearer_the_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
