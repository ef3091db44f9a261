/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "fixture/watch.h"

/* The verdict as a whole, and the rules that explain memory. */

/* ---- nothing ---- */

static void what_stands_still_is_no_leak(void **state)
{
	struct watch w;
	watch_start(&w);
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_int_equal(w.d.findings.n, 0);
	assert_int_equal(w.d.open.n, 0);
	assert_true(isnan(w.d.oom.eta));
	assert_int_equal(w.d.oom.limit, 512 * MIB);
	watch_end(&w);
}

static void nothing_seen_is_inconclusive(void **state)
{
	struct watch w;
	watch_start(&w);
	w.in.n = 0;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	watch_end(&w);
	watch_start(&w);
	w.in.n = 2;
	w.in.cut = true;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	assert_non_null(w.d.open.v[0].settle);
	watch_end(&w);
}

/* ---- explanations ---- */

static void gc_thrash_needs_a_busy_collector(void **state)
{
	for (int busy = 0; busy < 2; busy++) {
		struct watch w;
		watch_start(&w);
		for (size_t i = 0; i < LOOKS; i++) {
			w.v[i].gc_count = 50 + i * (busy ? 20 : 1);
			w.v[i].gc_cpu = busy ? 0.01 + 0.0003 * (double)i : 0.01;
		}
		w.in.age_seconds = 3600;
		watch_judge(&w);
		assert_int_equal(watch_found(&w, "gc-thrash") != NULL, busy);
		assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

static void gomemlimit_without_room_is_named(void **state)
{
	struct watch w;
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].gc_count = 50 + i * 40;
	w.last.account.runtime.memory_limit = 72 * MIB;
	watch_judge(&w);
	assert_true(watch_says(watch_found(&w, "gc-thrash"), "GOMEMLIMIT is 72.0 MiB"));
	watch_end(&w);
}

static void idle_spans_are_returnable(void **state)
{
	for (int much = 0; much < 2; much++) {
		struct watch w;
		watch_start(&w);
		w.last.account.returnable = (much ? 40 : 8) * (uint64_t)MIB;
		watch_judge(&w);
		assert_int_equal(watch_found(&w, "returnable") != NULL, much);
		watch_end(&w);
	}
}

static void spans_that_cannot_fill_are_fragmentation(void **state)
{
	for (int much = 0; much < 2; much++) {
		struct watch w;
		watch_start(&w);
		RAMP(&w, heap_inuse, (much ? 160 : 90) * MIB, 0);
		watch_judge(&w);
		assert_int_equal(watch_found(&w, "fragmentation") != NULL, much);
		watch_end(&w);
	}
}

static void huge_pages_bring_back_what_was_returned(void **state)
{
	for (int huge = 0; huge < 2; huge++) {
		struct watch w;
		watch_start(&w);
		w.last.account.classes[CLASS_GO_HEAP_IDLE].resident = 14 * MIB;
		w.last.account.classes[CLASS_GO_HEAP_IDLE].huge = huge ? 12 * MIB : 0;
		w.last.account.runtime.heap_idle = 80 * MIB;
		w.last.account.runtime.heap_released = 78 * MIB;
		watch_judge(&w);
		assert_int_equal(watch_found(&w, "huge-pages") != NULL, huge);
		watch_end(&w);
	}
}

static void page_cache_alone_is_never_a_leak(void **state)
{
	struct watch w;
	watch_start(&w);
	RAMP(&w, file, 20 * MIB, 15 * MIB);
	RAMP(&w, inactive_file, 10 * MIB, 15 * MIB);
	RAMP(&w, cgroup_usage, 120 * MIB, 15 * MIB);
	w.last.account.cgroup.file = 305 * MIB;
	w.last.account.cgroup.inactive_file = 295 * MIB;
	w.last.account.cgroup.usage = 405 * MIB;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_non_null(watch_found(&w, "page-cache"));
	assert_true(isnan(w.d.oom.eta));
	assert_null(watch_found(&w, "limit-too-low"));
	watch_end(&w);
}

static void tmpfs_is_named_and_has_an_end_in_sight(void **state)
{
	struct watch w;
	watch_start(&w);
	RAMP(&w, shmem, 0, 10 * MIB);
	RAMP(&w, file, 20 * MIB, 10 * MIB);
	RAMP(&w, cgroup_usage, 120 * MIB, 10 * MIB);
	RAMP(&w, working_set, 110 * MIB, 10 * MIB);
	w.last.account.cgroup.shmem = 190 * MIB;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_non_null(watch_found(&w, "tmpfs"));
	assert_null(watch_found(&w, "page-cache"));
	assert_true(fabs(w.d.oom.eta - (512 - 300) / 5.0) < 2);
	watch_end(&w);
}

static void kernel_memory_is_named(void **state)
{
	struct watch w;
	watch_start(&w);
	RAMP(&w, kernel, 5 * MIB, 4 * MIB);
	w.last.account.cgroup.kernel = 81 * MIB;
	watch_judge(&w);
	assert_non_null(watch_found(&w, "kernel-memory"));
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	watch_end(&w);
}

static void another_process_is_named(void **state)
{
	for (int grows = 0; grows < 2; grows++) {
		struct watch w;
		watch_start(&w);
		struct account_process other = { .pid = 99, .comm = "sidecar", .rss = 10 * MIB };
		*vec_push(&w.first.account.cgroup.processes) = other;
		other.rss = (grows ? 120 : 10) * (uint64_t)MIB;
		*vec_push(&w.last.account.cgroup.processes) = other;
		*vec_push(&w.last.account.cgroup.processes) =
			(struct account_process){ .pid = 81, .comm = "app", .rss = 100 * MIB };
		w.last.account.cgroup.anon = (grows ? 210 : 95) * (uint64_t)MIB;
		if (grows)
			RAMP(&w, anon, 92 * MIB, 6 * MIB);
		watch_judge(&w);
		assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
		assert_int_equal(watch_found(&w, "other-process") != NULL, grows);
		if (grows)
			assert_true(watch_says(watch_found(&w, "other-process"), "sidecar"));
		watch_end(&w);
	}
}

static void a_limit_near_the_working_set_is_too_low(void **state)
{
	struct watch w;
	watch_start(&w);
	w.last.account.cgroup.limit = 120 * MIB;
	watch_judge(&w);
	assert_true(watch_says(watch_found(&w, "limit-too-low"),
			       "set the limit to 144 MiB")); /* 110 and a quarter, in 16 MiB */
	watch_end(&w);
	watch_start(&w);
	w.last.account.cgroup.limit = 200 * MIB;
	watch_judge(&w);
	assert_null(watch_found(&w, "limit-too-low"));
	watch_end(&w);
}

static void an_iteration_that_lasts_is_told(void **state)
{
	static const struct owners_iterator then[] = { { 7, 96, 0xc000, 5, "map[int]int", "main.m -> map[int]int" },
						       { 8, 96, 0xc000, 5, "map[int]int", NULL } };
	static const struct owners_iterator now[] = { { 7, 96, 0xc000, 5, "map[int]int", "main.m -> map[int]int" },
						      { 8, 96, 0xc000, 6, "map[int]int", NULL } }; /* began anew */
	for (int64_t seconds = 9; seconds <= 10; seconds++) {
		struct watch w;
		watch_start(&w);
		w.first.parts |= SNAPSHOT_OWNERS;
		w.last.parts |= SNAPSHOT_OWNERS;
		w.last.clock.monotonic = w.first.clock.monotonic + seconds * SECOND;
		for (size_t i = 0; i < 2; i++) {
			*vec_push(&w.first.owners.iterators) = then[i];
			*vec_push(&w.last.owners.iterators) = now[i];
		}
		watch_judge(&w);
		assert_int_equal(w.d.notes.n, seconds == 10);
		if (w.d.notes.n)
			assert_non_null(strstr(w.d.notes.v[0],
					       "by goroutine 7 over map[int]int (main.m -> map[int]int) has been"));
		watch_end(&w);
	}
}

static void gomaxprocs_is_held_against_the_quota(void **state)
{
	for (int over = 0; over < 2; over++) {
		struct watch w;
		watch_start(&w);
		w.last.account.runtime.cpu_quota = over ? 0.5 : 2;
		watch_judge(&w);
		assert_int_equal(watch_found(&w, "cpu-quota") != NULL, over);
		if (over)
			assert_true(watch_says(watch_found(&w, "cpu-quota"), "GOMAXPROCS=1"));
		watch_end(&w);
	}
}

/* ---- what cannot be proved ---- */

static void native_growth_is_inconclusive(void **state)
{
	static const enum mem_class classes[] = { CLASS_C_HEAP, CLASS_C_HEAP_INUSE, CLASS_MMAP_ANON };
	for (size_t i = 0; i < 3; i++) {
		struct watch w;
		watch_start(&w);
		w.last.account.classes[classes[i]].resident = 30 * MIB;
		RAMP(&w, rss_anon, 90 * MIB, 3 * MIB / 2);
		watch_judge(&w);
		assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
		assert_string_equal(w.d.open.v[0].class, mem_classes[classes[i]].name);
		assert_int_equal(w.d.findings.n, 0);
		watch_end(&w);
	}
}

static void the_root_cgroup_is_not_judged(void **state)
{
	struct watch w;
	watch_start(&w);
	w.last.account.cgroup.path = "/";
	w.last.account.cgroup.shmem = w.last.account.cgroup.usage = 4000u * (uint64_t)MIB;
	RAMP(&w, shmem, 0, 100 * MIB);
	watch_judge(&w);
	assert_int_equal(w.d.findings.n, 0);
	watch_end(&w);
}

static void unknown_figures_are_no_findings(void **state)
{
	struct watch w;
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++) {
		memset(&w.v[i], 0xff, sizeof(w.v[i]));
		w.v[i].time_ns = (int64_t)(1000 + i) * SECOND;
		w.v[i].last_gc_ns = 0;
		w.v[i].gc_cpu = (double)NAN;
	}
	w.in.first = w.in.last = NULL;
	w.in.age_seconds = (double)NAN;
	watch_judge(&w);
	assert_int_equal(w.d.findings.n, 0);
	assert_int_equal(w.d.notes.n, 1);
	watch_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_stands_still_is_no_leak),
		cmocka_unit_test(nothing_seen_is_inconclusive),
		cmocka_unit_test(gc_thrash_needs_a_busy_collector),
		cmocka_unit_test(gomemlimit_without_room_is_named),
		cmocka_unit_test(idle_spans_are_returnable),
		cmocka_unit_test(spans_that_cannot_fill_are_fragmentation),
		cmocka_unit_test(huge_pages_bring_back_what_was_returned),
		cmocka_unit_test(page_cache_alone_is_never_a_leak),
		cmocka_unit_test(tmpfs_is_named_and_has_an_end_in_sight),
		cmocka_unit_test(kernel_memory_is_named),
		cmocka_unit_test(another_process_is_named),
		cmocka_unit_test(a_limit_near_the_working_set_is_too_low),
		cmocka_unit_test(an_iteration_that_lasts_is_told),
		cmocka_unit_test(gomaxprocs_is_held_against_the_quota),
		cmocka_unit_test(native_growth_is_inconclusive),
		cmocka_unit_test(the_root_cgroup_is_not_judged),
		cmocka_unit_test(unknown_figures_are_no_findings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
