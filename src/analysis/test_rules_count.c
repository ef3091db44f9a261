/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "fixture/watch.h"

/* The rules of counts from both sides: goroutines, timers, threads, descriptors, stacks, cgroups left behind. */

/* ---- counts ---- */

static void count_site(struct watch *w, uint64_t *counts, enum diagnosis_site_kind kind, uint64_t gone)
{
	w->sites[w->in.n_sites++] = (struct diagnosis_site){
		.kind = kind,
		.function = "main.serve",
		.file = "main.go",
		.line = 7,
		.counts = counts,
		.gone = gone,
		.gone_known = kind == DIAGNOSIS_GOROUTINE,
	};
}

static void linear(uint64_t counts[LOOKS], uint64_t from, uint64_t step)
{
	for (size_t i = 0; i < LOOKS; i++)
		counts[i] = from + step * i;
}

static void two_looks_say_what_grew_and_prove_nothing(void **state)
{
	struct watch w;
	uint64_t counts[LOOKS] = { 10, 900 };
	watch_start(&w);
	w.v[1].time_ns = w.v[0].time_ns + 600 * (int64_t)SECOND;
	w.in.n = 2;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK); /* nothing grew in ten minutes */
	watch_end(&w);
	watch_start(&w);
	w.v[1].time_ns = w.v[0].time_ns + 600 * (int64_t)SECOND;
	w.v[1].heap_marked = 200 * (uint64_t)MIB;
	w.in.n = 2;
	count_site(&w, counts, DIAGNOSIS_GOROUTINE, 0);
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	assert_int_equal(w.d.open.n, 2);
	assert_string_equal(w.d.open.v[0].class, "go.heap.live");
	assert_non_null(strstr(w.d.open.v[1].why, "10 at first, 900 at last"));
	watch_end(&w);
}

static void goroutines_of_one_place_leak(void **state)
{
	struct watch w;
	uint64_t counts[LOOKS];
	watch_start(&w);
	linear(counts, 10, 5);
	count_site(&w, counts, DIAGNOSIS_GOROUTINE, 0);
	RAMP(&w, stack_inuse, MIB, 64 << 10);
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	const struct finding *f = watch_found(&w, "goroutine");
	assert_string_equal(f->site.function, "main.serve");
	assert_int_equal(f->site.line, 7);
	assert_int_equal(f->count, 105);
	assert_true(fabs(f->count_rate - 2.5) < 0.01);
	assert_true(watch_is_also(f, "stack"));
	watch_end(&w);
}

/* Heap that goroutines keep is the same cause; a store that grows beside them is another. */
static void heap_of_goroutines_is_the_same_cause(void **state)
{
	for (int same = 0; same < 2; same++) {
		struct watch w;
		uint64_t counts[LOOKS];
		watch_start(&w);
		linear(counts, 10, 5);
		count_site(&w, counts, DIAGNOSIS_GOROUTINE, 0);
		RAMP(&w, heap_marked, 40 * MIB, same ? 100 << 10 : 8 * MIB);
		RAMP(&w, rss_anon, 90 * MIB, same ? 100 << 10 : 8 * MIB);
		ALLOCATE(&w.first, MIB, 100, 1, "main.handle", "main.serve");
		ALLOCATE(&w.last, same ? 3 * MIB : 160 * MIB, same ? 200 : 90000, 1, "main.handle", "main.serve");
		watch_judge(&w);
		assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
		assert_non_null(watch_found(&w, "goroutine"));
		assert_int_equal(watch_is_also(watch_found(&w, "goroutine"), "heap"), same);
		assert_int_equal(watch_found(&w, "heap") != NULL, !same);
		watch_end(&w);
	}
}

static void goroutines_that_come_and_go_are_load(void **state)
{
	struct watch w;
	uint64_t counts[LOOKS];
	watch_start(&w);
	linear(counts, 10, 5);
	count_site(&w, counts, DIAGNOSIS_GOROUTINE, 400);
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	watch_end(&w);
}

static void a_pool_that_has_its_size_is_no_leak(void **state)
{
	struct watch w;
	uint64_t counts[LOOKS];
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		counts[i] = 10 + 10 * (i < 13 ? i : 13);
	count_site(&w, counts, DIAGNOSIS_GOROUTINE, 0);
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	watch_end(&w);
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		counts[i] = i < 9 ? 10 : 110; /* all at once */
	count_site(&w, counts, DIAGNOSIS_GOROUTINE, 0);
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	watch_end(&w);
}

static void timers_of_one_callback_leak(void **state)
{
	struct watch w;
	uint64_t counts[LOOKS];
	watch_start(&w);
	linear(counts, 5, 30);
	count_site(&w, counts, DIAGNOSIS_TIMER, 0);
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	assert_non_null(watch_found(&w, "timer"));
	watch_end(&w);
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		counts[i] = 5 + i % 3 * 40;
	count_site(&w, counts, DIAGNOSIS_TIMER, 0);
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	watch_end(&w);
}

/* Tickers that something keeps, but nobody waits for, are in no heap of timers since 1.23. */
static void heap_of_tickers_is_a_timer_leak(void **state)
{
	struct watch w;
	watch_start(&w);
	RAMP(&w, heap_marked, 40 * MIB, 4 * MIB);
	ALLOCATE(&w.first, MIB, 100, 1, "time.newTimer", "time.NewTicker", "main.poll");
	ALLOCATE(&w.last, 70 * MIB, 7000, 1, "time.newTimer", "time.NewTicker", "main.poll");
	watch_judge(&w);
	const struct finding *f = watch_found(&w, "timer");
	assert_non_null(f);
	assert_string_equal(f->site.function, "main.poll");
	assert_true(watch_is_also(f, "heap"));
	assert_null(watch_found(&w, "heap"));
	watch_end(&w);
}

