/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "analysis/held.h"

enum { MIB = 1 << 20 };

static uint32_t add_root(struct snapshot *s, enum owners_root_kind kind, const char *name, uint64_t retained)
{
	struct owners_root_vec *roots = &s->owners.roots;
	*vec_push(roots) = (struct owners_root){
		.kind = kind,
		.name = name,
		.site = { .function = "", .file = "" },
		.goroutines = kind == OWNERS_STACK,
		.retained = retained,
		.retained_objects = 10,
	};
	s->owners.reachable += retained;
	return (uint32_t)roots->n - 1;
}

/* A path of these steps (the last one has no type), and one to each of their starts. */
static void add_paths(struct snapshot *s, uint32_t root, const struct owners_step *steps, uint64_t retained)
{
	struct owners *o = &s->owners;
	for (uint32_t n = 1; steps[n - 1].type; n++) {
		*vec_push(&o->paths) = (struct owners_path){ .root = root,
							     .step_at = (uint32_t)o->steps.n,
							     .step_n = n,
							     .retained = retained,
							     .objects = steps[n - 1].objects };
		for (uint32_t i = 0; i < n; i++)
			*vec_push(&o->steps) = steps[i];
	}
}

/* Both ends: a root with a path of these steps. */
struct ends {
	struct snapshot first, last;
	struct held h;
};

static void compare(struct ends *e, enum owners_root_kind kind, const char *name, const struct owners_step *then,
		    const struct owners_step *now)
{
	snapshot_init(&e->first);
	snapshot_init(&e->last);
	e->first.parts = e->last.parts = SNAPSHOT_OWNERS;
	add_paths(&e->first, add_root(&e->first, kind, name, 10 * MIB), then, 10 * MIB);
	add_root(&e->last, OWNERS_GLOBAL, "main.other", MIB); /* roots have other numbers at the end */
	add_paths(&e->last, add_root(&e->last, kind, name, 30 * MIB), now, 30 * MIB);
	held_compare(&e->first, &e->last, &e->h);
}

static void end(struct ends *e)
{
	snapshot_deinit(&e->first);
	snapshot_deinit(&e->last);
}

static const struct owners_step sessions_then[] = { { "map[string]*main.Session", NULL, 1, MIB },
						    { "*main.Session", NULL, 100, 9 * MIB },
						    { 0 } };
static const struct owners_step sessions_now[] = { { "map[string]*main.Session", NULL, 1, 2 * MIB },
						   { "*main.Session", NULL, 300, 28 * MIB },
						   { 0 } };

static void the_path_that_kept_more_is_found_with_its_container(void **state)
{
	struct ends e;
	compare(&e, OWNERS_GLOBAL, "main.sessions", sessions_then, sessions_now);
	assert_true(e.h.known);
	assert_string_equal(e.h.root->name, "main.sessions");
	assert_int_equal(e.h.path->step_n, 2);
	assert_int_equal((int)e.h.container, 0);
	assert_true(e.h.bytes == 20 * MIB && e.h.all == 21 * MIB && e.h.reachable == 21 * MIB);
	assert_true(e.h.elements == 300 && e.h.more == 200);
	assert_false(e.h.fixed);
	assert_string_equal(e.h.kind, "map");
	end(&e);
}

/* Sessions have items, which are more and larger than they are, and the path leads on to those. */
static void what_elements_are_made_of_is_kept_by_their_container(void **state)
{
	static const struct owners_step then[] = { { "map[string]*main.Session", NULL, 1, MIB },
						   { "*main.Session", NULL, 100, 4 * MIB },
						   { "[]main.Item", NULL, 300, 5 * MIB },
						   { 0 } };
	static const struct owners_step now[] = { { "map[string]*main.Session", NULL, 1, 2 * MIB },
						  { "*main.Session", NULL, 300, 13 * MIB },
						  { "[]main.Item", NULL, 900, 15 * MIB },
						  { 0 } };
	struct ends e;
	compare(&e, OWNERS_GLOBAL, "main.sessions", then, now);
	e.last.owners.paths.v[2].retained = 21 * MIB; /* of 30: there are other parts */
	held_compare(&e.first, &e.last, &e.h);
	assert_int_equal(e.h.path->step_n, 3);
	assert_true(e.h.bytes == 11 * MIB && e.h.kept == 20 * MIB && e.h.all == 21 * MIB);
	assert_string_equal(e.h.kind, "map");
	end(&e);
}

