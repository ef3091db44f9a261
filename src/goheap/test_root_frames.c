/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/image.h"
#include "goheap/root_parts.h"

/*
 * A stack of main.leaf (40 bytes of frame, two words of arguments), main.mid (24 bytes) and runtime.goexit, word by word:
 *   1-2 locals of leaf, 3 a variable of it, 4 its frame pointer, 5 the return into mid
 *   6-7 arguments of leaf, in the frame of mid; 7 is a local of mid as well; 8 its frame pointer, 9 the return to goexit
 */
enum { LEAF, MID, GOEXIT, PREEMPT, FUNCS };

enum { WORDS = 12, MAPS = 0, ARGS = 0x40, OBJECTS = 0x80, MID_MAPS = 0xc0, NONE = UINT32_MAX };

#define SP UINT64_C(0xc000002000)

struct view {
	struct fixture f;
	struct gort g;
	struct roots_frames *frames;
	uint64_t stack[WORDS], live[2];
	uint32_t place[WORDS];
};

static const struct image_func funcs[FUNCS] = {
	{ .name = "main.leaf" },
	{ .name = "main.mid" },
	{ .name = "runtime.goexit" },
	{ .name = "runtime.asyncPreempt" },
};

static const struct image spec = { .magic = 0xf1, .funcs = funcs, .nfuncs = FUNCS };

static uint64_t call_in(size_t func)
{
	return image_func_addr(func) + 0x20;
}

static void put_maps(struct fixture *f)
{
	static const struct image_frame frames[FUNCS] = {
		{ 40, 0, 0 }, { 24, 0, 0 }, { 0, 0, SYM_FUNC_TOP }, { 8, 0, 0 }
	};
	static const struct image_maps leaf = { 16, ARGS, MAPS, OBJECTS, 1 }, mid = { 0, NONE, MID_MAPS, NONE, 0 };
	for (size_t i = 0; i < FUNCS; i++)
		image_frame(f, &spec, i, &frames[i]);
	image_maps(f, &spec, LEAF, &leaf);
	image_maps(f, &spec, MID, &mid);
	fixture_region(f, IMAGE_GOFUNC, 256);
	fixture_put(f, IMAGE_GOFUNC + MAPS, 2 | UINT64_C(3) << 32, 8); /* two maps of three words */
	fixture_put(f, IMAGE_GOFUNC + MAPS + 8, 0x7, 1);
	fixture_put(f, IMAGE_GOFUNC + MAPS + 9, 0x2, 1); /* number 1: the word in the middle */
	fixture_put(f, IMAGE_GOFUNC + ARGS, 2 | UINT64_C(2) << 32, 8);
	fixture_put(f, IMAGE_GOFUNC + ARGS + 9, 0x1, 1); /* the first argument */
	fixture_put(f, IMAGE_GOFUNC + OBJECTS, 1, 8);
	fixture_put(f, IMAGE_GOFUNC + OBJECTS + 8, (uint32_t)-8 | UINT64_C(8) << 32, 8); /* the last word of locals */
	fixture_put(f, IMAGE_GOFUNC + MID_MAPS, 1 | UINT64_C(2) << 32, 8);
	fixture_put(f, IMAGE_GOFUNC + MID_MAPS + 8, 0x2, 1);
}

static void view_open(struct view *w)
{
	*w = (struct view){ .stack = { [5] = call_in(MID), [9] = image_func_addr(GOEXIT) + 1 } };
	fixture_init(&w->f);
	image_build(&w->f, &spec);
	put_maps(&w->f);
	assert_null(gort_module_find(&w->f.src, image_vmas, IMAGE_VMAS, &w->g.module));
	struct sym_pclntab_layout tables = gort_module_pclntab(&w->g.module, &w->f.src);
	tables.gofunc = IMAGE_GOFUNC;
	assert_null(sym_pclntab_new(&tables, &w->g.pclntab));
	w->g.src = &w->f.src;
	w->frames = roots_frames_new(&w->g);
}

static void view_close(struct view *w)
{
	roots_frames_free(w->frames);
	sym_pclntab_free(w->g.pclntab);
	gort_module_deinit(&w->g.module);
	fixture_deinit(&w->f);
}

static bool look(struct view *w, uint64_t pc, size_t words)
{
	const struct roots_live ret = { w->live, w->place };
	return roots_frames_live(w->frames, pc, SP, (const unsigned char *)w->stack, words * 8, &ret);
}

static void words_are_alive_that_the_map_of_the_call_has(void **state)
{
	(void)state;
	struct view w;
	view_open(&w);
	assert_true(look(&w, call_in(LEAF), WORDS));
	/* the local in the middle of three that end below the frame pointer, the first argument, and the second local of mid */
	assert_int_equal(w.live[0], 1u << 2 | 1u << 6 | 1u << 7);
	view_close(&w);
}

