/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "alarm/breaker.h"

/* In seconds: any unit of time will do. */
static const struct breaker_policy policy = { .open = .92, .close = .80, .close_after_ns = 30, .cooldown_ns = 120 };

static void it_opens_at_the_threshold_at_once(void **state)
{
	struct breaker b = { 0 };
	assert_false(breaker_feed(&b, &policy, .919, 1));
	assert_false(b.open);
	assert_true(breaker_feed(&b, &policy, .92, 2));
	assert_true(b.open && b.opened_ns == 2 && b.times == 1 && b.opened_share == .92);
	assert_false(breaker_feed(&b, &policy, .99, 3));
	assert_int_equal(b.times, 1);
}

static void it_stays_open_between_the_thresholds(void **state)
{
	struct breaker b = { 0 };
	breaker_feed(&b, &policy, .95, 1);
	for (int i = 2; i < 1000; i++)
		assert_false(breaker_feed(&b, &policy, .81, i));
	assert_true(b.open);
}

static void it_closes_after_it_was_low_for_long_enough(void **state)
{
	struct breaker b = { 0 };
	breaker_feed(&b, &policy, .95, 1);
	assert_false(breaker_feed(&b, &policy, .79, 10));
	assert_false(breaker_feed(&b, &policy, .79, 39));
	assert_true(breaker_feed(&b, &policy, .79, 40));
	assert_true(!b.open && b.closed_ns == 40);
}

static void a_rise_begins_the_wait_anew(void **state)
{
	struct breaker b = { 0 };
	breaker_feed(&b, &policy, .95, 1);
	breaker_feed(&b, &policy, .70, 10);
	breaker_feed(&b, &policy, .85, 35);
	assert_false(breaker_feed(&b, &policy, .70, 41));
	assert_false(breaker_feed(&b, &policy, .70, 70));
	assert_true(breaker_feed(&b, &policy, .70, 71));
}

static void it_does_not_open_again_while_it_cools_down(void **state)
{
	struct breaker b = { 0 };
	breaker_feed(&b, &policy, .95, 1);
	breaker_feed(&b, &policy, .5, 2);
	assert_true(breaker_feed(&b, &policy, .5, 32));
	assert_false(breaker_feed(&b, &policy, .99, 33));
	assert_false(breaker_feed(&b, &policy, .99, 151));
	assert_true(breaker_feed(&b, &policy, .99, 152));
	assert_int_equal(b.times, 2);
}

static void the_first_time_needs_no_cooling_down(void **state)
{
	struct breaker b = { 0 };
	assert_true(breaker_feed(&b, &policy, .95, 1));
}

static void what_is_not_known_opens_nothing_and_closes_in_the_end(void **state)
{
	struct breaker b = { 0 };
	assert_false(breaker_feed(&b, &policy, (double)NAN, 1));
	breaker_feed(&b, &policy, .95, 2);
	assert_false(breaker_feed(&b, &policy, (double)NAN, 3));
	assert_false(breaker_feed(&b, &policy, .93, 20));
	assert_false(breaker_feed(&b, &policy, (double)NAN, 21));
	assert_false(breaker_feed(&b, &policy, (double)NAN, 50));
	assert_true(breaker_feed(&b, &policy, (double)NAN, 51));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_opens_at_the_threshold_at_once),
		cmocka_unit_test(it_stays_open_between_the_thresholds),
		cmocka_unit_test(it_closes_after_it_was_low_for_long_enough),
		cmocka_unit_test(a_rise_begins_the_wait_anew),
		cmocka_unit_test(it_does_not_open_again_while_it_cools_down),
		cmocka_unit_test(the_first_time_needs_no_cooling_down),
		cmocka_unit_test(what_is_not_known_opens_nothing_and_closes_in_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
