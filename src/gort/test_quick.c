/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture/fixture.h"
#include "gort/quick.h"

#define BIAS UINT64_C(0x1000)
#define VARS UINT64_C(0x5000000)
#define PROCS UINT64_C(0x5100000)
#define PROC UINT64_C(0x5200000)

enum { NPROCS = 3, PROC_STEP = 16384 };

struct scene {
	struct fixture f;
	struct gort g;
	struct gort_quick q;
	struct gort_quick_state state;
	struct gort_quick_values v;
};

static void field(struct scene *s, uint64_t base, enum gort_field f, uint64_t value)
{
	const struct gort_layout *l = s->g.layout;
	if (gort_has(l, f))
		fixture_put(&s->f, gort_at(l, base, f), value, l->f[f].size > 8 ? 8 : l->f[f].size);
}

static void begin(struct scene *s, const struct gort_layout *l)
{
	*s = (struct scene){ 0 };
	fixture_init(&s->f);
	fixture_heap(&s->f, l, &s->g);
	fixture_region(&s->f, VARS, 4096 + gort_sizeof(l, GORT_schedt_SIZEOF));
	fixture_region(&s->f, PROCS, NPROCS * 8);
	fixture_region(&s->f, PROC, (size_t)NPROCS * PROC_STEP);
	s->g.globals.addr[GORT_VAR_ALLGS] = VARS;
	s->g.globals.addr[GORT_VAR_ALLP] = VARS + 64;
	s->g.globals.addr[GORT_VAR_SCHED] = VARS + 4096;
	fixture_put(&s->f, VARS + 8, 100, 8);
	fixture_put(&s->f, VARS + 64, PROCS, 8);
	fixture_put(&s->f, VARS + 72, NPROCS, 8);
	for (uint64_t i = 0; i < NPROCS; i++) {
		fixture_put(&s->f, PROCS + 8 * i, PROC + i * PROC_STEP, 8);
		field(s, PROC + i * PROC_STEP, GORT_p_gFree_n, 2);
	}
	field(s, VARS + 4096, GORT_schedt_ngsys, 5);
	field(s, VARS + 4096, GORT_schedt_gFree_n, 9);
	field(s, VARS + 4096, GORT_schedt_gFree_stack, 4);
	field(s, VARS + 4096, GORT_schedt_gFree_noStack, 5);
	field(s, FIXTURE_CONTROLLER, GORT_gcController_totalAlloc, 5000);
	field(s, FIXTURE_CONTROLLER, GORT_gcController_totalFree, 1000);
	field(s, FIXTURE_CONTROLLER, GORT_gcController_heapMarked, 3000);
	field(s, FIXTURE_CONTROLLER, GORT_gcController_gcPercentHeapGoal, 6000);
	field(s, FIXTURE_CONTROLLER, GORT_gcController_memoryLimit, INT64_MAX);
	field(s, FIXTURE_MSTATS, GORT_heapStatsDelta_smallAllocCount, 30);
	field(s, FIXTURE_MSTATS, GORT_heapStatsDelta_smallFreeCount, 4);
	field(s, FIXTURE_MSTATS + gort_sizeof(l, GORT_heapStatsDelta_SIZEOF), GORT_heapStatsDelta_largeAllocCount, 2);
	field(s, FIXTURE_MSTATS, GORT_mstats_numgc, 258);
	field(s, FIXTURE_MSTATS, GORT_mstats_pause_total_ns, 777);
	field(s, FIXTURE_MSTATS, GORT_mstats_last_gc_nanotime, 12345);
	fixture_put(&s->f, gort_at(l, FIXTURE_MSTATS, GORT_mstats_pause_ns) + 8, 55, 8); /* (258 + 255) % 256 = 1 */
	assert_true(gort_quick_init(&s->g, BIAS, &s->q));
}

static bool look(struct scene *s)
{
	return gort_quick_read(&s->q, BIAS, &s->f.src, &s->state, &s->v);
}

