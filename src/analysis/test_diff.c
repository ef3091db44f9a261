/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/diff.h"

enum { INPUTS = 5 };

/* Inputs that a test fills, and what came of them. */
struct bench {
	struct snapshot s[INPUTS];
	struct diff_input inputs[INPUTS];
	struct diff d;
	struct err *err;
};

static const char *const names[INPUTS] = { "base", "b", "c", "d", "e" };

static void start(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	for (int i = 0; i < INPUTS; i++) {
		snapshot_init(&b->s[i]);
		b->inputs[i] = (struct diff_input){ .name = names[i], .s = &b->s[i] };
	}
}

static void compare(struct bench *b, size_t n, struct diff_options opt)
{
	b->err = diff_make(b->inputs, n, &opt, &b->d);
}

static void end(struct bench *b)
{
	err_free(b->err);
	diff_deinit(&b->d);
	for (int i = 0; i < INPUTS; i++)
		snapshot_deinit(&b->s[i]);
}

static void allocate(struct snapshot *s, const char *function, const char *file, uint32_t line, int64_t objects,
		     int64_t bytes)
{
	struct profile *p = &s->heap.profile;
	uint32_t frames[] = {
		stacks_frame(&p->stacks,
			     &(struct frame){ .function = function, .file = file, .line = line, .addr = 4096 + line }),
		stacks_frame(&p->stacks, &(struct frame){ .function = "main.main", .file = "/src/main.go", .line = 9 }),
	};
	int64_t *v = profile_sample_add(p, stacks_add(&p->stacks, frames, 2));
	v[HEAP_ALLOC_OBJECTS] = 2 * objects;
	v[HEAP_ALLOC_SPACE] = 2 * bytes;
	v[HEAP_INUSE_OBJECTS] = objects;
	v[HEAP_INUSE_SPACE] = bytes;
	s->parts |= SNAPSHOT_HEAP;
}

static void type(struct snapshot *s, const char *name, uint64_t objects, uint64_t bytes)
{
	*vec_push(&s->heap.types) = (struct heap_type){ name, objects, bytes };
	s->parts |= SNAPSHOT_CENSUS;
}

static void run(struct snapshot *s, uint64_t id, const char *creator, const char *where, const char *reason)
{
	struct goroutines *gs = &s->goroutines;
	*vec_push(&gs->v) = (struct goroutine){
		.id = id,
		.state = "waiting",
		.wait_reason = reason,
		.wait_ns = -1,
		.stack_bytes = ACCOUNT_UNKNOWN,
		.stack = stacks_place(&gs->stacks, where, "/src/a.go", 5),
		.created_by = creator ? stacks_place(&gs->stacks, creator, "/src/a.go", 3) : 0,
		.count = 1,
		.fd = -1,
	};
	gs->total++;
	s->parts |= SNAPSHOT_GOROUTINES;
}

static void identify(struct snapshot *s, int pid, const char *build)
{
	s->id = (struct snapshot_identity){ .pid = pid, .boot_id = "boot", .start_ticks = 77, .build_id = build };
}

static const struct diff_group *find(struct bench *b, const char *key)
{
	assert_null(b->err);
	for (size_t i = 0; i < b->d.shown; i++) {
		if (strcmp(diff_key(&b->d, &b->d.groups.v[i]), key) == 0)
			return &b->d.groups.v[i];
	}
	fail_msg("no group %s", key);
	return NULL;
}

static bool noted(const struct bench *b, const char *words)
{
	for (size_t i = 0; i < b->d.notes.n; i++) {
		if (strstr(b->d.notes.v[i], words))
			return true;
	}
	return false;
}

/* ---- sites ---- */

static void stacks_match_by_function_file_and_line(void **state)
{
	struct bench b;
	start(&b);
	allocate(&b.s[0], "main.load", "/a/store.go", 42, 10, 1000);
	allocate(&b.s[0], "main.load", "/a/store.go", 50, 1, 10);
	allocate(&b.s[1], "main.load", "/b/store.go", 42, 30, 3000); /* another folder */
	allocate(&b.s[1], "main.load", "/b/store.go", 42, 5, 500);   /* another bucket of the same place */
	allocate(&b.s[1], "main.keep", "/b/store.go", 7, 1, 64);
	compare(&b, 2, (struct diff_options){ .by = DIFF_SITE });
	const struct diff_group *g = find(&b, "main.load (store.go:42)");
	assert_ptr_equal(g, &b.d.groups.v[0]);
	assert_int_equal(diff_values(&b.d, g)[0].bytes, 1000);
	assert_int_equal(diff_values(&b.d, g)[1].bytes, 3500);
	assert_int_equal(g->delta.bytes, 2500);
	assert_int_equal(g->delta.objects, 25);
	assert_string_equal(diff_path(&b.d, g), "main.main > main.load");
	assert_int_equal(find(&b, "main.keep (store.go:7)")->delta.bytes, 64);
	assert_int_equal(find(&b, "main.load (store.go:50)")->delta.bytes, -10);
	assert_int_equal(b.d.totals[0].bytes, 1010);
	assert_int_equal(b.d.totals[1].bytes, 3564);
	end(&b);
}

