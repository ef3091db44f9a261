/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "fixture/watch.h"

/* The rules of memory of C from both sides: what a record proves, and what it does not; and what is one cause with it. */

enum { KIB = 1024 };

/* ---- C memory ---- */

static void blocks_of_one_path_that_are_never_freed_leak(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	watch_in_use_grows(&w, 8 * MIB);
	ROW(&w, RECORD_MALLOC, 8 * MIB, 200, WATCH_EVEN, WATCH_FROM_C);
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	const struct finding *f = watch_found(&w, "cgo");
	assert_non_null(f);
	assert_string_equal(f->site.function, "example.org/app.Open");
	assert_int_equal(f->site.line, 15);
	assert_string_equal(f->class, "c.heap");
	assert_int_equal(f->bytes, 8 * MIB);
	assert_int_equal(f->count, 200);
	assert_true(fabs(f->rate - 0.4 * MIB) < 1);
	assert_true(fabs(f->count_rate - 10) < 0.01);
	assert_string_equal(f->stack.v[0].function, "malloc");
	assert_true(f->confidence > 0.9);
	assert_true(watch_says(f, "The C function that allocates is make_buffer."));
	assert_true(watch_says(f, "8.00 MiB in 200 blocks"));
	assert_true(watch_says(f, "50% of it in the first half"));
	assert_true(watch_says(f, "Give back what C.make() allocates"));
	watch_end(&w);
}

