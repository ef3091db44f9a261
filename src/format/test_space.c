/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "format/space.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static void map(struct account *a, uint64_t start, uint64_t size, const char *label, uint64_t live)
{
	*vec_push(&a->maps) = (struct vma){ .start = start, .end = start + size, .name = "" };
	struct account_vma *v = vec_push(&a->vmas);
	v->label = label;
	v->rss = live;
	v->classes[CLASS_GO_HEAP_LIVE] = live;
	a->rss += live;
}

static void a_few_mappings_have_a_row_each(void **state)
{
	struct account a;
	account_init(&a);
	for (unsigned i = 0; i < 256; i++)
		map(&a, i * MIB, 4 * KIB, "same", 0);
	struct space_row_vec rows = { 0 };
	space_rows(&a, &rows);
	assert_int_equal(rows.n, 256);
	vec_deinit(&rows);
	account_deinit(&a);
}

static void small_neighbours_of_one_name_share_a_row(void **state)
{
	struct account a;
	account_init(&a);
	for (unsigned i = 0; i < 1000; i++)
		map(&a, i * MIB, 4 * KIB, i < 500 ? "a" : "b", 0);
	map(&a, 2000ull * MIB, 64 * MIB, "b", 0); /* too large */
	map(&a, 1ull << 40, 4 * KIB, "b", 0);	  /* too far */
	map(&a, (1ull << 40) + 4 * KIB, 4 * KIB, "b", 0);
	struct space_row_vec rows = { 0 };
	space_rows(&a, &rows);
	assert_int_equal(rows.n, 4);
	assert_int_equal(rows.v[0].to, 500);
	assert_int_equal(rows.v[2].to, 1001);
	assert_int_equal(rows.v[3].to, 1003);
	vec_deinit(&rows);
	account_deinit(&a);
}

/* Every mapping in one row, in order. */
static void assert_all_there(const struct account *a, const struct space_row_vec *rows)
{
	assert_int_equal(rows->v[0].from, 0);
	for (size_t i = 1; i < rows->n; i++)
		assert_int_equal(rows->v[i].from, rows->v[i - 1].to);
	assert_int_equal(rows->v[rows->n - 1].to, a->maps.n);
}

static void rows_are_bounded_whatever_is_mapped(void **state)
{
	static const uint64_t distance[] = { 8 * KIB, 4ull << 30 };
	for (size_t k = 0; k < 2; k++) {
		struct account a;
		account_init(&a);
		for (unsigned i = 0; i < 30000; i++)
			map(&a, i * distance[k], 4 * KIB, i & 1 ? "odd" : "even", 4 * KIB);
		struct space_row_vec rows = { 0 };
		space_rows(&a, &rows);
		assert_true(rows.n <= 2 * SPACE_ROWS);
		assert_true(rows.n >= SPACE_ROWS / 2);
		assert_all_there(&a, &rows);
		vec_deinit(&rows);
		account_deinit(&a);
	}
}

static void cells_add_up(void **state)
{
	struct account a;
	account_init(&a);
	map(&a, MIB, 64 * MIB, "arena", 10 * MIB);
	for (unsigned i = 0; i < 10; i++) {
		struct account_cell *c = vec_push(&a.cells);
		c->start = (1 + i) * MIB;
		c->end = (2 + i) * MIB;
		c->classes[i < 5 ? CLASS_GO_HEAP_LIVE : CLASS_GO_HEAP_IDLE] = MIB;
	}
	struct space_cell cells[SPACE_CELLS];
	const struct space_row row = { 0, 1 };
	size_t hint = 0, n = space_cells(&a, &row, &hint, cells);
	assert_int_equal(n, 64);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(cells[i].len, MIB);
		assert_int_equal(cells[i].resident, i < 10 ? MIB : 0);
		assert_int_equal(cells[i].class, i < 5 ? CLASS_GO_HEAP_LIVE : i < 10 ? CLASS_GO_HEAP_IDLE : CLASS_MAX_);
	}
	account_deinit(&a);
}

static void a_mapping_without_cells_is_spread_evenly(void **state)
{
	struct account a;
	account_init(&a);
	map(&a, 0, 12 * KIB, "x", 6 * KIB);
	map(&a, 64 * KIB, 4 * KIB, "y", 0);
	struct space_cell cells[SPACE_CELLS];
	const struct space_row row = { 0, 2 };
	size_t hint = 0;
	assert_int_equal(space_cells(&a, &row, &hint, cells), 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(cells[i].resident, i < 3 ? 2 * KIB : 0);
	account_deinit(&a);
}

static void nonsense_is_survived(void **state)
{
	struct account a;
	account_init(&a);
	map(&a, 0, 0, "empty", 4 * KIB);
	map(&a, UINT64_MAX - 4095, 4095, "top", UINT64_MAX / 2);
	for (unsigned i = 0; i < 3; i++) {
		struct account_cell *c = vec_push(&a.cells);
		*c = (struct account_cell){ .start = UINT64_MAX - 10, .end = i };
		c->classes[0] = UINT64_MAX;
	}
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct json j;
	json_init(&j, &out);
	space_json(&j, NULL, &a);
	assert_non_null(strstr(out.buf, "\"l\":\"top\""));
	account_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few_mappings_have_a_row_each),
		cmocka_unit_test(small_neighbours_of_one_name_share_a_row),
		cmocka_unit_test(rows_are_bounded_whatever_is_mapped),
		cmocka_unit_test(cells_add_up),
		cmocka_unit_test(a_mapping_without_cells_is_spread_evenly),
		cmocka_unit_test(nonsense_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
