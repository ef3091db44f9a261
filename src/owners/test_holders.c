/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/fixture.h"
#include "fixture/graphs.h"
#include "model/memsrc.h"
#include "owners/owners.h"

/* A heap of spans of one page each (the last of many), whose objects are all allocated; types in a region of their own. */
#define TYPES UINT64_C(0x6000000)
#define MODULE UINT64_C(0x6800000)

enum { TYPES_LEN = 1 << 16, NAMES = 0x8000, LARGE_PAGES = 16 };

enum span { S8, S48, S144, S160, S208, S2048, S16384, LARGE, SPANS };

static const struct {
	unsigned size;
	bool noscan;
	unsigned pages;
} shapes[SPANS] = {
	[S8] = { 8, false, 1 },	       [S48] = { 48, false, 1 },	   [S144] = { 144, false, 1 },
	[S160] = { 160, false, 1 },    [S208] = { 208, false, 1 },	   [S2048] = { 2048, false, 1 },
	[S16384] = { 16384, true, 2 }, [LARGE] = { 0, true, LARGE_PAGES },
};

struct heap {
	struct fixture f;
	struct gort g;
	struct snapshot s;
	struct owners_input in;
	struct owners_work w;
	struct graph_arrow_vec arrows;
	uint32_t *owner;
	uint64_t names;
	uint64_t start[SPANS];
};

static unsigned class_of(unsigned size)
{
	for (unsigned i = 1; i < GORT_SIZE_CLASSES; i++)
		if (gort_class_sizes[i] == size)
			return i;
	return 0;
}

static void make_spans(struct heap *h)
{
	uint64_t at = FIXTURE_ARENA;
	h->owner = xcalloc(GORT_ARENA_PAGES, sizeof(*h->owner));
	for (unsigned i = 0; i < SPANS; i++) {
		uint64_t bytes = (uint64_t)shapes[i].pages * GORT_PAGE;
		uint16_t n = shapes[i].size ? (uint16_t)(bytes / shapes[i].size) : 1;
		*vec_push(&h->w.heap.spans) = (struct gort_span){
			.start = at,
			.npages = shapes[i].pages,
			.nelems = n,
			.freeindex = n,
			.alloc_count = n,
			.spanclass = (uint8_t)(class_of(shapes[i].size) << 1 | shapes[i].noscan),
			.state = GORT_SPAN_HEAP,
			.flags = shapes[i].size ? 0 : GORT_SPAN_LARGE,
		};
		for (unsigned p = 0; p < shapes[i].pages; p++)
			h->owner[(at - FIXTURE_ARENA) / GORT_PAGE + p] = i + 1;
		fixture_region(&h->f, at, bytes);
		h->start[i] = at;
		at += bytes;
	}
	*vec_push(&h->w.heap.arenas) = (struct gort_arena){ .base = FIXTURE_ARENA, .owner = h->owner };
}

static void setup(struct heap *h, int minor)
{
	memset(h, 0, sizeof(*h));
	fixture_init(&h->f);
	const struct gort_layout *l = &gort_layouts[0];
	for (unsigned i = 0; i < gort_layouts_count; i++)
		if (gort_layouts[i].minor == minor && !*gort_layouts[i].experiment)
			l = &gort_layouts[i];
	fixture_region(&h->f, TYPES, TYPES_LEN);
	fixture_region(&h->f, MODULE, gort_sizeof(l, GORT_moduledata_SIZEOF));
	fixture_put(&h->f, gort_at(l, MODULE, GORT_moduledata_types), TYPES, 8);
	fixture_put(&h->f, gort_at(l, MODULE, GORT_moduledata_etypes), TYPES + TYPES_LEN, 8);
	h->names = TYPES + NAMES;
	h->g = (struct gort){ .src = &h->f.src, .layout = l };
	h->g.module.moduledata = MODULE;
	snapshot_init(&h->s);
	h->in = (struct owners_input){ .g = &h->g };
	owners_work_init(&h->w, &h->in, &h->s);
	h->w.heap.g = &h->g;
	make_spans(h);
	assert_null(goheap_objects_init(&h->g, &h->w.heap, &h->w.objects));
	h->w.typing.objects = &h->w.objects;
	gort_types_init(&h->w.typing.types, &h->g);
	h->w.typing.kind = xcalloc(h->w.objects.n, sizeof(*h->w.typing.kind));
	vec_push(&h->w.typing.kinds);
}

static void teardown(struct heap *h)
{
	vec_deinit(&h->arrows);
	h->w.heap.arenas.v[0].owner = NULL;
	free(h->owner);
	owners_work_deinit(&h->w);
	snapshot_deinit(&h->s);
	fixture_deinit(&h->f);
}

