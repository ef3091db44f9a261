/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture/goroutines.h"
#include "gort/timer.h"

static void timers_have_kinds_and_holders(void **state)
{
	(void)state;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		struct fixture f;
		struct gort g;
		struct gort_timer_vec v = { 0 };
		bool complete = false;
		goroutines_build(&f, &gort_layouts[i], &g);
		assert_null(gort_timers_read(&g, &v, &complete));
		assert_true(complete);
		assert_int_equal(v.n, 2);
		assert_int_equal(v.v[0].kind, TIMER_TIMER);
		assert_int_equal(v.v[0].holder, GOROUTINES_G(0));
		assert_int_equal(v.v[0].when, 5000);
		assert_int_equal(v.v[0].channel, gort_layouts[i].minor >= 23);
		assert_int_equal(v.v[1].kind, TIMER_AFTERFUNC);
		assert_int_equal(v.v[1].func, image_func_addr(GOROUTINES_CALLBACK));
		assert_int_equal(v.v[1].holder, 0);
		vec_deinit(&v);
		goroutines_free(&f, &g);
	}
}

static void a_period_makes_a_ticker(void **state)
{
	(void)state;
	struct fixture f;
	struct gort g;
	struct gort_timer_vec v = { 0 };
	bool complete = false;
	goroutines_build(&f, &gort_layouts[0], &g);
	goroutines_put(&f, g.layout, GOROUTINES_TIMER(0), GORT_timer_period, 1000);
	/* Moved to another time: what counts is the new one, which has its own field to 1.22. */
	goroutines_put(&f, g.layout, GOROUTINES_TIMER(0), GORT_timer_status, 8);
	goroutines_put(&f, g.layout, GOROUTINES_TIMER(0), GORT_timer_nextwhen, 777);
	assert_null(gort_timers_read(&g, &v, &complete));
	assert_int_equal(v.v[0].kind, TIMER_TICKER);
	assert_int_equal(v.v[0].period, 1000);
	assert_int_equal(v.v[0].when, 777);
	vec_deinit(&v);
	goroutines_free(&f, &g);
}

static void a_heap_that_cannot_be_read_is_not_complete(void **state)
{
	(void)state;
	for (unsigned fail = 1; fail < 40; fail++) {
		struct fixture f;
		struct gort g;
		struct gort_timer_vec v = { 0 };
		bool complete = false;
		goroutines_build(&f, &gort_layouts[0], &g);
		f.fail_at = f.reads + fail;
		struct err *err = gort_timers_read(&g, &v, &complete);
		assert_true(v.n <= 2);
		err_free(err);
		vec_deinit(&v);
		goroutines_free(&f, &g);
	}
}

static void a_damaged_list_of_ps_is_refused(void **state)
{
	(void)state;
	struct fixture f;
	struct gort g;
	struct gort_timer_vec v = { 0 };
	bool complete = false;
	goroutines_build(&f, &gort_layouts[0], &g);
	fixture_put(&f, gort_var(&g, GORT_VAR_ALLP) + 8, UINT64_MAX, 8);
	struct err *err = gort_timers_read(&g, &v, &complete);
	assert_non_null(err);
	err_free(err);
	goroutines_free(&f, &g);
}

/* The entry in the runtime's table of settings: a name, no plain variable, an atomic one. */
static void settings_are_found_by_their_name(void **state)
{
	(void)state;
	static const char name[] = "asynctimerchan";
	const uint64_t entry = IMAGE_DATA + IMAGE_PTRDATA + 0x80, text = IMAGE_RODATA + IMAGE_TEXTS,
		       var = IMAGE_BSS + 0x40;
	struct fixture f;
	struct gort g;
	uint32_t value = 0;
	goroutines_build(&f, &gort_layouts[0], &g);
	assert_false(gort_debug_value(&g, name, &value));
	for (size_t i = 0; name[i]; i++)
		fixture_put(&f, text + i, (unsigned char)name[i], 1);
	fixture_put(&f, entry, text, 8);
	fixture_put(&f, entry + 8, sizeof(name) - 1, 8);
	assert_false(gort_debug_value(&g, name, &value)); /* another table has the name too */
	fixture_put(&f, entry + 24, var, 8);
	fixture_put(&f, var, 2, 4);
	assert_true(gort_debug_value(&g, name, &value));
	assert_int_equal(value, 2);
	assert_false(gort_debug_value(&g, "asynctimerchan2", &value));
	goroutines_free(&f, &g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_have_kinds_and_holders),
		cmocka_unit_test(a_period_makes_a_ticker),
		cmocka_unit_test(a_heap_that_cannot_be_read_is_not_complete),
		cmocka_unit_test(a_damaged_list_of_ps_is_refused),
		cmocka_unit_test(settings_are_found_by_their_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