static void counters_are_read_in_every_layout(void **state)
{
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		struct scene s;
		begin(&s, &gort_layouts[i]);
		assert_true(look(&s));
		assert_int_equal(s.v.gc_count, 258);
		assert_int_equal(s.v.gc_pause_total_ns, 777);
		assert_int_equal(s.v.gc_pause_last_ns, 55);
		assert_int_equal(s.v.gc_last_monotonic_ns, 12345);
		assert_int_equal(s.v.heap_alloc, 4000);
		assert_int_equal(s.v.heap_objects, 28);
		assert_int_equal(s.v.heap_marked, 3000);
		assert_int_equal(s.v.heap_goal, 6000);
		assert_int_equal(s.v.memory_limit, INT64_MAX);
		assert_int_equal(s.v.goroutines, 100 - 5 - 9 - 2 * NPROCS);
		/* The second look knows where the Ps are, and which pause was the last. */
		assert_true(look(&s));
		assert_int_equal(s.v.goroutines, 100 - 5 - 9 - 2 * NPROCS);
		assert_int_equal(s.v.gc_pause_last_ns, 55);
		fixture_put(&s.f, PROCS, PROC + PROC_STEP, 8); /* another P at that place */
		field(&s, PROC + PROC_STEP, GORT_p_gFree_n, 7);
		assert_true(look(&s));
		assert_int_equal(s.v.goroutines, 100 - 5 - 9 - 7 - 7 - 2);
		fixture_deinit(&s.f);
	}
}

static void a_read_that_fails_leaves_all_unknown(void **state)
{
	struct scene s;
	begin(&s, &gort_layouts[gort_layouts_count - 1]);
	for (unsigned n = 1; n < 16; n++) {
		s.f.reads = 0;
		s.f.fail_at = n;
		s.state = (struct gort_quick_state){ .allp = n % 2 ? PROCS : 0, .nallp = NPROCS };
		for (uint64_t i = 0; i < NPROCS; i++)
			s.state.procs[i] = PROC + i * PROC_STEP;
		bool known = look(&s);
		if (known && s.v.goroutines != UINT64_MAX)
			assert_int_equal(s.v.goroutines, 80);
		if (known)
			assert_int_equal(s.v.heap_alloc, 4000);
	}
	fixture_deinit(&s.f);
}

static void values_that_make_no_sense_are_unknown(void **state)
{
	struct scene s;
	begin(&s, &gort_layouts[0]);
	field(&s, FIXTURE_CONTROLLER, GORT_gcController_totalFree, 6000);
	field(&s, FIXTURE_CONTROLLER, GORT_gcController_gcPercentHeapGoal, UINT64_MAX);
	field(&s, FIXTURE_MSTATS, GORT_mstats_gc_cpu_fraction, UINT64_MAX);
	fixture_put(&s.f, VARS + 8, UINT64_MAX, 8);
	assert_true(look(&s));
	assert_true(s.v.heap_alloc == UINT64_MAX && s.v.heap_goal == UINT64_MAX && s.v.goroutines == UINT64_MAX);
	assert_true(s.v.gc_cpu_fraction != s.v.gc_cpu_fraction);
	field(&s, FIXTURE_CONTROLLER, GORT_gcController_heapInUse, 0); /* not begun yet */
	assert_false(look(&s));
	fixture_deinit(&s.f);
}

static void what_was_not_found_is_not_looked_at(void **state)
{
	struct scene s;
	begin(&s, &gort_layouts[0]);
	s.g.globals.addr[GORT_VAR_ALLP] = 0;
	assert_true(gort_quick_init(&s.g, BIAS, &s.q));
	assert_true(look(&s) && look(&s));
	assert_true(s.v.goroutines == UINT64_MAX);
	s.g.globals.addr[GORT_VAR_MEMSTATS] = 0;
	assert_false(gort_quick_init(&s.g, BIAS, &s.q));
	s.g.layout = NULL;
	assert_false(gort_quick_init(&s.g, BIAS, &s.q));
	fixture_deinit(&s.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_are_read_in_every_layout),
		cmocka_unit_test(a_read_that_fails_leaves_all_unknown),
		cmocka_unit_test(values_that_make_no_sense_are_unknown),
		cmocka_unit_test(what_was_not_found_is_not_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
