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

/* A map that doubles at 24, 48, 96 and 192 s, within a tenth of that time, and rests in between: it is full at 207 s. */
static double doubles_slowly(double t)
{
	double octave = log2(fmax(t, 1) / 3), part = octave - floor(octave);
	return LIMIT / 110 * exp2(floor(octave) + fmin(part / 0.14, 1));
}

static double lumps(double t)
{
	return LIMIT / 20 * floor(t / 5);
}

static void what_doubles_is_told_while_it_rests(void **state)
{
	struct run r = begin();
	follow(&r, doubles_slowly, 1, 170);
	assert_true(doubles_slowly(130) == doubles_slowly(160));
	assert_true(fabs(r.now.eta - (207 - r.t)) < 3);
	follow(&r, doubles_slowly, 0.2, 300);
	assert_true(r.t - r.warned >= 60 && r.t - r.warned < 80);
	assert_true(r.now.warning);
	end(&r);
}

static void what_doubled_and_then_stays_is_withdrawn(void **state)
{
	struct run r = begin();
	follow(&r, doubles_slowly, 1, 180);
	assert_true(r.now.warning);
	double rests = doubles_slowly(180);
	for (; r.t < 300; r.t += 1)
		look(&r, rests);
	assert_false(r.now.warning);
	assert_true(isnan(r.now.eta));
	end(&r);
}

static void the_next_lump_is_dated(void **state)
{
	struct run r = begin();
	follow(&r, lumps, 1, 83); /* the last one comes at 100 s */
	assert_true(fabs(r.now.eta - 18) <= 2);
	assert_non_null(strstr(r.now.why, "steps over"));
	assert_true(r.warned <= 50);
	end(&r);
}

static void a_fill_that_takes_minutes_raises_nothing(void **state)
{
	struct run r = begin();
	for (; r.t < 600; r.t += 1)
		look(&r, 0.75 * LIMIT * fmin(r.t / 210, 1));
	assert_true(isnan(r.warned));
	end(&r);
}

