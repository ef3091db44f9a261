/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture/fixture.h"
#include "gort/goroutine.h"

#define SLICE UINT64_C(0x5000000)
#define LIST UINT64_C(0x5001000)
#define GS UINT64_C(0x5100000)

static const struct {
	uint64_t status, id, lo, hi;
} specs[] = {
	{ GORT_G_WAITING, 1, 0xc000100000, 0xc000102000 },
	{ GORT_G_RUNNING | 0x1000, 2, 0xc000200000, 0xc000202000 }, /* being scanned */
	{ GORT_G_DEAD, 3, 0xc000300000, 0xc000302000 },
	{ GORT_G_DEADEXTRA, 4, 0, 0 },
	{ GORT_G_SYSCALL, 5, 0xc000402000, 0xc000400000 }, /* torn: its stack ends before it starts */
	{ 77, 6, 0xc000500000, 0xc000502000 },		   /* torn: no such status */
};

enum { N = sizeof(specs) / sizeof(specs[0]) };

static void put(struct fixture *f, const struct gort_layout *l, uint64_t g, enum gort_field field, uint64_t value)
{
	fixture_put(f, gort_at(l, g, field), value, l->f[field].size);
}

static void build(struct fixture *f, const struct gort_layout *l, struct gort *g)
{
	size_t size = gort_sizeof(l, GORT_g_SIZEOF);
	fixture_init(f);
	fixture_region(f, SLICE, 24);
	fixture_region(f, LIST, 8 * (N + 1));
	fixture_region(f, GS, N * size);
	fixture_put(f, SLICE, LIST, 8);
	fixture_put(f, SLICE + 8, N, 8);
	fixture_put(f, SLICE + 16, N, 8);
	for (unsigned i = 0; i < N; i++) {
		uint64_t at = GS + i * size;
		fixture_put(f, LIST + 8u * i, at, 8);
		put(f, l, at, GORT_g_atomicstatus, specs[i].status);
		put(f, l, at, GORT_g_goid, specs[i].id);
		put(f, l, at, GORT_g_stack_lo, specs[i].lo);
		put(f, l, at, GORT_g_stack_hi, specs[i].hi);
	}
	*g = (struct gort){ .src = &f->src, .layout = l };
	g->globals.addr[GORT_VAR_ALLGS] = SLICE;
}

static void counts_are_those_of_the_list(void **state)
{
	(void)state;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		struct fixture f;
		struct gort g;
		struct gort_goroutines gs;
		build(&f, &gort_layouts[i], &g);
		assert_null(gort_goroutines_read(&g, &gs));
		gort_goroutines_judge(&g, &gs);
		assert_int_equal(gs.v.n, 2);
		assert_int_equal(gs.dead, 2);
		assert_int_equal(gs.torn, 2);
		assert_int_equal(gs.user, 2);
		assert_int_equal(gs.by_status[GORT_G_WAITING], 1);
		assert_int_equal(gs.by_status[GORT_G_RUNNING], 1);
		assert_int_equal(gs.v.v[1].id, 2);
		gort_goroutines_deinit(&gs);
		fixture_deinit(&f);
	}
}

static void a_record_in_nowhere_is_torn(void **state)
{
	(void)state;
	struct fixture f;
	struct gort g;
	struct gort_goroutines gs;
	build(&f, &gort_layouts[0], &g);
	fixture_put(&f, LIST, 0xdead0000, 8);
	assert_null(gort_goroutines_read(&g, &gs));
	assert_int_equal(gs.torn, 3);
	assert_int_equal(gs.v.n, 1);
	gort_goroutines_deinit(&gs);
	fixture_deinit(&f);
}

static void a_damaged_list_is_refused(void **state)
{
	(void)state;
	static const struct {
		uint64_t at, value;
	} damage[] = { { SLICE, 0 }, { SLICE, 0xdead0000 }, { SLICE + 8, UINT64_MAX } };
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		struct fixture f;
		struct gort g;
		struct gort_goroutines gs;
		build(&f, &gort_layouts[0], &g);
		fixture_put(&f, damage[i].at, damage[i].value, 8);
		struct err *err = gort_goroutines_read(&g, &gs);
		assert_non_null(err);
		err_free(err);
		fixture_deinit(&f);
	}
}

/* The list of threads is linked: a circle ends at a limit, in words. */
static void a_circle_of_threads_ends(void **state)
{
	(void)state;
	const struct gort_layout *l = &gort_layouts[0];
	struct fixture f;
	struct gort g;
	build(&f, l, &g);
	uint64_t m = UINT64_C(0x6000000);
	fixture_region(&f, m, gort_sizeof(l, GORT_m_SIZEOF));
	fixture_put(&f, gort_at(l, m, GORT_m_alllink), m, 8);
	fixture_region(&f, SLICE + 0x100, 8);
	fixture_put(&f, SLICE + 0x100, m, 8);
	g.globals.addr[GORT_VAR_ALLM] = SLICE + 0x100;
	struct gort_thread_vec threads = { 0 };
	struct err *err = gort_threads_read(&g, &threads);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_LIMIT);
	err_free(err);
	vec_deinit(&threads);
	fixture_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_those_of_the_list),
		cmocka_unit_test(a_record_in_nowhere_is_torn),
		cmocka_unit_test(a_damaged_list_is_refused),
		cmocka_unit_test(a_circle_of_threads_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
