/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/types.h"
#include "goheap/typing.h"

/* The fixture's heap has 48-byte objects with pointers on its first page, and a large one. */
enum { SLOT = 48, LARGE_AT = 2, MANY = 64 };

struct edge {
	uint32_t from, to, word;
	bool interior;
};

struct heap {
	struct fixture f;
	struct gort g;
	struct types types;
	struct gort_heap heap;
	struct goheap_objects objects;
	struct graph graph;
	struct goheap_seen_vec seen;
	struct goheap_seed_vec seeds;
	struct goheap_typing typing;
	uint64_t uint64, int64, string, node, pointer, array; /* types */
};

static void make_types(struct heap *h)
{
	struct types *t = &h->types;
	h->uint64 = types_add(t, "uint64", 11, 8, 0);
	h->string = types_add(t, "string", GORT_KIND_STRING, 16, 8);
	h->node = types_add(t, "main.node", GORT_KIND_STRUCT, SLOT, 24);
	h->pointer = types_add(t, "*main.node", GORT_KIND_POINTER, 8, 8);
	types_set(t, h->pointer, GORT_ptrtype_elem, h->node);
	h->array = types_add(t, "[]*main.node", GORT_KIND_SLICE, 24, 8);
	types_set(t, h->array, GORT_slicetype_elem, h->pointer);
	types_field(t, h->node, "next", h->pointer, 0);
	types_field(t, h->node, "name", h->string, 8);
	types_field(t, h->node, "n", h->uint64, 24);
}

static void setup(struct heap *h, const struct gort_layout *l)
{
	memset(h, 0, sizeof(*h));
	fixture_init(&h->f);
	fixture_heap(&h->f, l, &h->g);
	types_init(&h->types, &h->f, &h->g);
	make_types(h);
	assert_null(gort_heap_read(&h->g, 1, &h->heap));
	assert_null(goheap_objects_init(&h->g, &h->heap, &h->objects));
	assert_null(graph_init(&h->graph, h->objects.n, h->objects.n_inner));
	assert_true(h->objects.n_inner > MANY);
}

static void teardown(struct heap *h)
{
	goheap_typing_deinit(&h->typing);
	vec_deinit(&h->seen);
	vec_deinit(&h->seeds);
	graph_deinit(&h->graph);
	goheap_objects_deinit(&h->objects);
	gort_heap_deinit(&h->heap);
	fixture_deinit(&h->f);
}

/* Edges in the order of their sources. */
static void connect(struct heap *h, const struct edge *e, uint32_t n)
{
	uint32_t objects = h->objects.n_inner, at = 0;
	uint32_t *first = calloc(objects + 1, sizeof(*first));
	graph_edge *edges = calloc(n + 1, sizeof(*edges));
	assert_true(objects < GRAPH_BLOCK);
	for (uint32_t o = 0; o < objects; o++) {
		first[o] = at;
		for (; at < n && e[at].from == o; at++)
			edges[at] = graph_edge_make(e[at].to, e[at].word, e[at].interior);
	}
	first[objects] = at;
	assert_int_equal(at, n);
	graph_block_take(&h->graph, 0, first, edges);
}

static void see(struct heap *h, uint32_t object, enum goheap_seen_how how, uint64_t rtype)
{
	*vec_push(&h->seen) = (struct goheap_seen){ object, how, rtype };
}

static void run(struct heap *h)
{
	assert_null(goheap_typing_run(&h->objects, &h->graph, &h->seen, &h->seeds, &h->typing));
}

static const char *name_of(const struct heap *h, uint32_t object)
{
	return h->typing.kinds.v[h->typing.kind[object]].name;
}

static void types_follow_pointers(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		struct heap h;
		setup(&h, &gort_layouts[l]);
		const struct edge edges[] = { { 0, 1, 0, false }, { 1, 2, 0, false }, { 2, 3, 0, false } };
		connect(&h, edges, 3);
		see(&h, 0, GOHEAP_SEEN_IFACE, h.pointer);
		run(&h);
		for (uint32_t i = 0; i <= 3; i++)
			assert_string_equal(name_of(&h, i), "main.node");
		assert_int_equal(h.typing.kind[4], 0);
		assert_int_equal(h.typing.conflicts, 0);
		teardown(&h);
	}
}

/* A value in an interface is boxed when it is not pointer-shaped. */
static void boxed_values_have_their_own_type(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, &gort_layouts[0]);
	connect(&h, NULL, 0);
	see(&h, 0, GOHEAP_SEEN_IFACE, h.node);
	run(&h);
	assert_string_equal(name_of(&h, 0), "main.node");
	teardown(&h);
}

