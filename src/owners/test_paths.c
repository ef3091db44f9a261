/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "fixture/graphs.h"
#include "owners/owners.h"

enum { SIZE = 64, SLOTS = 64 };

/*
 * main.Sessions -> map (kind 1) -> its groups (kind 2) -> three sessions (kind 3), each with a buffer (kind 4); the last one
 * is held by a goroutine as well. Object 9 has no type and no other root.
 */
enum { MAP = 1, GROUPS, SESSION, BUFFER, KINDS };

static const struct goheap_kind kinds[KINDS] = {
	{ .name = "(no type)" },
	{ .form = GOHEAP_FORM_MAP, .name = "map[string]*main.Session" },
	{ .form = GOHEAP_FORM_MAP_PART, .name = "map[string]*main.Session (groups)" },
	{ .form = GOHEAP_FORM_VALUE, .name = "main.Session" },
	{ .form = GOHEAP_FORM_ARRAY, .name = "[]byte" },
};

static const uint32_t kind_of[] = { MAP, GROUPS, SESSION, SESSION, SESSION, 0, BUFFER, BUFFER, BUFFER };

enum { OBJECTS = sizeof(kind_of) / sizeof(kind_of[0]), INNER = 6, GLOBAL = 0, STACK = 1, ROOTS = 2 };

struct world {
	struct gort gort;
	struct owners_input in;
	struct snapshot snapshot;
	struct owners_work work;
	struct graph_arrow_vec arrows;
};

/* One span of 64-byte slots, as far as sizes are asked for. */
static void make_objects(struct owners_work *w)
{
	struct goheap_objects *o = &w->objects;
	*vec_push(&w->heap.spans) = (struct gort_span){ .start = 0xc000000000, .npages = 1, .nelems = SLOTS };
	o->heap = &w->heap;
	o->n = OBJECTS;
	o->n_inner = INNER;
	*vec_push(&o->spans) = (struct goheap_slots){ 0, 0 };
	o->places = xcalloc(1, sizeof(*o->places));
	o->places[0] = (struct goheap_place){ .start = 0xc000000000, .size = SIZE, .slots = SLOTS };
	o->coarse = xcalloc(1, sizeof(*o->coarse));
	o->allocated = xcalloc(1, sizeof(*o->allocated));
}

static void make(struct world *w, bool typed, const char *type)
{
	*w = (struct world){ .in = { .type = type } };
	w->in.g = &w->gort;
	snapshot_init(&w->snapshot);
	struct owners_work *work = &w->work;
	owners_work_init(work, &w->in, &w->snapshot);
	make_objects(work);
	static const uint32_t arrows[][2] = {
		{ OBJECTS + GLOBAL, 0 },
		{ 0, 1 },
		{ 1, 2 },
		{ 1, 3 },
		{ 1, 4 },
		{ 2, 6 },
		{ 3, 7 },
		{ 4, 8 },
		{ OBJECTS + STACK, 4 },
		{ OBJECTS + STACK, 5 },
	};
	for (size_t i = 0; i < sizeof(arrows) / sizeof(arrows[0]); i++)
		fixture_arrow(&w->arrows, arrows[i][0], arrows[i][1]);
	fixture_graph(&work->graph, OBJECTS, INNER, ROOTS, &w->arrows);
	for (uint32_t k = 0; typed && k < KINDS; k++)
		*vec_push(&work->typing.kinds) = kinds[k];
	uint32_t copy[OBJECTS];
	memcpy(copy, kind_of, sizeof(copy));
	work->typing.kind = typed ? copy : NULL;
	*vec_push(&work->out->roots) = (struct owners_root){
		.name = "main.run", .kind = OWNERS_STACK, .goroutines = 2, .blocked_at = "select"
	};
	*vec_push(&work->out->roots) =
		(struct owners_root){ .name = "main.Sessions", .kind = OWNERS_GLOBAL, .used_by = "main.leak" };
	*vec_push(&work->root_of) = 1;
	*vec_push(&work->root_of) = 0;
	work->out->reachable = OBJECTS * SIZE;
	assert_null(dominators_find(&work->graph, &work->dominators));
	assert_null(owners_paths_fill(work));
	work->typing.kind = NULL;
}

static void drop(struct world *w)
{
	vec_deinit(&w->work.typing.kinds);
	owners_work_deinit(&w->work);
	snapshot_deinit(&w->snapshot);
	vec_deinit(&w->arrows);
}

static const struct owners_path *path_named(const struct world *w, const char *text)
{
	const struct owners_path_vec *paths = &w->work.out->paths;
	for (size_t i = 0; i < paths->n; i++)
		if (strcmp(paths->v[i].text, text) == 0)
			return &paths->v[i];
	fail_msg("there is no path \"%s\"", text);
	return NULL;
}

