/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "fixture/watch.h"

/* Growth that is proved, from both sides: what is a leak, and what a program does that warms up. A window is 38 seconds. */

enum { YOUNG = 50, OLD = 1000 };

/* From 40 MiB up, at each of 20 collections by so many KiB. */
static void rise(struct watch *w, double age, int64_t kib)
{
	watch_start(w);
	w->in.age_seconds = age;
	RAMP(w, heap_marked, 40 * MIB, kib << 10);
}

static void allocate(struct watch *w, const char *function, int64_t mib, int64_t objects)
{
	ALLOCATE(&w->first, 1, 1, 5, function, "main.main");
	ALLOCATE(&w->last, 1 + mib * MIB, 1 + objects, 5, function, "main.main");
}

/* A root at both ends, and a map below it where it has a path. */
static void hold(struct watch *w, const char *root, bool path, uint64_t then, uint64_t now)
{
	struct snapshot *both[] = { &w->first, &w->last };
	for (size_t i = 0; i < 2; i++) {
		struct owners *o = &both[i]->owners;
		uint64_t mib = i ? now : then;
		both[i]->parts |= SNAPSHOT_OWNERS;
		*vec_push(&o->roots) = (struct owners_root){
			.kind = OWNERS_OTHER,
			.name = root,
			.site = { .function = "", .file = "" },
			.retained = mib * MIB,
		};
		o->reachable += mib * MIB;
		o->heap_marked = ACCOUNT_UNKNOWN;
		if (!path)
			continue;
		uint32_t at = (uint32_t)o->steps.n;
		*vec_push(&o->steps) = (struct owners_step){ "map[int]*main.T", NULL, 1, (1 + i) * MIB };
		*vec_push(&o->steps) = (struct owners_step){ "*main.T", NULL, 100 * mib, mib * MIB };
		*vec_push(&o->paths) = (struct owners_path){ .root = (uint32_t)o->roots.n - 1,
							     .step_at = at,
							     .step_n = 2,
							     .retained = mib * MIB,
							     .text = root };
	}
}

static const char *judged(struct watch *w)
{
	const char *verdict = diagnosis_verdicts[watch_verdict(w)];
	const char *why = w->d.open.n ? w->d.open.v[0].why : "";
	if (w->d.open.n)
		assert_non_null(strstr(w->d.open.v[0].settle, "--for "));
	return strstr(why, "many places")  ? "spread"
	       : strstr(why, "is known")   ? "unknown"
	       : strstr(why, "may gain")   ? "little"
	       : strstr(why, "slows down") ? "slows"
	       : strstr(why, "room")	   ? "bound"
					   : verdict;
}

static void expect(struct watch *w, const char *verdict)
{
	assert_string_equal(judged(w), verdict);
	watch_end(w);
}

static void one_function_that_goes_on_leaks(void **state)
{
	struct watch w;
	rise(&w, YOUNG, 2048);
	allocate(&w, "main.keep", 35, 1000);
	allocate(&w, "main.other", 3, 100);
	expect(&w, "leak");
}

static void a_young_heap_that_grows_in_two_places_warms_up(void **state)
{
	struct watch w;
	rise(&w, YOUNG, 2048);
	allocate(&w, "main.keep", 20, 1000);
	allocate(&w, "main.other", 15, 100);
	expect(&w, "spread");
	rise(&w, OLD, 2048);
	w.in.age_seconds = 120; /* at this rate ever since */
	allocate(&w, "main.keep", 20, 1000);
	allocate(&w, "main.other", 15, 100);
	expect(&w, "leak");
}

/* They were made once, at the start, and the profile told it late. */
static void a_few_large_objects_are_no_growth(void **state)
{
	for (int64_t objects = 1; objects <= 8; objects += 7) {
		struct watch w;
		rise(&w, YOUNG, 2048);
		allocate(&w, "main.table", 35, objects);
		allocate(&w, "main.other", 3, 100);
		expect(&w, objects == 8 ? "leak" : "spread");
	}
}

static void what_several_roots_hold_by_no_path_has_no_holder(void **state)
{
	for (int path = 0; path < 2; path++) {
		struct watch w;
		rise(&w, YOUNG, 2048);
		allocate(&w, "main.keep", 38, 1000);
		hold(&w, OWNERS_SEVERAL, path, 40, 78);
		expect(&w, path ? "leak" : "spread");
	}
}

static void nobody_known_is_nobody_accused(void **state)
{
	struct watch w;
	rise(&w, YOUNG, 2048);
	expect(&w, "unknown");
	rise(&w, 120, 2048); /* as much in every window of its life */
	expect(&w, "leak");
}

static void little_that_began_lately_is_no_leak(void **state)
{
	struct watch w;
	rise(&w, YOUNG, 60); /* 1.1 MiB of 40 */
	allocate(&w, "main.keep", 1, 1000);
	expect(&w, "little");
	rise(&w, 500, 60);
	allocate(&w, "main.keep", 1, 1000);
	expect(&w, "leak");
	rise(&w, YOUNG, 60); /* of one */
	RAMP(&w, heap_marked, MIB, 60 << 10);
	allocate(&w, "main.keep", 1, 1000);
	expect(&w, "leak");
}

/* The process is old; what holds the growth was nearly empty when the window began. */
static void a_holder_that_is_new_has_begun_lately(void **state)
{
	for (uint64_t then = 1; then <= 21; then += 20) {
		struct watch w;
		rise(&w, 500, 100);
		allocate(&w, "main.keep", 2, 1000);
		hold(&w, "main.index", true, then, then + 2);
		expect(&w, then == 1 ? "little" : "leak");
	}
}

static void what_slows_down_fills(void **state)
{
	for (int slows = 0; slows < 2; slows++) {
		struct watch w;
		rise(&w, YOUNG, 2048);
		for (size_t i = 10; slows && i < LOOKS; i++)
			w.v[i].heap_marked = w.v[9].heap_marked + 600 * 1024 * (i - 9);
		allocate(&w, "main.keep", 35, 1000);
		expect(&w, slows ? "slows" : "leak");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_function_that_goes_on_leaks),
		cmocka_unit_test(a_young_heap_that_grows_in_two_places_warms_up),
		cmocka_unit_test(a_few_large_objects_are_no_growth),
		cmocka_unit_test(what_several_roots_hold_by_no_path_has_no_holder),
		cmocka_unit_test(nobody_known_is_nobody_accused),
		cmocka_unit_test(little_that_began_lately_is_no_leak),
		cmocka_unit_test(a_holder_that_is_new_has_begun_lately),
		cmocka_unit_test(what_slows_down_fills),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
