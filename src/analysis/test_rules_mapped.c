/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture/watch.h"

/* The rules of mappings and of threads from both sides: what a record proves, and what it does not. */

enum { KIB = 1024 };

/* ---- mappings ---- */

static void mappings_that_stay_leak(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	watch_maps_grow(&w, 32 * MIB);
	RAMP(&w, vmas, 60, 6);
	w.last.account.space.vma_limit_ratio = 174.0 / 65530;
	ROW(&w, RECORD_MMAP, 32 * MIB, 128, WATCH_EVEN, WATCH_FROM_GO)->resident_bytes = 16 * MIB;
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	const struct finding *f = watch_found(&w, "mmap");
	assert_string_equal(f->site.function, "example.org/app.Load");
	assert_string_equal(f->class, "mmap.anon");
	assert_int_equal(f->count, 128);
	assert_true(watch_says(f, "32.0 MiB in 128 mappings"));
	assert_true(watch_says(f, "Of it 16.0 MiB are resident"));
	assert_true(watch_says(f, "At 65530 (vm.max_map_count)"));
	assert_true(watch_says(f, "Munmap"));
	watch_end(&w);
}

/* As much was unmapped that had been there before: a ring that turns over. */
static void mappings_that_others_are_unmapped_for_do_not_leak(void **state)
{
	for (int64_t net = 0; net <= 16; net += 8) {
		struct watch w;
		watch_start_recorded(&w);
		watch_maps_grow(&w, net * MIB);
		ROW(&w, RECORD_MMAP, 20 * MIB, 80, WATCH_EVEN, WATCH_FROM_GO);
		assert_int_equal(watch_verdict(&w), net == 16 ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

static void mappings_have_a_least_size_or_number(void **state)
{
	static const struct {
		int64_t bytes, count;
		bool leak;
	} t[] = { { MIB, 4, true }, { MIB - 1, 63, false }, { 256 * KIB, 64, true }, { 64 * (int64_t)MIB, 3, false } };
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct watch w;
		watch_start_recorded(&w);
		watch_maps_grow(&w, t[i].bytes);
		ROW(&w, RECORD_MMAP, t[i].bytes, t[i].count, WATCH_EVEN, WATCH_FROM_GO);
		assert_int_equal(watch_verdict(&w), t[i].leak ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

static void what_was_mapped_is_told_by_the_kernel(void **state)
{
	static const struct {
		enum record_what what;
		int64_t resident;
		const char *class, *says;
	} t[] = {
		{ RECORD_WHAT_UNTOUCHED, 0, "mmap.anon", "no memory yet" },
		{ RECORD_WHAT_ANON, MIB, "mmap.anon", "no memory yet" },
		{ RECORD_WHAT_ANON, 16 * MIB, "mmap.anon", "16.0 MiB are resident" },
		{ RECORD_WHAT_FILE_CLEAN, 16 * MIB, "file.mapped", "copies that the kernel can drop" },
		{ RECORD_WHAT_FILE_DIRTY, 16 * MIB, "file.mapped", "the kernel cannot drop them" },
		{ RECORD_WHAT_SHARED, 16 * MIB, "shm", "as shared memory" },
	};
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct watch w;
		watch_start_recorded(&w);
		watch_maps_grow(&w, 32 * MIB);
		struct record_row *row = ROW(&w, RECORD_MMAP, 32 * MIB, 128, WATCH_EVEN, WATCH_FROM_GO);
		row->what = t[i].what;
		row->resident_bytes = (uint64_t)t[i].resident;
		assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
		assert_string_equal(watch_found(&w, "mmap")->class, t[i].class);
		assert_true(watch_says(watch_found(&w, "mmap"), t[i].says));
		watch_end(&w);
	}
}

static void a_break_that_only_rises_leaks(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	watch_maps_grow(&w, 16 * MIB);
	ROW(&w, RECORD_MMAP, 16 * MIB, 64, WATCH_EVEN, "brk", "sbrk", "take", "runtime.cgocall",
	    "example.org/app.Grow");
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	assert_string_equal(watch_found(&w, "mmap")->class, "c.heap");
	assert_true(watch_says(watch_found(&w, "mmap"), "brk() grows the heap of C from example.org/app.Grow"));
	watch_end(&w);
}

/* What the Go runtime maps belongs to the heap's rules. */
static void the_runtime_is_never_called_mmap(void **state)
{
	for (int marked = 0; marked < 2; marked++) {
		struct watch w;
		watch_start_recorded(&w);
		watch_maps_grow(&w, 256 * MIB);
		struct record_row *row =
			marked ? ROW(&w, RECORD_MMAP, 256 * MIB, 64, WATCH_EVEN, "example.org/app.Load")
			       : ROW(&w, RECORD_MMAP, 256 * MIB, 64, WATCH_EVEN, "runtime.mmap", "runtime.sysReserve",
				     "runtime.(*mheap).grow", "example.org/app.Load");
		row->what = marked ? RECORD_WHAT_GO : RECORD_WHAT_UNTOUCHED;
		assert_int_equal(watch_verdict(&w), DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

/* malloc asks the kernel in malloc's own time: that counts only where blocks could not be watched. */
static void mappings_of_an_allocator_are_its_own(void **state)
{
	for (int watched = 0; watched < 2; watched++) {
		struct watch w;
		watch_start_recorded(&w);
		watch_maps_grow(&w, 32 * MIB);
		w.record.have &= watched ? ~0u : ~(1u << RECORD_MALLOC);
		ROW(&w, RECORD_MMAP, 32 * MIB, 64, WATCH_EVEN, "mmap", "sysmalloc", WATCH_FROM_C);
		assert_int_equal(watch_verdict(&w), watched ? DIAGNOSIS_NO_LEAK : DIAGNOSIS_LEAK);
		assert_null(watch_found(&w, "mmap"));
		assert_int_equal(watch_found(&w, "cgo") == NULL, watched);
		watch_end(&w);
	}
}

/* ---- memory that had been reserved ---- */

static void touching_what_was_reserved_leaks(void **state)
{
	for (int leak = 0; leak < 2; leak++) {
		struct watch w;
		watch_start_recorded(&w);
		RAMP(&w, rss_anon, 90 * MIB, 2 * MIB); /* 20 MiB in the window of the record */
		watch_class_grows(&w, leak ? CLASS_MMAP_ANON : CLASS_C_HEAP_FREE, 10 * MIB, 48 * MIB);
		ROW(&w, RECORD_RESIDENT, 19 * MIB, 4864, WATCH_EVEN, "arena_take", "runtime.cgocall",
		    "example.org/app.Put");
		assert_int_equal(watch_verdict(&w), leak ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		if (leak) {
			assert_string_equal(watch_found(&w, "mmap")->site.function, "example.org/app.Put");
			assert_true(watch_says(watch_found(&w, "mmap"), "reserved before"));
		}
		watch_end(&w);
	}
}

static void a_leak_explains_the_pages_it_touches(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	RAMP(&w, rss_anon, 90 * MIB, 2 * MIB);
	watch_class_grows(&w, CLASS_MMAP_ANON, 10 * MIB, 48 * MIB);
	watch_maps_grow(&w, 20 * MIB);
	ROW(&w, RECORD_MMAP, 20 * MIB, 80, WATCH_EVEN, WATCH_FROM_GO);
	ROW(&w, RECORD_RESIDENT, 20 * MIB, 5120, WATCH_EVEN, "example.org/app.fill");
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	assert_int_equal(w.d.findings.n, 1);
	assert_string_equal(watch_found(&w, "mmap")->site.function, "example.org/app.Load");
	watch_end(&w);
}

/* ---- threads ---- */

#define THREADS "mmap", "allocate_stack", "pthread_create", "spawn", "runtime.cgocall", "example.org/app.Start"

static void threads_that_end_and_are_not_joined_leak_stacks(void **state)
{
	for (int64_t n = 7; n <= 8; n++) {
		struct watch w;
		watch_start_recorded(&w);
		watch_maps_grow(&w, n * 8 * MIB);
		ROW(&w, RECORD_MMAP, n * 8 * MIB, n, WATCH_EVEN, THREADS)->what = RECORD_WHAT_STACK;
		assert_int_equal(watch_verdict(&w), n == 8 ? DIAGNOSIS_LEAK : DIAGNOSIS_NO_LEAK);
		if (n == 8) {
			assert_string_equal(watch_found(&w, "thread")->site.function, "example.org/app.Start");
			assert_true(watch_says(watch_found(&w, "thread"), "pthread_join"));
		}
		watch_end(&w);
	}
}

static void threads_that_stay_get_the_path_that_made_them(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	RAMP(&w, threads, 8, 2);
	watch_maps_grow(&w, 160 * MIB);
	ROW(&w, RECORD_MMAP, 160 * MIB, 20, WATCH_EVEN, THREADS)->what = RECORD_WHAT_STACK;
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	assert_int_equal(w.d.findings.n, 1);
	assert_string_equal(watch_found(&w, "thread")->site.function, "example.org/app.Start");
	assert_int_equal(watch_found(&w, "thread")->count, 46);
	watch_end(&w);
	watch_start_recorded(&w); /* the runtime's own: who waits is what counts, not whose turn it was to start one */
	RAMP(&w, threads, 8, 2);
	watch_maps_grow(&w, 160 * MIB);
	ROW(&w, RECORD_MMAP, 160 * MIB, 20, WATCH_EVEN, "mmap", "allocate_stack", "pthread_create",
	    "x_cgo_thread_start", "runtime.newm", "example.org/app.Any")
		->what = RECORD_WHAT_STACK;
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_LEAK);
	assert_string_equal(watch_found(&w, "thread")->site.function, "");
	watch_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_that_stay_leak),
		cmocka_unit_test(mappings_that_others_are_unmapped_for_do_not_leak),
		cmocka_unit_test(mappings_have_a_least_size_or_number),
		cmocka_unit_test(what_was_mapped_is_told_by_the_kernel),
		cmocka_unit_test(a_break_that_only_rises_leaks),
		cmocka_unit_test(the_runtime_is_never_called_mmap),
		cmocka_unit_test(mappings_of_an_allocator_are_its_own),
		cmocka_unit_test(touching_what_was_reserved_leaks),
		cmocka_unit_test(a_leak_explains_the_pages_it_touches),
		cmocka_unit_test(threads_that_end_and_are_not_joined_leak_stacks),
		cmocka_unit_test(threads_that_stay_get_the_path_that_made_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