static void a_path_tells_who_holds_what_in_words(void **state)
{
	struct world w;
	make(&w, true, NULL);
	static const char start[] = "main.Sessions (global, used by main.leak) -> map[string]*main.Session";
	const struct owners_path *map = &w.work.out->paths.v[0]; /* the largest */
	assert_string_equal(map->text, start);
	assert_int_equal(map->retained, 6 * SIZE); /* the map, its groups, two sessions with their buffers */
	assert_int_equal(map->objects, 6);
	assert_int_equal(map->step_n, 1);
	char text[256];
	snprintf(text, sizeof(text), "%s -> *main.Session -> []byte", start);
	const struct owners_path *buffers = path_named(&w, text);
	assert_int_equal(buffers->retained, 2 * SIZE);
	assert_int_equal(buffers->step_n, 3);
	const struct owners_step *step = &w.work.out->steps.v[buffers->step_at];
	assert_string_equal(step[0].type, "map[string]*main.Session");
	assert_int_equal(step[0].objects, 1);
	assert_int_equal(step[0].bytes, 2 * SIZE);
	assert_string_equal(step[1].type, "*main.Session");
	assert_int_equal(step[1].objects, 2);
	assert_string_equal(owners_path_text(&w.work, 6), text);
	assert_ptr_equal(owners_path_text(&w.work, 6), owners_path_text(&w.work, 7));
	assert_null(owners_path_text(&w.work, OBJECTS));
	drop(&w);
}

static void what_several_roots_hold_has_a_row_of_its_own(void **state)
{
	struct world w;
	make(&w, true, NULL);
	const struct owners_root_vec *roots = &w.work.out->roots;
	assert_int_equal(roots->n, 3);
	assert_string_equal(roots->v[0].name, "main.Sessions");
	assert_int_equal(roots->v[0].retained, 6 * SIZE);
	assert_string_equal(roots->v[1].name, "(several roots)");
	assert_int_equal(roots->v[1].retained, 2 * SIZE);
	assert_string_equal(roots->v[2].name, "main.run");
	assert_int_equal(roots->v[2].retained, SIZE);
	assert_int_equal(w.work.root_of.v[GLOBAL], 0);
	assert_int_equal(w.work.root_of.v[STACK], 2);
	assert_int_equal(w.work.root_of.v[ROOTS], 1);
	assert_int_equal(path_named(&w, "(several roots) -> *main.Session")->root, 1);
	path_named(&w, "main.run (2 goroutines, in select) -> (no type)");
	drop(&w);
}

static void types_count_what_all_their_objects_keep(void **state)
{
	struct world w;
	make(&w, true, NULL);
	const struct owners_type_vec *types = &w.work.out->types;
	assert_int_equal(types->n, 4);
	assert_string_equal(types->v[3].type, "(no type)"); /* last, whatever it has */
	for (size_t i = 0; i < 3; i++) {
		bool session = strcmp(types->v[i].type, "main.Session") == 0;
		bool map = strcmp(types->v[i].type, "map[string]*main.Session") == 0;
		assert_int_equal(types->v[i].objects, map ? 2 : 3);
		assert_int_equal(types->v[i].retained, (session || map ? 6 : 3) * SIZE);
	}
	assert_true(w.work.out->typed_ratio > 0.88 && w.work.out->typed_ratio < 0.89); /* 8 of 9 */
	drop(&w);
}

static void one_type_can_be_asked_for(void **state)
{
	static const char *const asked[] = { "main.Session", "*main.Session", "[]main.Session" };
	for (size_t i = 0; i < 3; i++) {
		struct world w;
		make(&w, true, asked[i]);
		assert_int_equal(w.work.out->paths.n, 2);
		path_named(&w,
			   "main.Sessions (global, used by main.leak) -> map[string]*main.Session -> *main.Session");
		path_named(&w, "(several roots) -> *main.Session");
		drop(&w);
	}
}

static void without_types_there_are_sums_all_the_same(void **state)
{
	struct world w;
	make(&w, false, NULL);
	assert_int_equal(w.work.out->roots.v[0].retained, 6 * SIZE);
	assert_int_equal(w.work.out->types.n, 1);
	assert_true(w.work.out->typed_ratio <= 0);
	path_named(&w, "main.Sessions (global, used by main.leak) -> (no type)");
	drop(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_tells_who_holds_what_in_words),
		cmocka_unit_test(what_several_roots_hold_has_a_row_of_its_own),
		cmocka_unit_test(types_count_what_all_their_objects_keep),
		cmocka_unit_test(one_type_can_be_asked_for),
		cmocka_unit_test(without_types_there_are_sums_all_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
