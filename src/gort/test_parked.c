/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/goroutines.h"
#include "gort/parked.h"

/* Everything that a test needs: the fixture, and what was read of it. */
struct view {
	struct fixture f;
	struct gort g;
	struct stacks stacks;
	struct gort_parked_vec v;
};

static void view_open(struct view *w, const struct gort_layout *l)
{
	goroutines_build(&w->f, l, &w->g);
	assert_non_null(w->g.pclntab);
	stacks_init(&w->stacks);
	w->v = (struct gort_parked_vec){ 0 };
}

static struct err *view_read(struct view *w)
{
	struct gort_unwinder *u = gort_unwinder_new(&w->g, &w->stacks);
	struct err *err = gort_parked_read(&w->g, u, &w->v);
	gort_unwinder_free(u);
	return err;
}

static void view_close(struct view *w)
{
	vec_deinit(&w->v);
	stacks_deinit(&w->stacks);
	goroutines_free(&w->f, &w->g);
}

/* "main.leaf main.mid": the functions of a goroutine's stack. */
static const char *functions(const struct view *w, size_t i)
{
	static char text[256];
	text[0] = 0;
	for (uint32_t k = 0; k < stacks_depth(&w->stacks, w->v.v[i].stack) && k < 4; k++) {
		strncat(text, k ? " " : "", sizeof(text) - strlen(text) - 1);
		strncat(text, stacks_at(&w->stacks, w->v.v[i].stack, k)->function, sizeof(text) - strlen(text) - 1);
	}
	return text;
}

#define FOR_LAYOUTS(w)                                                                                                 \
	for (unsigned i_ = 0; i_ < gort_layouts_count && (view_open(w, &gort_layouts[i_]), true); view_close(w), i_++)

static void stacks_show_what_the_runtime_shows(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		assert_null(view_read(&w));
		assert_int_equal(w.v.n, GOROUTINES_N);
		assert_string_equal(functions(&w, 0), "main.leaf main.mid[...]");
		assert_int_equal(w.v.v[0].stack, w.v.v[1].stack);
		assert_string_equal(functions(&w, 3), "main.leaf main.mid[...]");
		assert_int_equal(w.v.v[3].status, GORT_G_SYSCALL);
		for (size_t i = 0; i < GOROUTINES_N; i++)
			assert_int_equal(w.v.v[i].flags, i == 2 ? GORT_PARKED_MOVING : 0);
		assert_int_equal(w.v.v[2].stack, 0);
	}
}

static void waits_have_channels_and_descriptors(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		assert_null(view_read(&w));
		assert_int_equal(w.v.v[0].wait_on, GOROUTINES_CHANNEL);
		assert_int_equal(w.v.v[0].elem_type, GOROUTINES_ELEM);
		assert_int_equal(w.v.v[0].fd, -1);
		assert_int_equal(w.v.v[1].fd, 7);
		assert_int_equal(w.v.v[1].deadline, 123456);
		assert_int_equal(w.v.v[1].wait_on, 0);
		struct intern *strings = &w.stacks.strings;
		assert_string_equal(gort_wait_reason(&w.g, w.v.v[0].reason, strings), "chan receive");
		assert_string_equal(gort_wait_reason(&w.g, w.v.v[1].reason, strings), "IO wait");
		assert_null(gort_wait_reason(&w.g, 200, strings));
	}
}

static void a_sudog_of_another_goroutine_is_not_believed(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		goroutines_put(&w.f, w.g.layout, GOROUTINES_SUDOG, GORT_sudog_g, GOROUTINES_G(1));
		goroutines_put(&w.f, w.g.layout, GOROUTINES_POLL, GORT_pollDesc_rg, GOROUTINES_G(0));
		assert_null(view_read(&w));
		assert_int_equal(w.v.v[0].wait_on, 0);
		assert_int_equal(w.v.v[0].elem_type, 0);
		assert_int_equal(w.v.v[1].fd, -1);
	}
}