static void other_builds_match_by_functions(void **state)
{
	for (int same = 0; same < 2; same++) {
		struct bench b;
		start(&b);
		identify(&b.s[0], 1, "aaaa");
		identify(&b.s[1], 2, same ? "aaaa" : "bbbb");
		allocate(&b.s[0], "main.load", "store.go", 42, 10, 1000);
		allocate(&b.s[1], "main.load", "store.go", 45, 30, 3000);
		compare(&b, 2, (struct diff_options){ .by = DIFF_SITE });
		assert_null(b.err);
		assert_int_equal(b.d.shown, same ? 2 : 1);
		assert_int_equal(noted(&b, "the builds differ"), !same);
		assert_int_equal(find(&b, "main.load (store.go:45)")->delta.bytes, same ? 3000 : 2000);
		end(&b);
	}
}

static void unknown_builds_are_told_by_their_lines(void **state)
{
	for (int moved = 0; moved < 2; moved++) {
		struct bench b;
		start(&b);
		allocate(&b.s[0], "main.load", "store.go", 42, 10, 1000);
		allocate(&b.s[0], "main.keep", "store.go", 50, 10, 900);
		allocate(&b.s[1], "main.load", "store.go", 42 + (uint32_t)moved, 10, 1000);
		allocate(&b.s[1], "main.keep", "store.go", 50 + (uint32_t)moved, 10, 950);
		compare(&b, 2, (struct diff_options){ .by = DIFF_SITE });
		assert_int_equal(b.d.shown, 2);
		assert_int_equal(noted(&b, "not those of one build"), moved);
		end(&b);
	}
}

static void other_values_are_compared_when_asked(void **state)
{
	struct bench b;
	start(&b);
	allocate(&b.s[0], "main.load", "store.go", 42, 10, 1000);
	allocate(&b.s[1], "main.load", "store.go", 42, 11, 1100);
	compare(&b, 2, (struct diff_options){ .by = DIFF_SITE, .sample_index = "alloc_objects" });
	const struct diff_group *g = find(&b, "main.load (store.go:42)");
	assert_false(b.d.by_bytes);
	assert_int_equal(diff_main(&b.d, g->delta), 2);
	assert_int_equal(g->delta.bytes, 200);
	end(&b);
	start(&b);
	allocate(&b.s[0], "main.load", "store.go", 42, 10, 1000);
	allocate(&b.s[1], "main.load", "store.go", 42, 11, 1100);
	compare(&b, 2, (struct diff_options){ .by = DIFF_SITE, .sample_index = "cpu" });
	assert_int_equal(err_code(b.err), ERR_ARG);
	end(&b);
}

static void the_same_collection_cannot_show_growth(void **state)
{
	for (uint64_t later = 0; later < 2; later++) {
		struct bench b;
		start(&b);
		for (int i = 0; i < 2; i++) {
			allocate(&b.s[i], "main.load", "store.go", 42, 10, 1000);
			identify(&b.s[i], 1, "aaaa");
			b.s[i].clock.gc_count = b.s[i].clock.gc_count_end = 7 + later * (uint64_t)i;
			b.s[i].clock.wall = 100000000000 + 9000000000 * i;
			b.s[i].clock.last_gc_wall = 90000000000 + (int64_t)later * 5000000000 * i;
		}
		compare(&b, 2, (struct diff_options){ .by = DIFF_SITE });
		assert_int_equal(noted(&b, "no garbage collection ended"), !later);
		if (later) /* the time of the collections, not of the snapshots */
			assert_true(fabs(b.d.seconds[1] - 5) < 1e-9);
		else
			assert_true(isnan(b.d.seconds[1]));
		end(&b);
	}
}

/* ---- types and classes ---- */