static void pointers_that_contradict_a_type_refuse_it(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, &gort_layouts[gort_layouts_count - 1]);
	const struct edge edges[] = { { 0, 1, 0, false }, { 0, 2, 4, false } };
	connect(&h, edges, 2);
	see(&h, 0, GOHEAP_SEEN_IFACE, h.pointer);
	run(&h);
	assert_int_equal(h.typing.kind[0], 0);
	assert_int_equal(h.typing.kind[1], 0);
	assert_int_equal(h.typing.conflicts, 1);
	teardown(&h);
}

/* What is too small for the slot, has no pointers where the span has some, or is a part of something else. */
static void a_type_has_to_fit_its_slot(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, &gort_layouts[gort_layouts_count - 1]);
	uint64_t small = types_add(&h.types, "main.small", GORT_KIND_STRUCT, 16, 8);
	uint64_t large = types_add(&h.types, "main.large", GORT_KIND_STRUCT, 4096, 8);
	uint64_t plain = types_add(&h.types, "main.plain", GORT_KIND_STRUCT, SLOT, 0);
	const struct edge edges[] = { { 5, 6, 0, true } };
	connect(&h, edges, 1);
	see(&h, 0, GOHEAP_SEEN_IFACE, small);
	see(&h, 1, GOHEAP_SEEN_IFACE, large);
	see(&h, 2, GOHEAP_SEEN_IFACE, plain);
	see(&h, 3, GOHEAP_SEEN_IFACE, h.string);
	see(&h, 4, GOHEAP_SEEN_IFACE, UINT64_C(0xdead0000));
	see(&h, 5, GOHEAP_SEEN_IFACE, h.pointer);
	see(&h, UINT32_MAX, GOHEAP_SEEN_IFACE, h.pointer);
	run(&h);
	for (uint32_t i = 0; i <= 4; i++)
		assert_int_equal(h.typing.kind[i], 0);
	assert_string_equal(name_of(&h, 5), "main.node");
	assert_int_equal(h.typing.kind[6], 0); /* a pointer into it does not say what it is */
	teardown(&h);
}

static void large_objects_are_arrays_of_their_type(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, &gort_layouts[gort_layouts_count - 1]);
	struct goheap_object_at at;
	assert_true(goheap_object_find(&h.objects, FIXTURE_ARENA + (uint64_t)LARGE_AT * GORT_PAGE, &at));
	if (at.number >= h.objects.n_inner)
		skip();
	const struct edge edges[] = { { at.number, 0, 0, false }, { at.number, 1, 6 * 5, false } };
	connect(&h, edges, 2);
	see(&h, at.number, GOHEAP_SEEN_LARGE, h.node);
	run(&h);
	assert_string_equal(name_of(&h, at.number), "[]main.node");
	assert_string_equal(name_of(&h, 0), "main.node");
	assert_string_equal(name_of(&h, 1), "main.node");
	uint32_t word = 6 * 5;
	assert_string_equal(goheap_typing_field(&h.typing, h.typing.kind[at.number], &word), "[].next");
	assert_int_equal(word, 0);
	teardown(&h);
}

static void fields_have_names(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, &gort_layouts[0]);
	connect(&h, NULL, 0);
	see(&h, 0, GOHEAP_SEEN_IFACE, h.pointer);
	run(&h);
	uint32_t kind = h.typing.kind[0], word = 1;
	assert_string_equal(goheap_typing_field(&h.typing, kind, &word), "name");
	assert_int_equal(word, 1);
	word = 3;
	assert_string_equal(goheap_typing_field(&h.typing, kind, &word), "n");
	word = 1000;
	assert_null(goheap_typing_field(&h.typing, kind, &word));
	word = 0;
	assert_null(goheap_typing_field(&h.typing, 0, &word));
	teardown(&h);
}

