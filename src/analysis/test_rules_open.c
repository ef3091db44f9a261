/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "fixture/watch.h"

/* Growth outside of the Go heap that is no leak, and what stays open, with what would settle it. */

/* ---- what is no leak ---- */

static void what_an_allocator_keeps_is_returnable(void **state)
{
	for (int64_t kept = 19; kept <= 21; kept += 2) { /* a fifth of 100 MiB */
		struct watch w;
		watch_start_recorded(&w);
		watch_class_grows(&w, CLASS_C_HEAP_FREE, MIB, kept * MIB);
		watch_class_grows(&w, CLASS_C_HEAP_INUSE, 5 * MIB, 5 * MIB);
		assert_int_equal(watch_verdict(&w), DIAGNOSIS_NO_LEAK);
		assert_int_equal(watch_found(&w, "returnable") != NULL, kept == 21);
		if (kept == 21) {
			assert_string_equal(watch_found(&w, "returnable")->class, "c.heap.free");
			assert_true(watch_says(watch_found(&w, "returnable"), "MALLOC_ARENA_MAX"));
		}
		watch_end(&w);
	}
}

static void pages_of_mapped_files_are_cache(void **state)
{
	for (int deleted = 0; deleted < 2; deleted++) {
		struct watch w;
		watch_start_recorded(&w);
		watch_class_grows(&w, CLASS_FILE_MAPPED, MIB, 30 * MIB);
		struct account *a = &w.last.account;
		*vec_push(&a->maps) =
			(struct vma){ .start = MIB, .end = 40 * MIB, .inode = 5, .flags = deleted ? VMA_DELETED : 0 };
		vec_push(&a->vmas)->classes[CLASS_FILE_MAPPED] = 29 * MIB;
		assert_int_equal(watch_verdict(&w), DIAGNOSIS_NO_LEAK);
		assert_string_equal(watch_found(&w, "page-cache")->class, "file.mapped");
		assert_int_equal(watch_says(watch_found(&w, "page-cache"), "deleted"), deleted);
		watch_end(&w);
	}
}

static void shared_memory_that_fills_is_tmpfs(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	watch_class_grows(&w, CLASS_SHM, MIB, 30 * MIB);
	ROW(&w, RECORD_RESIDENT, 29 * MIB, 7000, WATCH_EVEN, "example.org/app.Publish")->what = RECORD_WHAT_SHARED;
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_NO_LEAK);
	assert_string_equal(watch_found(&w, "tmpfs")->site.function, "example.org/app.Publish");
	watch_end(&w);
}

/* ---- what stays open ---- */

static void without_a_record_growth_is_open_and_says_the_remedy(void **state)
{
	for (int told = 0; told < 2; told++) {
		struct watch w;
		watch_start(&w);
		w.in.unrecorded = told ? "run as root or with CAP_BPF and CAP_PERFMON" : NULL;
		RAMP(&w, rss_anon, 90 * MIB, MIB);
		watch_class_grows(&w, CLASS_C_HEAP_INUSE, 10 * MIB, 29 * MIB);
		assert_int_equal(watch_verdict(&w), DIAGNOSIS_INCONCLUSIVE);
		assert_string_equal(w.d.open.v[0].class, "c.heap.inuse");
		assert_true(fabs(w.d.open.v[0].rate - 19.0 * MIB / 38) < 1);
		assert_int_equal(strstr(w.d.open.v[0].settle, "CAP_BPF") != NULL, told);
		watch_end(&w);
	}
}

static void a_record_that_proves_nothing_says_why(void **state)
{
	struct watch w;
	watch_start_recorded(&w);
	RAMP(&w, rss_anon, 90 * MIB, MIB);
	watch_class_grows(&w, CLASS_C_HEAP_INUSE, 10 * MIB, 29 * MIB);
	watch_in_use_grows(&w, 2 * MIB);
	ROW(&w, RECORD_MALLOC, 10 * MIB, 1000, WATCH_EVEN, WATCH_FROM_C);
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_INCONCLUSIVE);
	assert_non_null(strstr(w.d.open.v[0].why, "10.0 MiB in 1000 from example.org/app.Open"));
	assert_non_null(strstr(w.d.open.v[0].why, "given back of what was there before"));
	watch_end(&w);
}

/* The allocator's own figures tell memory in use from what it keeps, without a record too. */
static void what_an_allocator_keeps_is_not_open(void **state)
{
	for (int64_t more = 0; more <= 16; more += 16) {
		struct watch w;
		watch_start(&w);
		RAMP(&w, rss_anon, 90 * MIB, MIB);
		watch_class_grows(&w, CLASS_C_HEAP_INUSE, 10 * MIB, 29 * MIB);
		w.first.account.c_heap = (struct account_c_heap){ .allocator = "glibc 2.36", .inuse = 20 * MIB };
		w.last.account.c_heap = w.first.account.c_heap;
		w.last.account.c_heap.inuse += (uint64_t)more * MIB;
		assert_int_equal(watch_verdict(&w), more ? DIAGNOSIS_INCONCLUSIVE : DIAGNOSIS_NO_LEAK);
		watch_end(&w);
	}
}

static void growth_that_ended_is_not_open(void **state)
{
	struct watch w;
	watch_start(&w);
	for (size_t i = 0; i < LOOKS; i++)
		w.v[i].rss_anon = (90 + 2 * (i < 10 ? i : 10)) * (uint64_t)MIB;
	watch_class_grows(&w, CLASS_C_HEAP, 10 * MIB, 30 * MIB);
	assert_int_equal(watch_verdict(&w), DIAGNOSIS_NO_LEAK);
	assert_non_null(watch_found(&w, "warm-up"));
	watch_end(&w);
}

/* Address space that is taken once is no rise. */
static void address_space_that_came_at_once_is_not_open(void **state)
{
	for (int once = 0; once < 2; once++) {
		struct watch w;
		watch_start(&w);
		RAMP(&w, virtual_size, 900 * MIB, once ? 0 : 50 * MIB);
		for (size_t i = 10; once && i < LOOKS; i++)
			w.v[i].virtual_size += 1000 * (uint64_t)MIB;
		w.last.account.classes[CLASS_MMAP_ANON].virtual_size = 1000 * (uint64_t)MIB;
		assert_int_equal(watch_verdict(&w), once ? DIAGNOSIS_NO_LEAK : DIAGNOSIS_INCONCLUSIVE);
		watch_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_an_allocator_keeps_is_returnable),
		cmocka_unit_test(pages_of_mapped_files_are_cache),
		cmocka_unit_test(shared_memory_that_fills_is_tmpfs),
		cmocka_unit_test(without_a_record_growth_is_open_and_says_the_remedy),
		cmocka_unit_test(a_record_that_proves_nothing_says_why),
		cmocka_unit_test(what_an_allocator_keeps_is_not_open),
		cmocka_unit_test(growth_that_ended_is_not_open),
		cmocka_unit_test(address_space_that_came_at_once_is_not_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
