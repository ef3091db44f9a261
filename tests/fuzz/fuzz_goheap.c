/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects, roots, pointers and what they reach over damaged memory: the input is a list of patches {where, value} applied to
 * the fixture heap of some layout, its contents and types among them. The first byte picks the layout.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "fixture/fixture.h"
#include "goheap/pointers.h"
#include "goheap/root.h"
#include "graph/dominators.h"
#include "graph/reach.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MODULE UINT64_C(0x6200000)
#define TYPES UINT64_C(0x6300000)

enum { ARENA_PAGES = 16, TYPES_LEN = 4096, PATCH = 11 };

static void patch(struct fixture *f, struct cursor *c)
{
	while (cursor_left(c) >= PATCH) {
		struct fixture_region *r = &f->regions.v[cursor_u8(c) % f->regions.n];
		size_t at = cursor_u16(c);
		uint64_t value = cursor_u64(c);
		fixture_put(f, r->addr + at * 8 % r->len, value, 8);
	}
}

static void use_graph(const struct goheap_objects *o, struct graph *g)
{
	struct graph_reach reach;
	struct dominators d = { 0 };
	graph_reach_init(&reach, g);
	for (uint32_t v = 0; v < o->n; v++) {
		uint32_t n = 0;
		const graph_edge *e = graph_out(g, v, &n);
		for (uint32_t i = 0; i < n; i++) {
			if (!goheap_object_allocated(o, graph_target(e[i])))
				abort(); /* an edge leads to an object */
		}
		graph_reach_from(&reach, v);
	}
	graph_reach_deinit(&reach);
	struct err *err = dominators_find(g, &d);
	if (!err)
		dominators_deinit(&d);
	err_free(err);
}

static void use(const struct gort *g, const struct gort_heap *h)
{
	struct goheap_objects o = { 0 };
	struct goheap_roots roots = { 0 };
	struct goheap_pointers p = { 0 };
	struct graph graph = { 0 };
	struct err *err = goheap_objects_init(g, h, &o);
	if (!err)
		err = goheap_roots_read(&o, &roots);
	err_free(err);
	err = o.places ? graph_init(&graph, o.n, o.n_inner) : NULL;
	if (!err && o.places)
		err = goheap_pointers_read(&o, &graph, &p);
	if (!err && o.places)
		use_graph(&o, &graph);
	err_free(err);
	for (uint32_t v = 0; v < o.n; v++) {
		struct goheap_object_at at = goheap_object_get(&o, v), again;
		if (!goheap_object_find(&o, at.start, &again) || again.number != v)
			abort(); /* there and back is the same */
	}
	graph_deinit(&graph);
	goheap_pointers_deinit(&p);
	goheap_roots_deinit(&roots);
	goheap_objects_deinit(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c;
	cursor_init(&c, data, size);
	struct fixture f;
	struct gort g;
	struct gort_heap h;
	fixture_init(&f);
	const struct gort_layout *l = &gort_layouts[cursor_u8(&c) % gort_layouts_count];
	fixture_heap(&f, l, &g);
	fixture_region(&f, FIXTURE_ARENA, (size_t)ARENA_PAGES * GORT_PAGE);
	fixture_region(&f, MODULE, gort_sizeof(l, GORT_moduledata_SIZEOF));
	fixture_region(&f, TYPES, TYPES_LEN);
	g.module.moduledata = MODULE;
	fixture_put(&f, gort_at(l, MODULE, GORT_moduledata_types), TYPES, 8);
	fixture_put(&f, gort_at(l, MODULE, GORT_moduledata_etypes), TYPES + TYPES_LEN, 8);
	g.globals.addr[GORT_VAR_ALLGS] = FIXTURE_LIST;
	g.globals.addr[GORT_VAR_PERSISTENTCHUNKS] = FIXTURE_LIST + 24;
	g.globals.addr[GORT_VAR_ALLFIN] = FIXTURE_LIST + 32;
	g.globals.addr[GORT_VAR_GCCLEANUPS] = FIXTURE_LIST;
	patch(&f, &c);
	struct err *err = gort_heap_read(&g, 1, &h);
	if (!err) {
		use(&g, &h);
		gort_heap_deinit(&h);
	}
	err_free(err);
	fixture_deinit(&f);
	return 0;
}