/* A map's header, its only group or bucket, and what is in that. */
static void maps_are_followed_by_their_type(void **state)
{
	(void)state;
	for (unsigned l = 0; l < gort_layouts_count; l++) {
		struct heap h;
		setup(&h, &gort_layouts[l]);
		bool swiss = gort_sizeof(h.g.layout, GORT_map_SIZEOF);
		if (!swiss && gort_sizeof(h.g.layout, GORT_hmap_SIZEOF) > SLOT) {
			teardown(&h); /* larger than the fixture's objects */
			continue;
		}
		uint64_t map = types_add(&h.types, "map[uint64]*main.node", GORT_KIND_MAP, 8, 8);
		uint64_t part = types_add(&h.types, "map.group", GORT_KIND_STRUCT, SLOT, 40);
		types_field(&h.types, part, swiss ? "ctrl" : "topbits", h.uint64, 0);
		types_field(&h.types, part, "elems", h.pointer, 32);
		types_set(&h.types, map, GORT_maptype_key, h.uint64);
		types_set(&h.types, map, GORT_maptype_elem, h.pointer);
		types_set(&h.types, map, GORT_maptype_part, part);
		const struct edge edges[] = { { 0, 1, 2, false }, { 1, 2, 4, false } };
		connect(&h, edges, 2);
		see(&h, 0, GOHEAP_SEEN_IFACE, map);
		run(&h);
		assert_string_equal(name_of(&h, 0), "map[uint64]*main.node");
		assert_string_equal(name_of(&h, 1),
				    swiss ? "map[uint64]*main.node (groups)" : "map[uint64]*main.node (buckets)");
		assert_string_equal(name_of(&h, 2), "main.node");
		teardown(&h);
	}
}

/* One that was freed, or waits for the sweeper: what it points to is something else's by now. */
static void a_free_slot_says_nothing_of_others(void **state)
{
	(void)state;
	enum { NO, FREE, DEAD, N };
	for (unsigned gone = NO; gone < N; gone++) {
		struct heap h;
		setup(&h, &gort_layouts[gort_layouts_count - 1]);
		const struct edge edge = { 0, 1, 0, false };
		connect(&h, &edge, 1);
		uint64_t *bits = gone == DEAD ? h.objects.dead : h.objects.allocated;
		assert_non_null(bits);
		if (gone)
			bits[0] ^= UINT64_C(1);
		see(&h, 0, GOHEAP_SEEN_IFACE, h.pointer);
		run(&h);
		assert_string_equal(name_of(&h, 0), "main.node");
		assert_string_equal(name_of(&h, 1), gone ? "(no type)" : "main.node");
		teardown(&h);
	}
}

/* Two types that fit: the one that fills more of the slot, whichever comes first. */
static void the_larger_of_two_types_is_kept(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		struct heap h;
		setup(&h, &gort_layouts[gort_layouts_count - 1]);
		uint64_t inner = types_add(&h.types, "main.inner", GORT_KIND_STRUCT, 40, 8);
		types_field(&h.types, inner, "next", h.pointer, 0);
		connect(&h, NULL, 0);
		see(&h, 0, GOHEAP_SEEN_IFACE, order ? inner : h.node);
		see(&h, 0, GOHEAP_SEEN_IFACE, order ? h.node : inner);
		run(&h);
		assert_string_equal(name_of(&h, 0), "main.node");
		assert_int_equal(h.typing.conflicts, 1);
		teardown(&h);
	}
}

static void seeds_name_objects_and_their_elements(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, &gort_layouts[0]);
	connect(&h, NULL, 0);
	struct goheap_seed *seed = vec_push(&h.seeds);
	*seed = (struct goheap_seed){ .addr = FIXTURE_ARENA, .rtype = h.node, .object = true };
	seed = vec_push(&h.seeds);
	*seed = (struct goheap_seed){ .addr = FIXTURE_ARENA + SLOT, .rtype = h.pointer, .object = true, .array = true };
	seed = vec_push(&h.seeds);
	*seed = (struct goheap_seed){ .addr = FIXTURE_ARENA + 2 * SLOT, .rtype = 12345, .object = true };
	run(&h);
	assert_string_equal(name_of(&h, 0), "main.node");
	assert_string_equal(name_of(&h, 1), "[]*main.node");
	assert_int_equal(h.typing.kind[2], 0);
	teardown(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_follow_pointers),
		cmocka_unit_test(boxed_values_have_their_own_type),
		cmocka_unit_test(pointers_that_contradict_a_type_refuse_it),
		cmocka_unit_test(a_type_has_to_fit_its_slot),
		cmocka_unit_test(large_objects_are_arrays_of_their_type),
		cmocka_unit_test(fields_have_names),
		cmocka_unit_test(maps_are_followed_by_their_type),
		cmocka_unit_test(a_free_slot_says_nothing_of_others),
		cmocka_unit_test(the_larger_of_two_types_is_kept),
		cmocka_unit_test(seeds_name_objects_and_their_elements),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
