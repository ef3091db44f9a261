/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "fixture/watch.h"

/* The rules of the heap from both sides: the leak that each must name, and what only looks like one. */

/* ---- heap ---- */

static void a_heap_whose_marked_bytes_rise_leaks(void **state)
{
	struct watch w;
	watch_start(&w);
	RAMP(&w, heap_marked, 40 * MIB, 4 * MIB);
	RAMP(&w, rss_anon, 90 * MIB, 4 * MIB);
	RAMP(&w, cgroup_usage, 120 * MIB, 4 * MIB);
	RAMP(&w, working_set, 110 * MIB, 4 * MIB);
	ALLOCATE(&w.first, 30 * MIB, 3000, 10, "strings.Repeat", "example.org/app/store.(*Map).Put", "main.main");
	ALLOCATE(&w.last, 100 * MIB, 10000, 10, "strings.Repeat", "example.org/app/store.(*Map).Put", "main.main");
	ALLOCATE(&w.last, 4 * MIB, 100, 50, "example.org/app/other.New", "main.main");
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	const struct finding *f = watch_found(&w, "heap");
	assert_non_null(f);
	assert_string_equal(f->site.function, "example.org/app/store.(*Map).Put");
	assert_int_equal(f->site.line, 11);
	assert_int_equal(f->stack.n, 3);
	assert_int_equal(f->bytes, 100 * MIB);
	assert_int_equal(f->count, 10000);
	assert_true(fabs(f->rate - 2 * MIB) < 1000);
	assert_true(f->confidence > 0.8);
	assert_true(watch_says(f, "GOMEMLIMIT="));
	/* 512 MiB - (110 + 76) MiB at 2 MiB/s */
	assert_true(fabs(w.d.oom.eta - 163) < 5);
	assert_int_equal(f->level, DIAGNOSIS_CRITICAL);
	watch_end(&w);
}

static void four_collections_must_rise_by_more(void **state)
{
	struct watch w;
	for (int64_t step = 1; step <= 4; step += 3) { /* 3 * 1 MiB of 40 is 7 %, 3 * 4 MiB is 30 % */
		watch_start(&w);
		RAMP(&w, heap_marked, 40 * MIB, step * MIB);
		for (size_t i = 0; i < LOOKS; i++) {
			w.v[i].gc_count = 50 + i / 5;
			w.v[i].last_gc_ns = (int64_t)(999 + 2 * (i / 5) * 5) * SECOND;
			w.v[i].heap_marked = (uint64_t)(40 + step * (int64_t)(i / 5)) * MIB;
		}
		ALLOCATE(&w.first, MIB, 10, 5, "main.keep", "main.main");
		ALLOCATE(&w.last, 4 * MIB, 100, 5, "main.keep", "main.main");
		watch_judge(&w);
		assert_int_equal(w.d.verdict, step == 1 ? DIAGNOSIS_NO_LEAK : DIAGNOSIS_LEAK);
		watch_end(&w);
	}
}

static void a_heap_that_breathes_is_no_leak(void **state)
{
	static const int64_t wave[] = { 0, 3, 6, 2, 5, 1, 4, 7, 0, 3 };
	struct watch w;
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].heap_marked = (uint64_t)(40 + wave[i % 10]) * MIB;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	watch_end(&w);
}

static void garbage_between_collections_is_headroom(void **state)
{
	struct watch w;
	watch_start(&w);
	RAMP(&w, heap_live, 40 * MIB, 18 * MIB); /* up to 382 MiB */
	RAMP(&w, rss, 100 * MIB, 15 * MIB);
	RAMP(&w, rss_anon, 90 * MIB, 15 * MIB);
	RAMP(&w, heap_goal, 440 * MIB, 0);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].gc_count = i < 10 ? 50 : 51;
	w.last.account.runtime.gc_percent = 1000;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	const struct finding *f = watch_found(&w, "gc-headroom");
	assert_non_null(f);
	/* The goal and what is outside of the heap, 440 + 60 MiB, stay below the limit of 512. */
	assert_int_equal(f->level, DIAGNOSIS_INFO);
	assert_true(watch_says(f, "GOMEMLIMIT=426MiB")); /* 512 - 60 outside - 25.6 margin */
	watch_end(&w);
	watch_start(&w);
	RAMP(&w, heap_goal, 500 * MIB, 0);
	watch_judge(&w);
	f = watch_found(&w, "gc-headroom");
	assert_non_null(f);
	assert_int_equal(f->level, DIAGNOSIS_WARNING); /* it may be killed before it collects */
	watch_end(&w);
}

