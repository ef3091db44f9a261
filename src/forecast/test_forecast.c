/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "forecast/forecast.h"

static const double MIB = 1 << 20, LIMIT = 512.0 * (1 << 20);
static const struct forecast_options usual = { 3.5, 600 };

/* One series: what is added, and what was said. */
struct run {
	struct forecast *f;
	double t, warned, withdrawn; /* NAN: not */
	struct watch_forecast now;
};

static struct run begin(void)
{
	return (struct run){ .f = forecast_new(&usual), .warned = NAN, .withdrawn = NAN };
}

static void end(struct run *r)
{
	forecast_free(r->f);
}

static void add(struct run *r, const struct forecast_sample *s)
{
	bool was = r->now.warning;
	forecast_add(r->f, s);
	forecast_now(r->f, &r->now);
	if (r->now.warning && isnan(r->warned))
		r->warned = r->t;
	if (was && !r->now.warning)
		r->withdrawn = r->t;
}

static void look(struct run *r, double bytes)
{
	struct forecast_sample s;
	forecast_sample_init(&s);
	s.time_ns = (int64_t)(r->t * 1e9);
	s.bytes = s.anon = (uint64_t)bytes;
	s.limit = (uint64_t)LIMIT;
	add(r, &s);
}

typedef double (*curve_fn)(double t);

/* Looks each `interval` until `to`, or until the limit. */
static void follow(struct run *r, curve_fn curve, double interval, double to)
{
	for (; r->t < to && curve(r->t) < LIMIT; r->t += interval)
		look(r, curve(r->t));
}

static double in_20_s(double t)
{
	return LIMIT * t / 20;
}

static double in_300_s(double t)
{
	return 10 * MIB + (LIMIT - 10 * MIB) * t / 300;
}

static double warm_up(double t)
{
	return 0.75 * LIMIT * (1 - exp(-t / 15));
}

static double stops_near(double t)
{
	return LIMIT * 0.9 * fmin(t / 60, 1);
}

static double sawtooth(double t)
{
	return LIMIT * (0.2 + 0.5 * fmod(t, 6) / 6);
}

static double idle(double t)
{
	return LIMIT * 0.3;
}

static void a_leak_of_20_s_is_told_in_its_first_half(void **state)
{
	struct run r = begin();
	follow(&r, in_20_s, 1, 60);
	assert_true(r.warned <= 10);
	end(&r);
}

static void a_slow_leak_is_told_a_minute_before(void **state)
{
	struct run r = begin();
	follow(&r, in_300_s, 1, 400);
	assert_true(r.warned <= 240);
	assert_true(isnan(r.withdrawn));
	end(&r);
}

static void the_time_left_is_right_and_explained(void **state)
{
	struct run r = begin();
	follow(&r, in_300_s, 1, 250);
	assert_true(fabs(r.now.eta - 51) < 2);
	assert_true(fabs(r.now.rate - (LIMIT - 10 * MIB) / 300) < 0.02 * MIB);
	assert_true(r.now.confidence > 0.8);
	assert_non_null(strstr(r.now.why, "grew by 1.67 MiB/s over"));
	assert_non_null(strstr(r.now.why, "512 MiB reached in 51 s"));
	end(&r);
}

static void a_warm_up_raises_nothing(void **state)
{
	struct run r = begin();
	follow(&r, warm_up, 1, 600);
	assert_true(isnan(r.warned));
	end(&r);
}

static void a_sawtooth_raises_nothing(void **state)
{
	struct run r = begin();
	follow(&r, sawtooth, 0.5, 600);
	assert_true(isnan(r.warned));
	end(&r);
}

static void a_warning_is_withdrawn_when_growth_stops(void **state)
{
	struct run r = begin();
	follow(&r, stops_near, 0.5, 120);
	assert_true(r.warned < 60);
	assert_true(r.withdrawn > 60 && r.withdrawn < 75);
	end(&r);
}

static void page_cache_is_nothing(void **state)
{
	struct run r = begin();
	struct forecast_sample s;
	forecast_sample_init(&s);
	for (; r.t < 300; r.t += 1) {
		s.time_ns = (int64_t)(r.t * 1e9) + 1;
		s.bytes = (uint64_t)fmin(LIMIT * r.t / 100, LIMIT * 0.99);
		s.anon = (uint64_t)(20 * MIB);
		s.limit = (uint64_t)LIMIT;
		add(&r, &s);
	}
	assert_true(isnan(r.warned));
	assert_true(isnan(r.now.eta));
	end(&r);
}

static void without_a_limit_there_is_nothing_to_tell(void **state)
{
	struct run r = begin();
	struct forecast_sample s;
	forecast_sample_init(&s);
	for (; r.t < 100; r.t += 1) {
		s.time_ns = (int64_t)(r.t * 1e9) + 1;
		s.bytes = (uint64_t)(MIB * r.t);
		add(&r, &s);
	}
	assert_true(isnan(r.now.eta));
	assert_false(r.now.warning);
	assert_string_equal(r.now.why, "");
	end(&r);
}

static void unusual_growth_has_a_high_score(void **state)
{
	struct run r = begin();
	follow(&r, idle, 1, 100);
	assert_true(fabs(r.now.z) < 1);
	for (double from = r.t; r.t < from + 10; r.t += 1)
		look(&r, 0.3 * LIMIT + (r.t - from) * 5 * MIB);
	assert_true(r.now.z > usual.z_alarm);
	end(&r);
}

static void another_process_begins_anew(void **state)
{
	struct run r = begin();
	follow(&r, in_20_s, 0.5, 18);
	assert_true(r.now.warning);
	forecast_reset(r.f);
	forecast_now(r.f, &r.now);
	assert_false(r.now.warning);
	assert_true(isnan(r.now.eta));
	assert_true(isnan(r.now.rate));
	end(&r);
}

static void time_that_goes_back_is_left_out(void **state)
{
	struct run r = begin();
	follow(&r, in_300_s, 1, 200);
	double eta = r.now.eta;
	r.t = 100;
	look(&r, 0.99 * LIMIT);
	assert_true(r.now.eta == eta);
	end(&r);
}

static void it_stays_small(void **state)
{
	assert_true(forecast_size() <= 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leak_of_20_s_is_told_in_its_first_half),
		cmocka_unit_test(a_slow_leak_is_told_a_minute_before),
		cmocka_unit_test(the_time_left_is_right_and_explained),
		cmocka_unit_test(a_warm_up_raises_nothing),
		cmocka_unit_test(a_sawtooth_raises_nothing),
		cmocka_unit_test(a_warning_is_withdrawn_when_growth_stops),
		cmocka_unit_test(page_cache_is_nothing),
		cmocka_unit_test(without_a_limit_there_is_nothing_to_tell),
		cmocka_unit_test(unusual_growth_has_a_high_score),
		cmocka_unit_test(another_process_begins_anew),
		cmocka_unit_test(time_that_goes_back_is_left_out),
		cmocka_unit_test(it_stays_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
