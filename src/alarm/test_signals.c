/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/strbuf.h"
#include "fixture/looks.h"

/* Each signal: what fires it, and what looks like it and must not. */

static struct looks l;

static int begin(void **state)
{
	looks_begin(&l);
	look_for(&l, 20, 1);
	assert_int_equal(l.t.n_signals, 0);
	assert_int_equal(l.t.state, WATCH_OK);
	assert_int_equal(l.events.n, 0);
	return 0;
}

static int end(void **state)
{
	looks_end(&l);
	return 0;
}

static void fires(const char *name, enum watch_state state)
{
	const struct watch_signal *s = look_on(&l, name);
	if (!s) {
		fail_msg("%s is not on", name);
		return;
	}
	assert_true(s->evidence[0]);
	assert_false(isnan(s->value) || isnan(s->threshold));
	assert_int_equal(l.t.state, state);
	assert_int_equal(look_told(&l, WATCH_EVENT_ALARM, name), state != WATCH_OK);
}

static void nothing_fires(void)
{
	for (unsigned i = 0; i < l.t.n_signals; i++)
		fail_msg("%s is on: %s", l.t.signals[i].name, l.t.signals[i].evidence);
	assert_int_equal(l.t.state, WATCH_OK);
	assert_int_equal(l.events.n, 0);
}

static void steady_use_says_nothing_in_an_hour(void **state)
{
	look_for(&l, 3600, 1);
	nothing_fires();
	assert_string_equal(l.t.reason, "120 MiB of 400 MiB in use (30%, cgroup /shop memory.max)");
}

static void nothing_known_says_nothing(void **state)
{
	watch_process_sample_init(&l.p);
	watch_cgroup_sample_init(&l.g);
	l.gc_every = 0;
	look_for(&l, 200, 1);
	nothing_fires();
}

/* ---- the limit ---- */

static void whose_growth_it_is_is_part_of_the_evidence(void **state)
{
	l.beside = "it was shop (pid 8), by 60.0 MiB in 30 s, not this process";
	look_use(&l, 350 * MIB);
	look(&l, 1);
	const struct watch_signal *s = look_on(&l, "near_limit");
	assert_non_null(s);
	assert_non_null(strstr(s->evidence, "memory.max); it was shop (pid 8), by 60.0 MiB in 30 s, not this process"));
	l.beside = NULL;
	look(&l, 1);
	assert_null(strstr(look_on(&l, "near_limit")->evidence, "it was"));
}

static void near_limit_fires_at_the_policys_share(void **state)
{
	look_use(&l, 344 * MIB);
	look(&l, 1);
	fires("near_limit", WATCH_WARNING);
	assert_string_equal(look_on(&l, "near_limit")->evidence,
			    "344 MiB of 400 MiB in use (86%, cgroup /shop memory.max)");
}

static void near_limit_does_not_fire_for_page_cache(void **state)
{
	l.g.file = 270 * MIB; /* 100 MiB of it active: read again and again */
	l.g.inactive_file = 20 * MIB;
	l.g.usage = 120 * MIB + 270 * MIB;
	l.g.working_set = l.g.usage - l.g.inactive_file;
	look_for(&l, 60, 1);
	assert_true((double)l.g.working_set > .9 * (double)l.g.limit && alarm_share(&l.g, 0) < .4);
	nothing_fires();
}

static void near_limit_does_not_fire_for_names_of_files(void **state)
{
	l.g.kernel = 280 * MIB; /* a walk over many files */
	l.g.slab_reclaimable = 270 * MIB;
	l.g.usage = l.g.working_set = 110 * MIB + l.g.kernel;
	look_for(&l, 60, 1);
	nothing_fires();
	l.g.slab_reclaimable = 0; /* what the kernel keeps is memory that is gone */
	look(&l, 1);
	assert_non_null(look_on(&l, "near_limit"));
}