static void growth_without_a_collection_proves_nothing(void **state)
{
	struct watch w;
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++) {
		w.v[i].gc_count = 50;
		w.v[i].last_gc_ns = 999 * (int64_t)SECOND;
	}
	RAMP(&w, heap_live, 40 * MIB, MIB);
	RAMP(&w, rss_anon, 90 * MIB, MIB);
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	assert_string_equal(w.d.open.v[0].class, "go.heap.live");
	assert_non_null(strstr(w.d.open.v[0].settle, "--for"));
	assert_null(watch_found(&w, "heap"));
	watch_end(&w);
}

/* ---- with the heap walked ---- */

/* No collection meanwhile: the heap grows by 3 MiB from look to look, `step` of which stay reachable. */
static void walk(struct watch *w, int64_t step)
{
	for (size_t i = 0; i < LOOKS; i++) {
		w->v[i].gc_count = 50;
		w->v[i].last_gc_ns = 999 * (int64_t)SECOND;
	}
	RAMP(w, heap_live, 40 * MIB, 3 * MIB);
	RAMP(w, rss_anon, 90 * MIB, 3 * MIB);
	RAMP(w, reachable, 40 * MIB, step);
}

/* Owners at one end: a map of sessions below a global, in so many MiB. */
static void own(struct snapshot *s, uint64_t mib, const char *holds, const char *element)
{
	struct owners *o = &s->owners;
	s->parts |= SNAPSHOT_OWNERS;
	o->reachable = mib * MIB;
	*vec_push(&o->roots) = (struct owners_root){
		.kind = OWNERS_GLOBAL,
		.name = "main.sessions",
		.site = { .function = "", .file = "" },
		.retained = mib * MIB,
	};
	*vec_push(&o->steps) = (struct owners_step){ holds, NULL, 1, MIB };
	*vec_push(&o->steps) = (struct owners_step){ element, NULL, 10 * mib, (mib - 1) * MIB };
	*vec_push(&o->paths) = (struct owners_path){
		.step_n = 2,
		.retained = mib * MIB,
		.objects = 10 * mib,
		.text = "main.sessions (global) -> map -> session",
	};
}

static void own_both(struct watch *w, uint64_t then, uint64_t now, const char *holds, const char *element)
{
	own(&w->first, then, holds, element);
	own(&w->last, now, holds, element);
}

static void what_is_reachable_proves_a_leak_without_a_collection(void **state)
{
	struct watch w;
	watch_start(&w);
	walk(&w, 3 * MIB);
	own_both(&w, 40, 97, "map[string]*main.Session", "*main.Session");
	w.last.owners.steps.v[0].bytes = 3 * MIB;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	const struct finding *f = watch_found(&w, "map");
	assert_non_null(f);
	assert_true(watch_is_also(f, "heap"));
	assert_string_equal(f->holder, "main.sessions (global) -> map -> session");
	assert_true(watch_says(f, "Reachable bytes at 20 looks: 40"));
	assert_true(watch_says(f, "570 objects more"));
	assert_true(watch_says(f, "Delete entries of the map below main.sessions"));
	assert_true(f->confidence >= 0.8); /* 0.95, less what a growth that began lately costs */
	watch_end(&w);
}

/* The runtime keeps a record of each thread. */
static void records_of_threads_are_a_part_of_their_leak(void **state)
{
	for (int64_t more = 1; more <= 30; more += 29) {
		struct watch w;
		watch_start(&w);
		walk(&w, 3 * MIB);
		own_both(&w, 40, 97, "(no type)", "*runtime.mPadded");
		RAMP(&w, threads, 8, more);
		watch_judge(&w);
		assert_non_null(watch_found(&w, "thread"));
		assert_int_equal(watch_is_also(watch_found(&w, "thread"), "heap"), more == 30);
		assert_int_equal(watch_found(&w, "heap") != NULL, more == 1); /* not so many of so few threads */
		watch_end(&w);
	}
}

