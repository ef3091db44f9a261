/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "alarm/ring.h"
#include "fixture/looks.h"

/* States, episodes, what is told and how often. */

static struct looks l;

static int begin(void **state)
{
	looks_begin(&l);
	look_for(&l, 20, 1);
	return 0;
}

static int end(void **state)
{
	looks_end(&l);
	return 0;
}

static void an_alarm_is_told_once_and_cleared_once(void **state)
{
	l.g.limit = 137 * MIB;
	look_for(&l, 600, .2);
	assert_int_equal(look_told(&l, WATCH_EVENT_ALARM, "near_limit"), 1);
	assert_int_equal(look_told(&l, WATCH_EVENT_STATE, NULL), 1);
	assert_int_equal(l.t.state, WATCH_WARNING);
	l.g.limit = 240 * MIB;
	look_for(&l, 5, .2);
	assert_string_equal(l.t.reason,
			    "near_limit until 5 s ago; 120 MiB of 240 MiB in use (50%, cgroup /shop memory.max)");
	look_for(&l, 55, .2);
	assert_int_equal(look_told(&l, WATCH_EVENT_CLEAR, "near_limit"), 1);
	assert_int_equal(look_told(&l, WATCH_EVENT_STATE, "ok"), 1);
	assert_int_equal(l.events.n, 4);
	const struct watch_event *e = &l.events.v[0];
	assert_string_equal(e->text, "120 MiB of 137 MiB in use (88%, cgroup /shop memory.max)");
	assert_string_equal(e->target, "7-90000");
	assert_true(e->value == 120. / 137 && e->threshold == .85 && !e->dry);
	assert_string_equal(l.events.v[1].text, "warning, was ok: near_limit: 120 MiB of 137 MiB in use (88%, cgroup "
						"/shop memory.max)");
	assert_string_equal(l.events.v[2].text, "over after 612 s; 120 MiB of 240 MiB in use (50%, cgroup /shop "
						"memory.max)");
}

static void a_flapping_signal_is_one_episode_and_few_events(void **state)
{
	assert_int_equal(alarm_episode(l.a), 0);
	for (int i = 0; i < 600; i++) {
		look_use(&l, (i / 8 % 2 ? 330 : 345) * MIB);
		look(&l, 1);
	}
	look_use(&l, 200 * MIB);
	look_for(&l, 60, 1);
	assert_true(look_told(&l, WATCH_EVENT_ALARM, "near_limit") <= 3);
	look_use(&l, 345 * MIB);
	look(&l, 1);
	assert_int_equal(alarm_episode(l.a), 1);
	look_use(&l, 200 * MIB);
	look_for(&l, 400, 1);
	assert_int_equal(alarm_episode(l.a), 0);
	look_use(&l, 345 * MIB);
	look(&l, 1);
	assert_int_equal(alarm_episode(l.a), 2);
}

static void what_swings_about_a_bound_stays_grave(void **state)
{
	for (int i = 0; i < 200; i++) {
		look_use(&l, (i % 5 ? 366 : 369) * MIB); /* 91.5 % and 92.25 % */
		look(&l, 1);
	}
	assert_int_equal(look_told(&l, WATCH_EVENT_OPEN, NULL), 1);
	assert_true(look_told(&l, WATCH_EVENT_STATE, NULL) <= 2);
}

static void another_cause_is_another_episode(void **state)
{
	l.g.pids = 99;
	l.g.pids_max = 100;
	look_for(&l, 20, 1);
	assert_int_equal(alarm_episode(l.a), 1);
	l.g.pids = 10;
	look_for(&l, 30, 1);
	assert_int_equal(alarm_episode(l.a), 0);
	look_use(&l, 350 * MIB);
	look(&l, 1);
	assert_int_equal(alarm_episode(l.a), 2);
}

