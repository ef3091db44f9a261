/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "record/faults.h"

#define K UINT64_C(4096)

static void expect_pages(const struct record_faults *f, const uint64_t *pages, size_t n)
{
	struct record_sample_vec v = { 0 };
	record_faults_list(f, &v);
	assert_int_equal(v.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(v.v[i].page, pages[i] * K);
	vec_deinit(&v);
}

static void a_page_that_is_given_back_has_no_sample(void **state)
{
	(void)state;
	struct record_faults f = { 0 };
	for (uint64_t i = 1; i <= 5; i++)
		record_faults_add(&f, i * 1000 * K + 17, 8, (uint32_t)i, (int64_t)i);
	record_faults_drop(&f, 2000 * K, 2001 * K, 100);
	record_faults_drop(&f, 3500 * K, UINT64_MAX / 2, 100);
	expect_pages(&f, (uint64_t[]){ 1000, 3000 }, 2);
	record_faults_add(&f, 4000 * K, 8, 4, 200);
	record_faults_drop(&f, 0, 5000 * K, 150); /* began before */
	expect_pages(&f, (uint64_t[]){ 4000 }, 1);
	record_faults_deinit(&f);
}

static void a_second_fault_takes_the_page(void **state)
{
	(void)state;
	struct record_faults f = { 0 };
	record_faults_add(&f, 50 * K, 8, 1, 1);
	record_faults_add(&f, 50 * K + 5, 8, 2, 2);
	struct record_sample_vec v = { 0 };
	record_faults_list(&f, &v);
	assert_int_equal(v.n, 1);
	assert_int_equal(v.v[0].path, 2);
	vec_deinit(&v);
	record_faults_deinit(&f);
}

static void samples_move_with_their_pages(void **state)
{
	(void)state;
	struct record_faults f = { 0 };
	record_faults_add(&f, 50 * K, 8, 1, 1);
	record_faults_add(&f, 60 * K, 8, 1, 1);
	record_faults_add(&f, 9010 * K, 8, 1, 1); /* what was at the new place is gone */
	record_faults_move(&f, 50 * K, 20 * K, 9000 * K, 5);
	expect_pages(&f, (uint64_t[]){ 9000, 9010 }, 2);
	record_faults_deinit(&f);
}

static void rows_are_exact_when_every_fault_was_seen(void **state)
{
	(void)state;
	struct record_resident_vec v = { 0 };
	for (int i = 0; i < 10; i++)
		*vec_push(&v) = (struct record_resident){ 1, 1, 3, K, i + 1 };
	*vec_push(&v) = (struct record_resident){ 2, 1, 3, RECORD_HUGE, 7 };
	struct record_fault_row_vec rows = { 0 };
	record_faults_rows(&v, &rows);
	assert_int_equal(rows.n, 2);
	assert_int_equal(rows.v[0].bound.bytes, 10 * K);
	assert_int_equal(rows.v[0].bound.low_bytes, 10 * K);
	assert_int_equal(rows.v[0].bound.high_bytes, 10 * K);
	assert_int_equal(rows.v[0].bound.first, 1);
	assert_int_equal(rows.v[0].bound.last, 10);
	assert_int_equal(rows.v[1].bound.low_bytes, RECORD_HUGE);
	vec_deinit(&v);
	vec_deinit(&rows);
}

/* 10000 pages, one of 64 sampled: the truth is inside, in 200 runs. */
static void sampled_rows_hold_the_truth(void **state)
{
	(void)state;
	uint64_t random = 1;
	for (int run = 0; run < 200; run++) {
		struct record_resident_vec v = { 0 };
		for (int page = 0; page < 10000; page++) {
			random = random * UINT64_C(6364136223846793005) + 1; /* the same in every run of the test */
			if (random >> 58 == 0)
				*vec_push(&v) = (struct record_resident){ 1, 64, 0, K, 1 };
		}
		struct record_fault_row_vec rows = { 0 };
		record_faults_rows(&v, &rows);
		assert_int_equal(rows.n, 1);
		assert_true(rows.v[0].bound.low_count <= 10000);
		assert_true(rows.v[0].bound.high_count >= 10000);
		assert_true(rows.v[0].bound.low_count > 5000);
		assert_true(rows.v[0].bound.high_count < 20000);
		vec_deinit(&v);
		vec_deinit(&rows);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_that_is_given_back_has_no_sample),
		cmocka_unit_test(a_second_fault_takes_the_page),
		cmocka_unit_test(samples_move_with_their_pages),
		cmocka_unit_test(rows_are_exact_when_every_fault_was_seen),
		cmocka_unit_test(sampled_rows_hold_the_truth),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