static void near_limit_counts_shared_memory_as_memory(void **state)
{
	l.g.file = l.g.shmem = 260 * MIB; /* a tmpfs */
	l.g.inactive_file = 0;
	l.g.usage = l.g.working_set = 100 * MIB + 260 * MIB;
	look(&l, 1);
	assert_non_null(look_on(&l, "near_limit"));
}

static void near_limit_follows_a_limit_that_changes(void **state)
{
	l.g.limit = 130 * MIB;
	look(&l, 1);
	assert_non_null(look_on(&l, "near_limit"));
	l.g.limit = 4000 * MIB;
	look_for(&l, 15, 1);
	assert_null(look_on(&l, "near_limit"));
}

static void near_limit_without_a_limit_asks_what_is_left(void **state)
{
	l.g.limit = WATCH_UNKNOWN;
	l.t.limit_source = "MemAvailable";
	look_for(&l, 5, 1);
	nothing_fires();
	assert_string_equal(l.t.reason, "110 MiB in use and 8.00 GiB left to the machine");
	l.g.available = 10 * MIB;
	look(&l, 1);
	assert_non_null(look_on(&l, "near_limit"));
}

static void the_forecast_fires_before_the_limit(void **state)
{
	for (int i = 0; i < 300 && !look_on(&l, "oom_forecast"); i++) {
		look_use(&l, 120 * MIB + (uint64_t)i * MIB);
		look(&l, 1);
	}
	assert_non_null(look_on(&l, "oom_forecast"));
	assert_true(l.t.forecast.eta > 20);
	assert_true(l.t.state >= WATCH_WARNING);
}

static void growth_unusual_is_information(void **state)
{
	look_for(&l, 120, 1);
	look_use(&l, 150 * MIB);
	look_for(&l, 5, 1);
	fires("growth_unusual", WATCH_OK);
	look_for(&l, 30, 1);
	assert_null(look_on(&l, "growth_unusual"));
}

static void growth_unusual_does_not_fire_for_a_growth_that_goes_on(void **state)
{
	for (int i = 0; i < 200; i++) {
		look_use(&l, 120 * MIB + (uint64_t)i * MIB / 4 + (uint64_t)(i * 7919 % 13) * MIB / 16);
		look(&l, 1);
		assert_null(look_on(&l, "growth_unusual"));
	}
}

/* ---- what the kernel counts ---- */

static const struct {
	const char *name;
	size_t counter;
	enum watch_state state;
	bool needs_pressure;
} counters[] = {
	{ "oom_kill", offsetof(struct watch_cgroup_sample, events_oom_kill), WATCH_CRITICAL, false },
	{ "memory_events_oom", offsetof(struct watch_cgroup_sample, events_oom), WATCH_CRITICAL, false },
	{ "memory_events_max", offsetof(struct watch_cgroup_sample, events_max), WATCH_WARNING, true },
	{ "memory_events_high", offsetof(struct watch_cgroup_sample, events_high), WATCH_WARNING, true },
	{ "failcnt", offsetof(struct watch_cgroup_sample, failcnt), WATCH_WARNING, true },
};

enum { COUNTERS = sizeof(counters) / sizeof(counters[0]) };

static uint64_t *counter(size_t i)
{
	return (uint64_t *)(void *)((char *)&l.g + counters[i].counter);
}

static void a_counter_that_rises_fires_and_is_told_once(void **state)
{
	for (size_t i = 0; i < COUNTERS; i++) {
		look_use(&l, 334 * MIB); /* 83 %: no warning by itself */
		*counter(i) += 2;
		look(&l, 1);
		fires(counters[i].name, counters[i].state);
		*counter(i) += 1;
		look_for(&l, 5, 1);
		assert_int_equal(look_told(&l, WATCH_EVENT_ALARM, counters[i].name), 1);
		assert_true(look_on(&l, counters[i].name)->value == 3);
		look_for(&l, 100, 1);
		assert_null(look_on(&l, counters[i].name));
		assert_int_equal(look_told(&l, WATCH_EVENT_CLEAR, counters[i].name), 1);
	}
}