/* Objects of some other sort, held as the map is, became a few more. */
static void a_few_more_above_the_container_do_not_hide_it(void **state)
{
	static const struct owners_step then[] = { { "(no type)", NULL, 30, MIB },
						   { "map[string]*main.Session", NULL, 1, MIB },
						   { "*main.Session", NULL, 100, 8 * MIB },
						   { 0 } };
	static const struct owners_step now[] = { { "(no type)", NULL, 60, MIB },
						  { "map[string]*main.Session", NULL, 1, 2 * MIB },
						  { "*main.Session", NULL, 300, 27 * MIB },
						  { 0 } };
	struct ends e;
	compare(&e, OWNERS_STACK, "main goroutine", then, now);
	assert_int_equal((int)e.h.container, 1);
	assert_true(e.h.elements == 300 && e.h.more == 200);
	assert_string_equal(e.h.kind, "map");
	end(&e);
}

static void without_owners_at_both_ends_nothing_is_known(void **state)
{
	struct ends e;
	struct held h;
	compare(&e, OWNERS_GLOBAL, "main.sessions", sessions_then, sessions_now);
	e.first.parts = 0;
	held_compare(&e.first, &e.last, &h);
	assert_false(h.known);
	assert_null(h.root);
	held_compare(NULL, &e.last, &h);
	assert_false(h.known);
	end(&e);
}

static void a_walk_that_missed_most_of_the_heap_proves_nothing(void **state)
{
	struct ends e;
	compare(&e, OWNERS_GLOBAL, "main.sessions", sessions_then, sessions_now);
	e.last.owners.heap_marked = 60 * MIB; /* and 31 are reachable */
	held_compare(&e.first, &e.last, &e.h);
	assert_false(e.h.known);
	e.last.owners.heap_marked = 32 * MIB;
	held_compare(&e.first, &e.last, &e.h);
	assert_true(e.h.known);
	end(&e);
}

static void what_stands_still_has_no_holder(void **state)
{
	struct ends e;
	struct held h;
	compare(&e, OWNERS_GLOBAL, "main.sessions", sessions_then, sessions_now);
	held_compare(&e.last, &e.last, &h);
	assert_true(h.known);
	assert_null(h.root);
	held_compare(&e.last, &e.first, &h); /* it shrank */
	assert_null(h.root);
	end(&e);
}

static void an_array_that_fills_without_growing_has_a_bound(void **state)
{
	static const struct owners_step ring[] = { { "[][]byte", NULL, 1, 64 * 1024 },
						   { "[]byte", NULL, 100, 9 * MIB },
						   { 0 } };
	static const struct owners_step fuller[] = { { "[][]byte", NULL, 1, 64 * 1024 },
						     { "[]byte", NULL, 300, 29 * MIB },
						     { 0 } };
	static const struct owners_step larger[] = { { "[][]byte", NULL, 1, 80 * 1024 },
						     { "[]byte", NULL, 300, 29 * MIB },
						     { 0 } };
	struct ends e;
	compare(&e, OWNERS_GLOBAL, "main.ring", ring, fuller);
	assert_true(e.h.fixed);
	end(&e);
	compare(&e, OWNERS_GLOBAL, "main.slice", ring, larger);
	assert_false(e.h.fixed);
	assert_string_equal(e.h.kind, "heap");
	end(&e);
}

/* Container, element, how many at first and at last, bytes of the container, its length at last: is it one with a bound? */
struct bound {
	const char *holds, *element;
	uint64_t then, now, bytes, length;
	bool fixed;
};

static void fill(const struct bound *b, bool listed, struct ends *e)
{
	const struct owners_step few[] = { { b->holds, NULL, 1, b->bytes },
					   { listed ? b->element : NULL, NULL, b->then, MIB },
					   { 0 } };
	const struct owners_step many[] = { { b->holds, NULL, 1, b->bytes },
					    { b->element, NULL, b->now, 20 * MIB },
					    { 0 } };
	compare(e, OWNERS_GLOBAL, "main.store", few, many);
	e->last.owners.paths.v[0].length = b->length;
	held_compare(&e->first, &e->last, &e->h);
}