/* Number and address of the i-th object of a span. */
static uint32_t object(const struct heap *h, enum span s, unsigned i)
{
	return h->w.objects.first[s] + i;
}

static uint64_t address(const struct heap *h, enum span s, unsigned i)
{
	return h->start[s] + (uint64_t)i * shapes[s].size;
}

/* object (s, i) points to `to` at a word of its slot; the graph and the contents say the same. */
static void point(struct heap *h, enum span s, unsigned i, unsigned word, uint64_t to)
{
	struct goheap_object_at at;
	assert_true(goheap_object_find(&h->w.objects, to, &at));
	*vec_push(&h->arrows) = (struct graph_arrow){ object(h, s, i), at.number, word };
	fixture_put(&h->f, address(h, s, i) + 8 * (uint64_t)word, to, 8);
}

static void put(struct heap *h, enum span s, unsigned i, unsigned word, uint64_t value)
{
	fixture_put(&h->f, address(h, s, i) + 8 * (uint64_t)word, value, 8);
}

static uint32_t new_kind(struct heap *h, struct goheap_kind kind)
{
	*vec_push(&h->w.typing.kinds) = kind;
	return (uint32_t)h->w.typing.kinds.n - 1;
}

struct type_spec {
	const char *name;
	unsigned kind;
	uint64_t size, ptrdata;
	uint64_t more[4]; /* words behind the descriptor */
};

static uint64_t new_type(struct heap *h, uint64_t at, const struct type_spec *t)
{
	const struct gort_layout *l = h->g.layout;
	const struct {
		enum gort_field field;
		uint64_t value;
	} fields[] = {
		{ GORT_type_size, t->size }, { GORT_type_ptrdata, t->ptrdata },	  { GORT_type_kind, t->kind },
		{ GORT_type_align, 8 },	     { GORT_type_str, h->names - TYPES },
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		fixture_put(&h->f, gort_at(l, TYPES + at, fields[i].field), fields[i].value,
			    l->f[fields[i].field].size);
	for (size_t i = 0; i < 4; i++)
		fixture_put(&h->f, TYPES + at + gort_sizeof(l, GORT_type_SIZEOF) + 8 * i, t->more[i], 8);
	size_t len = strlen(t->name);
	fixture_put(&h->f, h->names + 1, len, 1);
	for (size_t i = 0; i < len; i++)
		fixture_put(&h->f, h->names + 2 + i, (unsigned char)t->name[i], 1);
	h->names += 64;
	return TYPES + at;
}

/* Edges know whether a pointer is to the start of its object. */
static void mark_interior(struct heap *h)
{
	for (uint32_t v = 0; v < h->w.objects.n_inner; v++) {
		uint32_t n = 0;
		struct goheap_object_at at = goheap_object_get(&h->w.objects, v), to;
		const graph_edge *e = graph_out(&h->w.graph, v, &n);
		struct graph_block *b = &h->w.graph.blocks[v >> GRAPH_BLOCK_SHIFT];
		for (uint32_t i = 0; i < n; i++) {
			uint64_t pointer = memsrc_ptr(&h->f.src, at.start + 8 * (uint64_t)graph_word(e[i]));
			if (goheap_object_find(&h->w.objects, pointer, &to) && to.offset)
				b->edges[e - b->edges + i] |= GRAPH_INTERIOR;
		}
	}
}

/* One root that leads to the first object of S2048; everything that was pointed to is reachable from it. */
static void run(struct heap *h)
{
	struct goheap_objects *o = &h->w.objects;
	*vec_push(&h->arrows) = (struct graph_arrow){ o->n, object(h, S2048, 0), 0 };
	struct graph_arrow_vec arrows = h->arrows;
	fixture_graph(&h->w.graph, o->n, o->n_inner, 1, &arrows);
	mark_interior(h);
	graph_reach_init(&h->w.reach, &h->w.graph);
	graph_reach_all_roots(&h->w.reach);
	assert_null(dominators_find(&h->w.graph, &h->w.dominators));
	h->w.typing.graph = &h->w.graph;
	assert_null(owners_holders_fill(&h->w));
}

/* map[int]int of 1.23: two buckets of 144 bytes, one that follows in stock of another array, a list of one outside. */
static void old_maps_are_counted_with_all_their_parts(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, 23);
	const struct gort_layout *l = h.g.layout;
	uint64_t bucket = new_type(&h, 0x100, &(struct type_spec){ "bucket", 25, 144, 144, { 0 } });
	uint64_t map = new_type(&h, 0x200, &(struct type_spec){ "map[int]int", 21, 8, 8, { 0, 0, bucket, 0 } });
	h.w.typing.kind[object(&h, S48, 0)] =
		new_kind(&h, (struct goheap_kind){ .form = GOHEAP_FORM_MAP, .rtype = map, .name = "map[int]int" });
	point(&h, S2048, 0, 1, address(&h, S48, 0));
	/* B is 0: one bucket, and one that follows */
	put(&h, S48, 0, 0, 11);
	point(&h, S48, 0, (unsigned)l->f[GORT_hmap_buckets].off / 8, address(&h, S144, 0));
	point(&h, S144, 0, 17, address(&h, S144, 1));
	run(&h);
	assert_int_equal(h.s.owners.maps.n, 1);
	const struct owners_map *m = &h.s.owners.maps.v[0];
	assert_string_equal(m->type, "map[int]int");
	assert_int_equal(m->maps, 1);
	assert_int_equal(m->entries, 11);
	assert_int_equal(m->capacity, 16);
	assert_int_equal(m->bytes, 48 + 2 * 144);
	assert_int_equal(m->recoverable, 0);
	teardown(&h);
}