static void arrays_are_of_one_class_whatever_their_length(void **state)
{
	for (int by_class = 0; by_class < 2; by_class++) {
		struct bench b;
		start(&b);
		type(&b.s[0], "byte[1000]", 500, 508000);
		type(&b.s[0], "byte[2000]", 200, 403200);
		type(&b.s[0], "java.lang.String[5][]", 1, 40);
		type(&b.s[1], "byte[1000]", 1500, 1524000);
		type(&b.s[1], "byte[2000]", 200, 403200);
		type(&b.s[1], "Leak$Session", 3, 96);
		compare(&b, 2, (struct diff_options){ .by = by_class ? DIFF_CLASS : DIFF_TYPE });
		assert_int_equal(find(&b, by_class ? "byte[]" : "byte[1000]")->delta.objects, 1000);
		assert_int_equal(find(&b, "Leak$Session")->delta.bytes, 96);
		assert_int_equal(find(&b, by_class ? "java.lang.String[][]" : "java.lang.String[5][]")->delta.bytes,
				 -40);
		if (!by_class)
			assert_int_equal(find(&b, "byte[2000]")->delta.objects, 0);
		end(&b);
	}
}

static void few_instances_are_left_out_below_the_threshold(void **state)
{
	for (uint64_t threshold = 0; threshold < 12; threshold += 5) {
		struct bench b;
		start(&b);
		type(&b.s[0], "A", 10, 1000);
		type(&b.s[1], "A", 20, 2000);	  /* 10 more */
		type(&b.s[1], "B", 4, 400000000); /* 4 more, but large */
		compare(&b, 2, (struct diff_options){ .by = DIFF_TYPE, .leak_threshold = threshold });
		assert_int_equal(b.d.shown, threshold == 0 ? 2 : threshold == 5 ? 1 : threshold == 10 ? 1 : 0);
		assert_int_equal(b.d.totals[1].objects, 24); /* of all */
		end(&b);
	}
}

static void classes_of_the_account_are_compared(void **state)
{
	struct bench b;
	start(&b);
	for (uint64_t i = 0; i < 2; i++) {
		b.s[i].parts = SNAPSHOT_ACCOUNT;
		b.s[i].account.classes[CLASS_GO_HEAP_LIVE].resident = 4096 + i * 8192;
		b.s[i].clock.gc_phase = i ? "mark" : "off";
	}
	enum diff_by by = DIFF_SITE;
	assert_null(diff_choose(b.inputs, 2, &by));
	assert_int_equal(by, DIFF_CLASS);
	compare(&b, 2, (struct diff_options){ .by = by });
	const struct diff_group *g = find(&b, "go.heap.live");
	assert_int_equal(g->delta.bytes, 8192);
	assert_int_equal(g->delta.objects, DIFF_UNKNOWN);
	assert_int_equal(b.d.shown, 1);
	assert_true(noted(&b, "while the garbage collector marked"));
	end(&b);
}

/* ---- goroutines ---- */

static void goroutines_of_one_process_survive_by_id(void **state)
{
	struct bench b;
	start(&b);
	identify(&b.s[0], 1, "aaaa");
	identify(&b.s[1], 1, "aaaa");
	run(&b.s[0], 1, NULL, "main.main", "select");
	run(&b.s[0], 20, "main.serve", "main.work", "chan receive");
	run(&b.s[0], 21, "main.serve", "main.work", "chan receive");
	run(&b.s[1], 1, NULL, "main.main", "select");
	run(&b.s[1], 21, "main.serve", "main.work", "chan receive");
	run(&b.s[1], 22, "main.serve", "main.work", "chan receive");
	run(&b.s[1], 23, "main.serve", "main.work", "chan receive");
	compare(&b, 2, (struct diff_options){ .by = DIFF_SITE });
	const struct diff_group *g = find(&b, "main.work (a.go:5)");
	assert_int_equal(g->delta.objects, 1);
	assert_int_equal(g->survived, 1);
	assert_int_equal(g->new, 2);
	assert_int_equal(g->gone, 1);
	assert_string_equal(diff_path(&b.d, g), "main.serve > main.work");
	diff_deinit(&b.d);
	compare(&b, 2, (struct diff_options){ .by = DIFF_GOROUTINE });
	assert_int_equal(find(&b, "goroutine 22")->new, 1);
	assert_int_equal(find(&b, "goroutine 20")->gone, 1);
	assert_int_equal(find(&b, "goroutine 21")->survived, 1);
	diff_deinit(&b.d);
	compare(&b, 2, (struct diff_options){ .by = DIFF_STATE });
	assert_int_equal(find(&b, "chan receive")->delta.objects, 1);
	assert_int_equal(find(&b, "chan receive")->gone, 1);
	end(&b);
}