/* By the frame whose map has it: an argument is its function's, though it lies in the caller's frame. */
static void words_have_a_place_in_a_frame(void **state)
{
	(void)state;
	struct view w;
	struct goheap_frame_place_vec places = { 0 };
	view_open(&w);
	w.stack[0] = w.stack[2] = SP + 24;
	assert_true(look(&w, call_in(LEAF), WORDS));
	uint32_t local = w.place[2], argument = w.place[6], caller = w.place[7];
	assert_int_equal(w.place[3], 0); /* alive by a pointer alone */
	assert_true(local && argument && caller);
	roots_frames_places(w.frames, &places);
	assert_true(places.v[local - 1].pc == call_in(LEAF) && places.v[argument - 1].pc == call_in(LEAF));
	assert_true(places.v[caller - 1].pc == call_in(MID));
	assert_int_equal(places.v[local - 1].word, 2);
	assert_int_equal(places.v[argument - 1].word, 6);
	assert_int_equal(places.v[caller - 1].word, 1);
	vec_deinit(&places);
	view_close(&w);
}

static void a_variable_is_alive_when_a_live_word_points_to_it(void **state)
{
	(void)state;
	struct view w;
	view_open(&w);
	w.stack[0] = SP + 24; /* dead itself */
	assert_true(look(&w, call_in(LEAF), WORDS));
	assert_int_equal(w.live[0], 1u << 2 | 1u << 6 | 1u << 7);
	w.stack[2] = SP + 24;
	assert_true(look(&w, call_in(LEAF), WORDS));
	assert_int_equal(w.live[0], 1u << 2 | 1u << 3 | 1u << 6 | 1u << 7);
	w.stack[2] = 0;
	w.stack[7] = SP + 24 + 7; /* from the caller, into the middle */
	assert_true(look(&w, call_in(LEAF), WORDS));
	assert_int_equal(w.live[0], 1u << 2 | 1u << 3 | 1u << 6 | 1u << 7);
	view_close(&w);
}

static void a_stack_that_cannot_be_followed_is_told(void **state)
{
	(void)state;
	struct view w;
	view_open(&w);
	assert_false(look(&w, call_in(LEAF), 4)); /* too short */
	assert_false(look(&w, 0x1234, WORDS));
	assert_false(look(&w, call_in(PREEMPT), WORDS));
	w.stack[9] = 0x1234;
	assert_false(look(&w, call_in(LEAF), WORDS));
	w.stack[9] = call_in(PREEMPT);
	assert_false(look(&w, call_in(LEAF), WORDS));
	sym_pclntab_free(w.g.pclntab);
	w.g.pclntab = NULL;
	assert_false(look(&w, call_in(LEAF), WORDS));
	view_close(&w);
}

/* Numbers, lengths and places of maps that cannot be. */
static void maps_that_lie_are_not_believed(void **state)
{
	(void)state;
	static const struct {
		uint64_t at, value;
		size_t size;
	} lies[] = {
		{ IMAGE_GOFUNC + MAPS, 1, 4 },				  /* there is no map number 1 */
		{ IMAGE_GOFUNC + MAPS + 4, UINT32_MAX, 4 },		  /* words */
		{ IMAGE_GOFUNC + MAPS + 4, 1 << 15, 4 },		  /* beyond the memory */
		{ IMAGE_GOFUNC + OBJECTS, UINT64_MAX, 8 },		  /* objects */
		{ IMAGE_GOFUNC + OBJECTS, 100, 8 },			  /* beyond the memory */
		{ IMAGE_GOFUNC + OBJECTS + 8, 3, 4 },			  /* at no word */
		{ IMAGE_GOFUNC + OBJECTS + 12, UINT32_C(0x80000000), 4 }, /* a size below nothing */
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct view w;
		view_open(&w);
		fixture_put(&w.f, lies[i].at, lies[i].value, lies[i].size);
		assert_false(look(&w, call_in(LEAF), WORDS));
		view_close(&w);
	}
}

static void any_read_may_fail(void **state)
{
	(void)state;
	for (unsigned i = 1; i < 32; i++) {
		struct view w;
		view_open(&w);
		w.f.reads = 0;
		w.f.fail_at = i;
		if (look(&w, call_in(LEAF), WORDS))
			assert_int_equal(w.live[0], 1u << 2 | 1u << 6 | 1u << 7);
		view_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_alive_that_the_map_of_the_call_has),
		cmocka_unit_test(words_have_a_place_in_a_frame),
		cmocka_unit_test(a_variable_is_alive_when_a_live_word_points_to_it),
		cmocka_unit_test(a_stack_that_cannot_be_followed_is_told),
		cmocka_unit_test(maps_that_lie_are_not_believed),
		cmocka_unit_test(any_read_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