/* What was given back had been there before, and nobody knows from where: in use did not grow, so nothing leaks. */
static void blocks_that_others_are_freed_for_do_not_leak(void **state)
{
	static const struct {
		int64_t grown;
		bool leak;
	} t[] = { { 8 * MIB, true }, { 4 * MIB, true }, { 3 * MIB, false }, { 0, false }, { -MIB, false } };
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct watch w;
		watch_start_recorded(&w);
		watch_in_use_grows(&w, t[i].grown);
		ROW(&w, RECORD_MALLOC, 8 * MIB, 200, WATCH_EVEN, WATCH_FROM_C);
		assert_int_equal(watch_verdict(&w), t[i].leak ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

/* A leak beside a cache that turns over: either could be the one, unless the leak is the larger by far. */
static void each_path_stands_alone_for_what_was_freed(void **state)
{
	for (int64_t cache = 2; cache <= 8; cache += 6) {
		struct watch w;
		watch_start_recorded(&w);
		watch_in_use_grows(&w, 8 * MIB);
		ROW(&w, RECORD_MALLOC, 8 * MIB, 200, WATCH_EVEN, WATCH_FROM_C);
		ROW(&w, RECORD_MALLOC, cache * MIB, 200, WATCH_EVEN, "malloc", "cache_add", "example.org/app.Get");
		watch_verdict(&w);
		assert_int_equal(w.d.verdict, cache == 2 ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		assert_int_equal(w.d.findings.n, cache == 2 ? 1 : 0);
		watch_end(&w);
	}
}

static void what_does_not_come_evenly_is_no_leak(void **state)
{
	static const enum watch_pace paces[] = { WATCH_EARLY, WATCH_LATE, WATCH_AT_ONCE };
	for (size_t i = 0; i < sizeof(paces) / sizeof(paces[0]); i++) {
		struct watch w;
		watch_start_recorded(&w);
		watch_in_use_grows(&w, 8 * MIB);
		ROW(&w, RECORD_MALLOC, 8 * MIB, 200, paces[i], WATCH_FROM_C);
		ROW(&w, RECORD_MMAP, 8 * MIB, 200, paces[i], WATCH_FROM_GO);
		watch_maps_grow(&w, 8 * MIB);
		assert_int_equal(watch_verdict(&w), DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

/* Where the eighths are not known, the first and the last tell. */
static void the_first_and_the_last_tell_without_eighths(void **state)
{
	for (int64_t last = 10; last <= 19; last += 9) {
		struct watch w;
		watch_start_recorded(&w);
		watch_in_use_grows(&w, 8 * MIB);
		struct record_row *row = ROW(&w, RECORD_MALLOC, 8 * MIB, 200, WATCH_UNKNOWN, WATCH_FROM_C);
		row->first_ns = SECOND;
		row->last_ns = last * SECOND;
		assert_int_equal(watch_verdict(&w), last == 19 ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

static void little_and_few_are_no_leak(void **state)
{
	static const struct {
		int64_t bytes, count;
		int64_t rss;
		bool leak;
	} t[] = {
		{ 128 * KIB, 50, 100 * MIB, true },
		{ 127 * KIB, 50, 100 * MIB, false },
		{ 4 * MIB, 4, 100 * MIB, true },
		{ 4 * MIB, 3, 100 * MIB, false },
		{ 600 * KIB, 50, 1000 * (int64_t)MIB, true },
		{ 500 * KIB, 50, 1000 * (int64_t)MIB, false },
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct watch w;
		watch_start_recorded(&w);
		RAMP(&w, rss, t[i].rss, 0);
		watch_in_use_grows(&w, t[i].bytes);
		ROW(&w, RECORD_MALLOC, t[i].bytes, t[i].count, WATCH_EVEN, WATCH_FROM_C);
		assert_int_equal(watch_verdict(&w), t[i].leak ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

/* Watched a part of the time: the low bound is what counts, and the sentence gives both. */
static void an_interval_is_said_as_one(void **state)
{
	for (int64_t low = 0; low <= 2; low += 2) {
		struct watch w;
		watch_start_recorded(&w);
		w.record.malloc_on_ratio = 0.1;
		watch_in_use_grows(&w, 30 * MIB);
		struct record_row *row = ROW(&w, RECORD_MALLOC, 25 * MIB, 250, WATCH_EVEN, WATCH_FROM_C);
		row->low_bytes = (uint64_t)low * MIB;
		row->low_count = (uint64_t)low * 10;
		row->high_bytes = 60 * MIB;
		row->high_count = 600;
		assert_int_equal(watch_verdict(&w), low ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		if (low) {
			assert_true(watch_says(watch_found(&w, "cgo"), "between 2.00 MiB and 60.0 MiB"));
			assert_true(watch_says(watch_found(&w, "cgo"), "watched for 10% of the time"));
		}
		watch_end(&w);
	}
}

/* Probes that paused saw one end of the window only; the pages of the same place were seen all the time. */
static void a_pause_is_no_unevenness(void **state)
{
	for (int touched = 0; touched < 3; touched++) {
		struct watch w;
		watch_start_recorded(&w);
		w.record.malloc_on_ratio = 0.6;
		watch_in_use_grows(&w, 8 * MIB);
		ROW(&w, RECORD_MALLOC, 8 * MIB, 200, WATCH_EARLY, WATCH_FROM_C);
		if (touched)
			ROW(&w, RECORD_RESIDENT, 3 * MIB, 700, touched == 1 ? WATCH_EVEN : WATCH_EARLY, "memset",
			    WATCH_FROM_C);
		assert_int_equal(watch_verdict(&w), touched == 1 ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

/* A million calls a second: what stays was not seen, but where memory was fresh. */
static void calls_too_many_to_be_watched_are_told_by_fresh_memory(void **state)
{
	static const struct {
		double on;
		int64_t grown, fresh, other;
		enum watch_pace pace;
		bool leak;
	} t[] = {
		{ 0.02, 8 * MIB, 6 * MIB, 0, WATCH_EVEN, true },
		{ 0.60, 8 * MIB, 6 * MIB, 0, WATCH_EVEN, false },      /* watched well enough to have seen it */
		{ 0.02, MIB - 1, 6 * MIB, 0, WATCH_EVEN, false },      /* in use hardly grew: memory that was freed */
		{ 0.02, 8 * MIB, 3 * MIB, 0, WATCH_EVEN, false },      /* from elsewhere */
		{ 0.02, 8 * MIB, 6 * MIB, 7 * MIB, WATCH_EVEN, true }, /* the larger of two */
		{ 0.02, 8 * MIB, 6 * MIB, 0, WATCH_EARLY, false },     /* it stopped */
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (int touched = 0; touched < 2; touched++) {
			struct watch w;
			watch_start_recorded(&w);
			w.record.malloc_on_ratio = t[i].on;
			watch_in_use_grows(&w, t[i].grown);
			enum record_kind kind = touched ? RECORD_RESIDENT : RECORD_MMAP;
			ROW(&w, kind, t[i].fresh, 50, t[i].pace, WATCH_FROM_C);
			if (t[i].other)
				ROW(&w, kind, t[i].other, 50, t[i].pace, "malloc", "x", "example.org/app.Other");
			assert_int_equal(watch_verdict(&w), t[i].leak ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
			if (t[i].leak)
				assert_string_equal(watch_found(&w, "cgo")->site.function,
						    t[i].other ? "example.org/app.Other" : "example.org/app.Open");
			watch_end(&w);
		}
	}
}

/* An allocator without figures of its own: resident memory outside of the Go heap must have grown. */
static void other_allocators_are_held_against_resident_memory(void **state)
{
	for (int grows = 0; grows < 2; grows++) {
		struct watch w;
		watch_start_recorded(&w);
		w.record.processes.v[0].allocator = (struct record_allocator){ NULL, ACCOUNT_UNKNOWN, ACCOUNT_UNKNOWN,
									       ACCOUNT_UNKNOWN, ACCOUNT_UNKNOWN };
		RAMP(&w, rss_anon, 90 * MIB, grows ? MIB : 0);
		ROW(&w, RECORD_MALLOC, 9 * MIB, 200, WATCH_EVEN, WATCH_FROM_C);
		assert_int_equal(watch_verdict(&w), grows ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		watch_end(&w);
		watch_start_recorded(&w); /* what grew is the Go heap */
		w.record.processes.v[0].allocator.inuse_after = ACCOUNT_UNKNOWN;
		RAMP(&w, rss_anon, 90 * MIB, MIB);
		RAMP(&w, go_anon, 70 * MIB, MIB);
		ROW(&w, RECORD_MALLOC, 9 * MIB, 200, WATCH_EVEN, WATCH_FROM_C);
		assert_int_equal(watch_verdict(&w), DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

/* Finalizers free what belongs to objects of Go, and no collection has run them yet. */
static void what_a_collection_may_free_is_open(void **state)
{
	static const struct {
		uint64_t set, collections;
		bool leak;
	} t[] = { { 400, 0, false }, { 7, 0, true }, { 400, 2, true } };
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct watch w;
		watch_start_recorded(&w);
		watch_in_use_grows(&w, 8 * MIB);
		watch_class_grows(&w, CLASS_C_HEAP_INUSE, 10 * MIB, 26 * MIB);
		RAMP(&w, rss_anon, 90 * MIB, 819 * KIB);
		w.first.parts |= SNAPSHOT_OWNERS;
		w.last.parts |= SNAPSHOT_OWNERS;
		w.last.owners.finalizers.set = t[i].set;
		for (size_t k = 0; k < LOOKS; k++)
			w.v[k].gc_count = 50 + (k == LOOKS - 1 ? t[i].collections : 0);
		ROW(&w, RECORD_MALLOC, 8 * MIB, 200, WATCH_EVEN, WATCH_FROM_C);
		assert_int_equal(watch_verdict(&w), t[i].leak ? DIAGNOSIS_LEAK : DIAGNOSIS_INCONCLUSIVE);
		if (!t[i].leak) {
			for (size_t q = 0; q < w.d.open.n; q++)
				print_message("%s\n", w.d.open.v[q].why);
		}
		if (!t[i].leak)
			assert_non_null(strstr(w.d.open.v[0].why, "finalizers"));
		watch_end(&w);
	}
}

/* Events were lost: the record's own balance says more than the kernel does. */
static void the_address_space_has_the_last_word(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	watch_maps_grow(&w, 32 * MIB);
	RAMP(&w, virtual_size, 900 * MIB, 0);
	ROW(&w, RECORD_MMAP, 32 * MIB, 128, WATCH_EVEN, WATCH_FROM_GO);
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_NO_LEAK);
	watch_end(&w);
}

static void a_young_process_makes_it_less_sure(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	w.in.age_seconds = 45;
	watch_in_use_grows(&w, 8 * MIB);
	ROW(&w, RECORD_MALLOC, 8 * MIB, 200, WATCH_EVEN, WATCH_FROM_C);
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	assert_true(watch_found(&w, "cgo")->confidence < 0.9);
	assert_true(watch_says(watch_found(&w, "cgo"), "It started only 45 s ago"));
	watch_end(&w);
}

/* By its name it may be a cache: in a young process that is one doubt too many. */
static void what_is_called_a_cache_may_be_filling(void **state)
{
	for (int young = 0; young < 2; young++) {
		struct watch w;
		watch_start_recorded(&w);
		w.in.age_seconds = young ? 45 : 3600;
		watch_in_use_grows(&w, 8 * MIB);
		ROW(&w, RECORD_MALLOC, 8 * MIB, 200, WATCH_EVEN, "malloc", "page_cache_add", "runtime.cgocall",
		    "example.org/app.Get", "example.org/cached.Run");
		assert_int_equal(watch_verdict(&w), young ? DIAGNOSIS_INCONCLUSIVE : DIAGNOSIS_LEAK);
		assert_true(watch_says(watch_found(&w, "cgo"), "By its name page_cache_add keeps a cache"));
		watch_end(&w);
	}
}

static void strings_for_c_have_advice_of_their_own(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	watch_in_use_grows(&w, 8 * MIB);
	ROW(&w, RECORD_MALLOC, 8 * MIB, 9000, WATCH_EVEN, "malloc", "_cgo_cmalloc", "runtime.cgocall",
	    "example.org/app._Cfunc__CMalloc", "example.org/app._Cfunc_CString", "example.org/app.Log");
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	assert_string_equal(watch_found(&w, "cgo")->site.function, "example.org/app.Log");
	assert_true(watch_says(watch_found(&w, "cgo"), "C.CString"));
	watch_end(&w);
}

/* No Go function called: the C function is the place. Paths of one place are one finding. */
static void the_c_function_is_named_where_no_go_function_called(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	watch_in_use_grows(&w, 8 * MIB);
	ROW(&w, RECORD_MALLOC, 6 * MIB, 100, WATCH_EVEN, "__libc_malloc", "xalloc", "worker", "start_thread");
	ROW(&w, RECORD_MALLOC, 2 * MIB, 100, WATCH_EVEN, "calloc", "xalloc", "other", "start_thread");
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	assert_int_equal(w.d.findings.n, 1);
	assert_string_equal(watch_found(&w, "cgo")->site.function, "xalloc");
	assert_int_equal(watch_found(&w, "cgo")->bytes, 8 * MIB);
	watch_end(&w);
}

/* ---- one cause ---- */

static uint64_t counts[LOOKS];

static void goroutines_grow(struct watch *w, const char *function, uint64_t step)
{
	for (size_t i = 0; i < LOOKS; i++)
		counts[i] = 10 + step * i;
	w->sites[w->in.n_sites++] = (struct diagnosis_site){
		.kind = DIAGNOSIS_GOROUTINE,
		.function = function,
		.file = "conn.go",
		.line = 7,
		.counts = counts,
		.gone_known = true,
	};
}

/* Each connection has three blocks of C and a goroutine: one cause, and what ends it. */
static void connections_that_are_never_closed_are_one_cause(void **state)
{
	static const char *const makers[] = { "example.org/virt.NewConnect", "example.org/virt.(*loop).start",
					      "other.org/x.Go" };
	for (size_t i = 0; i < 3; i++) {
		struct watch w;
		watch_start_recorded(&w);
		watch_in_use_grows(&w, 8 * MIB);
		goroutines_grow(&w, makers[i], 20); /* 10 a second */
		ROW(&w, RECORD_MALLOC, 8 * MIB, 600, WATCH_EVEN, "malloc", "virConnectOpen", "runtime.cgocall",
		    "example.org/virt._Cfunc_open", "example.org/virt.NewConnect", "example.org/app.Poll");
		assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
		const struct finding *f = watch_found(&w, "goroutine");
		assert_non_null(f);
		assert_int_equal(watch_is_also(f, "cgo"), i < 2);
		assert_int_equal(watch_says(f, "Connections are never closed"), i < 2);
		assert_int_equal(watch_says(f, "The path of that memory: malloc < virConnectOpen < "), i < 2);
		assert_int_equal(w.d.findings.n, i < 2 ? 1 : 2);
		watch_end(&w);
	}
}

static void memory_that_goroutines_do_not_explain_is_another_cause(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	watch_in_use_grows(&w, 8 * MIB);
	goroutines_grow(&w, "example.org/virt.NewConnect", 20);
	ROW(&w, RECORD_MALLOC, 8 * MIB, 20, WATCH_EVEN, "malloc", "virReload", "runtime.cgocall",
	    "example.org/virt.Reload"); /* one a second, for ten goroutines */
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	assert_int_equal(w.d.findings.n, 2);
	watch_end(&w);
}

static void objects_that_hold_memory_of_c_are_the_same_cause(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	watch_in_use_grows(&w, 80 * MIB);
	RAMP(&w, heap_marked, 40 * MIB, 512 * KIB);
	ALLOCATE(&w.first, MIB, 100, 1, "example.org/app.Open");
	ALLOCATE(&w.last, 11 * MIB, 1100, 1, "example.org/app.Open");
	ROW(&w, RECORD_MALLOC, 80 * MIB, 1000, WATCH_EVEN, WATCH_FROM_C);
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	assert_int_equal(w.d.findings.n, 1);
	assert_true(watch_is_also(watch_found(&w, "cgo"), "heap"));
	watch_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_of_one_path_that_are_never_freed_leak),
		cmocka_unit_test(blocks_that_others_are_freed_for_do_not_leak),
		cmocka_unit_test(each_path_stands_alone_for_what_was_freed),
		cmocka_unit_test(what_does_not_come_evenly_is_no_leak),
		cmocka_unit_test(the_first_and_the_last_tell_without_eighths),
		cmocka_unit_test(little_and_few_are_no_leak),
		cmocka_unit_test(an_interval_is_said_as_one),
		cmocka_unit_test(a_pause_is_no_unevenness),
		cmocka_unit_test(calls_too_many_to_be_watched_are_told_by_fresh_memory),
		cmocka_unit_test(other_allocators_are_held_against_resident_memory),
		cmocka_unit_test(what_a_collection_may_free_is_open),
		cmocka_unit_test(the_address_space_has_the_last_word),
		cmocka_unit_test(a_young_process_makes_it_less_sure),
		cmocka_unit_test(what_is_called_a_cache_may_be_filling),
		cmocka_unit_test(strings_for_c_have_advice_of_their_own),
		cmocka_unit_test(the_c_function_is_named_where_no_go_function_called),
		cmocka_unit_test(connections_that_are_never_closed_are_one_cause),
		cmocka_unit_test(memory_that_goroutines_do_not_explain_is_another_cause),
		cmocka_unit_test(objects_that_hold_memory_of_c_are_the_same_cause),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