/* map[int]*T of 1.24, with a directory of two tables, the first of which has two places in it. */
static void new_maps_are_counted_with_all_their_parts(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, 24);
	const struct gort_layout *l = h.g.layout;
	uint64_t group = new_type(&h, 0x100, &(struct type_spec){ "group", 25, 136, 136, { 0 } });
	uint64_t map = new_type(&h, 0x200, &(struct type_spec){ "map[int]*T", 21, 8, 8, { 0, 0, group, 0 } });
	h.w.typing.kind[object(&h, S48, 0)] =
		new_kind(&h, (struct goheap_kind){ .form = GOHEAP_FORM_MAP, .rtype = map, .name = "map[int]*T" });
	point(&h, S2048, 0, 1, address(&h, S48, 0));
	put(&h, S48, 0, 0, 12);
	put(&h, S48, 0, (unsigned)l->f[GORT_map_dirLen].off / 8, 3);
	point(&h, S48, 0, (unsigned)l->f[GORT_map_dirPtr].off / 8, address(&h, S160, 0));
	for (unsigned i = 0; i < 3; i++) /* tables stand in slots of 48 bytes here */
		point(&h, S160, 0, i, address(&h, S48, i < 2 ? 1 : 2));
	for (unsigned i = 0; i < 2; i++)
		point(&h, S48, 1 + i, (unsigned)l->f[GORT_table_groups_data].off / 8, address(&h, S144, i));
	run(&h);
	assert_int_equal(h.s.owners.maps.n, 1);
	const struct owners_map *m = &h.s.owners.maps.v[0];
	assert_int_equal(m->entries, 12);
	assert_int_equal(m->capacity, 16);
	assert_int_equal(m->bytes, 48 + 160 + 2 * 48 + 2 * 144);
	assert_int_equal(m->recoverable, m->bytes - (48 + 8 + 32 + 288));
	teardown(&h);
}

static void a_count_that_cannot_be_is_not_believed(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, 24);
	uint64_t group = new_type(&h, 0x100, &(struct type_spec){ "group", 25, 136, 136, { 0 } });
	uint64_t map = new_type(&h, 0x200, &(struct type_spec){ "map[int]*T", 21, 8, 8, { 0, 0, group, 0 } });
	h.w.typing.kind[object(&h, S48, 0)] =
		new_kind(&h, (struct goheap_kind){ .form = GOHEAP_FORM_MAP, .rtype = map, .name = "map[int]*T" });
	point(&h, S2048, 0, 1, address(&h, S48, 0));
	point(&h, S48, 0, (unsigned)h.g.layout->f[GORT_map_dirPtr].off / 8, address(&h, S144, 0));
	put(&h, S48, 0, 0, 9); /* in one group of 8 */
	run(&h);
	assert_int_equal(h.s.owners.maps.n, 0);
	assert_int_equal(h.s.owners.inconsistencies, 1);
	teardown(&h);
}

/* Two strings that are pieces of 128 KiB: what they use together lies between 1000 and `end`. */
static void pinned_string(struct heap *h, unsigned end)
{
	uint64_t string = new_type(h, 0x100, &(struct type_spec){ "string", 24, 16, 8, { 0 } });
	uint32_t array =
		new_kind(h, (struct goheap_kind){ .form = GOHEAP_FORM_ARRAY, .rtype = string, .name = "[]string" });
	h->w.typing.kind[object(h, S160, 0)] = array;
	point(h, S2048, 0, 1, address(h, S160, 0));
	point(h, S160, 0, 0, h->start[LARGE] + 1000);
	put(h, S160, 0, 1, 10);
	point(h, S160, 0, 2, h->start[LARGE] + end - 5);
	put(h, S160, 0, 3, 5);
}