/* Damage to the stack of goroutine 0 cuts it and nothing else. */
static void a_stack_that_makes_no_sense_is_cut(void **state)
{
	(void)state;
	static const struct {
		enum goroutines_func calls[3];
		const char *shown;
	} cases[] = {
		{ { GOROUTINES_GOPARK, GOROUTINES_LEAF, GOROUTINES_SPWRITE }, "main.leaf" },
		{ { GOROUTINES_GOPARK, GOROUTINES_LEAF, GOROUTINES_NO_TABLE }, "main.leaf main.assembly" },
	};
	struct view w;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		FOR_LAYOUTS(&w)
		{
			goroutines_stack(&w.f, GOROUTINES_SP(0), cases[c].calls, 3);
			assert_null(view_read(&w));
			assert_int_equal(w.v.v[0].flags, GORT_PARKED_CUT);
			assert_string_equal(functions(&w, 0), cases[c].shown);
			assert_int_equal(w.v.v[1].flags, 0);
		}
	}
}

static void a_return_address_in_nowhere_cuts(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		fixture_put(&w.f, GOROUTINES_SP(0) + 0x18 + 8 + 0x28, 0xdead0000, 8);
		assert_null(view_read(&w));
		assert_int_equal(w.v.v[0].flags, GORT_PARKED_CUT);
		assert_string_equal(functions(&w, 0), "main.leaf");
	}
}

/* Every return address is that of the same function, up to the end of the stack and beyond. */
static void a_circle_of_calls_ends_with_the_stack(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		for (uint64_t at = GOROUTINES_SP(0); at < GOROUTINES_LO(0) + GOROUTINES_STACK; at += 8)
			fixture_put(&w.f, at, goroutines_pc(GOROUTINES_GOPARK), 8);
		assert_null(view_read(&w));
		assert_int_equal(w.v.v[0].flags, GORT_PARKED_CUT);
		assert_int_equal(w.v.v[1].flags, 0);
	}
}

static void a_stack_pointer_outside_gives_no_stack(void **state)
{
	(void)state;
	static const uint64_t sps[] = { 0, 8, GOROUTINES_LO(0) - 8, GOROUTINES_LO(0) + GOROUTINES_STACK, UINT64_MAX };
	struct view w;
	for (size_t k = 0; k < sizeof(sps) / sizeof(sps[0]); k++) {
		FOR_LAYOUTS(&w)
		{
			goroutines_put(&w.f, w.g.layout, GOROUTINES_G(0), GORT_g_sched_sp, sps[k]);
			assert_null(view_read(&w));
			assert_int_equal(w.v.v[0].flags, GORT_PARKED_MOVING);
			assert_int_equal(w.v.v[0].stack, 0);
		}
	}
}

/*
 * A target that moves between the looks. Each look reads a stack twice; at the first of these goroutine 0 gets another
 * stack pointer, or, when it `comes_back`, is the same again but for its stack, which the second copy shows.
 */
struct mover {
	struct memsrc src;
	struct view *w;
	unsigned moves, left, reads;
	bool comes_back;
};

static bool moving_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct mover *m = (struct mover *)src;
	bool stack = addr >= GOROUTINES_LO(0) && addr < GOROUTINES_LO(0) + GOROUTINES_STACK;
	bool first = stack && m->reads++ % 2 == 0;
	if (stack && m->comes_back && !first && m->left) {
		m->left--;
		bool read = memsrc_read(&m->w->f.src, addr, buf, len);
		((unsigned char *)buf)[len - 1] ^= 1;
		return read;
	}
	if (first && !m->comes_back && m->left) {
		m->left--;
		m->moves++;
		goroutines_put(&m->w->f, m->w->g.layout, GOROUTINES_G(0), GORT_g_sched_sp,
			       GOROUTINES_SP(0) + (m->moves & 1 ? 0x800 : 0));
	}
	return memsrc_read(&m->w->f.src, addr, buf, len);
}

static const struct memsrc_ops moving_ops = { .read = moving_read };

