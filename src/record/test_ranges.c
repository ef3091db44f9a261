/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "record/ranges.h"

#define K UINT64_C(4096)

static void map(struct record_ranges *r, uint64_t start, uint64_t end, uint32_t path, int64_t time)
{
	struct record_range range = { .start = start * K, .end = end * K, .path = path, .time = time };
	record_ranges_map(r, &range);
}

static void unmap(struct record_ranges *r, uint64_t start, uint64_t end, int64_t began)
{
	record_ranges_unmap(r, start * K, end * K, began);
}

static uint64_t pages_of(struct record_ranges *r, uint32_t path)
{
	uint64_t sum = 0;
	const struct record_range *at;
	for (uint64_t addr = 0; (at = record_ranges_next(r, addr)); addr = at->end)
		if (at->path == path)
			sum += (at->end - at->start) / K;
	assert_int_equal(sum * K, record_sums_at(&r->sums, path)->bytes);
	return sum;
}

static void a_mapping_that_is_unmapped_in_part_keeps_the_rest(void **state)
{
	(void)state;
	struct record_ranges r;
	record_ranges_init(&r);
	map(&r, 100, 200, 1, 1);
	unmap(&r, 120, 130, 2);
	assert_int_equal(pages_of(&r, 1), 90);
	assert_int_equal(r.n, 2);
	assert_int_equal(record_ranges_next(&r, 0)->mapping, record_ranges_next(&r, 130 * K)->mapping);
	unmap(&r, 90, 110, 3);
	unmap(&r, 190, 300, 4);
	assert_int_equal(pages_of(&r, 1), 70);
	unmap(&r, 0, 1000, 5);
	assert_int_equal(pages_of(&r, 1), 0);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.sums.bytes, 0);
	assert_int_equal(r.sums.count, 0);
	assert_int_equal(record_sums_at(&r.sums, 1)->total_bytes, 100 * K);
	record_ranges_deinit(&r);
}

static void what_is_mapped_over_replaces(void **state)
{
	(void)state;
	struct record_ranges r;
	record_ranges_init(&r);
	map(&r, 10, 30, 1, 1);
	map(&r, 30, 50, 2, 2);
	map(&r, 20, 40, 3, 3);
	assert_int_equal(pages_of(&r, 1), 10);
	assert_int_equal(pages_of(&r, 2), 10);
	assert_int_equal(pages_of(&r, 3), 20);
	map(&r, 0, 100, 4, 4);
	assert_int_equal(pages_of(&r, 4), 100);
	assert_int_equal(r.n, 1);
	record_ranges_deinit(&r);
}

static void memory_from_before_the_window_may_go(void **state)
{
	(void)state;
	struct record_ranges r;
	record_ranges_init(&r);
	unmap(&r, 10, 20, 1);
	assert_int_equal(r.n, 0);
	assert_null(record_ranges_next(&r, 0));
	record_ranges_deinit(&r);
}

static void what_was_taken_after_a_call_began_stays(void **state)
{
	(void)state;
	struct record_ranges r;
	record_ranges_init(&r);
	map(&r, 10, 20, 1, 5);
	unmap(&r, 10, 20, 5);
	assert_int_equal(pages_of(&r, 1), 10);
	unmap(&r, 10, 20, 6);
	assert_int_equal(pages_of(&r, 1), 0);
	record_ranges_deinit(&r);
}

static void move(struct record_ranges *r, uint64_t old, uint64_t old_len, uint64_t start, uint64_t len, bool keep)
{
	int64_t now = 100 + 2 * (int64_t)r->mappings;
	struct record_move m = { .old = old * K, .old_len = old_len * K, .began = now, .keep = keep };
	m.to = (struct record_range){ .start = start * K, .end = (start + len) * K, .path = 9, .time = now + 1 };
	record_ranges_move(r, &m);
}

static void what_moves_keeps_its_path_and_growth_has_the_movers(void **state)
{
	(void)state;
	struct record_ranges r;
	record_ranges_init(&r);
	map(&r, 10, 20, 1, 1);
	map(&r, 20, 30, 2, 2);
	move(&r, 10, 20, 1000, 50, false);
	assert_int_equal(pages_of(&r, 1), 10);
	assert_int_equal(pages_of(&r, 2), 10);
	assert_int_equal(pages_of(&r, 9), 30);
	assert_int_equal(record_ranges_next(&r, 0)->start, 1000 * K);
	assert_int_equal(record_ranges_next(&r, 0)->path, 1);
	move(&r, 1000, 50, 1000, 15, false);
	assert_int_equal(pages_of(&r, 1), 10);
	assert_int_equal(pages_of(&r, 2), 5);
	assert_int_equal(pages_of(&r, 9), 0);
	record_ranges_deinit(&r);
}

static void growth_of_old_memory_is_all_that_is_new(void **state)
{
	(void)state;
	struct record_ranges r;
	record_ranges_init(&r);
	move(&r, 10, 20, 10, 50, false);
	assert_int_equal(pages_of(&r, 9), 30);
	assert_int_equal(record_ranges_next(&r, 0)->start, 30 * K);
	record_ranges_deinit(&r);
}

static void a_move_that_keeps_the_old_range_maps_a_new_one(void **state)
{
	(void)state;
	struct record_ranges r;
	record_ranges_init(&r);
	map(&r, 10, 20, 1, 1);
	move(&r, 10, 10, 50, 10, true);
	assert_int_equal(pages_of(&r, 1), 10);
	assert_int_equal(pages_of(&r, 9), 10);
	record_ranges_deinit(&r);
}

/* Against an array of pages. */
static void many_random_calls_agree_with_a_page_table(void **state)
{
	(void)state;
	enum { PAGES = 512, ROUNDS = 20000 };
	static uint32_t page[PAGES];
	struct record_ranges r;
	record_ranges_init(&r);
	uint64_t seed = 7;
	for (int round = 1; round <= ROUNDS; round++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		uint64_t start = (seed >> 20) % PAGES, len = 1 + (seed >> 40) % 40;
		uint64_t end = start + len < PAGES ? start + len : PAGES;
		uint32_t path = (seed >> 60) & 1 ? 0 : 1 + (uint32_t)(seed >> 33) % 5;
		if (path)
			map(&r, start, end, path, round);
		else
			unmap(&r, start, end, round);
		for (uint64_t i = start; i < end; i++)
			page[i] = path;
	}
	for (uint32_t path = 1; path <= 5; path++) {
		uint64_t want = 0;
		for (int i = 0; i < PAGES; i++)
			want += page[i] == path;
		assert_int_equal(pages_of(&r, path), want);
	}
	record_ranges_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mapping_that_is_unmapped_in_part_keeps_the_rest),
		cmocka_unit_test(what_is_mapped_over_replaces),
		cmocka_unit_test(memory_from_before_the_window_may_go),
		cmocka_unit_test(what_was_taken_after_a_call_began_stays),
		cmocka_unit_test(what_moves_keeps_its_path_and_growth_has_the_movers),
		cmocka_unit_test(growth_of_old_memory_is_all_that_is_new),
		cmocka_unit_test(a_move_that_keeps_the_old_range_maps_a_new_one),
		cmocka_unit_test(many_random_calls_agree_with_a_page_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