static void goroutines_of_other_processes_do_not(void **state)
{
	struct bench b;
	start(&b);
	identify(&b.s[0], 1, "aaaa");
	identify(&b.s[1], 2, "aaaa");
	run(&b.s[0], 1, NULL, "main.main", "select");
	run(&b.s[1], 1, NULL, "main.main", "select");
	compare(&b, 2, (struct diff_options){ .by = DIFF_SITE });
	assert_int_equal(find(&b, "main.main (a.go:5)")->survived, -1);
	assert_true(noted(&b, "do not seem to be of one process"));
	diff_deinit(&b.d);
	compare(&b, 2, (struct diff_options){ .by = DIFF_GOROUTINE });
	assert_int_equal(err_code(b.err), ERR_ARG);
	end(&b);
}

/* Text says no process: ids must fit. */
static void dumps_are_of_one_process_only_when_their_ids_fit(void **state)
{
	static const struct {
		const char *creator; /* in the second dump */
		uint64_t first_new;  /* id of its new goroutines */
		uint64_t kept;	     /* of ten */
		bool node, same;
	} cases[] = {
		{ "main.serve", 100, 8, false, true },
		{ "main.other", 100, 8, false, false }, /* the same ids are of others */
		{ "main.serve", 200, 0, false, false }, /* nothing in common */
		{ "main.serve", 12, 4, false, false },	/* many new ids between old ones */
		{ "main.serve", 100, 8, true, false },	/* a node is another process */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench b;
		start(&b);
		for (uint64_t k = 0; k < 10; k++)
			run(&b.s[0], 10 + 3 * k, "main.serve", "main.work", "select");
		for (uint64_t k = 0; k < cases[i].kept; k++)
			run(&b.s[1], 10 + 3 * k, cases[i].creator, "main.work", "select");
		for (uint64_t k = 0; k < 6; k++)
			run(&b.s[1], cases[i].first_new + 3 * k, "main.serve", "main.work", "select");
		b.inputs[1].node = cases[i].node;
		compare(&b, 2, (struct diff_options){ .by = DIFF_STATE });
		const struct diff_group *g = find(&b, "select");
		assert_int_equal(g->survived >= 0, cases[i].same);
		assert_int_equal(noted(&b, "taken as one process's"), cases[i].same);
		if (cases[i].same) {
			assert_int_equal(g->survived, 8);
			assert_int_equal(g->new, 6);
			assert_int_equal(g->gone, 2);
		}
		end(&b);
	}
}

/* ---- nodes ---- */

static void the_node_that_differs_is_named(void **state)
{
	static const struct {
		int64_t bytes[4];
		int odd; /* -1: none */
	} cases[] = {
		{ { 1000, 1010, 5000, 990 }, 2 },   { { 1000, 1000, 1000, 1000 }, -1 },
		{ { 1000, 1300, 1700, 900 }, -1 },  /* they all differ */
		{ { 1000, 1000, 1000, 1500 }, -1 }, /* not twice as much */
		{ { 1000, 1000, 100, 1000 }, 2 },   /* less counts too */
		{ { 10, 10, 10, 40 }, -1 },	    /* of no importance beside the rest */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench b;
		start(&b);
		for (int k = 0; k < 4; k++) {
			b.inputs[k].node = true;
			allocate(&b.s[k], "main.load", "store.go", 42, 1, cases[i].bytes[k]);
			allocate(&b.s[k], "main.all", "store.go", 7, 1, 9000);
		}
		compare(&b, 4, (struct diff_options){ .by = DIFF_SITE });
		assert_null(b.err);
		assert_int_equal(b.d.outliers.n, cases[i].odd >= 0);
		if (cases[i].odd >= 0)
			assert_int_equal(b.d.outliers.v[0].input, cases[i].odd);
		assert_true(isnan(b.d.seconds[1]));
		end(&b);
	}
}