static void a_counter_that_began_anew_does_not_fire(void **state)
{
	look_use(&l, 334 * MIB);
	for (size_t i = 0; i < COUNTERS; i++)
		*counter(i) = 0; /* the cgroup was removed and made again */
	look(&l, 1);
	for (size_t i = 0; i < COUNTERS; i++)
		*counter(i) = WATCH_UNKNOWN;
	look(&l, 1);
	for (size_t i = 0; i < COUNTERS; i++)
		*counter(i) = 0;
	look_for(&l, 10, 1);
	nothing_fires();
}

static void hitting_the_limit_with_page_cache_does_not_fire(void **state)
{
	for (int i = 0; i < 120; i++) {
		for (size_t k = 0; k < COUNTERS; k++)
			*counter(k) += counters[k].needs_pressure ? 50 : 0;
		l.g.usage_triggered = i % 3 == 0;
		l.g.psi_some = .3; /* of reading files again */
		look(&l, 1);
	}
	nothing_fires();
}

static void a_kill_that_was_told_fires(void **state)
{
	struct alarm_news news = { .oom_kill = true };
	struct alarm_seen seen = { .news = &news, .wall_ns = 1 };
	alarm_feed(l.a, &seen, &l.t, &l.texts, &l.events);
	fires("oom_kill", WATCH_CRITICAL);
	look_for(&l, 70, 1);
	assert_null(look_on(&l, "oom_kill"));
}

static void usage_threshold_fires_when_the_kernel_tells(void **state)
{
	look_use(&l, 334 * MIB);
	l.g.usage_triggered = true; /* at 83 %, below what is worth a warning */
	look_for(&l, 5, 1);
	nothing_fires();
	look_use(&l, 341 * MIB);
	look(&l, 1);
	fires("usage_threshold", WATCH_WARNING);
}

static void psi_fires_when_tasks_wait_for_memory(void **state)
{
	look_use(&l, 334 * MIB);
	l.g.psi_some = .4;
	look_for(&l, 3, 1);
	fires("psi", WATCH_WARNING);
}

static void psi_does_not_fire_for_a_little(void **state)
{
	look_use(&l, 334 * MIB);
	l.g.psi_some = .05;
	look_for(&l, 30, 1);
	nothing_fires();
}

static void swap_out_fires_when_memory_in_use_goes_there(void **state)
{
	look_use(&l, 334 * MIB);
	l.g.swap = 5 * MIB;
	look_for(&l, 30, 1);
	nothing_fires();
	for (int i = 0; i < 20; i++) {
		l.g.swap += MIB;
		look(&l, 1);
	}
	fires("swap_out", WATCH_WARNING);
}

static void swap_out_does_not_fire_for_what_was_there(void **state)
{
	look_use(&l, 334 * MIB);
	l.g.swap = 500 * MIB;
	look_for(&l, 300, 1);
	nothing_fires();
}

static void pids_near_max_fires_at_nine_tenths(void **state)
{
	l.g.pids = 91;
	l.g.pids_max = 100;
	look_for(&l, 10, 1);
	fires("pids_near_max", WATCH_WARNING);
}

static void pids_near_max_does_not_fire_without_a_maximum(void **state)
{
	l.g.pids = 5000;
	look_for(&l, 10, 1);
	l.g.pids_max = 10000;
	look_for(&l, 10, 1);
	nothing_fires();
}

static void cache_jitter_is_information(void **state)
{
	look_for(&l, 60, 1);
	l.g.file = l.g.inactive_file = 200 * MIB;
	l.g.usage = 120 * MIB + l.g.file;
	look_for(&l, 20, 1);
	nothing_fires(); /* not five times yet */
	look_for(&l, 15, 1);
	fires("cache_jitter", WATCH_OK);
	look_for(&l, 60, 1);
	nothing_fires(); /* it is usual by now */
}

static void cache_jitter_does_not_fire_for_ups_and_downs(void **state)
{
	for (int i = 0; i < 120; i++) {
		l.g.file = l.g.inactive_file = (i % 15 < 10 ? 40 : 200) * MIB;
		l.g.usage = 120 * MIB + l.g.file;
		look(&l, 1);
		assert_null(look_on(&l, "cache_jitter"));
	}
}

