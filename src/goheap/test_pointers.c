/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/fixture.h"
#include "goheap/pointers.h"

#define MODULE UINT64_C(0x6200000)
#define TYPES UINT64_C(0x6300000)
#define MASKS UINT64_C(0x6400000)
#define SMALL UINT64_C(48)    /* bytes of an object of the first two spans */
#define HEADED UINT64_C(1024) /* ... of one that has a header */

enum {
	ALLOCATED = 100, /* of each page */
	MARKED = 60,	 /* of the span that is not swept */
	ARENA_PAGES = 11,
	LARGE_WORDS = 3 * GORT_PAGE / 8,
	TYPES_LEN = 4096,
	KIND_STRUCT = 25,
	KIND_ARRAY = 17,
	KIND_INTERFACE = 20,
};

static const uint64_t SECOND = FIXTURE_ARENA + GORT_PAGE, LARGE = FIXTURE_ARENA + UINT64_C(2) * GORT_PAGE;

struct heap {
	struct fixture f;
	struct gort g;
	struct gort_heap heap;
	struct goheap_objects objects;
	struct graph graph;
	struct goheap_pointers pointers;
	bool running; /* the target, which is set before read_all() */
};

static void put_word(struct heap *h, uint64_t base, enum gort_field field, uint64_t v)
{
	const struct gort_layout *l = h->g.layout;
	if (gort_has(l, field))
		fixture_put(&h->f, gort_at(l, base, field), v, l->f[field].size);
}

static void setup(struct heap *h, const struct gort_layout *l)
{
	memset(h, 0, sizeof(*h));
	fixture_init(&h->f);
	fixture_heap(&h->f, l, &h->g);
	fixture_region(&h->f, FIXTURE_ARENA, (size_t)ARENA_PAGES * GORT_PAGE);
	fixture_region(&h->f, MODULE, gort_sizeof(l, GORT_moduledata_SIZEOF));
	fixture_region(&h->f, TYPES, TYPES_LEN);
	fixture_region(&h->f, MASKS, TYPES_LEN);
	h->g.module.moduledata = MODULE;
	put_word(h, MODULE, GORT_moduledata_types, TYPES);
	put_word(h, MODULE, GORT_moduledata_etypes, TYPES + TYPES_LEN);
	assert_null(gort_heap_read(&h->g, 1, &h->heap));
}

static void read_all(struct heap *h)
{
	assert_null(goheap_objects_init(&h->g, &h->heap, &h->objects));
	h->objects.moving = h->running;
	assert_null(graph_init(&h->graph, h->objects.n, h->objects.n_inner));
	assert_null(goheap_pointers_read(&h->objects, &h->graph, &h->pointers));
}

static void teardown(struct heap *h)
{
	goheap_pointers_deinit(&h->pointers);
	graph_deinit(&h->graph);
	goheap_objects_deinit(&h->objects);
	gort_heap_deinit(&h->heap);
	fixture_deinit(&h->f);
}

static unsigned char *bytes_at(struct heap *h, uint64_t addr)
{
	for (size_t i = 0; i < h->f.regions.n; i++) {
		const struct fixture_region *r = &h->f.regions.v[i];
		if (addr >= r->addr && addr - r->addr < r->len)
			return r->bytes + (addr - r->addr);
	}
	fail();
	return NULL;
}

static void set_bit(struct heap *h, uint64_t addr, uint64_t bit)
{
	bytes_at(h, addr)[bit / 8] |= (unsigned char)(1u << bit % 8);
}

/* One word of an object of `words` words is a pointer, as each version has it. */
static void mark_pointer(struct heap *h, uint64_t object, uint64_t word, uint64_t page)
{
	const struct gort_layout *l = h->g.layout;
	uint64_t at = (object - FIXTURE_ARENA) / 8 + word;
	if (!gort_has(l, GORT_heapArena_bitmap)) {
		set_bit(h, page + GORT_PAGE - GORT_PAGE / 64, (object - page) / 8 + word);
		return;
	}
	uint64_t bitmap = gort_at(l, FIXTURE_META, GORT_heapArena_bitmap);
	if (gort_has(l, GORT_heapArena_noMorePtrs)) {
		set_bit(h, bitmap, at);
		return;
	}
	set_bit(h, bitmap + at / 4, at % 4);
	for (uint64_t i = at - word; i <= at; i++)
		set_bit(h, bitmap + i / 4, 4 + i % 4);
}