static void growth_that_only_floats_is_no_leak(void **state)
{
	struct watch w;
	watch_start(&w);
	walk(&w, 0);
	own_both(&w, 40, 40, "map[string]*main.Session", "*main.Session");
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_int_equal(w.d.open.n, 0);
	assert_true(w.d.notes.n == 1 && strstr(w.d.notes.v[0], "the rest is garbage"));
	watch_end(&w);
}

static void two_walks_alone_name_the_holder_and_prove_nothing(void **state)
{
	struct watch w;
	watch_start(&w);
	walk(&w, 3 * MIB);
	RAMP(&w, reachable, -1, 0);
	own_both(&w, 40, 97, "map[string]*main.Session", "*main.Session");
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	assert_non_null(strstr(w.d.open.v[0].why, "held by main.sessions"));
	watch_end(&w);
}

static void a_cache_that_stops_is_no_leak_by_what_is_reachable(void **state)
{
	struct watch w;
	watch_start(&w);
	walk(&w, 3 * MIB);
	for (size_t i = 7; i < LOOKS; i++)
		w.v[i].reachable = w.v[7].reachable;
	own_both(&w, 40, 61, "[][]byte", "[]byte");
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	watch_end(&w);
}

/* The array of the cache has one size at both ends, and room for more than stands in it. */
static void what_fills_a_container_of_fixed_size_is_not_accused(void **state)
{
	struct watch w;
	watch_start(&w);
	walk(&w, 3 * MIB);
	own_both(&w, 40, 97, "[][]byte", "[]byte");
	w.in.age_seconds = 50;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	watch_end(&w);
	watch_start(&w);
	walk(&w, 3 * MIB);
	own_both(&w, 40, 97, "[][]byte", "[]byte");
	w.last.owners.steps.v[0].bytes = 2 * MIB; /* by append: a larger array */
	w.in.age_seconds = 50;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_LEAK);
	assert_non_null(watch_found(&w, "heap"));
	watch_end(&w);
}

