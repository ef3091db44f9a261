/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "record/duty.h"

#define SECOND INT64_C(1000000000)

/* A target that uses `cpus` and allocates `rate` times a second while it is not slowed; what the probes cost comes out of its time. */
struct outcome {
	double on, spent;
	unsigned phases;
};

static struct outcome simulate(double cpus, double rate, int64_t window)
{
	struct record_duty d = { .budget = 0.01, .window = window, .random = 3 };
	struct record_duty_step s = { .now = SECOND };
	record_duty_begin(&d, &s);
	struct outcome o = { 0 };
	double hits = 0, cpu = 0;
	bool on = true;
	const int64_t step = 2000000;
	for (int64_t t = 0; t < window; t += step) {
		double seconds = (double)step / 1e9;
		double done = on ? rate * seconds / (1 + rate / cpus * 1e-6) : 0;
		hits += done;
		cpu += cpus * seconds * 1e9;
		o.on += on ? seconds : 0;
		s = (struct record_duty_step){ SECOND + t + step, (uint64_t)cpu, (uint64_t)(hits * 1000) };
		bool want = record_duty_want(&d, &s);
		o.phases += want && !on;
		on = want;
	}
	o.on /= (double)window / 1e9;
	o.spent = hits * 1000 / cpu;
	return o;
}

static void a_slow_target_is_watched_without_a_pause(void **state)
{
	(void)state;
	assert_true(simulate(1, 5000, 10 * SECOND).on > 0.999);
	assert_true(simulate(2, 15000, 10 * SECOND).on > 0.999);
	assert_true(simulate(0.0001, 500, 10 * SECOND).on > 0.999);
}

static void a_fast_one_costs_what_was_allowed_in_many_phases(void **state)
{
	(void)state;
	static const double rates[] = { 20e3, 100e3, 1e6, 30e6 };
	for (unsigned i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		struct outcome o = simulate(1, rates[i], 20 * SECOND);
		assert_true(o.on < 0.9);
		assert_true(o.on > 0.003);
		assert_true(o.spent < 0.0125);
		assert_true(o.spent > 0.005);
		assert_true(o.phases >= 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_target_is_watched_without_a_pause),
		cmocka_unit_test(a_fast_one_costs_what_was_allowed_in_many_phases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