static uint32_t number_of(const struct heap *h, uint64_t addr)
{
	struct goheap_object_at at;
	assert_true(goheap_object_find(&h->objects, addr, &at));
	return at.number;
}

static unsigned count_torn(const struct heap *h)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < h->objects.n; i++)
		n += goheap_pointers_torn(&h->objects, &h->pointers, i);
	return n;
}

/* The only edge of an object, or none. */
static const graph_edge *edge_of(const struct heap *h, uint64_t addr, uint32_t n)
{
	uint32_t found = 0;
	const graph_edge *e = graph_out(&h->graph, number_of(h, addr), &found);
	assert_int_equal(found, n);
	return e;
}

static void an_edge_for_each_pointer_that_the_map_names(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		struct heap h;
		setup(&h, &gort_layouts[l]);
		uint64_t from = FIXTURE_ARENA + 3 * SMALL, next = from + SMALL;
		mark_pointer(&h, from, 1, FIXTURE_ARENA);
		mark_pointer(&h, from, 5, FIXTURE_ARENA);
		mark_pointer(&h, next, 0, FIXTURE_ARENA);
		fixture_put(&h.f, from + 8, SECOND + 7 * SMALL, 8);
		fixture_put(&h.f, from + 16, SECOND + 8 * SMALL, 8); /* no pointer: an integer that looks like one */
		fixture_put(&h.f, from + 40, SECOND + 9 * SMALL + 16, 8);
		fixture_put(&h.f, next, next, 8); /* itself */
		read_all(&h);
		const graph_edge *e = edge_of(&h, from, 2);
		assert_int_equal(graph_target(e[0]), number_of(&h, SECOND + 7 * SMALL));
		assert_int_equal(graph_word(e[0]), 1);
		assert_false(e[0] & GRAPH_INTERIOR);
		assert_int_equal(graph_target(e[1]), number_of(&h, SECOND + 9 * SMALL));
		assert_int_equal(graph_word(e[1]), 5);
		assert_true(e[1] & GRAPH_INTERIOR);
		edge_of(&h, next, 0);
		edge_of(&h, FIXTURE_ARENA, 0);
		assert_int_equal(h.pointers.edges, 2);
		assert_int_equal(count_torn(&h) + h.pointers.conservative + h.pointers.unreadable, 0);
		teardown(&h);
	}
}

static void pointers_of_free_and_dead_objects_are_none(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, &gort_layouts[2]);
	uint64_t free_one = FIXTURE_ARENA + 120 * SMALL, dead = SECOND + 70 * SMALL;
	mark_pointer(&h, free_one, 0, FIXTURE_ARENA);
	mark_pointer(&h, dead, 0, SECOND);
	fixture_put(&h.f, free_one, FIXTURE_ARENA, 8);
	fixture_put(&h.f, dead, FIXTURE_ARENA, 8);
	read_all(&h);
	assert_int_equal(h.pointers.edges, 0);
	assert_int_equal(count_torn(&h), 0);
	teardown(&h);
}

/* The slots may have been swept and taken between the look at the bits and the copy of the contents. */
static void free_and_dead_objects_of_what_runs_have_theirs_and_may_be_pointed_to(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, &gort_layouts[2]);
	uint64_t free_one = FIXTURE_ARENA + 120 * SMALL, dead = SECOND + 70 * SMALL;
	mark_pointer(&h, FIXTURE_ARENA, 0, FIXTURE_ARENA);
	mark_pointer(&h, free_one, 0, FIXTURE_ARENA);
	mark_pointer(&h, dead, 0, SECOND);
	fixture_put(&h.f, FIXTURE_ARENA, dead, 8);
	fixture_put(&h.f, dead, free_one, 8);
	fixture_put(&h.f, free_one, FIXTURE_ARENA, 8);
	h.running = true;
	read_all(&h);
	assert_int_equal(graph_target(edge_of(&h, FIXTURE_ARENA, 1)[0]), number_of(&h, dead));
	assert_int_equal(graph_target(edge_of(&h, dead, 1)[0]), number_of(&h, free_one));
	assert_int_equal(graph_target(edge_of(&h, free_one, 1)[0]), number_of(&h, FIXTURE_ARENA));
	assert_true(goheap_pointers_torn(&h.objects, &h.pointers, number_of(&h, dead)));
	assert_int_equal(count_torn(&h), 1);
	teardown(&h);
}

