/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analysis/trend.h"

static struct trend of(const double *y, size_t n)
{
	struct series s = { .n = 0 };
	for (size_t i = 0; i < n; i++)
		series_add(&s, (double)i * 2, y[i]);
	return trend_of(&s);
}

#define OF(...) of((const double[]){ __VA_ARGS__ }, sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double))

static int thousandths(double v)
{
	return (int)(v * 1000 + (v < 0 ? -0.5 : 0.5));
}

static void a_straight_line_has_its_slope(void **state)
{
	struct trend t = OF(10, 12, 14, 16, 18);
	assert_int_equal(thousandths(t.slope), 1000);
	assert_int_equal(thousandths(t.score), 1000);
	assert_int_equal(thousandths(t.p), 8); /* one order of 120 */
	assert_int_equal(thousandths(t.noise), 0);
	assert_false(t.levelled);
	assert_int_equal(thousandths(t.tail), 1000);
}

static void an_outlier_moves_nothing(void **state)
{
	struct trend t = OF(10, 12, 14, 500, 18, 20, 22);
	assert_int_equal(thousandths(t.slope), 1000);
	assert_int_equal(thousandths(t.noise), 0);
}

static void a_sawtooth_is_not_monotone(void **state)
{
	struct trend t = OF(10, 20, 30, 10, 20, 30, 10, 20, 30);
	assert_true(t.p > 0.05);
	assert_true(t.score < 0.5);
}

/* Chance by counting out: 3 points in order are 1 of 6, 4 are 1 of 24; one falling pair of 4 points is 1 + 3 of 24. */
static void chance_is_that_of_all_orders(void **state)
{
	assert_int_equal(thousandths(OF(1, 2, 3).p), 167);
	assert_int_equal(thousandths(OF(1, 2, 3, 4).p), 42);
	assert_int_equal(thousandths(OF(1, 2, 4, 3).p), 167);
	assert_int_equal(thousandths(OF(4, 3, 2, 1).p), 1000);
	assert_int_equal(thousandths(OF(5, 5, 5, 5).p), 625);
	assert_int_equal(thousandths(OF(7).p), 1000);
}

static void many_points_use_the_normal_distribution(void **state)
{
	struct series s = { .n = 0 };
	for (size_t i = 0; i < 40; i++)
		series_add(&s, (double)i, (double)i);
	assert_true(trend_of(&s).p < 1e-9);
	for (size_t i = 0; i < 40; i++)
		s.y[i] = (double)(i * 17 % 40);
	assert_true(trend_of(&s).p > 0.1);
}

static void what_stops_growing_has_levelled(void **state)
{
	assert_true(OF(10, 20, 30, 40, 40, 40, 40).levelled);
	assert_true(OF(10, 20, 30, 40, 50, 60, 70, 80, 90, 90, 90).levelled); /* at the very end */
	assert_false(OF(10, 20, 30, 40, 50, 60, 70, 80).levelled);
	assert_false(OF(10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 50, 50).levelled); /* grows now and then */
	assert_false(OF(40, 30, 20, 10).levelled);				   /* never grew */
}

static void one_jump_is_a_step(void **state)
{
	struct trend t = OF(10, 10, 11, 110, 110, 111);
	assert_true(t.step > 0.9);
	assert_int_equal(t.step_at, 3);
	assert_true(OF(10, 20, 30, 40, 50).step < 0.3);
}

static void points_out_of_order_are_left_out(void **state)
{
	struct series s = { .n = 0 };
	series_add(&s, 1, 1);
	series_add(&s, 1, 2);
	series_add(&s, 0, 3);
	assert_int_equal(s.n, 1);
	for (size_t i = 0; i < 2 * TREND_POINTS; i++)
		series_add(&s, (double)i + 2, 1);
	assert_int_equal(s.n, TREND_POINTS);
	assert_int_equal(trend_of(&(struct series){ .n = 0 }).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_straight_line_has_its_slope),
		cmocka_unit_test(an_outlier_moves_nothing),
		cmocka_unit_test(a_sawtooth_is_not_monotone),
		cmocka_unit_test(chance_is_that_of_all_orders),
		cmocka_unit_test(many_points_use_the_normal_distribution),
		cmocka_unit_test(what_stops_growing_has_levelled),
		cmocka_unit_test(one_jump_is_a_step),
		cmocka_unit_test(points_out_of_order_are_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
