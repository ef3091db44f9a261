/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture/fixture.h"
#include "gort/profile.h"

#define BUCKETS_AT UINT64_C(0x5000000)
#define VARS_AT UINT64_C(0x5800000)

enum { STRIDE = 4096, RATE = 524288, REGION = 64 << 10 };

struct cycle {
	uint64_t allocs, frees;
};

/* A bucket: its published counts, and those of the three cycles to come. */
struct spec {
	uint64_t size, depth;
	struct cycle active, future[3];
};

static void put_cycle(struct fixture *f, const struct gort_layout *l, uint64_t at, const struct cycle *c, uint64_t size)
{
	fixture_put(f, gort_at(l, at, GORT_memRecordCycle_allocs), c->allocs, 8);
	fixture_put(f, gort_at(l, at, GORT_memRecordCycle_frees), c->frees, 8);
	if (!gort_has(l, GORT_memRecordCycle_alloc_bytes))
		return;
	fixture_put(f, gort_at(l, at, GORT_memRecordCycle_alloc_bytes), c->allocs * size, 8);
	fixture_put(f, gort_at(l, at, GORT_memRecordCycle_free_bytes), c->frees * size, 8);
}

static void put_bucket(struct fixture *f, const struct gort_layout *l, size_t i, const struct spec *s, uint64_t next)
{
	uint64_t at = BUCKETS_AT + i * STRIDE, stk = at + gort_sizeof(l, GORT_bucket_SIZEOF);
	uint64_t record = stk + s->depth * 8;
	fixture_put(f, gort_at(l, at, GORT_bucket_allnext), next, 8);
	fixture_put(f, gort_at(l, at, GORT_bucket_typ), 1, 8);
	fixture_put(f, gort_at(l, at, GORT_bucket_size), s->size, 8);
	fixture_put(f, gort_at(l, at, GORT_bucket_nstk), s->depth, 8);
	for (uint64_t k = 0; k < s->depth; k++)
		fixture_put(f, stk + k * 8, 0x1000 * (i + 1) + k, 8);
	put_cycle(f, l, gort_at(l, record, GORT_memRecord_active), &s->active, s->size);
	for (size_t c = 0; c < 3; c++)
		put_cycle(f, l,
			  gort_at(l, record, GORT_memRecord_future) + c * gort_sizeof(l, GORT_memRecordCycle_SIZEOF),
			  &s->future[c], s->size);
}

static void setup(struct fixture *f, struct gort *g, const struct gort_layout *l, const struct spec *s, size_t n,
		  uint32_t cycle)
{
	fixture_init(f);
	fixture_region(f, BUCKETS_AT, REGION);
	fixture_region(f, VARS_AT, 64);
	for (size_t i = 0; i < n; i++)
		put_bucket(f, l, i, &s[i], i + 1 < n ? BUCKETS_AT + (i + 1) * STRIDE : 0);
	*g = (struct gort){ .src = &f->src, .layout = l };
	g->globals.addr[GORT_VAR_MBUCKETS] = VARS_AT;
	g->globals.addr[GORT_VAR_MPROFCYCLE] = VARS_AT + 8;
	g->globals.addr[GORT_VAR_MEMPROFILERATE] = VARS_AT + 16;
	fixture_put(f, VARS_AT, BUCKETS_AT, 8);
	fixture_put(f, VARS_AT + 8, cycle << 1, 4);
	fixture_put(f, VARS_AT + 16, RATE, 8);
}

static const struct spec two[] = {
	{ 64, 3, { 10, 4 }, { { 1, 0 }, { 20, 2 }, { 300, 30 } } },
	{ 1024, 0, { 0, 0 }, { { 0, 0 }, { 5, 0 }, { 7, 0 } } },
};

/* What is published now is the active record and the cycle whose counts are not moved there yet: bytes follow. */
static void published_counts_are_those_of_memprofile(void **state)
{
	(void)state;
	static const struct cycle expected[3][2] = { { { 11, 4 }, { 0, 0 } },
						     { { 30, 6 }, { 5, 0 } },
						     { { 310, 34 }, { 7, 0 } } };
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		for (uint32_t cycle = 0; cycle < 3; cycle++) {
			struct fixture f;
			struct gort g;
			struct gort_profile p;
			setup(&f, &g, &gort_layouts[i], two, 2, cycle + 3);
			gort_profile_read(&g, GORT_PROFILE_PUBLISHED, &p);
			assert_int_equal(p.buckets.n, 2);
			assert_int_equal(p.rate, RATE);
			assert_false(p.cut || p.moved);
			for (size_t b = 0; b < 2; b++) {
				assert_int_equal(p.buckets.v[b].allocs, expected[cycle][b].allocs);
				assert_int_equal(p.buckets.v[b].frees, expected[cycle][b].frees);
				assert_int_equal(p.buckets.v[b].alloc_bytes, expected[cycle][b].allocs * two[b].size);
				assert_int_equal(p.buckets.v[b].free_bytes, expected[cycle][b].frees * two[b].size);
			}
			assert_int_equal(p.buckets.v[0].depth, 3);
			assert_int_equal(p.pcs.v[p.buckets.v[0].at + 2], 0x1002);
			gort_profile_deinit(&p);
			fixture_deinit(&f);
		}
	}
}