static void a_pointer_to_what_is_free_is_counted(void **state)
{
	(void)state;
	const uint64_t targets[] = { FIXTURE_ARENA + 120 * SMALL, FIXTURE_ARENA + UINT64_C(10) * GORT_PAGE,
				     FIXTURE_ARENA + UINT64_C(200) * GORT_PAGE };
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		struct heap h;
		setup(&h, &gort_layouts[3]);
		mark_pointer(&h, FIXTURE_ARENA, 0, FIXTURE_ARENA);
		fixture_put(&h.f, FIXTURE_ARENA, targets[i], 8);
		read_all(&h);
		assert_int_equal(h.pointers.edges, 0);
		assert_true(goheap_pointers_torn(&h.objects, &h.pointers, number_of(&h, FIXTURE_ARENA)));
		assert_int_equal(count_torn(&h), 1);
		teardown(&h);
	}
}

static void put_type(struct heap *h, uint64_t at, uint64_t size, uint64_t ptrdata, unsigned kind)
{
	put_word(h, at, GORT_type_size, size);
	put_word(h, at, GORT_type_ptrdata, ptrdata);
	put_word(h, at, GORT_type_kind, kind);
	put_word(h, at, GORT_type_align, 8);
	put_word(h, at, GORT_type_gcdata, MASKS + (at - TYPES));
}

static void put_large_type(struct heap *h, uint64_t type)
{
	put_word(h, h->heap.mspans.v[2], GORT_mspan_largeType, type);
}

/* An array of a type of three words, the second of them a pointer. */
static void a_mask_is_repeated_to_the_end_of_the_object(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		struct heap h;
		setup(&h, &gort_layouts[l]);
		if (gort_has(h.g.layout, GORT_heapArena_bitmap)) {
			teardown(&h);
			continue;
		}
		put_type(&h, TYPES + 64, 24, 16, KIND_STRUCT);
		*bytes_at(&h, MASKS + 64) = 2;
		put_large_type(&h, TYPES + 64);
		uint32_t n = 0;
		for (uint64_t i = 0; i < LARGE_WORDS; i++)
			fixture_put(&h.f, LARGE + i * 8, FIXTURE_ARENA + i % 100 * SMALL, 8);
		read_all(&h);
		const graph_edge *e = graph_out(&h.graph, number_of(&h, LARGE), &n);
		assert_int_equal(n, LARGE_WORDS / 3);
		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(graph_word(e[i]), i * 3 + 1);
			assert_int_equal(graph_target(e[i]),
					 number_of(&h, FIXTURE_ARENA + (i * UINT64_C(3) + 1) % 100 * SMALL));
		}
		assert_int_equal(h.pointers.seen.n, 1);
		assert_int_equal(h.pointers.seen.v[0].how, GOHEAP_SEEN_LARGE);
		assert_int_equal(h.pointers.seen.v[0].rtype, TYPES + 64);
		assert_int_equal(h.pointers.conservative, 0);
		teardown(&h);
	}
}