static void virtual_gap_is_information(void **state)
{
	l.p.virtual_size = 70000 * MIB;
	look(&l, 1);
	fires("virtual_gap", WATCH_OK);
}

/* A runtime with race detector or a file that is mapped: less than the threshold, or most of it is there. */
static void virtual_gap_does_not_fire_for_what_is_used(void **state)
{
	l.p.virtual_size = 15000 * MIB;
	look_for(&l, 10, 1);
	l.p.virtual_size = 70000 * MIB;
	l.p.rss = l.p.shared = 9000 * MIB;
	look_for(&l, 10, 1);
	nothing_fires();
}

/* ---- Go ---- */

static void gc_thrash_fires_at_the_memory_limit(void **state)
{
	l.p.memory_limit = 128 * MIB;
	l.gc_every = .1;
	look_use(&l, 130 * MIB);
	for (int i = 0; i < 40; i++) {
		/* the fraction is of the time since the start; from now on a half goes into it */
		double age = l.now + 1 - 900, busy = 120 * .01 + (age - 120) * .5;
		l.p.gc_cpu_fraction = busy / age;
		look(&l, 1);
	}
	fires("gc_thrash", WATCH_WARNING);
	assert_true(fabs(look_on(&l, "gc_thrash")->value - .5) < .05);
}

static void gc_thrash_does_not_fire_without_a_memory_limit(void **state)
{
	l.gc_every = .1;
	for (int i = 0; i < 100; i++) {
		double age = l.now + 1 - 900;
		l.p.gc_cpu_fraction = (1.2 + (age - 120) * .5) / age;
		look(&l, 1);
	}
	nothing_fires();
}

static void gc_thrash_does_not_fire_for_what_was_long_ago(void **state)
{
	l.p.memory_limit = 128 * MIB;
	look_use(&l, 130 * MIB);
	for (int i = 0; i < 300; i++) {
		double age = l.now + 1 - 900;
		l.p.gc_cpu_fraction = (60 + (age - 120) * .01) / age; /* a busy start */
		look(&l, 1);
		assert_null(look_on(&l, "gc_thrash"));
	}
}

static void gc_stalled_fires_when_the_heap_grows_and_none_comes(void **state)
{
	l.gc_every = 0;
	for (int i = 0; i < 20; i++) {
		l.p.heap_alloc += 10 * MIB;
		look(&l, 1);
	}
	fires("gc_stalled", WATCH_WARNING);
	l.gc_every = 2;
	l.gc_at = l.now;
	look_for(&l, 10, 1);
	assert_null(look_on(&l, "gc_stalled"));
}

static void gc_stalled_does_not_fire_when_less_is_done(void **state)
{
	l.gc_every = 100; /* fifty times as long as usual: the same heap is filled more slowly */
	look_for(&l, 400, 1);
	nothing_fires();
}

static void gc_stalled_does_not_fire_when_more_is_kept(void **state)
{
	l.p.heap_marked = 300 * MIB;
	l.p.heap_goal = 600 * MIB;
	l.gc_every = 20;
	look_for(&l, 100, 1);
	nothing_fires();
}

static void rss_without_objects_fires_when_c_takes_it(void **state)
{
	l.g.limit = 4096 * MIB;
	for (int i = 0; i < 30; i++) {
		look_use(&l, 120 * MIB + (uint64_t)i * 12 * MIB);
		look(&l, 1);
	}
	fires("rss_without_objects", WATCH_WARNING);
}

static void rss_without_objects_fires_beside_a_small_heap_that_keeps_account(void **state)
{
	l.g.limit = 4096 * MIB;
	for (int i = 0; i < 30; i++) {
		look_use(&l, 120 * MIB + (uint64_t)i * 12 * MIB);
		l.p.heap_alloc = l.p.heap_marked = 2 * MIB;
		l.p.heap_goal = 4 * MIB;
		l.p.heap_objects = 400 + (uint64_t)i * 40;
		look(&l, 1);
	}
	fires("rss_without_objects", WATCH_WARNING);
}