/* Before the first GC nothing is published, and the runtime gives all there is. */
static void without_a_gc_all_cycles_count(void **state)
{
	(void)state;
	static const struct spec fresh[] = { { 32, 2, { 0, 0 }, { { 0, 0 }, { 4, 1 }, { 6, 0 } } },
					     { 48, 2, { 0, 0 }, { { 0, 0 }, { 0, 0 }, { 1, 0 } } } };
	struct fixture f;
	struct gort g;
	struct gort_profile p;
	setup(&f, &g, &gort_layouts[0], fresh, 2, 0);
	gort_profile_read(&g, GORT_PROFILE_PUBLISHED, &p);
	assert_int_equal(p.buckets.v[0].allocs, 10);
	assert_int_equal(p.buckets.v[0].frees, 1);
	assert_int_equal(p.buckets.v[1].allocs, 1);
	gort_profile_deinit(&p);
	fixture_deinit(&f);
}

static void freshest_counts_are_of_all_cycles(void **state)
{
	(void)state;
	struct fixture f;
	struct gort g;
	struct gort_profile p;
	setup(&f, &g, &gort_layouts[gort_layouts_count - 1], two, 2, 4);
	gort_profile_read(&g, GORT_PROFILE_FRESHEST, &p);
	assert_int_equal(p.buckets.v[0].allocs, 331);
	assert_int_equal(p.buckets.v[0].frees, 36);
	assert_int_equal(p.buckets.v[1].alloc_bytes, 12 * 1024);
	gort_profile_deinit(&p);
	fixture_deinit(&f);
}

/* Lists that run in a circle, counts of frames that no stack has, other kinds of buckets: the walk ends and says so. */
static void damaged_lists_end(void **state)
{
	(void)state;
	const struct gort_layout *l = &gort_layouts[0];
	const struct {
		enum gort_field field;
		uint64_t value;
		size_t buckets;
	} damage[] = {
		{ GORT_bucket_allnext, BUCKETS_AT, 2 },	     { GORT_bucket_allnext, BUCKETS_AT + STRIDE, 2 },
		{ GORT_bucket_allnext, 0xdead, 2 },	     { GORT_bucket_nstk, 1025, 1 },
		{ GORT_bucket_nstk, UINT64_MAX / 8 + 1, 1 }, { GORT_bucket_typ, 2, 1 },
	};
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		struct fixture f;
		struct gort g;
		struct gort_profile p;
		setup(&f, &g, l, two, 2, 4);
		fixture_put(&f, gort_at(l, BUCKETS_AT + STRIDE, damage[i].field), damage[i].value, 8);
		gort_profile_read(&g, GORT_PROFILE_PUBLISHED, &p);
		assert_true(p.cut);
		assert_in_range(p.buckets.n, damage[i].buckets, 8);
		gort_profile_deinit(&p);
		fixture_deinit(&f);
	}
}

static void survives_every_failing_read(void **state)
{
	(void)state;
	unsigned reads = 1;
	for (unsigned n = 0; n <= reads; n++) {
		struct fixture f;
		struct gort g;
		struct gort_profile p;
		setup(&f, &g, &gort_layouts[0], two, 2, 4);
		f.fail_at = n;
		gort_profile_read(&g, GORT_PROFILE_PUBLISHED, &p);
		if (!n)
			reads = f.reads;
		gort_profile_deinit(&p);
		fixture_deinit(&f);
	}
	assert_true(reads > 4);
}

static void scales_as_pprof_does(void **state)
{
	(void)state;
	static const struct {
		uint64_t count, bytes, rate;
		int64_t objects, space;
	} cases[] = {
		{ 0, 0, RATE, 0, 0 },
		{ 3, 0, RATE, 0, 0 },
		{ 7, 448, 1, 7, 448 },
		{ 7, 448, 0, 7, 448 },
		{ 1, 48, RATE, 10923, 524312 },
		{ 5, 5 << 20, RATE, 5, 6063483 },
		{ 2, 2 << 19, RATE, 3, 1658822 },
		{ UINT64_MAX, UINT64_MAX - 63, RATE, -8192, -524320 },
		{ 1, UINT64_MAX / 2, RATE, 1, INT64_MAX },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t objects = 0, space = 0;
		gort_profile_scale(cases[i].count, cases[i].bytes, cases[i].rate, &objects, &space);
		assert_int_equal(objects, cases[i].objects);
		assert_int_equal(space, cases[i].space);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_counts_are_those_of_memprofile),
		cmocka_unit_test(without_a_gc_all_cycles_count),
		cmocka_unit_test(freshest_counts_are_of_all_cycles),
		cmocka_unit_test(damaged_lists_end),
		cmocka_unit_test(survives_every_failing_read),
		cmocka_unit_test(scales_as_pprof_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