static void what_took_more_than_growing_leaves_room_for_has_a_bound(void **state)
{
	enum { SLOTS = 16384 };
	static const struct bound table[] = {
		/* append leaves a slice of this size 79 % full at least */
		{ "[][]byte", "[]byte", 4000, 4400, 24 * SLOTS, 0, true },
		{ "[]*main.T", "*main.T", 4000, 4400, 8 * SLOTS, 0, true },
		{ "[]*main.T", "*main.T", 13500, 15300, 8 * SLOTS, 0, false },
		{ "[]*main.T", "*main.T", 13500, 15300, 8 * SLOTS, 15300, false },
		/* its length is more than what is in it */
		{ "[]*main.T", "*main.T", 13500, 15300, 8 * SLOTS, SLOTS, true },
		/* of small ones half; of what type an element is, is not known */
		{ "[]*main.T", "*main.T", 140, 160, 8 * 256, 0, false },
		{ "[]main.T", "*main.U", 4000, 4400, 8 * SLOTS, 0, false },
		{ "[]main.T", "*main.U", 4000, 5400, 8 * SLOTS, 0, true },
		{ "map[int]*main.T", "*main.T", 1000, 1900, MIB, 0, false },
		{ "map[int]*main.T", "*main.T", 1000, 2200, MIB, 0, true },
		{ "chan *main.T", "*main.T", 1000, 1100, MIB, 0, true },
		{ "*[16384]*main.T", "*main.T", 13500, 15300, 8 * SLOTS, 0, true },
		{ "*main.list", "*main.node", 1000, 3000, 48, 0, false },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ends e;
		fill(&table[i], true, &e);
		assert_int_equal(e.h.fixed, table[i].fixed);
		end(&e);
	}
}

/* At first the elements were too few to be listed; the container was. */
static void a_container_that_was_empty_at_first_is_compared_too(void **state)
{
	struct ends e;
	fill(&(struct bound){ "[]*main.T", "*main.T", 0, 5000, 65536, 0, true }, false, &e);
	assert_true(e.h.fixed);
	end(&e);
	fill(&(struct bound){ "*main.list", "*main.node", 0, 5000, 48, 0, true }, false, &e);
	assert_false(e.h.fixed);
	end(&e);
}

static void a_list_is_held_by_its_root(void **state)
{
	static const struct owners_step then[] = { { "*main.node", NULL, 100, 10 * MIB }, { 0 } };
	static const struct owners_step now[] = { { "*main.node", NULL, 300, 30 * MIB }, { 0 } };
	struct ends e;
	compare(&e, OWNERS_GLOBAL, "main.head", then, now);
	assert_true(e.h.container == HELD_BY_ROOT);
	assert_true(e.h.more == 200);
	end(&e);
}

