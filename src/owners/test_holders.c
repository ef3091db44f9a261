/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/spans.h"

/* map[int]int of 1.23: two buckets of 144 bytes, one that follows in stock of another array, a list of one outside. */
static void old_maps_are_counted_with_all_their_parts(void **state)
{
	(void)state;
	struct spans h;
	spans_init(&h, 23);
	const struct gort_layout *l = h.g.layout;
	uint64_t bucket = spans_type(&h, 0x100, &(struct spans_type){ "bucket", 25, 144, 144, { 0 } });
	uint64_t map = spans_type(&h, 0x200, &(struct spans_type){ "map[int]int", 21, 8, 8, { 0, 0, bucket, 0 } });
	h.w.typing.kind[spans_object(&h, S48, 0)] =
		spans_kind(&h, (struct goheap_kind){ .form = GOHEAP_FORM_MAP, .rtype = map, .name = "map[int]int" });
	assert_true(spans_point(&h, S2048, 0, 1, spans_address(&h, S48, 0)));
	/* B is 0: one bucket, and one that follows */
	spans_put(&h, S48, 0, 0, 11);
	assert_true(spans_point(&h, S48, 0, (unsigned)l->f[GORT_hmap_buckets].off / 8, spans_address(&h, S144, 0)));
	assert_true(spans_point(&h, S144, 0, 17, spans_address(&h, S144, 1)));
	assert_null(spans_run(&h));
	assert_int_equal(h.s.owners.maps.n, 1);
	const struct owners_map *m = &h.s.owners.maps.v[0];
	assert_string_equal(m->type, "map[int]int");
	assert_int_equal(m->maps, 1);
	assert_int_equal(m->entries, 11);
	assert_int_equal(m->capacity, 16);
	assert_int_equal(m->bytes, 48 + 2 * 144);
	assert_int_equal(m->recoverable, 0);
	spans_deinit(&h);
}

/* map[int]*T of 1.24, with a directory of two tables, the first of which has two places in it. */
static void new_maps_are_counted_with_all_their_parts(void **state)
{
	(void)state;
	struct spans h;
	spans_init(&h, 24);
	const struct gort_layout *l = h.g.layout;
	uint64_t group = spans_type(&h, 0x100, &(struct spans_type){ "group", 25, 136, 136, { 0 } });
	uint64_t map = spans_type(&h, 0x200, &(struct spans_type){ "map[int]*T", 21, 8, 8, { 0, 0, group, 0 } });
	h.w.typing.kind[spans_object(&h, S48, 0)] =
		spans_kind(&h, (struct goheap_kind){ .form = GOHEAP_FORM_MAP, .rtype = map, .name = "map[int]*T" });
	assert_true(spans_point(&h, S2048, 0, 1, spans_address(&h, S48, 0)));
	spans_put(&h, S48, 0, 0, 12);
	spans_put(&h, S48, 0, (unsigned)l->f[GORT_map_dirLen].off / 8, 3);
	assert_true(spans_point(&h, S48, 0, (unsigned)l->f[GORT_map_dirPtr].off / 8, spans_address(&h, S160, 0)));
	for (unsigned i = 0; i < 3; i++) /* tables stand in slots of 48 bytes here */
		assert_true(spans_point(&h, S160, 0, i, spans_address(&h, S48, i < 2 ? 1 : 2)));
	for (unsigned i = 0; i < 2; i++)
		assert_true(spans_point(&h, S48, 1 + i, (unsigned)l->f[GORT_table_groups_data].off / 8,
					spans_address(&h, S144, i)));
	assert_null(spans_run(&h));
	assert_int_equal(h.s.owners.maps.n, 1);
	const struct owners_map *m = &h.s.owners.maps.v[0];
	assert_int_equal(m->entries, 12);
	assert_int_equal(m->capacity, 16);
	assert_int_equal(m->bytes, 48 + 160 + 2 * 48 + 2 * 144);
	assert_int_equal(m->recoverable, m->bytes - (48 + 8 + 32 + 288));
	spans_deinit(&h);
}

static void a_count_that_cannot_be_is_not_believed(void **state)
{
	(void)state;
	struct spans h;
	spans_init(&h, 24);
	uint64_t group = spans_type(&h, 0x100, &(struct spans_type){ "group", 25, 136, 136, { 0 } });
	uint64_t map = spans_type(&h, 0x200, &(struct spans_type){ "map[int]*T", 21, 8, 8, { 0, 0, group, 0 } });
	h.w.typing.kind[spans_object(&h, S48, 0)] =
		spans_kind(&h, (struct goheap_kind){ .form = GOHEAP_FORM_MAP, .rtype = map, .name = "map[int]*T" });
	assert_true(spans_point(&h, S2048, 0, 1, spans_address(&h, S48, 0)));
	assert_true(
		spans_point(&h, S48, 0, (unsigned)h.g.layout->f[GORT_map_dirPtr].off / 8, spans_address(&h, S144, 0)));
	spans_put(&h, S48, 0, 0, 9); /* in one group of 8 */
	assert_null(spans_run(&h));
	assert_int_equal(h.s.owners.maps.n, 0);
	assert_int_equal(h.s.owners.inconsistencies, 1);
	spans_deinit(&h);
}

/* Two strings that are pieces of 128 KiB: what they use together lies between 1000 and `end`. */
static void pinned_string(struct spans *h, unsigned end)
{
	uint64_t string = spans_type(h, 0x100, &(struct spans_type){ "string", 24, 16, 8, { 0 } });
	uint32_t array =
		spans_kind(h, (struct goheap_kind){ .form = GOHEAP_FORM_ARRAY, .rtype = string, .name = "[]string" });
	h->w.typing.kind[spans_object(h, S160, 0)] = array;
	assert_true(spans_point(h, S2048, 0, 1, spans_address(h, S160, 0)));
	assert_true(spans_point(h, S160, 0, 0, h->start[LARGE] + 1000));
	spans_put(h, S160, 0, 1, 10);
	assert_true(spans_point(h, S160, 0, 2, h->start[LARGE] + end - 5));
	spans_put(h, S160, 0, 3, 5);
}