/* Go 1.24 and later: an array of 600 structs that has no mask yet, so large that it gets no tile. */
static void a_mask_that_is_not_there_yet_is_made(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		struct heap h;
		setup(&h, &gort_layouts[l]);
		if (h.g.layout->minor < 24) {
			teardown(&h);
			continue;
		}
		const uint64_t elem = TYPES + 64, array = TYPES + 256, outer = TYPES + 512, fields = TYPES + 1024;
		put_type(&h, elem, 24, 16, KIND_STRUCT);
		*bytes_at(&h, MASKS + 64) = 2;
		put_type(&h, array, UINT64_C(600) * 24, UINT64_C(600) * 24 - 8, KIND_ARRAY);
		put_word(&h, array, GORT_type_tflag, 1 << 4);
		put_word(&h, array, GORT_arraytype_elem, elem);
		put_word(&h, array, GORT_arraytype_len, 600);
		put_type(&h, outer, UINT64_C(600) * 24 + 8, UINT64_C(600) * 24, KIND_STRUCT);
		put_word(&h, outer, GORT_type_tflag, 1 << 4);
		fixture_put(&h.f, gort_at(h.g.layout, outer, GORT_structtype_fields), fields, 8);
		fixture_put(&h.f, gort_at(h.g.layout, outer, GORT_structtype_fields) + 8, 1, 8);
		put_word(&h, fields, GORT_structfield_typ, array);
		put_word(&h, fields, GORT_structfield_offset, 8);
		put_large_type(&h, outer);
		for (uint64_t i = 0; i < LARGE_WORDS; i++)
			fixture_put(&h.f, LARGE + i * 8, FIXTURE_ARENA + i % 100 * SMALL, 8);
		read_all(&h);
		uint32_t n = 0;
		const graph_edge *e = graph_out(&h.graph, number_of(&h, LARGE), &n);
		assert_int_equal(h.pointers.conservative, 0);
		/* one value of 1,801 words, and what fits of a second */
		assert_int_equal(n, 600 + (LARGE_WORDS - 1801) / 3);
		for (uint32_t i = 0; i < 600; i++)
			assert_int_equal(graph_word(e[i]), i * 3 + 2);
		assert_int_equal(graph_word(e[600]), 1801 + 2);
		teardown(&h);
	}
}

static unsigned class_of(uint64_t size)
{
	unsigned class = 1;
	while (gort_class_sizes[class] < size)
		class ++;
	return class;
}

static void an_object_over_512_bytes_begins_with_its_type(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		struct heap h;
		setup(&h, &gort_layouts[l]);
		if (gort_has(h.g.layout, GORT_heapArena_bitmap)) {
			teardown(&h);
			continue;
		}
		h.heap.spans.v[0].spanclass = (uint8_t)(class_of(HEADED) << 1);
		h.heap.spans.v[0].nelems = h.heap.spans.v[0].alloc_count = h.heap.spans.v[0].freeindex = 8;
		put_type(&h, TYPES + 64, 32, 16, KIND_STRUCT);
		*bytes_at(&h, MASKS + 64) = 2;
		fixture_put(&h.f, FIXTURE_ARENA, TYPES + 64, 8);
		fixture_put(&h.f, FIXTURE_ARENA + 16, FIXTURE_ARENA + 2 * HEADED + 8, 8);
		fixture_put(&h.f, FIXTURE_ARENA + 48, FIXTURE_ARENA + 2 * HEADED + 16, 8);
		/* no type that such an object can have: all its words count */
		fixture_put(&h.f, FIXTURE_ARENA + HEADED, TYPES + 1024, 8);
		fixture_put(&h.f, FIXTURE_ARENA + HEADED + 8, SECOND, 8);
		fixture_put(&h.f, FIXTURE_ARENA + HEADED + 16, SECOND, 8);
		read_all(&h);
		const graph_edge *e = edge_of(&h, FIXTURE_ARENA, 2);
		assert_int_equal(graph_word(e[0]), 2);
		assert_false(e[0] & GRAPH_INTERIOR);
		assert_int_equal(graph_word(e[1]), 6);
		assert_true(e[1] & GRAPH_INTERIOR);
		edge_of(&h, FIXTURE_ARENA + HEADED, 2);
		assert_int_equal(h.pointers.conservative, 1);
		assert_int_equal(h.pointers.seen.n, 1);
		assert_int_equal(h.pointers.seen.v[0].how, GOHEAP_SEEN_HEADER);
		assert_int_equal(h.pointers.seen.v[0].object, number_of(&h, FIXTURE_ARENA));
		teardown(&h);
	}
}

