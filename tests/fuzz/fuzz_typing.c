/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types of a heap whose type descriptors are damaged: the input chooses a layout, patches the descriptors, and gives the
 * pointers of the objects and what tells their types.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "fixture/types.h"
#include "goheap/typing.h"

enum { TYPES = 12, FIELDS = 8, EDGES = 64, SLOT = 48 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One type of each kind that points to others, all of them to their neighbours. */
static void make_types(struct types *t, uint64_t *type)
{
	static const struct {
		unsigned kind;
		uint8_t size, ptrdata;
		enum gort_field elem;
	} rows[TYPES] = {
		{ GORT_KIND_POINTER, 8, 8, GORT_ptrtype_elem },	  { GORT_KIND_STRUCT, 48, 48, GORT_ptrtype_elem },
		{ GORT_KIND_SLICE, 24, 8, GORT_slicetype_elem },  { GORT_KIND_MAP, 8, 8, GORT_maptype_elem },
		{ GORT_KIND_ARRAY, 48, 48, GORT_arraytype_elem }, { GORT_KIND_CHAN, 8, 8, GORT_chantype_elem },
		{ GORT_KIND_STRING, 16, 8, GORT_ptrtype_elem },	  { GORT_KIND_INTERFACE, 16, 16, GORT_ptrtype_elem },
		{ GORT_KIND_FUNC, 8, 8, GORT_ptrtype_elem },	  { GORT_KIND_STRUCT, 40, 40, GORT_ptrtype_elem },
		{ GORT_KIND_UINT8, 1, 0, GORT_ptrtype_elem },	  { GORT_KIND_UNSAFEPOINTER, 8, 8, GORT_ptrtype_elem },
	};
	for (size_t i = 0; i < TYPES; i++)
		type[i] = types_add(t, "main.T", rows[i].kind, rows[i].size, rows[i].ptrdata);
	for (size_t i = 0; i < TYPES; i++) {
		if (rows[i].kind == GORT_KIND_STRUCT) {
			for (uint64_t f = 0; f < FIELDS; f++)
				types_field(t, type[i], "f", type[f], f * 8);
			continue;
		}
		types_set(t, type[i], rows[i].elem, type[(i + 1) % TYPES]);
		if (rows[i].kind == GORT_KIND_MAP) {
			types_set(t, type[i], GORT_maptype_key, type[6]);
			types_set(t, type[i], GORT_maptype_part, type[9]);
		}
		if (rows[i].kind == GORT_KIND_ARRAY)
			types_set(t, type[i], GORT_arraytype_len, 3);
	}
}

static void patch(struct fixture *f, struct cursor *c, const uint64_t *type)
{
	for (unsigned n = cursor_u8(c) & 31; n; n--) {
		uint64_t at = cursor_u16(c);
		unsigned how = cursor_u8(c);
		uint64_t value = cursor_u64(c);
		if (how & 1)
			value = type[value % TYPES];
		fixture_put(f, TYPES_AT + at % (TYPES_LEN - 8), value, how & 2 ? 8 : 1);
	}
}

static void connect(struct graph *g, struct cursor *c, uint32_t objects)
{
	uint32_t *first = calloc(g->n_inner + 1, sizeof(*first));
	graph_edge *edges = calloc(EDGES, sizeof(*edges));
	uint32_t n = 0;
	for (uint32_t o = 0; o < g->n_inner; o++) {
		first[o] = n;
		for (unsigned k = o < EDGES ? cursor_u8(c) & 3 : 0; k && n < EDGES; k--) {
			unsigned word = cursor_u8(c), to = cursor_u8(c);
			edges[n++] = graph_edge_make(to % objects, word & 15, word & 16);
		}
	}
	first[g->n_inner] = n;
	graph_block_take(g, 0, first, edges);
}

static void use(const struct goheap_objects *o, struct graph *g, struct cursor *c, const uint64_t *type)
{
	struct goheap_seen_vec seen = { 0 };
	struct goheap_seed_vec seeds = { 0 };
	struct goheap_typing t;
	connect(g, c, o->n);
	while (!c->bad && cursor_left(c) >= 3) {
		unsigned how = cursor_u8(c), object = cursor_u8(c), of = cursor_u8(c);
		uint64_t rtype = how & 64 ? TYPES_AT + (uint64_t)of * 8 : type[of % TYPES];
		if (how & 128)
			*vec_push(&seen) = (struct goheap_seen){ object, how % 3, rtype };
		else
			*vec_push(&seeds) = (struct goheap_seed){ .addr = FIXTURE_ARENA + (uint64_t)object * SLOT,
								  .rtype = rtype,
								  .object = how & 1,
								  .array = how & 2,
								  .part = how & 4,
								  .closure = how & 8 };
	}
	struct err *err = goheap_typing_run(o, g, &seen, &seeds, &t);
	if (!err) {
		for (uint32_t kind = 0; kind < t.kinds.n; kind++) {
			uint32_t word = kind % 16;
			(void)goheap_typing_field(&t, kind, &word);
		}
		for (size_t i = 0; i < TYPES; i++)
			(void)gort_type_of_interface(&t.types, type[i] + 8);
		goheap_typing_deinit(&t);
	}
	err_free(err);
	vec_deinit(&seen);
	vec_deinit(&seeds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c;
	struct fixture f;
	struct gort g;
	struct gort_heap heap;
	struct goheap_objects o;
	struct graph graph;
	struct types types;
	uint64_t type[TYPES];
	cursor_init(&c, data, size);
	fixture_init(&f);
	fixture_heap(&f, &gort_layouts[cursor_u8(&c) % gort_layouts_count], &g);
	types_init(&types, &f, &g);
	make_types(&types, type);
	patch(&f, &c, type);
	struct err *err = gort_heap_read(&g, 1, &heap);
	if (!err) {
		err = goheap_objects_init(&g, &heap, &o);
		if (!err && !graph_init(&graph, o.n, o.n_inner)) {
			use(&o, &graph, &c, type);
			graph_deinit(&graph);
		}
		if (!err)
			goheap_objects_deinit(&o);
		gort_heap_deinit(&heap);
	}
	err_free(err);
	fixture_deinit(&f);
	return 0;
}
