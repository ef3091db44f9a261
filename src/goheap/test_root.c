/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture/roots.h"
#include "goheap/root.h"

struct view {
	struct fixture f;
	struct gort g;
	struct gort_heap heap;
	struct goheap_objects objects;
	struct goheap_roots roots;
};

static void view_open(struct view *w, const struct gort_layout *l)
{
	roots_build(&w->f, l, &w->g);
	assert_null(gort_heap_read(&w->g, 1, &w->heap));
	assert_null(goheap_objects_init(&w->g, &w->heap, &w->objects));
	w->roots = (struct goheap_roots){ 0 };
}

static void view_read(struct view *w)
{
	assert_null(goheap_roots_read(&w->objects, &w->roots));
}

static void view_close(struct view *w)
{
	goheap_roots_deinit(&w->roots);
	goheap_objects_deinit(&w->objects);
	gort_heap_deinit(&w->heap);
	fixture_deinit(&w->f);
}

#define FOR_LAYOUTS(w)                                                                                                 \
	for (unsigned i_ = 0; i_ < gort_layouts_count && (view_open(w, &gort_layouts[i_]), true); view_close(w), i_++)

/* The root of a kind that points to an object; NULL where there is none, and how many there are. */
static const struct goheap_root *find(const struct view *w, enum goheap_root_kind kind, unsigned object, size_t *n)
{
	const struct goheap_root *ret = NULL;
	*n = 0;
	for (size_t i = 0; i < w->roots.v.n; i++) {
		const struct goheap_root *r = &w->roots.v.v[i];
		if (r->kind != kind || r->value < ROOTS_OBJECT(object) || r->value >= ROOTS_OBJECT(object + 1))
			continue;
		struct goheap_object_at at;
		assert_true(goheap_object_find(&w->objects, r->value, &at));
		assert_int_equal(r->object, at.number);
		ret = r;
		++*n;
	}
	return ret;
}

static const struct goheap_root *one(const struct view *w, enum goheap_root_kind kind, unsigned object)
{
	size_t n = 0;
	const struct goheap_root *r = find(w, kind, object, &n);
	assert_int_equal(n, 1);
	return r;
}

static void none(const struct view *w, unsigned object)
{
	for (unsigned kind = GOHEAP_ROOT_GLOBAL; kind <= GOHEAP_ROOT_WEAK; kind++) {
		size_t n = 0;
		find(w, (enum goheap_root_kind)kind, object, &n);
		assert_int_equal(n, 0);
	}
}

static void globals_are_words_that_the_mask_has(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		view_read(&w);
		assert_int_equal(one(&w, GOHEAP_ROOT_GLOBAL, 0)->at, ROOTS_DATA);
		assert_int_equal(one(&w, GOHEAP_ROOT_GLOBAL, 2)->at, ROOTS_BSS + 70 * 8);
		none(&w, 1);
		none(&w, 150);
		assert_int_equal(w.roots.dangling, 1);
		assert_false(w.roots.damaged);
		assert_int_equal(w.roots.unreadable, 0);
	}
}

/* What a variable pointed to then is in the graph; it may be assigned while that is made. */
static void variables_are_seen_as_they_were_when_roots_were_copied(void **state)
{
	struct view w;
	FOR_LAYOUTS(&w)
	{
		struct goheap_roots_view then;
		goheap_roots_early(&w.g, &w.roots);
		fixture_put(&w.f, ROOTS_DATA, ROOTS_OBJECT(20), 8);
		view_read(&w);
		one(&w, GOHEAP_ROOT_GLOBAL, 0);
		none(&w, 20);
		goheap_roots_view_init(&then, &w.roots, w.g.src);
		assert_true(memsrc_ptr(&then.src, ROOTS_DATA) == ROOTS_OBJECT(0));
		assert_true(memsrc_ptr(w.g.src, ROOTS_DATA) == ROOTS_OBJECT(20));
		assert_true(memsrc_ptr(&then.src, ROOTS_GS) == memsrc_ptr(w.g.src, ROOTS_GS)); /* what is no variable */
	}
}

static void stacks_are_taken_from_their_pointer_on(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		view_read(&w);
		assert_int_equal(w.roots.stacks.n, 2);
		const struct goheap_stack_copy *s = w.roots.stacks.v;
		assert_int_equal(s[0].sp, ROOTS_LO(0) + ROOTS_SP);
		assert_false(s[0].running);
		assert_true(s[1].running);
		assert_int_equal(s[1].sp, ROOTS_LO(1));
		const struct goheap_root *r = one(&w, GOHEAP_ROOT_STACK, 3);
		assert_int_equal(r->at, ROOTS_LO(0) + ROOTS_SP + 8);
		assert_int_equal(r->owner, ROOTS_GS);
		one(&w, GOHEAP_ROOT_STACK, 5);
		none(&w, 4);
		assert_int_equal(w.roots.stack_bytes, ROOTS_STACK - ROOTS_SP + ROOTS_STACK);
	}
}

static void specials_are_read_by_the_numbers_of_the_version(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		view_read(&w);
		int minor = w.g.layout->minor;
		assert_int_equal(w.roots.finalizers, 1);
		assert_int_equal(one(&w, GOHEAP_ROOT_FINALIZER, 7)->owner, ROOTS_OBJECT(6));
		assert_int_equal(w.roots.cleanups, minor >= 24);
		if (minor >= 23)
			assert_int_equal(one(&w, GOHEAP_ROOT_WEAK, 9)->owner, ROOTS_OBJECT(8));
		if (minor >= 24)
			assert_int_equal(one(&w, GOHEAP_ROOT_CLEANUP, 10)->part, 0);
		if (minor >= 26)
			assert_int_equal(one(&w, GOHEAP_ROOT_CLEANUP, 11)->part, 1);
		none(&w, 6);
		none(&w, 8);
	}
}