static void the_breaker_opens_and_closes_and_says_so(void **state)
{
	look_use(&l, 372 * MIB);
	look(&l, .05);
	assert_int_equal(l.t.state, WATCH_OPEN);
	assert_true(l.t.canary);
	look_for(&l, 10, .05);
	assert_int_equal(look_told(&l, WATCH_EVENT_OPEN, "default"), 1);
	assert_string_equal(l.t.reason,
			    "the breaker would be open for 10 s; 372 MiB of 400 MiB in use (93%, cgroup /shop "
			    "memory.max); it closes below 80%");
	for (size_t i = 0; i < l.events.n; i++)
		assert_int_equal(l.events.v[i].dry, l.events.v[i].kind == WATCH_EVENT_OPEN);
	l.policy.canary = false;
	alarm_policy(l.a, &l.policy);
	look_use(&l, 200 * MIB);
	look_for(&l, 10, .05);
	assert_int_equal(l.t.state, WATCH_OPEN);
	assert_false(l.t.canary);
	assert_string_equal(l.t.reason,
			    "the breaker is open for 20 s, and closes in 20 s; 200 MiB of 400 MiB in use (50%, "
			    "cgroup /shop memory.max)");
	look_for(&l, 25, .05);
	assert_int_equal(look_told(&l, WATCH_EVENT_CLOSE, "default"), 1);
	assert_int_equal(l.t.state, WATCH_OK);
	assert_false(l.events.v[l.events.n - 1].dry);
	look_use(&l, 372 * MIB); /* it cools down */
	look_for(&l, 10, .05);
	assert_int_equal(l.t.state, WATCH_CRITICAL);
	assert_int_equal(look_told(&l, WATCH_EVENT_OPEN, NULL), 1);
	look_for(&l, 120, 1);
	assert_int_equal(l.t.state, WATCH_OPEN);
}

static void an_exec_begins_anew_but_not_the_breaker(void **state)
{
	look_use(&l, 372 * MIB);
	look_for(&l, 5, 1);
	look_for(&l, 200, 1);
	l.p.goroutines = 900;
	look_for(&l, 40, 1);
	assert_non_null(look_on(&l, "goroutines_doubled"));
	alarm_reset(l.a);
	look(&l, 1);
	assert_null(look_on(&l, "goroutines_doubled"));
	assert_int_equal(l.t.state, WATCH_OPEN);
	look_for(&l, 300, 1);
	assert_int_equal(look_told(&l, WATCH_EVENT_ALARM, "goroutines_doubled"), 1);
	assert_int_equal(look_told(&l, WATCH_EVENT_OPEN, NULL), 1);
}

static void another_cgroup_has_other_counters(void **state)
{
	look_use(&l, 330 * MIB);
	look(&l, 1);
	alarm_reset(l.a);
	l.g.failcnt = l.g.events_max = l.g.events_high = 5000;
	l.g.events_oom = l.g.events_oom_kill = 12;
	look_for(&l, 10, 1);
	assert_int_equal(l.t.n_signals, 0);
}

static void the_gravest_signal_comes_first(void **state)
{
	l.g.pids = 99;
	l.g.pids_max = 100;
	look_for(&l, 10, 1);
	assert_int_equal(l.t.state, WATCH_WARNING);
	assert_non_null(strstr(l.t.reason, "pids_near_max: 99 of 100"));
	l.g.events_oom_kill++;
	l.p.virtual_size = 99999 * MIB;
	look(&l, 1);
	assert_int_equal(l.t.state, WATCH_CRITICAL);
	assert_int_equal(l.t.n_signals, 3);
	assert_string_equal(l.t.signals[0].name, "oom_kill");
	assert_string_equal(l.t.signals[1].name, "pids_near_max");
	assert_string_equal(l.t.signals[2].name, "virtual_gap");
	assert_non_null(strstr(l.t.reason, "oom_kill: the kernel killed for lack of memory in this cgroup once"));
}