static void strings_that_pin_a_large_one_are_named(void **state)
{
	(void)state;
	struct spans h;
	spans_init(&h, 24);
	pinned_string(&h, 30000);
	assert_null(spans_run(&h));
	assert_int_equal(h.s.owners.waste.n, 1);
	const struct owners_waste *w = &h.s.owners.waste.v[0];
	assert_string_equal(w->rule, "string-pin");
	assert_int_equal(w->count, 1);
	assert_int_equal(w->bytes, SPANS_LARGE_BYTES - 29000);
	spans_deinit(&h);

	spans_init(&h, 24);
	pinned_string(&h, 50000); /* more than the fourth part is in use */
	assert_null(spans_run(&h));
	assert_int_equal(h.s.owners.waste.n, 0);
	spans_deinit(&h);
}

/* A length that leads out of its object is of another moment. */
static void a_string_that_does_not_fit_is_not_believed(void **state)
{
	(void)state;
	struct spans h;
	spans_init(&h, 24);
	pinned_string(&h, 30000);
	spans_put(&h, S160, 0, 3, UINT64_C(1) << 31);
	assert_null(spans_run(&h));
	assert_int_equal(h.s.owners.waste.n, 0);
	assert_int_equal(h.s.owners.inconsistencies, 1);
	spans_deinit(&h);
}

/* []byte in structs: of an array of 128 KiB a hundred bytes are used, with room for `cap`. */
static const char *sliced(unsigned cap, uint64_t *bytes)
{
	struct spans h;
	spans_init(&h, 24);
	uint64_t byte = spans_type(&h, 0x300, &(struct spans_type){ "uint8", 8, 1, 0, { 0 } });
	uint64_t slice = spans_type(&h, 0x100, &(struct spans_type){ "[]uint8", 23, 24, 8, { byte, 0 } });
	h.w.typing.kind[spans_object(&h, S48, 0)] =
		spans_kind(&h, (struct goheap_kind){ .form = GOHEAP_FORM_VALUE, .rtype = slice, .name = "[]uint8" });
	assert_true(spans_point(&h, S2048, 0, 1, spans_address(&h, S48, 0)));
	assert_true(spans_point(&h, S48, 0, 0, h.start[LARGE] + 64));
	spans_put(&h, S48, 0, 1, 100);
	spans_put(&h, S48, 0, 2, cap);
	assert_null(spans_run(&h));
	assert_int_equal(h.s.owners.waste.n, 1);
	*bytes = h.s.owners.waste.v[0].bytes;
	const char *rule = h.s.owners.waste.v[0].rule; /* of a table */
	spans_deinit(&h);
	return rule;
}

static void slices_tell_capacity_from_what_they_cannot_reach(void **state)
{
	(void)state;
	uint64_t bytes = 0;
	assert_string_equal(sliced(100000, &bytes), "slice-capacity");
	assert_int_equal(bytes, SPANS_LARGE_BYTES - 100);
	assert_string_equal(sliced(200, &bytes), "slice-pin");
	assert_int_equal(bytes, SPANS_LARGE_BYTES - 100);
}

/* A pointer to one element keeps the array; one to its start may be the way to all of it. */
static size_t pointed(unsigned offset)
{
	struct spans h;
	spans_init(&h, 24);
	uint64_t item = spans_type(&h, 0x300, &(struct spans_type){ "main.Item", 25, 48, 0, { 0 } });
	uint64_t pointer = spans_type(&h, 0x100, &(struct spans_type){ "*main.Item", 22, 8, 8, { item, 0 } });
	h.w.typing.kind[spans_object(&h, S8, 0)] = spans_kind(
		&h, (struct goheap_kind){ .form = GOHEAP_FORM_VALUE, .rtype = pointer, .name = "*main.Item" });
	assert_true(spans_point(&h, S2048, 0, 1, spans_address(&h, S8, 0)));
	assert_true(spans_point(&h, S8, 0, 0, h.start[LARGE] + offset));
	assert_null(spans_run(&h));
	size_t n = h.s.owners.waste.n;
	if (n)
		assert_string_equal(h.s.owners.waste.v[0].rule, "interior-pin");
	spans_deinit(&h);
	return n;
}

static void pointers_into_the_middle_are_named(void **state)
{
	(void)state;
	assert_int_equal(pointed(480), 1);
	assert_int_equal(pointed(0), 0);
}

/* An object without a type points to it as well: nobody knows what that uses. */
static void what_unknown_objects_point_to_is_all_in_use(void **state)
{
	(void)state;
	struct spans h;
	spans_init(&h, 24);
	pinned_string(&h, 30000);
	assert_true(spans_point(&h, S2048, 0, 2, h.start[LARGE]));
	assert_null(spans_run(&h));
	assert_int_equal(h.s.owners.waste.n, 0);
	spans_deinit(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_maps_are_counted_with_all_their_parts),
		cmocka_unit_test(new_maps_are_counted_with_all_their_parts),
		cmocka_unit_test(a_count_that_cannot_be_is_not_believed),
		cmocka_unit_test(strings_that_pin_a_large_one_are_named),
		cmocka_unit_test(a_string_that_does_not_fit_is_not_believed),
		cmocka_unit_test(slices_tell_capacity_from_what_they_cannot_reach),
		cmocka_unit_test(pointers_into_the_middle_are_named),
		cmocka_unit_test(what_unknown_objects_point_to_is_all_in_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