static void rss_without_objects_does_not_fire_for_a_heap(void **state)
{
	l.g.limit = 4096 * MIB;
	for (int i = 0; i < 30; i++) {
		look_use(&l, 120 * MIB + (uint64_t)i * 12 * MIB);
		l.p.heap_marked = 30 * MIB + (uint64_t)i * 12 * MIB; /* of a few large objects */
		l.p.heap_goal = 2 * l.p.heap_marked;
		look(&l, 1);
	}
	nothing_fires();
}

static void rss_without_objects_does_not_fire_for_a_burst_that_was_freed(void **state)
{
	l.g.limit = 4096 * MIB;
	l.p.heap_goal = 500 * MIB;
	look_for(&l, 5, 1);
	look_use(&l, 480 * MIB);
	l.p.heap_goal = 60 * MIB;
	look_for(&l, 50, 1);
	nothing_fires();
}

static void rss_without_objects_does_not_fire_for_mapped_files(void **state)
{
	l.p.shared = 900 * MIB;
	l.p.rss = 1010 * MIB;
	look_for(&l, 50, 1);
	nothing_fires();
}

static void rss_without_objects_does_not_fire_over_longer_times(void **state)
{
	l.g.limit = 64000 * MIB;
	for (int i = 0; i < 1000; i++) {
		look_use(&l, 120 * MIB + (uint64_t)i * MIB);
		look(&l, 1);
	}
	assert_null(look_on(&l, "rss_without_objects"));
}

static void goroutines_doubled_fires_against_their_own_median(void **state)
{
	look_for(&l, 200, 1);
	l.p.goroutines = 400;
	look_for(&l, 25, 1);
	nothing_fires();
	look_for(&l, 10, 1);
	fires("goroutines_doubled", WATCH_WARNING);
}

static void goroutines_doubled_fires_for_a_leak_from_the_start(void **state)
{
	for (int i = 0; i < 300; i++) { /* five a second; never more than just twice the median of all */
		l.p.goroutines = 10 + (uint64_t)i * 5;
		look(&l, 1);
	}
	fires("goroutines_doubled", WATCH_WARNING);
}

/* A window that is shorter than what is usually asked for before anything is usual. */
static void goroutines_doubled_fires_in_a_short_window(void **state)
{
	double windows[SIGNALS];
	for (size_t i = 0; i < SIGNALS; i++)
		windows[i] = NAN;
	windows[SIGNAL_GOROUTINES_DOUBLED] = 60;
	l.policy.window_s = windows;
	alarm_policy(l.a, &l.policy);
	look_for(&l, 60, 1);
	for (int i = 0; i < 45; i++) {
		l.p.goroutines = 400 + (uint64_t)i * 40;
		look(&l, 1);
	}
	fires("goroutines_doubled", WATCH_WARNING);
}

static void goroutines_doubled_does_not_fire_for_a_start_that_levels_off(void **state)
{
	for (int i = 0; i < 300; i++) {
		l.p.goroutines = 40 + (uint64_t)(i < 100 ? i : 100) * 20;
		look(&l, 1);
	}
	nothing_fires();
}

static void goroutines_doubled_does_not_fire_for_a_few_or_a_burst(void **state)
{
	look_for(&l, 200, 1);
	l.p.goroutines = 100; /* 2.5 times, but few */
	look_for(&l, 60, 1);
	l.p.goroutines = 5000;
	look_for(&l, 20, 1);
	l.p.goroutines = 40;
	look_for(&l, 60, 1);
	nothing_fires();
}

static void goroutines_doubled_does_not_fire_while_nothing_is_usual(void **state)
{
	for (int i = 0; i < 90; i++) { /* a start */
		l.p.goroutines = 40 + (uint64_t)i * 20;
		look(&l, 1);
	}
	nothing_fires();
}