static void what_a_policy_limits_counts_instead(void **state)
{
	l.policy.limit = 130 * MIB;
	alarm_policy(l.a, &l.policy);
	look(&l, 1);
	assert_int_equal(l.t.state, WATCH_OPEN);
	assert_non_null(strstr(l.t.reason, "120 MiB of 130 MiB in use (92%, the policy's limit)"));
	assert_true(alarm_share(&l.g, 130 * MIB) > .92 && alarm_share(&l.g, 0) == .3);
}

static void shares_where_little_is_known(void **state)
{
	struct watch_cgroup_sample g;
	watch_cgroup_sample_init(&g);
	assert_true(isnan(alarm_share(&g, 0)) && isnan(alarm_share(&g, 100)));
	g.working_set = 75;
	assert_true(alarm_share(&g, 100) == .75 && isnan(alarm_share(&g, 0)));
	g.available = 25;
	assert_true(alarm_share(&g, 0) == .75);
}

static void times_that_stand_still_or_go_back_are_ordinary(void **state)
{
	for (int i = 0; i < 100; i++)
		look(&l, i % 2 ? -1 : 1);
	assert_int_equal(l.events.n, 0);
}

/* What others in the cgroup use; this process stays what it is. */
static void use_beside(uint64_t bytes)
{
	uint64_t rss = l.p.rss;
	look_use(&l, bytes);
	l.p.rss = rss;
}

static void grow_beside(uint64_t from, uint64_t to)
{
	for (uint64_t use = from; use < to; use += MIB) {
		use_beside(use);
		look(&l, .5);
	}
}

static void who_is_begun_again_after_a_kill_is_foretold_again(void **state)
{
	l.gc_every = 0;
	grow_beside(120 * MIB, 400 * MIB);
	assert_int_equal(look_told(&l, WATCH_EVENT_ALARM, "oom_forecast"), 1);
	l.g.events_oom++;
	use_beside(310 * MIB); /* it takes a while */
	look(&l, .2);
	use_beside(120 * MIB);
	look(&l, .2);
	look_for(&l, 2, .5);
	assert_null(look_on(&l, "oom_forecast"));
	grow_beside(120 * MIB, 300 * MIB);
	assert_non_null(look_on(&l, "oom_forecast"));
	assert_true(l.t.forecast.eta > 40 && l.t.forecast.eta < 60);
}

static void the_forecast_follows_a_limit_that_changes(void **state)
{
	l.gc_every = 0;
	grow_beside(120 * MIB, 300 * MIB);
	assert_non_null(look_on(&l, "oom_forecast"));
	l.g.limit = 4000 * MIB;
	grow_beside(300 * MIB, 312 * MIB); /* 6 s: two until it is sure, and two more until it is told */
	assert_null(look_on(&l, "oom_forecast"));
	assert_false(l.t.forecast.eta < 1000);
	l.g.limit = 400 * MIB;
	grow_beside(312 * MIB, 314 * MIB);
	assert_non_null(look_on(&l, "oom_forecast"));
	assert_true(l.t.forecast.eta > 40 && l.t.forecast.eta < 50);
}

/* A level above comes nearer to its limit: what more it has than the one before did not grow. */
static void another_level_is_another_series(void **state)
{
	l.g.swap = 0;
	look_for(&l, 120, 1);
	for (int i = 0; i < 4; i++) {
		l.t.limit_source = i % 2 ? "cgroup /shop memory.max" : "cgroup / memory.max";
		l.g.swap = i % 2 ? 0 : 500 * MIB;
		use_beside(i % 2 ? 250 * MIB : 1400 * MIB);
		l.g.limit = i % 2 ? 400 * MIB : 2000 * MIB;
		look_for(&l, 30, .5);
	}
	assert_int_equal(l.events.n, 0);
	l.g.limit = 1600 * MIB; /* near enough that swap would matter */
	l.t.limit_source = "cgroup / memory.max";
	use_beside(1400 * MIB);
	l.g.swap = 500 * MIB;
	look_for(&l, 30, .5);
	assert_null(look_on(&l, "swap_out"));
	assert_null(look_on(&l, "oom_forecast"));
}