static void nodes_rank_by_the_one_that_grew_most_and_moments_by_the_last(void **state)
{
	for (int node = 0; node < 2; node++) {
		struct bench b;
		start(&b);
		static const int64_t bytes[] = { 100, 900, 300 };
		for (int k = 0; k < 3; k++) {
			b.inputs[k].node = node;
			allocate(&b.s[k], "main.load", "store.go", 42, 1, bytes[k]);
		}
		compare(&b, 3, (struct diff_options){ .by = DIFF_SITE });
		const struct diff_group *g = find(&b, "main.load (store.go:42)");
		assert_int_equal(g->delta.bytes, node ? 800 : 200);
		assert_int_equal(g->of, node ? 1 : 2);
		end(&b);
	}
}

/* ---- what cannot be compared ---- */

static void what_has_nothing_in_common_is_refused(void **state)
{
	struct bench b;
	start(&b);
	enum diff_by by = DIFF_SITE;
	type(&b.s[0], "A", 1, 1);
	run(&b.s[1], 1, NULL, "main.main", "select");
	AUTO(err) struct err *err = diff_choose(b.inputs, 2, &by);
	assert_int_equal(err_code(err), ERR_ARG);
	type(&b.s[1], "A", 1, 1);
	compare(&b, 2, (struct diff_options){ .by = DIFF_STATE });
	assert_int_equal(err_code(b.err), ERR_ARG);
	assert_string_equal(err_text(b.err), "these cannot be compared by state; they can by: type, class");
	end(&b);
}

static void profiles_of_different_things_are_refused(void **state)
{
	struct bench b;
	start(&b);
	allocate(&b.s[0], "main.load", "store.go", 42, 10, 1000);
	profile_deinit(&b.s[1].heap.profile);
	profile_init(&b.s[1].heap.profile);
	profile_type_add(&b.s[1].heap.profile, "cpu", "nanoseconds");
	b.s[1].parts = SNAPSHOT_HEAP;
	compare(&b, 2, (struct diff_options){ .by = DIFF_SITE });
	assert_int_equal(err_code(b.err), ERR_FORMAT);
	end(&b);
}

/* ---- as a profile ---- */

static void the_difference_is_a_profile(void **state)
{
	struct bench b;
	AUTO(profile) struct profile p, sides;
	start(&b);
	allocate(&b.s[0], "main.load", "store.go", 42, 10, 1000);
	allocate(&b.s[0], "main.gone", "store.go", 50, 1, 64);
	allocate(&b.s[1], "main.load", "store.go", 42, 30, 3000);
	compare(&b, 2, (struct diff_options){ .by = DIFF_SITE });
	assert_null(b.err);
	diff_profile(&b.d, false, &p);
	diff_profile(&b.d, true, &sides);
	assert_int_equal(p.n_types, HEAP_VALUES);
	assert_int_equal(p.samples.n, 2);
	int64_t total[HEAP_VALUES] = { 0 };
	for (size_t i = 0; i < p.samples.n; i++) {
		for (int k = 0; k < HEAP_VALUES; k++)
			total[k] += profile_values(&p, i)[k];
	}
	assert_int_equal(total[HEAP_INUSE_SPACE], 3000 - 1064);
	assert_int_equal(total[HEAP_ALLOC_OBJECTS], 60 - 22);
	assert_int_equal(sides.n_types, 2);
	assert_int_equal(profile_values(&sides, 0)[0], 1000);
	assert_int_equal(profile_values(&sides, 0)[1], 3000);
	assert_int_equal(stacks_depth(&sides.stacks, sides.samples.v[0].stack), 2);
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_match_by_function_file_and_line),
		cmocka_unit_test(other_builds_match_by_functions),
		cmocka_unit_test(unknown_builds_are_told_by_their_lines),
		cmocka_unit_test(other_values_are_compared_when_asked),
		cmocka_unit_test(the_same_collection_cannot_show_growth),
		cmocka_unit_test(arrays_are_of_one_class_whatever_their_length),
		cmocka_unit_test(few_instances_are_left_out_below_the_threshold),
		cmocka_unit_test(classes_of_the_account_are_compared),
		cmocka_unit_test(goroutines_of_one_process_survive_by_id),
		cmocka_unit_test(goroutines_of_other_processes_do_not),
		cmocka_unit_test(dumps_are_of_one_process_only_when_their_ids_fit),
		cmocka_unit_test(the_node_that_differs_is_named),
		cmocka_unit_test(nodes_rank_by_the_one_that_grew_most_and_moments_by_the_last),
		cmocka_unit_test(what_has_nothing_in_common_is_refused),
		cmocka_unit_test(profiles_of_different_things_are_refused),
		cmocka_unit_test(the_difference_is_a_profile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