static void holders_have_kinds(void **state)
{
	static const struct {
		const char *holds, *element, *kind, *release;
	} table[] = {
		{ "*context.cancelCtx", "*context.cancelCtx", "context", "Call cancel()" },
		{ "[]sync.poolLocal", "*bytes.Buffer", "pool", "only buffers up to a size" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct watch w;
		watch_start(&w);
		walk(&w, 3 * MIB);
		own_both(&w, 40, 97, table[i].holds, table[i].element);
		w.last.owners.steps.v[0].bytes = 2 * MIB;
		watch_judge(&w);
		const struct finding *f = watch_found(&w, table[i].kind);
		assert_non_null(f);
		assert_true(watch_says(f, table[i].release));
		watch_end(&w);
	}
}

static void a_blocked_finalizer_with_a_longer_queue_leaks(void **state)
{
	for (int blocked = 0; blocked < 2; blocked++) {
		struct watch w;
		watch_start(&w);
		own_both(&w, 40, 40, "map[int]*main.T", "*main.T");
		w.first.owners.finalizers = (struct owners_finalizers){ .queued = 10, .blocked = true, .at = "main.f" };
		w.last.owners.finalizers = w.first.owners.finalizers;
		w.last.owners.finalizers.queued = 400;
		w.last.owners.finalizers.blocked = blocked;
		watch_judge(&w);
		assert_int_equal(w.d.verdict, blocked ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		const struct finding *f = watch_found(&w, "finalizer");
		assert_true(blocked ? f && watch_says(f, "main.f") && f->count == 400 : !f);
		watch_end(&w);
	}
}

static void a_map_that_was_larger_once_is_told(void **state)
{
	for (uint64_t recoverable = 1; recoverable <= 30; recoverable += 29) {
		struct watch w;
		watch_start(&w);
		own_both(&w, 40, 40, "map[int]*main.T", "*main.T");
		*vec_push(&w.last.owners.maps) = (struct owners_map){ .type = "map[int]int",
								      .owner = "main.index (global)",
								      .maps = 1,
								      .entries = 100,
								      .capacity = 1000000,
								      .bytes = 32 * MIB,
								      .recoverable = recoverable * MIB };
		watch_judge(&w);
		const struct finding *f = watch_found(&w, "map-capacity");
		assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
		assert_true(recoverable > 1 ? f && strcmp(f->holder, "main.index (global)") == 0 : !f);
		watch_end(&w);
	}
}

static void a_heap_that_was_not_walked_says_why(void **state)
{
	struct watch w;
	watch_start(&w);
	w.in.unwalked = "it is too large";
	watch_judge(&w);
	assert_int_equal(w.d.notes.n, 1);
	watch_end(&w);
}

/* Collections at 40 and 80 MiB; the live heap rises by 3 MiB from look to look, and drops to what was marked. */
static void rare_collections(struct watch *w, uint64_t kept)
{
	for (size_t i = 0; i < LOOKS; i++) {
		struct diagnosis_sample *s = &w->v[i];
		bool after = i >= 14;
		s->gc_count = after ? 51 : 50;
		s->last_gc_ns = after ? (int64_t)1027 * SECOND : (int64_t)999 * SECOND;
		s->heap_marked = after ? kept : 40 * MIB;
		s->heap_live = after ? kept + (i - 13) * 3 * MIB : (40 + 3 * i) * (uint64_t)MIB;
		s->rss_anon = (90 + 3 * i) * (uint64_t)MIB;
	}
}

static void one_collection_that_frees_nothing_is_enough(void **state)
{
	static const struct {
		uint64_t kept;
		int64_t by_one_stack;
		enum diagnosis_verdict verdict;
	} table[] = {
		{ 78 * (uint64_t)MIB, 60 * MIB, DIAGNOSIS_LEAK },
		{ 78 * (uint64_t)MIB, 5 * MIB, DIAGNOSIS_INCONCLUSIVE },  /* everywhere at once: it warms up */
		{ 55 * (uint64_t)MIB, 60 * MIB, DIAGNOSIS_INCONCLUSIVE }, /* much of it was garbage */
		{ 41 * (uint64_t)MIB, 60 * MIB, DIAGNOSIS_NO_LEAK },	  /* nearly all */
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct watch w;
		watch_start(&w);
		rare_collections(&w, table[i].kept);
		ALLOCATE(&w.first, MIB, 10, 5, "main.keep", "main.main");
		ALLOCATE(&w.last, table[i].by_one_stack, 1000, 5, "main.keep", "main.main");
		ALLOCATE(&w.last, 8 * MIB, 1000, 50, "main.other", "main.main");
		ALLOCATE(&w.last, 8 * MIB, 1000, 60, "main.another", "main.main");
		w.in.age_seconds = 60;
		watch_judge(&w);
		assert_int_equal(w.d.verdict, table[i].verdict);
		watch_end(&w);
	}
}

static void a_young_heap_that_grows_everywhere_is_inconclusive(void **state)
{
	for (int young = 0; young < 2; young++) {
		struct watch w;
		watch_start(&w);
		RAMP(&w, heap_marked, 40 * MIB, 4 * MIB);
		for (uint32_t i = 0; i < 4; i++) {
			static const char *const functions[] = { "main.a", "main.b", "main.c", "main.d" };
			ALLOCATE(&w.first, MIB, 10, 5, functions[i], "main.main");
			ALLOCATE(&w.last, 19 * MIB, 1000, 5, functions[i], "main.main");
		}
		w.in.age_seconds = young ? 60 : 150;
		watch_judge(&w);
		assert_int_equal(w.d.verdict, young ? DIAGNOSIS_INCONCLUSIVE : DIAGNOSIS_LEAK);
		watch_end(&w);
	}
}

/* What one collection shows of a young process without a profile names no place, and accuses nothing. */
static void a_young_heap_without_a_profile_is_inconclusive(void **state)
{
	for (int young = 0; young < 2; young++) {
		struct watch w;
		watch_start(&w);
		rare_collections(&w, 78 * (uint64_t)MIB);
		w.in.age_seconds = young ? 60 : 150;
		watch_judge(&w);
		assert_int_equal(w.d.verdict, young ? DIAGNOSIS_INCONCLUSIVE : DIAGNOSIS_LEAK);
		watch_end(&w);
	}
}

/* Between two looks several collections ended: what they freed was not seen. */
static void unseen_collections_prove_nothing_survived(void **state)
{
	struct watch w;
	watch_start(&w);
	rare_collections(&w, 78 * (uint64_t)MIB);
	for (size_t i = 14; i < LOOKS; i++)
		w.v[i].gc_count = 60;
	w.in.age_seconds = 150;
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_INCONCLUSIVE);
	watch_end(&w);
}

static void a_cache_that_fills_is_warm_up(void **state)
{
	struct watch w;
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++) {
		w.v[i].heap_marked = (uint64_t)(40 + 4 * (i < 12 ? i : 12)) * MIB;
		w.v[i].rss_anon = w.v[i].heap_marked + 50 * MIB;
	}
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_non_null(watch_found(&w, "warm-up"));
	watch_end(&w);
}

