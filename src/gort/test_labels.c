/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture/fixture.h"
#include "gort/labels.h"

#define SET UINT64_C(0xc000100000)
#define MAP UINT64_C(0xc000101000)
#define BUCKETS UINT64_C(0xc000102000)
#define OLD UINT64_C(0xc000103000)
#define TEXTS UINT64_C(0xc000104000)

enum { BUCKET = 8 + 8 * 32 + 8, KEYS = 8, VALUES = 8 + 8 * 16, HASH = 77 };

/* A string header at `at` for a text of one letter. */
static void put_string(struct fixture *f, uint64_t at, char letter)
{
	fixture_put(f, TEXTS + (unsigned char)letter, (unsigned char)letter, 1);
	fixture_put(f, at, TEXTS + (unsigned char)letter, 8);
	fixture_put(f, at + 8, 1, 8);
}

static void put_slot(struct fixture *f, uint64_t bucket, unsigned slot, unsigned hash, char key)
{
	fixture_put(f, bucket + slot, hash, 1);
	put_string(f, bucket + KEYS + UINT64_C(16) * slot, key);
	put_string(f, bucket + VALUES + UINT64_C(16) * slot, (char)(key - 'a' + 'A'));
}

/* Labels a, b and c: as a list, or as a map that is growing, one of them still in an old bucket and one in a chain. */
static void build(struct fixture *f, const struct gort_layout *l)
{
	fixture_init(f);
	fixture_region(f, SET, 0x1000);
	fixture_region(f, MAP, 0x1000);
	fixture_region(f, BUCKETS, 0x1000);
	fixture_region(f, OLD, 0x1000);
	fixture_region(f, TEXTS, 0x100);
	if (gort_has(l, GORT_labelMap_list)) {
		uint64_t slice = gort_at(l, SET, GORT_labelMap_list);
		fixture_put(f, slice, BUCKETS, 8);
		fixture_put(f, slice + 8, 3, 8);
		for (unsigned i = 0; i < 3; i++) {
			put_string(f, BUCKETS + UINT64_C(32) * i, (char)('c' - i));
			put_string(f, BUCKETS + UINT64_C(32) * i + 16, (char)('C' - i));
		}
		return;
	}
	fixture_put(f, SET, MAP, 8);
	fixture_put(f, gort_at(l, MAP, GORT_hmap_B), 1, 1);
	fixture_put(f, gort_at(l, MAP, GORT_hmap_buckets), BUCKETS, 8);
	fixture_put(f, gort_at(l, MAP, GORT_hmap_oldbuckets), OLD, 8);
	put_slot(f, BUCKETS, 3, HASH, 'b');
	fixture_put(f, BUCKETS + BUCKET - 8, BUCKETS + 0x800, 8);
	put_slot(f, BUCKETS + 0x800, 0, HASH, 'a');
	put_slot(f, OLD, 7, HASH, 'c');
	put_slot(f, OLD, 6, 2, 'b'); /* moved to the new buckets already */
}

static void all_labels_are_read_in_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		struct fixture f;
		struct intern strings;
		struct goroutine_label_vec labels = { 0 };
		build(&f, &gort_layouts[i]);
		intern_init(&strings);
		struct gort g = { .src = &f.src, .layout = &gort_layouts[i] };
		gort_labels_read(&g, 0, &strings, &labels);
		assert_int_equal(labels.n, 0);
		gort_labels_read(&g, SET, &strings, &labels);
		assert_int_equal(labels.n, 3);
		for (size_t k = 0; k < 3; k++) {
			assert_int_equal(labels.v[k].key[0], 'a' + (int)k);
			assert_int_equal(labels.v[k].value[0], 'A' + (int)k);
		}
		vec_deinit(&labels);
		intern_deinit(&strings);
		fixture_deinit(&f);
	}
}

/* Chains that end nowhere, sizes without limit, reads that fail: some labels or none. */
static void damage_has_an_end(void **state)
{
	(void)state;
	static const uint64_t places[] = { SET, SET + 8, MAP + 8, MAP + 16, BUCKETS + BUCKET - 8, BUCKETS + 8 };
	static const uint64_t values[] = { BUCKETS, UINT64_MAX, 0xff };
	for (unsigned i = 0; i < gort_layouts_count * 18; i++) {
		struct fixture f;
		struct intern strings;
		struct goroutine_label_vec labels = { 0 };
		const struct gort_layout *l = &gort_layouts[i / 18];
		build(&f, l);
		intern_init(&strings);
		fixture_put(&f, places[i % 6], values[i / 6 % 3], 8);
		f.fail_at = f.reads + 5 + i % 7;
		struct gort g = { .src = &f.src, .layout = l };
		gort_labels_read(&g, SET, &strings, &labels);
		assert_true(labels.n <= GORT_LABELS_MAX);
		vec_deinit(&labels);
		intern_deinit(&strings);
		fixture_deinit(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_labels_are_read_in_order),
		cmocka_unit_test(damage_has_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
