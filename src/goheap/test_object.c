/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture/fixture.h"
#include "goheap/object.h"

enum { SMALL = 48, PER_PAGE = 170, LARGE_PAGE = 2, LARGE_PAGES = 3 };

struct heap {
	struct fixture f;
	struct gort g;
	struct gort_heap heap;
	struct goheap_objects objects;
};

static void setup(struct heap *h, const struct gort_layout *l)
{
	fixture_init(&h->f);
	fixture_heap(&h->f, l, &h->g);
	assert_null(gort_heap_read(&h->g, 1, &h->heap));
}

static void teardown(struct heap *h)
{
	goheap_objects_deinit(&h->objects);
	gort_heap_deinit(&h->heap);
	fixture_deinit(&h->f);
}

static void every_slot_has_a_number_and_an_address(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		struct heap h;
		setup(&h, &gort_layouts[l]);
		assert_null(goheap_objects_init(&h.g, &h.heap, &h.objects));
		const struct goheap_objects *o = &h.objects;
		assert_int_equal(o->n, 2 * PER_PAGE + 1);
		assert_true(o->n_inner <= o->n);
		for (uint32_t i = 0; i < o->n; i++) {
			struct goheap_object_at at = goheap_object_get(o, i), again;
			assert_int_equal(at.number, i);
			assert_true(goheap_object_find(o, at.start, &again));
			assert_int_equal(again.number, i);
			assert_int_equal(again.offset, 0);
			assert_true(goheap_object_find(o, at.start + at.size - 1, &again));
			assert_int_equal(again.number, i);
			assert_int_equal(again.start, at.start);
			assert_int_equal(again.offset, at.size - 1);
			assert_int_equal(again.allocated, goheap_object_allocated(o, i));
		}
		teardown(&h);
	}
}

static void what_is_no_slot_is_not_found(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, &gort_layouts[0]);
	assert_null(goheap_objects_init(&h.g, &h.heap, &h.objects));
	const uint64_t nowhere[] = {
		0,
		8,
		UINT64_MAX,
		FIXTURE_ARENA - 1,
		FIXTURE_ARENA + GORT_ARENA_BYTES,
		FIXTURE_ARENA + (uint64_t)PER_PAGE * SMALL, /* the rest of the page */
		FIXTURE_ARENA + UINT64_C(5) * GORT_PAGE,    /* a stack */
		FIXTURE_ARENA + UINT64_C(9) * GORT_PAGE,    /* a work buffer */
		FIXTURE_ARENA + UINT64_C(10) * GORT_PAGE,   /* a dead span */
		FIXTURE_ARENA + UINT64_C(11) * GORT_PAGE,   /* no span */
	};
	struct goheap_object_at at;
	for (size_t i = 0; i < sizeof(nowhere) / sizeof(*nowhere); i++)
		assert_false(goheap_object_find(&h.objects, nowhere[i], &at));
	assert_true(goheap_object_find(&h.objects, FIXTURE_ARENA + UINT64_C(4) * GORT_PAGE + 5, &at));
	assert_int_equal(at.start, FIXTURE_ARENA + (uint64_t)LARGE_PAGE * GORT_PAGE);
	assert_int_equal(at.size, (uint64_t)LARGE_PAGES * GORT_PAGE);
	assert_int_equal(at.offset, UINT64_C(2) * GORT_PAGE + 5);
	teardown(&h);
}

static void allocated_is_what_the_bits_and_the_free_index_say(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		struct heap h;
		setup(&h, &gort_layouts[l]);
		assert_null(goheap_objects_init(&h.g, &h.heap, &h.objects));
		assert_int_equal(h.objects.allocated_objects, 201);
		assert_int_equal(h.objects.allocated_bytes, 200 * SMALL + LARGE_PAGES * GORT_PAGE);
		assert_int_equal(h.objects.guessed_spans + h.objects.refused_spans, 0);
		uint64_t dead = 0;
		for (uint32_t i = 0; i < h.objects.n; i++) {
			assert_true(goheap_object_allocated(&h.objects, i) || !goheap_object_dead(&h.objects, i) ||
				    goheap_object_get(&h.objects, i).start >= FIXTURE_ARENA + GORT_PAGE);
			dead += goheap_object_allocated(&h.objects, i) && goheap_object_dead(&h.objects, i);
		}
		assert_int_equal(dead, 40);
		teardown(&h);
	}
}

/* A pointer to an object whose bits are lost must not count as one into nothing. */
static void objects_without_bits_are_taken_for_allocated(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, &gort_layouts[0]);
	for (size_t i = 0; i < h.heap.spans.n; i++) {
		h.heap.spans.v[i].freeindex = 3;
		h.heap.spans.v[i].alloc_bits = i ? 0x1234567 : 0;
	}
	assert_null(goheap_objects_init(&h.g, &h.heap, &h.objects));
	assert_int_equal(h.objects.guessed_spans, 2);
	assert_int_equal(h.objects.allocated_objects, 2 * PER_PAGE + 1);
	teardown(&h);
}

static void a_span_of_a_shape_that_cannot_be_is_left_out(void **state)
{
	(void)state;
	const struct {
		uint32_t npages;
		uint16_t nelems;
	} lies[] = {
		{ 1, 0 }, { 1, PER_PAGE + 1 }, { 1, UINT16_MAX }, { UINT32_MAX, PER_PAGE }, { UINT32_MAX, UINT16_MAX }
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct heap h;
		struct goheap_object_at at;
		setup(&h, &gort_layouts[0]);
		h.heap.spans.v[0].npages = lies[i].npages;
		h.heap.spans.v[0].nelems = lies[i].nelems;
		assert_null(goheap_objects_init(&h.g, &h.heap, &h.objects));
		assert_int_equal(h.objects.refused_spans, 1);
		assert_false(goheap_object_find(&h.objects, FIXTURE_ARENA, &at));
		teardown(&h);
	}
}

static void a_heap_without_spans_has_no_objects(void **state)
{
	(void)state;
	struct heap h;
	struct goheap_object_at at;
	setup(&h, &gort_layouts[0]);
	for (size_t i = 0; i < h.heap.spans.n; i++)
		h.heap.spans.v[i].state = GORT_SPAN_DEAD;
	assert_null(goheap_objects_init(&h.g, &h.heap, &h.objects));
	assert_int_equal(h.objects.n, 0);
	assert_false(goheap_object_find(&h.objects, FIXTURE_ARENA, &at));
	teardown(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_slot_has_a_number_and_an_address),
		cmocka_unit_test(what_is_no_slot_is_not_found),
		cmocka_unit_test(allocated_is_what_the_bits_and_the_free_index_say),
		cmocka_unit_test(objects_without_bits_are_taken_for_allocated),
		cmocka_unit_test(a_span_of_a_shape_that_cannot_be_is_left_out),
		cmocka_unit_test(a_heap_without_spans_has_no_objects),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