/* What its own cgroup has in swap is the same series, whether that has a limit yet or not. */
static void a_limit_that_comes_is_no_other_level(void **state)
{
	l.t.limit_source = "MemAvailable";
	l.g.limit = WATCH_UNKNOWN;
	l.g.swap = 0;
	look_for(&l, 30, 1);
	l.t.limit_source = "cgroup /shop memory.max";
	l.g.limit = 125 * MIB;
	l.g.swap = 30 * MIB;
	look_for(&l, 10, 1);
	assert_non_null(look_on(&l, "swap_out"));
}

/* Whatever is fed: no crash, and texts and numbers stay within their bounds. */
static void random_figures_are_survived(void **state)
{
	unsigned seed = 7;
	for (int i = 0; i < 20000; i++) {
		uint64_t *const fields[] = { &l.p.rss,	       &l.p.shared,   &l.p.heap_alloc, &l.p.heap_goal,
					     &l.p.heap_marked, &l.p.gc_count, &l.p.goroutines, &l.p.gc_pause_total_ns,
					     &l.g.working_set, &l.g.usage,    &l.g.file,       &l.g.limit,
					     &l.g.events_max,  &l.g.failcnt,  &l.g.pids_max,   &l.g.swap };
		uint64_t *f = fields[(unsigned)rand_r(&seed) % (sizeof(fields) / sizeof(fields[0]))];
		int kind = rand_r(&seed) % 4;
		*f = kind == 0 ? WATCH_UNKNOWN : kind == 1 ? 0 : (uint64_t)rand_r(&seed) << (rand_r(&seed) % 30);
		l.p.gc_last_ns = rand_r(&seed);
		l.p.gc_cpu_fraction = rand_r(&seed) % 3 ? rand_r(&seed) / 1e9 : (double)NAN;
		look(&l, rand_r(&seed) % 1000 / 300.);
		assert_true(l.t.n_signals <= SIGNALS && l.t.state < WATCH_STATES);
		assert_true(strlen(l.t.reason) < sizeof(l.t.reason));
	}
	assert_in_range(alarm_size(), 1, 24576);
}

static void a_ring_thins_out_and_forgets(void **state)
{
	struct ring r = { 0 };
	for (int i = 0; i < 1000; i++)
		ring_add(&r, 60, &(struct ring_point){ i, { i } });
	assert_int_equal(r.n, RING_POINTS);
	assert_true(ring_at(&r, 0)->t >= 1000 - 60 - 12);
	assert_int_equal(ring_since(&r, 5000, 60), RING_POINTS);
	assert_true(isnan(ring_median(&r, RING_POINTS, r.n, 0)));
	assert_true(fabs(ring_median(&r, 0, r.n, 0) - 963) < 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_alarm_is_told_once_and_cleared_once),
		TEST(a_flapping_signal_is_one_episode_and_few_events),
		TEST(what_swings_about_a_bound_stays_grave),
		TEST(another_cause_is_another_episode),
		TEST(the_breaker_opens_and_closes_and_says_so),
		TEST(an_exec_begins_anew_but_not_the_breaker),
		TEST(another_cgroup_has_other_counters),
		TEST(the_gravest_signal_comes_first),
		TEST(what_a_policy_limits_counts_instead),
		TEST(shares_where_little_is_known),
		TEST(times_that_stand_still_or_go_back_are_ordinary),
		TEST(who_is_begun_again_after_a_kill_is_foretold_again),
		TEST(the_forecast_follows_a_limit_that_changes),
		TEST(another_level_is_another_series),
		TEST(a_limit_that_comes_is_no_other_level),
		TEST(random_figures_are_survived),
		TEST(a_ring_thins_out_and_forgets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