static void an_interface_tells_what_it_holds(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		struct heap h;
		setup(&h, &gort_layouts[l]);
		const uint64_t itab = TYPES + 2048;
		put_type(&h, TYPES + 64, 16, 0, KIND_STRUCT);
		put_type(&h, TYPES + 128, 16, 0, KIND_INTERFACE);
		fixture_put(&h.f, itab, TYPES + 128, 8);
		put_word(&h, itab, GORT_itab_type, TYPES + 64);
		const uint64_t words[] = { TYPES + 64, itab, TYPES + 72, 4711, FIXTURE_ARENA };
		for (uint64_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			mark_pointer(&h, FIXTURE_ARENA + i * SMALL, 2, FIXTURE_ARENA);
			fixture_put(&h.f, FIXTURE_ARENA + i * SMALL + 8, words[i], 8);
			fixture_put(&h.f, FIXTURE_ARENA + i * SMALL + 16, SECOND + i * SMALL, 8);
		}
		read_all(&h);
		assert_int_equal(h.pointers.edges, 5);
		assert_int_equal(h.pointers.seen.n, 2);
		for (uint64_t i = 0; i < 2; i++) {
			assert_int_equal(h.pointers.seen.v[i].how, GOHEAP_SEEN_IFACE);
			assert_int_equal(h.pointers.seen.v[i].object, number_of(&h, SECOND + i * SMALL));
			assert_int_equal(h.pointers.seen.v[i].rtype, TYPES + 64);
		}
		teardown(&h);
	}
}

/* The bits of an object end with its last pointer, whatever older ones say. */
static void stale_bits_behind_the_last_pointer_are_not_read(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		struct heap h;
		setup(&h, &gort_layouts[l]);
		if (!gort_has(h.g.layout, GORT_heapArena_bitmap)) {
			teardown(&h);
			continue;
		}
		bool pairs = !gort_has(h.g.layout, GORT_heapArena_noMorePtrs);
		uint64_t bitmap = gort_at(h.g.layout, FIXTURE_META, GORT_heapArena_bitmap);
		uint64_t word = (LARGE - FIXTURE_ARENA) / 8;
		mark_pointer(&h, LARGE, 3, LARGE);
		if (pairs)
			set_bit(&h, bitmap + (word + 5) / 4, (word + 5) % 4);
		else
			set_bit(&h, bitmap, word + 70);
		if (!pairs)
			set_bit(&h, gort_at(h.g.layout, FIXTURE_META, GORT_heapArena_noMorePtrs), word / 64);
		for (uint64_t i = 0; i < 100; i++)
			fixture_put(&h.f, LARGE + i * 8, FIXTURE_ARENA, 8);
		read_all(&h);
		assert_int_equal(graph_word(edge_of(&h, LARGE, 1)[0]), 3);
		teardown(&h);
	}
}

static void what_cannot_be_read_is_counted_and_the_rest_is_there(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		for (unsigned fail_at = 1; fail_at < 40; fail_at++) {
			struct heap h;
			setup(&h, &gort_layouts[l]);
			for (uint64_t i = 0; i < ALLOCATED; i++) {
				mark_pointer(&h, FIXTURE_ARENA + i * SMALL, 0, FIXTURE_ARENA);
				fixture_put(&h.f, FIXTURE_ARENA + i * SMALL, SECOND + i % MARKED * SMALL, 8);
			}
			h.f.fail_at = h.f.reads + fail_at;
			read_all(&h);
			assert_true(h.pointers.edges == ALLOCATED || h.objects.guessed_spans || h.pointers.unreadable ||
				    h.pointers.conservative);
			teardown(&h);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_edge_for_each_pointer_that_the_map_names),
		cmocka_unit_test(pointers_of_free_and_dead_objects_are_none),
		cmocka_unit_test(free_and_dead_objects_of_what_runs_have_theirs_and_may_be_pointed_to),
		cmocka_unit_test(a_pointer_to_what_is_free_is_counted),
		cmocka_unit_test(a_mask_is_repeated_to_the_end_of_the_object),
		cmocka_unit_test(a_mask_that_is_not_there_yet_is_made),
		cmocka_unit_test(an_object_over_512_bytes_begins_with_its_type),
		cmocka_unit_test(an_interface_tells_what_it_holds),
		cmocka_unit_test(stale_bits_behind_the_last_pointer_are_not_read),
		cmocka_unit_test(what_cannot_be_read_is_counted_and_the_rest_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