static void threads_leak_when_they_only_grow(void **state)
{
	struct watch w;
	watch_start(&w);
	RAMP(&w, threads, 8, 1);
	watch_judge(&w);
	assert_non_null(watch_found(&w, "thread"));
	watch_end(&w);
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].threads = 8 + (i > 3 ? 3 : 0); /* the runtime made some and stopped */
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	watch_end(&w);
}

static void descriptors_leak_when_they_only_grow(void **state)
{
	struct watch w;
	watch_start(&w);
	RAMP(&w, fds, 12, 4);
	w.first.parts |= SNAPSHOT_FDS;
	w.last.parts |= SNAPSHOT_FDS;
	w.last.fds.limit = 1024;
	*vec_push(&w.last.fds.kinds) = (struct fd_kind){ "tcp", 70 };
	*vec_push(&w.last.fds.sockets) =
		(struct fd_socket){ .protocol = "tcp", .peer = "10.0.0.1:5432", .state = "CLOSE-WAIT", .count = 70 };
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	const struct finding *f = watch_found(&w, "fd");
	assert_true(watch_says(f, "10.0.0.1:5432"));
	assert_true(watch_says(f, "never did"));
	assert_true(watch_says(f, "1024 descriptors"));
	watch_end(&w);
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].fds = 12 + i % 5 * 20;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	watch_end(&w);
}

static void a_stack_that_only_doubles_leaks(void **state)
{
	for (int shrinks = 0; shrinks < 2; shrinks++) {
		struct watch w;
		watch_start(&w);
		for (size_t i = 0; i < LOOKS; i++)
			w.v[i].deepest_stack = (uint64_t)MIB << (i / 5);
		if (shrinks)
			w.v[LOOKS - 1].deepest_stack = MIB;
		watch_judge(&w);
		assert_int_equal(w.d.verdict, shrinks ? DIAGNOSIS_NO_LEAK : DIAGNOSIS_LEAK);
		watch_end(&w);
	}
}

/* The next doubling of a large stack is far away. */
static void one_doubling_of_a_stack_is_enough_where_it_fills_all_the_time(void **state)
{
	enum how { FILLS, COMES_BACK, STAYS, UNKNOWN, HOWS };
	for (enum how how = FILLS; how < HOWS; how++) {
		struct watch w;
		watch_start(&w);
		for (size_t i = 0; i < LOOKS; i++) {
			w.v[i].deepest_stack = (uint64_t)64 * MIB << (i / 12);
			w.v[i].deepest_used = (40 + 4 * i) * (uint64_t)MIB;
			if (how == STAYS)
				w.v[i].deepest_used = (60 + i / 2) * (uint64_t)MIB;
			if (how == UNKNOWN)
				w.v[i].deepest_used = ACCOUNT_UNKNOWN;
		}
		if (how == COMES_BACK)
			w.v[9].deepest_used = MIB;
		watch_judge(&w);
		assert_int_equal(w.d.verdict, how == FILLS ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

static void a_recursion_is_named_where_it_recurs(void **state)
{
	struct watch w;
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].deepest_stack = (uint64_t)MIB << (i / 5);
	struct goroutines *gs = &w.last.goroutines;
	uint32_t frames[9] = { stacks_frame(&gs->stacks,
					    &(struct frame){ .function = "main.visit", .file = "a.go", .line = 3 }) };
	for (size_t i = 1; i < 9; i++)
		frames[i] = stacks_frame(&gs->stacks,
					 &(struct frame){ .function = "main.visit", .file = "a.go", .line = 8 });
	*vec_push(&gs->v) =
		(struct goroutine){ .id = 1, .state = "waiting", .stack = stacks_add(&gs->stacks, frames, 9) };
	w.last.parts |= SNAPSHOT_GOROUTINES;
	watch_judge(&w);
	assert_int_equal(watch_found(&w, "stack")->site.line, 8);
	watch_end(&w);
}

static void cgroups_left_behind_leak(void **state)
{
	for (uint64_t more = 0; more < 10; more += 9) {
		struct watch w;
		watch_start(&w);
		w.first.parts |= SNAPSHOT_FDS;
		w.last.parts |= SNAPSHOT_FDS;
		w.first.fds.cgroups_left = 5;
		w.last.fds.cgroups_left = 5 + more;
		w.last.fds.cgroups_charged = 3 * MIB;
		watch_judge(&w);
		assert_int_equal(w.d.verdict, more ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_looks_say_what_grew_and_prove_nothing),
		cmocka_unit_test(goroutines_of_one_place_leak),
		cmocka_unit_test(heap_of_goroutines_is_the_same_cause),
		cmocka_unit_test(goroutines_that_come_and_go_are_load),
		cmocka_unit_test(a_pool_that_has_its_size_is_no_leak),
		cmocka_unit_test(timers_of_one_callback_leak),
		cmocka_unit_test(heap_of_tickers_is_a_timer_leak),
		cmocka_unit_test(threads_leak_when_they_only_grow),
		cmocka_unit_test(descriptors_leak_when_they_only_grow),
		cmocka_unit_test(a_stack_that_only_doubles_leaks),
		cmocka_unit_test(one_doubling_of_a_stack_is_enough_where_it_fills_all_the_time),
		cmocka_unit_test(a_recursion_is_named_where_it_recurs),
		cmocka_unit_test(cgroups_left_behind_leak),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