static void gc_pause_is_information(void **state)
{
	l.p.gc_pause_last_ns = 35000000;
	look_for(&l, 10, 1);
	fires("gc_pause", WATCH_OK);
	assert_true(look_on(&l, "gc_pause")->value == .035);
	l.p.gc_pause_last_ns = 100000;
	look_for(&l, 70, 1);
	nothing_fires();
}

static void gc_pause_does_not_fire_for_a_single_one(void **state)
{
	l.p.gc_pause_last_ns = 90000000;
	look_for(&l, 2, 1);
	l.p.gc_pause_last_ns = 100000;
	look_for(&l, 60, 1);
	nothing_fires();
}

/* ---- the ways of samples ---- */

static void looks_that_are_far_apart_say_nothing_of_windows(void **state)
{
	for (int i = 0; i < 10; i++) {
		look_use(&l, (i % 2 ? 120 : 320) * MIB);
		l.p.goroutines = i % 2 ? 40 : 300;
		look(&l, 400);
	}
	nothing_fires();
}

static void fast_looks_without_gos_figures_keep_the_last_ones(void **state)
{
	struct watch_process_sample whole = l.p;
	l.gc_every = 0;
	watch_process_sample_init(&l.p);
	l.p.rss = whole.rss;
	l.p.shared = whole.shared;
	l.p.virtual_size = whole.virtual_size;
	look_for(&l, 10, .05);
	nothing_fires();
}

static void another_threshold_and_off_are_obeyed(void **state)
{
	double threshold[SIGNALS];
	bool off[SIGNALS] = { [SIGNAL_PSI] = true };
	for (size_t i = 0; i < SIGNALS; i++)
		threshold[i] = NAN;
	threshold[SIGNAL_PIDS_NEAR_MAX] = .5;
	l.policy.threshold = threshold;
	l.policy.off = off;
	alarm_policy(l.a, &l.policy);
	look_use(&l, 334 * MIB);
	l.g.psi_some = .9;
	l.g.pids = 60;
	l.g.pids_max = 100;
	look_for(&l, 10, 1);
	assert_null(look_on(&l, "psi"));
	fires("pids_near_max", WATCH_WARNING);
}

static void every_signal_has_a_row_in_its_place(void **state)
{
	size_t n = 0;
	const struct alarm_row *rows = alarm_table(&n);
	assert_int_equal(n, SIGNALS);
	assert_true(n <= WATCH_SIGNALS);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(rows[i].name, signal_names[i]);
		assert_ptr_equal(alarm_row(signal_names[i]), &rows[i]);
		assert_true(rows[i].source[0] && rows[i].why[0]);
	}
	assert_null(alarm_row("none"));
}

/* The table for people. What the policy says stands for its row. */
static void put_row(const struct alarm_row *row, enum signal_unit unit, struct strbuf *out)
{
	char threshold[NUM_SIZE_LEN] = "", window[NUM_SIZE_LEN] = "now";
	if (unit == SIGNAL_SHARE)
		snprintf(threshold, sizeof(threshold), "%.0f%%", 100 * row->threshold);
	else if (unit == SIGNAL_BYTES)
		num_size((uint64_t)row->threshold, threshold);
	else if (unit == SIGNAL_SECONDS)
		snprintf(threshold, sizeof(threshold), "%g s", row->threshold);
	else
		snprintf(threshold, sizeof(threshold), "%g%s", row->threshold, unit == SIGNAL_TIMES ? " times" : "");
	if (row->window_s > 0)
		snprintf(window, sizeof(window), "%g s", row->window_s);
	strbuf_printf(out, "| `%s` | %s | %s | %s | %s | %s |\n", row->name,
		      row->state == WATCH_OK ? "information" : watch_states[row->state], threshold, window, row->source,
		      row->why);
}