static void what_moves_is_looked_at_again(void **state)
{
	(void)state;
	static const enum goroutines_func calls[] = { GOROUTINES_GOPARK, GOROUTINES_MID, GOROUTINES_GOEXIT };
	for (unsigned moves = 1; moves < 8; moves++) {
		struct view w;
		struct mover m = { .src = { &moving_ops }, .w = &w, .left = moves };
		view_open(&w, &gort_layouts[0]);
		goroutines_stack(&w.f, GOROUTINES_SP(0) + 0x800, calls, 3);
		w.g.src = &m.src;
		assert_null(view_read(&w));
		bool settled = moves < 4; /* the batch, and three tries alone */
		assert_int_equal(w.v.v[0].flags, settled ? 0 : GORT_PARKED_MOVING);
		assert_string_equal(functions(&w, 0), !settled	  ? ""
						      : moves & 1 ? "main.mid[...]"
								  : "main.leaf main.mid[...]");
		assert_int_equal(w.v.n, GOROUTINES_N);
		view_close(&w);
	}
}

static void what_ran_and_rests_where_it_was_is_not_torn(void **state)
{
	(void)state;
	for (unsigned moves = 1; moves < 8; moves++) {
		struct view w;
		struct mover m = { .src = { &moving_ops }, .w = &w, .left = moves, .comes_back = true };
		view_open(&w, &gort_layouts[0]);
		w.g.src = &m.src;
		assert_null(view_read(&w));
		bool settled = moves < 4;
		assert_int_equal(w.v.v[0].flags, settled ? 0 : GORT_PARKED_MOVING);
		assert_string_equal(functions(&w, 0), settled ? "main.leaf main.mid[...]" : "");
		view_close(&w);
	}
}

static void one_that_ends_meanwhile_is_left_out(void **state)
{
	(void)state;
	struct view w;
	view_open(&w, &gort_layouts[0]);
	goroutines_put(&w.f, w.g.layout, GOROUTINES_G(1), GORT_g_atomicstatus, GORT_G_DEAD);
	assert_null(view_read(&w));
	assert_int_equal(w.v.n, GOROUTINES_N - 1);
	view_close(&w);
}

/* Each read fails in turn: what is left is told, nothing falls over. */
static void every_read_may_fail(void **state)
{
	(void)state;
	const struct gort_layout *l = &gort_layouts[gort_layouts_count - 1];
	for (unsigned fail = 1; fail < 200; fail++) {
		struct view w;
		view_open(&w, l);
		w.f.fail_at = w.f.reads + fail;
		struct err *err = view_read(&w);
		assert_true(w.v.n <= GOROUTINES_N);
		err_free(err);
		view_close(&w);
	}
}

static void places_are_functions_with_their_line(void **state)
{
	(void)state;
	struct view w;
	view_open(&w, &gort_layouts[0]);
	struct gort_unwinder *u = gort_unwinder_new(&w.g, &w.stacks);
	uint32_t place = gort_unwind_place(u, goroutines_pc(GOROUTINES_PANIC));
	assert_int_equal(stacks_depth(&w.stacks, place), 1);
	assert_string_equal(stacks_at(&w.stacks, place, 0)->function, "panic");
	assert_int_equal(gort_unwind_place(u, 0xdead0000), 0);
	assert_int_equal(gort_unwind_function(u, 0), 0);
	gort_unwinder_free(u);
	view_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_show_what_the_runtime_shows),
		cmocka_unit_test(waits_have_channels_and_descriptors),
		cmocka_unit_test(a_sudog_of_another_goroutine_is_not_believed),
		cmocka_unit_test(a_stack_that_makes_no_sense_is_cut),
		cmocka_unit_test(a_return_address_in_nowhere_cuts),
		cmocka_unit_test(a_circle_of_calls_ends_with_the_stack),
		cmocka_unit_test(a_stack_pointer_outside_gives_no_stack),
		cmocka_unit_test(what_moves_is_looked_at_again),
		cmocka_unit_test(what_ran_and_rests_where_it_was_is_not_torn),
		cmocka_unit_test(one_that_ends_meanwhile_is_left_out),
		cmocka_unit_test(every_read_may_fail),
		cmocka_unit_test(places_are_functions_with_their_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