static void strings_that_pin_a_large_one_are_named(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, 24);
	pinned_string(&h, 30000);
	run(&h);
	assert_int_equal(h.s.owners.waste.n, 1);
	const struct owners_waste *w = &h.s.owners.waste.v[0];
	assert_string_equal(w->rule, "string-pin");
	assert_int_equal(w->count, 1);
	assert_int_equal(w->bytes, LARGE_PAGES * GORT_PAGE - 29000);
	teardown(&h);

	setup(&h, 24);
	pinned_string(&h, 50000); /* more than the fourth part is in use */
	run(&h);
	assert_int_equal(h.s.owners.waste.n, 0);
	teardown(&h);
}

/* A length that leads out of its object is of another moment. */
static void a_string_that_does_not_fit_is_not_believed(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, 24);
	pinned_string(&h, 30000);
	put(&h, S160, 0, 3, UINT64_C(1) << 31);
	run(&h);
	assert_int_equal(h.s.owners.waste.n, 0);
	assert_int_equal(h.s.owners.inconsistencies, 1);
	teardown(&h);
}

/* []byte in structs: of an array of 128 KiB a hundred bytes are used, with room for `cap`. */
static const char *sliced(unsigned cap, uint64_t *bytes)
{
	struct heap h;
	setup(&h, 24);
	uint64_t byte = new_type(&h, 0x300, &(struct type_spec){ "uint8", 8, 1, 0, { 0 } });
	uint64_t slice = new_type(&h, 0x100, &(struct type_spec){ "[]uint8", 23, 24, 8, { byte, 0 } });
	h.w.typing.kind[object(&h, S48, 0)] =
		new_kind(&h, (struct goheap_kind){ .form = GOHEAP_FORM_VALUE, .rtype = slice, .name = "[]uint8" });
	point(&h, S2048, 0, 1, address(&h, S48, 0));
	point(&h, S48, 0, 0, h.start[LARGE] + 64);
	put(&h, S48, 0, 1, 100);
	put(&h, S48, 0, 2, cap);
	run(&h);
	assert_int_equal(h.s.owners.waste.n, 1);
	*bytes = h.s.owners.waste.v[0].bytes;
	const char *rule = h.s.owners.waste.v[0].rule; /* of a table */
	teardown(&h);
	return rule;
}

static void slices_tell_capacity_from_what_they_cannot_reach(void **state)
{
	(void)state;
	uint64_t bytes = 0;
	assert_string_equal(sliced(100000, &bytes), "slice-capacity");
	assert_int_equal(bytes, LARGE_PAGES * GORT_PAGE - 100);
	assert_string_equal(sliced(200, &bytes), "slice-pin");
	assert_int_equal(bytes, LARGE_PAGES * GORT_PAGE - 100);
}

/* A pointer to one element keeps the array; one to its start may be the way to all of it. */
static size_t pointed(unsigned offset)
{
	struct heap h;
	setup(&h, 24);
	uint64_t item = new_type(&h, 0x300, &(struct type_spec){ "main.Item", 25, 48, 0, { 0 } });
	uint64_t pointer = new_type(&h, 0x100, &(struct type_spec){ "*main.Item", 22, 8, 8, { item, 0 } });
	h.w.typing.kind[object(&h, S8, 0)] =
		new_kind(&h, (struct goheap_kind){ .form = GOHEAP_FORM_VALUE, .rtype = pointer, .name = "*main.Item" });
	point(&h, S2048, 0, 1, address(&h, S8, 0));
	point(&h, S8, 0, 0, h.start[LARGE] + offset);
	run(&h);
	size_t n = h.s.owners.waste.n;
	if (n)
		assert_string_equal(h.s.owners.waste.v[0].rule, "interior-pin");
	teardown(&h);
	return n;
}

static void pointers_into_the_middle_are_named(void **state)
{
	(void)state;
	assert_int_equal(pointed(480), 1);
	assert_int_equal(pointed(0), 0);
}

/* An object without a type points to it as well: nobody knows what that uses. */
static void what_unknown_objects_point_to_is_all_in_use(void **state)
{
	(void)state;
	struct heap h;
	setup(&h, 24);
	pinned_string(&h, 30000);
	point(&h, S2048, 0, 2, h.start[LARGE]);
	run(&h);
	assert_int_equal(h.s.owners.waste.n, 0);
	teardown(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_maps_are_counted_with_all_their_parts),
		cmocka_unit_test(new_maps_are_counted_with_all_their_parts),
		cmocka_unit_test(a_count_that_cannot_be_is_not_believed),
		cmocka_unit_test(strings_that_pin_a_large_one_are_named),
		cmocka_unit_test(a_string_that_does_not_fit_is_not_believed),
		cmocka_unit_test(slices_tell_capacity_from_what_they_cannot_reach),
		cmocka_unit_test(pointers_into_the_middle_are_named),
		cmocka_unit_test(what_unknown_objects_point_to_is_all_in_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