static void the_document_has_the_table(void **state)
{
	const char *root = getenv("ULLAGE_SOURCE");
	if (!root)
		skip();
	AUTO_FREE char *path = xasprintf("%s/docs/signals.md", root);
	AUTO(strbuf) struct strbuf text, row;
	strbuf_init(&text);
	strbuf_init(&row);
	size_t n = 0;
	const struct alarm_row *rows = alarm_table(&n);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	for (ssize_t got = 1; got > 0;) {
		got = read(fd, buf, sizeof(buf));
		strbuf_add(&text, buf, got > 0 ? (size_t)got : 0);
	}
	const char *at = strstr(text.buf, "| --- |");
	for (size_t i = 0; i < n; i++) {
		at = at ? strchr(at, '\n') + 1 : "";
		strbuf_clear(&row);
		put_row(&rows[i], signal_units[i], &row);
		if (strncmp(at, row.buf, row.len) != 0)
			fail_msg("docs/signals.md should have here:\n%s", row.buf);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(steady_use_says_nothing_in_an_hour),
		TEST(nothing_known_says_nothing),
		TEST(whose_growth_it_is_is_part_of_the_evidence),
		TEST(near_limit_fires_at_the_policys_share),
		TEST(near_limit_does_not_fire_for_page_cache),
		TEST(near_limit_does_not_fire_for_names_of_files),
		TEST(near_limit_counts_shared_memory_as_memory),
		TEST(near_limit_follows_a_limit_that_changes),
		TEST(near_limit_without_a_limit_asks_what_is_left),
		TEST(the_forecast_fires_before_the_limit),
		TEST(a_counter_that_rises_fires_and_is_told_once),
		TEST(a_counter_that_began_anew_does_not_fire),
		TEST(hitting_the_limit_with_page_cache_does_not_fire),
		TEST(a_kill_that_was_told_fires),
		TEST(usage_threshold_fires_when_the_kernel_tells),
		TEST(psi_fires_when_tasks_wait_for_memory),
		TEST(psi_does_not_fire_for_a_little),
		TEST(swap_out_fires_when_memory_in_use_goes_there),
		TEST(swap_out_does_not_fire_for_what_was_there),
		TEST(pids_near_max_fires_at_nine_tenths),
		TEST(pids_near_max_does_not_fire_without_a_maximum),
		TEST(growth_unusual_is_information),
		TEST(growth_unusual_does_not_fire_for_a_growth_that_goes_on),
		TEST(cache_jitter_is_information),
		TEST(cache_jitter_does_not_fire_for_ups_and_downs),
		TEST(virtual_gap_is_information),
		TEST(virtual_gap_does_not_fire_for_what_is_used),
		TEST(gc_thrash_fires_at_the_memory_limit),
		TEST(gc_thrash_does_not_fire_without_a_memory_limit),
		TEST(gc_thrash_does_not_fire_for_what_was_long_ago),
		TEST(gc_stalled_fires_when_the_heap_grows_and_none_comes),
		TEST(gc_stalled_does_not_fire_when_less_is_done),
		TEST(gc_stalled_does_not_fire_when_more_is_kept),
		TEST(rss_without_objects_fires_when_c_takes_it),
		TEST(rss_without_objects_fires_beside_a_small_heap_that_keeps_account),
		TEST(rss_without_objects_does_not_fire_for_a_heap),
		TEST(rss_without_objects_does_not_fire_for_a_burst_that_was_freed),
		TEST(rss_without_objects_does_not_fire_for_mapped_files),
		TEST(rss_without_objects_does_not_fire_over_longer_times),
		TEST(goroutines_doubled_fires_against_their_own_median),
		TEST(goroutines_doubled_fires_for_a_leak_from_the_start),
		TEST(goroutines_doubled_fires_in_a_short_window),
		TEST(goroutines_doubled_does_not_fire_for_a_start_that_levels_off),
		TEST(goroutines_doubled_does_not_fire_for_a_few_or_a_burst),
		TEST(goroutines_doubled_does_not_fire_while_nothing_is_usual),
		TEST(gc_pause_is_information),
		TEST(gc_pause_does_not_fire_for_a_single_one),
		TEST(looks_that_are_far_apart_say_nothing_of_windows),
		TEST(fast_looks_without_gos_figures_keep_the_last_ones),
		TEST(another_threshold_and_off_are_obeyed),
		TEST(every_signal_has_a_row_in_its_place),
		TEST(the_document_has_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