static void the_kind_is_what_holds_the_elements(void **state)
{
	static const struct {
		enum owners_root_kind root;
		const char *name, *holds, *element, *kind;
	} table[] = {
		{ OWNERS_GLOBAL, "main.m", "map[int]*main.T", "*main.T", "map" },
		{ OWNERS_GLOBAL, "main.m", "*internal/sync.HashTrieMap[interface {},interface {}]", "*main.T", "map" },
		{ OWNERS_GLOBAL, "main.s", "[]*main.T", "*main.T", "heap" },
		{ OWNERS_GLOBAL, "main.base", "*context.cancelCtx", "*context.timerCtx", "context" },
		{ OWNERS_GLOBAL, "main.base", "map[context.canceler]struct {}", "*context.cancelCtx", "context" },
		{ OWNERS_OTHER, "sync.allPools", "[]*sync.Pool", "*bytes.Buffer", "pool" },
		{ OWNERS_GLOBAL, "main.p", "[]sync.poolLocal", "*bytes.Buffer", "pool" },
		{ OWNERS_TIMER, "timers", "[]*time.Timer", "*time.Timer", "timer" },
		{ OWNERS_GLOBAL, "main.t", "[]*time.Ticker", "time.Timer", "timer" },
		{ OWNERS_STACK, "main.main", "map[int]*time.Ticker", "*time.Ticker", "timer" },
		{ OWNERS_GLOBAL, "main.t", "[]time.Time", "*time.Time", "heap" },
		{ OWNERS_FINALIZER, "finalizers", "*os.File", "*os.file", "finalizer" },
		{ OWNERS_STACK, "main.main", "map[int]*main.T", "*main.T", "map" },
		{ OWNERS_STACK, "main.main", "[]*main.T", "*main.T", "heap" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct owners_step then[] = { { table[i].holds, NULL, 1, MIB },
						    { table[i].element, NULL, 10, 9 * MIB },
						    { 0 } };
		const struct owners_step now[] = { { table[i].holds, NULL, 1, 2 * MIB },
						   { table[i].element, NULL, 30, 28 * MIB },
						   { 0 } };
		struct ends e;
		compare(&e, table[i].root, table[i].name, then, now);
		assert_string_equal(e.h.kind, table[i].kind);
		end(&e);
	}
}

/* Its nodes have no type when none of them was sampled. */
static void a_sync_map_is_known_by_the_list_of_holders(void **state)
{
	static const struct owners_step then[] = { { "(no type)", NULL, 200, MIB },
						   { "*main.T", NULL, 100, 9 * MIB },
						   { 0 } };
	static const struct owners_step now[] = { { "(no type)", NULL, 600, 2 * MIB },
						  { "*main.T", NULL, 300, 28 * MIB },
						  { 0 } };
	static const struct {
		const char *owner;
		uint64_t entries;
		const char *kind;
	} table[] = {
		{ "main.m -> (no type)", 330, "map" }, { "main.m -> (no type) -> *main.T", 330, "map" },
		{ "main.m -> (no type)", 3, "heap" }, /* of a few entries, one of which holds what grows */
		{ "main.m -> (no", 330, "heap" },      { "main.other -> (no type)", 330, "heap" },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ends e;
		compare(&e, OWNERS_GLOBAL, "main.m", then, now);
		e.last.owners.paths.v[1].text = "main.m -> (no type) -> *main.T";
		*vec_push(&e.last.owners.holders) = (struct owners_holder){ .kind = "sync.Map",
									    .owner = table[i].owner,
									    .elements = table[i].entries };
		held_compare(&e.first, &e.last, &e.h);
		assert_string_equal(e.h.kind, table[i].kind);
		end(&e);
	}
}

static void goroutines_that_become_more_are_of_their_own_kind(void **state)
{
	static const struct owners_step then[] = { { "[]byte", NULL, 10, 10 * MIB }, { 0 } };
	static const struct owners_step now[] = { { "[]byte", NULL, 30, 30 * MIB }, { 0 } };
	struct ends e;
	compare(&e, OWNERS_STACK, "main.worker created by main.start", then, now);
	e.last.owners.roots.v[1].goroutines = 30;
	held_compare(&e.first, &e.last, &e.h);
	assert_string_equal(e.h.kind, "goroutine");
	end(&e);
}

static void damaged_paths_are_passed_over(void **state)
{
	struct ends e;
	compare(&e, OWNERS_GLOBAL, "main.sessions", sessions_then, sessions_now);
	e.first.owners.paths.v[0].root = 99;
	e.first.owners.paths.v[1].step_n = UINT32_MAX;
	e.last.owners.paths.v[0].step_at = 1000;
	e.last.owners.paths.v[1].root = 99;
	held_compare(&e.first, &e.last, &e.h);
	assert_non_null(e.h.root);
	assert_null(e.h.path);
	end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_path_that_kept_more_is_found_with_its_container),
		cmocka_unit_test(what_elements_are_made_of_is_kept_by_their_container),
		cmocka_unit_test(a_few_more_above_the_container_do_not_hide_it),
		cmocka_unit_test(without_owners_at_both_ends_nothing_is_known),
		cmocka_unit_test(a_walk_that_missed_most_of_the_heap_proves_nothing),
		cmocka_unit_test(what_stands_still_has_no_holder),
		cmocka_unit_test(an_array_that_fills_without_growing_has_a_bound),
		cmocka_unit_test(what_took_more_than_growing_leaves_room_for_has_a_bound),
		cmocka_unit_test(a_container_that_was_empty_at_first_is_compared_too),
		cmocka_unit_test(a_list_is_held_by_its_root),
		cmocka_unit_test(the_kind_is_what_holds_the_elements),
		cmocka_unit_test(a_sync_map_is_known_by_the_list_of_holders),
		cmocka_unit_test(goroutines_that_become_more_are_of_their_own_kind),
		cmocka_unit_test(damaged_paths_are_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