static void what_waits_to_be_run_is_counted(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		view_read(&w);
		int minor = w.g.layout->minor;
		one(&w, GOHEAP_ROOT_QUEUED, 12);
		assert_int_equal(one(&w, GOHEAP_ROOT_QUEUED, 13)->part, 1);
		if (minor >= 25)
			one(&w, GOHEAP_ROOT_QUEUED, 14);
		if (minor >= 26)
			assert_int_equal(one(&w, GOHEAP_ROOT_QUEUED, 15)->part, 2);
		assert_int_equal(w.roots.queued, minor >= 25 ? 2 : 1);
		assert_false(w.roots.no_finalizer_queue || w.roots.no_cleanup_queue);
	}
}

static void queues_that_were_not_found_are_told(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		w.g.globals.addr[GORT_VAR_ALLFIN] = 0;
		w.g.globals.addr[GORT_VAR_GCCLEANUPS] = 0;
		view_read(&w);
		assert_true(w.roots.no_finalizer_queue);
		assert_int_equal(w.roots.no_cleanup_queue, w.g.layout->minor >= 25);
		assert_int_equal(w.roots.queued, 0);
	}
}

/* Every list leads back to its beginning, and every count and length is a lie. */
static void lists_that_never_end_come_to_an_end(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		const struct gort_layout *l = w.g.layout;
		fixture_put(&w.f, gort_at(l, ROOTS_MODULE, GORT_moduledata_next), ROOTS_MODULE, 8);
		fixture_put(&w.f, gort_at(l, ROOTS_SPECIALS, GORT_special_next), ROOTS_SPECIALS, 8);
		fixture_put(&w.f, gort_at(l, ROOTS_FINBLOCK, GORT_finblock_alllink), ROOTS_FINBLOCK, 8);
		fixture_put(&w.f, gort_at(l, ROOTS_FINBLOCK, GORT_finblock_cnt), UINT32_MAX, 4);
		view_read(&w);
		assert_true(w.roots.damaged);
		assert_int_equal(w.roots.finalizers, 1);
		one(&w, GOHEAP_ROOT_QUEUED, 12);
		one(&w, GOHEAP_ROOT_GLOBAL, 0);
		assert_true(w.roots.queued < 4096);
	}
}

static void masks_that_lie_about_their_length_are_told(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		uint64_t mask = gort_at(w.g.layout, ROOTS_MODULE, GORT_moduledata_gcbssmask);
		fixture_put(&w.f, gort_at(w.g.layout, mask, GORT_bitvector_n), 8, 4);
		view_read(&w);
		assert_true(w.roots.damaged);
		none(&w, 2);
		one(&w, GOHEAP_ROOT_GLOBAL, 0);
	}
	FOR_LAYOUTS(&w) /* a mask that cannot be read: every word may be a pointer */
	{
		uint64_t mask = gort_at(w.g.layout, ROOTS_MODULE, GORT_moduledata_gcdatamask);
		fixture_put(&w.f, gort_at(w.g.layout, mask, GORT_bitvector_bytedata), 0x1234567, 8);
		view_read(&w);
		assert_true(w.roots.damaged);
		one(&w, GOHEAP_ROOT_GLOBAL, 1);
	}
}

static void stacks_of_impossible_size_are_left_out(void **state)
{
	(void)state;
	struct view w;
	FOR_LAYOUTS(&w)
	{
		fixture_put(&w.f, gort_at(w.g.layout, ROOTS_GS, GORT_g_stack_hi), ROOTS_LO(0) + (UINT64_C(1) << 40), 8);
		view_read(&w);
		assert_int_equal(w.roots.stacks.n, 1);
	}
	FOR_LAYOUTS(&w) /* a size that could be, and memory that is not there */
	{
		fixture_put(&w.f, gort_at(w.g.layout, ROOTS_GS, GORT_g_stack_hi), ROOTS_LO(0) + (UINT64_C(8) << 20), 8);
		view_read(&w);
		assert_int_equal(w.roots.stacks.n, 2);
		assert_true(w.roots.unreadable > 0);
		one(&w, GOHEAP_ROOT_STACK, 5);
	}
}

static void any_read_may_fail(void **state)
{
	(void)state;
	struct view w;
	for (unsigned i = 1; i < 64; i++) {
		view_open(&w, &gort_layouts[gort_layouts_count - 1]);
		w.f.reads = 0;
		w.f.fail_at = i;
		err_free(goheap_roots_read(&w.objects, &w.roots));
		view_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globals_are_words_that_the_mask_has),
		cmocka_unit_test(variables_are_seen_as_they_were_when_roots_were_copied),
		cmocka_unit_test(stacks_are_taken_from_their_pointer_on),
		cmocka_unit_test(specials_are_read_by_the_numbers_of_the_version),
		cmocka_unit_test(what_waits_to_be_run_is_counted),
		cmocka_unit_test(queues_that_were_not_found_are_told),
		cmocka_unit_test(lists_that_never_end_come_to_an_end),
		cmocka_unit_test(masks_that_lie_about_their_length_are_told),
		cmocka_unit_test(stacks_of_impossible_size_are_left_out),
		cmocka_unit_test(any_read_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