static void a_leak_of_hours_is_told_ten_minutes_before(void **state)
{
	struct run r = begin();
	for (; r.t < 7200; r.t += 1)
		look(&r, LIMIT * r.t / 7200);
	assert_true(r.t - r.warned >= 590 && r.t - r.warned <= 620);
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

/* All that is allocated stays, and three fifths of it are ever touched: buffers that are seldom full. */
static void what_was_never_touched_does_not_count(void **state)
{
	struct run r = begin();
	double marked = 4 * MIB, gcs = 0, end_s = (LIMIT - 8 * MIB) / (0.6 * 5 * MIB), worst = 0;
	for (; r.t < end_s; r.t += 1) {
		struct forecast_sample s;
		double objects = 4 * MIB + r.t * 5 * MIB;
		for (; objects >= 2 * marked; gcs++)
			marked *= 2;
		forecast_sample_init(&s);
		s.time_ns = (int64_t)(r.t * 1e9);
		s.bytes = s.anon = (uint64_t)(8 * MIB + 0.6 * (objects - 4 * MIB));
		s.limit = (uint64_t)LIMIT;
		s.gc_count = (uint64_t)gcs;
		s.heap_marked = (uint64_t)marked;
		s.heap_alloc = (uint64_t)objects;
		s.heap_goal = (uint64_t)(2 * marked);
		add(&r, &s);
		double left = end_s - r.t;
		if (left < end_s / 2 && left > 5)
			worst = fmax(worst, fabs(r.now.eta - left) / left);
	}
	assert_true(worst < 0.2);
	assert_true(end_s - r.warned >= 60);
	end(&r);
}

/* Its next collection comes too late, and it was seen for too short a time to have a pace. */
static void no_pace_is_told_of_what_has_none(void **state)
{
	struct run r = begin();
	struct forecast_sample s;
	forecast_sample_init(&s);
	for (; r.t < 0.9; r.t += 0.2) {
		s.time_ns = (int64_t)(r.t * 1e9) + 1;
		s.heap_alloc = (uint64_t)(LIMIT * (0.7 + 0.3 * r.t));
		s.bytes = s.anon = (uint64_t)(LIMIT * (0.7 + 0.3 * r.t) + MIB);
		s.limit = (uint64_t)LIMIT;
		s.gc_count = 4;
		s.heap_marked = (uint64_t)(LIMIT * 0.6);
		s.heap_goal = (uint64_t)(LIMIT * 1.2);
		add(&r, &s);
		assert_null(strstr(r.now.why, "over 0 s"));
	}
	assert_non_null(strstr(r.now.why, "the next collection comes too late"));
	end(&r);
}

/* Half of what is allocated stays, and beside objects there is always a little more. */
struct leaking_heap {
	double live, objects, goal, marked, held, gcs;
};

static void allocate(struct leaking_heap *h, double bytes)
{
	if (h->objects >= 0.96 * h->goal) {
		h->objects = h->marked = h->live;
		h->goal = 2 * h->live;
		h->gcs++;
	}
	h->held = fmax(h->held, 1.08 * h->objects);
	h->objects += bytes;
	h->live += bytes / 2;
}

/* Looks are five a second, and Go's figures are read once a second: in between they are as they were. */
static void figures_that_are_read_seldom_mislead_nobody(void **state)
{
	struct run r = begin();
	struct leaking_heap h = { .live = 3 * MIB, .objects = 3 * MIB, .marked = 3 * MIB, .goal = 6 * MIB };
	struct forecast_sample s;
	double eta[1024];
	unsigned n = 0;
	forecast_sample_init(&s);
	s.limit = (uint64_t)LIMIT;
	for (; n < 1024; r.t += 0.2) {
		allocate(&h, MIB);
		if (h.held >= LIMIT)
			break;
		s.time_ns = (int64_t)(r.t * 1e9);
		s.bytes = s.anon = (uint64_t)h.held;
		if (n % 5 == 0) {
			s.gc_count = (uint64_t)h.gcs;
			s.heap_marked = (uint64_t)h.marked;
			s.heap_alloc = (uint64_t)h.objects;
			s.heap_goal = (uint64_t)h.goal;
		}
		add(&r, &s);
		eta[n++] = r.now.eta;
	}
	double end_s = r.t, worst = 0;
	for (unsigned i = n / 2; i < n && end_s - i * 0.2 > 5; i++)
		worst = fmax(worst, isnan(eta[i]) ? 1 : fabs(eta[i] / (end_s - i * 0.2) - 1));
	assert_true(worst < 0.2);
	assert_true(end_s - r.warned >= 60);
	end(&r);
}

/* As a cache that is filled once; the heap that it left would reach beyond the limit before the next collection. */
static void a_heap_that_stops_below_its_goal_is_no_leak(void **state)
{
	for (unsigned percent = 51; percent < 95; percent++) {
		struct run r = begin();
		double stop = percent / 100.0;
		double marked = 4 * MIB, gcs = 0, stopped = NAN;
		for (; r.t < 250; r.t += 1) {
			struct forecast_sample s;
			double objects = fmin(20 * MIB + r.t * 10 * MIB, stop * LIMIT);
			if (objects == stop * LIMIT && isnan(stopped))
				stopped = r.t;
			for (; objects >= 2 * marked; gcs++)
				marked *= 2;
			forecast_sample_init(&s);
			s.time_ns = (int64_t)(r.t * 1e9) + 1;
			s.bytes = s.anon = (uint64_t)(objects + 2 * MIB);
			s.limit = (uint64_t)LIMIT;
			s.gc_count = (uint64_t)gcs;
			s.heap_marked = (uint64_t)marked;
			s.heap_alloc = (uint64_t)objects;
			s.heap_goal = (uint64_t)(2 * marked);
			add(&r, &s);
			if (r.t >= stopped + 12)
				assert_false(r.now.warning);
		}
		end(&r);
	}
}

/* Much at once, and nothing in between: the limit is reached with one of the lumps. */
static void fill_in_lumps(unsigned apart)
{
	struct run r = begin();
	struct leaking_heap h = { .live = 3 * MIB, .objects = 3 * MIB, .marked = 3 * MIB, .goal = 6 * MIB };
	struct forecast_sample s;
	double eta[512] = { 0 }, worst = 0;
	unsigned n = 0;
	forecast_sample_init(&s);
	s.limit = (uint64_t)LIMIT;
	for (; n < 512 && h.held < LIMIT; r.t++) {
		for (unsigned i = 0; n % apart == 0 && i < 30; i++)
			allocate(&h, MIB);
		s.time_ns = (int64_t)(r.t * 1e9) + 1;
		s.bytes = s.anon = (uint64_t)h.held;
		s.gc_count = (uint64_t)h.gcs;
		s.heap_marked = (uint64_t)h.marked;
		s.heap_alloc = (uint64_t)h.objects;
		s.heap_goal = (uint64_t)h.goal;
		add(&r, &s);
		eta[n++] = r.now.eta;
	}
	for (unsigned left = 2; left < 3 * apart && left < n; left++)
		worst = fmax(worst, isnan(eta[n - 1 - left]) ? 1 : fabs(eta[n - 1 - left] - left) / left);
	assert_true(worst < 0.05);
	assert_true(n - r.warned >= 60);
	end(&r);
}

static void a_heap_that_is_filled_in_lumps_is_full_with_one(void **state)
{
	fill_in_lumps(5);
	fill_in_lumps(12);
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

/* As a rule what is likely, else anything. */
static uint64_t any(uint64_t *seed, uint64_t likely)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	switch (*seed >> 60) {
	case 0:
		return WATCH_UNKNOWN;
	case 1:
		return 0;
	case 2:
		return *seed;
	default:
		return likely + (*seed >> 44);
	}
}

static void figures_without_sense_are_endured(void **state)
{
	struct run r = begin();
	uint64_t seed = 1;
	for (uint64_t i = 0; i < 20000; i++) {
		struct forecast_sample s;
		forecast_sample_init(&s);
		s.time_ns = (int64_t)(any(&seed, i * 1000000000) >> 1);
		if (i % 100 == 0)
			forecast_reset(r.f);
		s.bytes = any(&seed, i << 20);
		s.anon = any(&seed, i << 20);
		s.limit = any(&seed, 64 << 20);
		s.gc_count = any(&seed, i);
		s.heap_marked = any(&seed, i << 19);
		s.heap_alloc = any(&seed, i << 20);
		s.heap_goal = any(&seed, i << 20);
		s.memory_limit = any(&seed, 60 << 20);
		s.gc_last_ns = (int64_t)any(&seed, 0);
		add(&r, &s);
		assert_true(isnan(r.now.eta) || r.now.eta >= 0);
		assert_true(r.now.confidence >= 0 && r.now.confidence <= 1);
	}
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
		cmocka_unit_test(what_doubles_is_told_while_it_rests),
		cmocka_unit_test(what_doubled_and_then_stays_is_withdrawn),
		cmocka_unit_test(the_next_lump_is_dated),
		cmocka_unit_test(a_fill_that_takes_minutes_raises_nothing),
		cmocka_unit_test(a_leak_of_hours_is_told_ten_minutes_before),
		cmocka_unit_test(a_warm_up_raises_nothing),
		cmocka_unit_test(a_sawtooth_raises_nothing),
		cmocka_unit_test(a_warning_is_withdrawn_when_growth_stops),
		cmocka_unit_test(what_was_never_touched_does_not_count),
		cmocka_unit_test(no_pace_is_told_of_what_has_none),
		cmocka_unit_test(figures_that_are_read_seldom_mislead_nobody),
		cmocka_unit_test(a_heap_that_stops_below_its_goal_is_no_leak),
		cmocka_unit_test(a_heap_that_is_filled_in_lumps_is_full_with_one),
		cmocka_unit_test(page_cache_is_nothing),
		cmocka_unit_test(without_a_limit_there_is_nothing_to_tell),
		cmocka_unit_test(unusual_growth_has_a_high_score),
		cmocka_unit_test(another_process_begins_anew),
		cmocka_unit_test(time_that_goes_back_is_left_out),
		cmocka_unit_test(figures_without_sense_are_endured),
		cmocka_unit_test(it_stays_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