static void one_large_allocation_is_a_burst(void **state)
{
	struct watch w;
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++) {
		w.v[i].heap_marked = (i < 8 ? 40 : 140) * (uint64_t)MIB;
		w.v[i].rss_anon = (i < 8 ? 90 : 190) * (uint64_t)MIB;
	}
	watch_judge(&w);
	assert_int_equal(w.d.verdict, DIAGNOSIS_NO_LEAK);
	assert_non_null(watch_found(&w, "burst"));
	assert_null(watch_found(&w, "warm-up"));
	watch_end(&w);
}

static void a_young_process_is_less_sure(void **state)
{
	struct watch w;
	double sure[2];
	for (int young = 0; young < 2; young++) {
		watch_start(&w);
		RAMP(&w, heap_marked, 40 * MIB, 4 * MIB);
		w.in.age_seconds = young ? 50 : 150;
		watch_judge(&w);
		sure[young] = watch_found(&w, "heap")->confidence;
		watch_end(&w);
	}
	assert_true(sure[1] < sure[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_heap_whose_marked_bytes_rise_leaks),
		cmocka_unit_test(four_collections_must_rise_by_more),
		cmocka_unit_test(a_heap_that_breathes_is_no_leak),
		cmocka_unit_test(garbage_between_collections_is_headroom),
		cmocka_unit_test(growth_without_a_collection_proves_nothing),
		cmocka_unit_test(what_is_reachable_proves_a_leak_without_a_collection),
		cmocka_unit_test(records_of_threads_are_a_part_of_their_leak),
		cmocka_unit_test(growth_that_only_floats_is_no_leak),
		cmocka_unit_test(two_walks_alone_name_the_holder_and_prove_nothing),
		cmocka_unit_test(a_cache_that_stops_is_no_leak_by_what_is_reachable),
		cmocka_unit_test(what_fills_a_container_of_fixed_size_is_not_accused),
		cmocka_unit_test(holders_have_kinds),
		cmocka_unit_test(a_blocked_finalizer_with_a_longer_queue_leaks),
		cmocka_unit_test(a_map_that_was_larger_once_is_told),
		cmocka_unit_test(a_heap_that_was_not_walked_says_why),
		cmocka_unit_test(one_collection_that_frees_nothing_is_enough),
		cmocka_unit_test(a_young_heap_that_grows_everywhere_is_inconclusive),
		cmocka_unit_test(a_young_heap_without_a_profile_is_inconclusive),
		cmocka_unit_test(unseen_collections_prove_nothing_survived),
		cmocka_unit_test(a_cache_that_fills_is_warm_up),
		cmocka_unit_test(one_large_allocation_is_a_burst),
		cmocka_unit_test(a_young_process_is_less_sure),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
