/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "owners/mapsize.h"

static void slots_are_those_of_the_allocator(void **state)
{
	(void)state;
	assert_int_equal(owners_slot_bytes(0, true, true), 0);
	assert_int_equal(owners_slot_bytes(1, true, true), 8);
	assert_int_equal(owners_slot_bytes(208, true, false), 208);
	assert_int_equal(owners_slot_bytes(512, true, true), 512);
	assert_int_equal(owners_slot_bytes(513, true, true), 576);
	assert_int_equal(owners_slot_bytes(1024, true, true), 1152);
	assert_int_equal(owners_slot_bytes(1024, false, true), 1024);
	assert_int_equal(owners_slot_bytes(1024, true, false), 1024);
	assert_int_equal(owners_slot_bytes(32760, true, true), 32768);
	assert_int_equal(owners_slot_bytes(32768, true, true), 32768);
	assert_int_equal(owners_slot_bytes(32769, false, true), 40960);
}

/* map[int]int of 1.23: buckets of 144 bytes without pointers. */
static void maps_of_buckets(void **state)
{
	(void)state;
	const struct owners_map_rules r = { .header = 48, .type_headers = true, .part = 144 };
	assert_int_equal(owners_map_bytes(&r, 0), 48);
	assert_int_equal(owners_map_bytes(&r, 1), 48 + 144);
	assert_int_equal(owners_map_bytes(&r, 8), 48 + 144);
	/* 9 entries take 2 buckets, 27 take 8: over 6.5 to each there are twice as many */
	assert_in_range(owners_map_bytes(&r, 9), 48 + 288, 48 + 288 + 24 + 24 + 8 + 144);
	assert_in_range(owners_map_bytes(&r, 27), 48 + 1152, 48 + 1152 + 24 + 24 + 8 + 144);
	/* 1000 entries: 256 buckets and 16 in stock, of which few are needed */
	assert_in_range(owners_map_bytes(&r, 1000), 48 + 40960, 48 + 40960 + 24 + 24 + 64);
}

/* map[int]*T of 1.22: what has pointers has its type in front. */
static void maps_of_buckets_with_pointers(void **state)
{
	(void)state;
	const struct owners_map_rules r = { .header = 48, .type_headers = true, .pointers = true, .part = 144 };
	assert_int_equal(owners_map_bytes(&r, 16), 48 + 640); /* 4 buckets, 576 bytes and 8 in front */
}

/* map[int]*T of 1.24: groups of 136 bytes. */
static void maps_of_tables(void **state)
{
	(void)state;
	const struct owners_map_rules r = {
		.header = 48, .swiss = true, .type_headers = true, .pointers = true, .part = 136
	};
	assert_int_equal(owners_map_bytes(&r, 0), 48);
	assert_int_equal(owners_map_bytes(&r, 8), 48 + 144);
	assert_int_equal(owners_map_bytes(&r, 9), 48 + 8 + 32 + 288);
	assert_int_equal(owners_map_bytes(&r, 14), 48 + 8 + 32 + 288);
	assert_int_equal(owners_map_bytes(&r, 15), 48 + 8 + 32 + 576);
	assert_int_equal(owners_map_bytes(&r, 896), 48 + 8 + 32 + 18432);
	/* 1000 entries: 1142 places wanted, two tables of 1024 that are never full */
	assert_int_equal(owners_map_bytes(&r, 1000), 48 + 16 + 2 * (32 + 18432));
	/* 128 tables of 896 entries, as full as they may be: half of them are split; of 700, none */
	uint64_t full = owners_map_bytes(&r, 114688), roomy = owners_map_bytes(&r, 89600);
	assert_in_range(full, roomy * 14 / 10, roomy * 16 / 10);
}

static void what_cannot_be_has_no_size(void **state)
{
	(void)state;
	const struct owners_map_rules none = { .swiss = true }, large = { .part = UINT64_C(1) << 40 };
	const struct owners_map_rules r = { .header = 48, .swiss = true, .part = 136 };
	assert_true(owners_map_bytes(&none, 10) == UINT64_MAX);
	assert_true(owners_map_bytes(&large, 10) == UINT64_MAX);
	assert_true(owners_map_bytes(&r, UINT64_MAX) == UINT64_MAX);
	assert_true(owners_map_bytes(&r, UINT64_C(1) << 40) < UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_those_of_the_allocator), cmocka_unit_test(maps_of_buckets),
		cmocka_unit_test(maps_of_buckets_with_pointers),    cmocka_unit_test(maps_of_tables),
		cmocka_unit_test(what_cannot_be_has_no_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
