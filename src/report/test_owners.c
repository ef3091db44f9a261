/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "report/owners_words.h"
#include "screen/clean.h"

enum { MIB = 1 << 20 };

static void add_path(struct owners *o, uint32_t root, uint64_t retained, uint64_t objects,
		     const struct owners_step *steps)
{
	uint32_t at = (uint32_t)o->steps.n;
	for (; steps->type; steps++)
		*vec_push(&o->steps) = *steps;
	*vec_push(&o->paths) = (struct owners_path){
		.root = root,
		.step_at = at,
		.step_n = (uint32_t)o->steps.n - at,
		.retained = retained,
		.objects = objects,
	};
}

static void add_roots(struct owners *o)
{
	*vec_push(&o->roots) = (struct owners_root){
		.kind = OWNERS_GLOBAL,
		.name = "main.Sessions",
		.used_by = "main.leakSessions",
		.site = { .function = "", .file = "" },
		.retained = 90 * MIB,
		.retained_objects = 3001,
	};
	*vec_push(&o->roots) = (struct owners_root){
		.kind = OWNERS_STACK,
		.name = "main.worker created by main.start",
		.site = { .function = "main.start", .file = "/src/app/start.go", .line = 41 },
		.blocked_at = "main.work, chan receive",
		.goroutines = 12,
		.retained = 8 * MIB,
		.retained_objects = 24,
	};
}

/* Sessions in a map, each with a buffer and a name: 90 MiB of 100; 25 MiB more are garbage. */
static void make(struct snapshot *s)
{
	static const struct owners_step table[] = { { "map[string]*main.Session", NULL, 1, MIB }, { 0 } };
	static const struct owners_step sessions[] = { { "map[string]*main.Session", NULL, 1, MIB },
						       { "*main.Session", NULL, 1000, 2 * MIB },
						       { 0 } };
	static const struct owners_step buffers[] = { { "map[string]*main.Session", NULL, 1, MIB },
						      { "*main.Session", NULL, 1000, 2 * MIB },
						      { "[]byte", "data", 1000, 80 * MIB },
						      { 0 } };
	static const struct owners_step names[] = { { "map[string]*main.Session", NULL, 1, MIB },
						    { "*main.Session", NULL, 1000, 2 * MIB },
						    { "string", "name", 1000, 6 * MIB },
						    { 0 } };
	snapshot_init(s);
	struct owners *o = &s->owners;
	s->parts = SNAPSHOT_OWNERS;
	s->source = "pid 4711";
	s->id = (struct snapshot_identity){ .pid = 4711, .comm = "app", .go_version = "go1.24.1" };
	s->clock.wall = 1700000060000000000;
	s->clock.last_gc_wall = 1700000000000000000;
	o->reachable = 100 * MIB;
	o->reachable_objects = 3100;
	o->floating = 25 * MIB;
	o->floating_objects = 500;
	o->heap_marked = 80 * MIB;
	o->typed_ratio = 0.963;
	o->copied = 20 * MIB;
	o->elapsed_ns = 1200000000;
	o->inconsistencies = 7;
	add_roots(o);
	add_path(o, 0, 90 * MIB, 3001, table);
	add_path(o, 0, 89 * MIB, 3000, sessions);
	add_path(o, 0, 80 * MIB, 1000, buffers);
	add_path(o, 0, 6 * MIB, 1000, names);
	o->paths.v[2].site = stacks_place(&o->stacks, "main.newSession", "/src/app/session.go", 17);
	o->paths.v[2].site_share = 0.98;
	*vec_push(&o->types) = (struct owners_type){ "[]byte", 1000, 80 * MIB, 80 * MIB };
	*vec_push(&o->maps) = (struct owners_map){ .type = "map[string]*main.Session",
						   .owner = "main.Sessions (global) -> map[string]*main.Session",
						   .maps = 1,
						   .entries = 1000,
						   .capacity = 14336,
						   .bytes = MIB,
						   .recoverable = MIB / 2 };
	*vec_push(&o->waste) =
		(struct owners_waste){ "slice-capacity", "main.Sessions", "3 slices use a tenth", 3, MIB };
	*vec_push(&o->holders) = (struct owners_holder){
		.kind = "sync.Pool",
		.type = "*bytes.Buffer",
		.owner = "main.pool",
		.count = 1,
		.elements = ACCOUNT_UNKNOWN,
		.bytes = 64,
		.retained = MIB,
		.text = "largest 64 KiB",
	};
	*vec_push(&o->stuck) = (struct owners_stuck){
		.count = 12,
		.reason = "chan receive",
		.stack = stacks_place(&o->stacks, "main.work", "/src/app/work.go", 9),
		.created_by = stacks_place(&o->stacks, "main.start", "/src/app/start.go", 41),
		.retained = 8 * MIB,
	};
	o->finalizers = (struct owners_finalizers){ .set = 5, .queued = 3, .blocked = true, .at = "main.close" };
	snapshot_note(s, "something is missing");
}

static char *render(struct owners_report *r, void (*put)(const struct owners_report *r, struct strbuf *out))
{
	AUTO(strbuf) struct strbuf out;
	struct snapshot s;
	make(&s);
	strbuf_init(&out);
	r->snapshot = &s;
	r->style.width = 100;
	put(r, &out);
	snapshot_deinit(&s);
	return strbuf_take(&out);
}

static void has(const char *text, const char *const *parts)
{
	for (; *parts; parts++) {
		if (!strstr(text, *parts))
			fail_msg("no '%s' in:\n%s", *parts, text);
	}
}

static void the_first_screen_says_who_holds_most_and_what_is_garbage(void **state)
{
	AUTO_FREE char *text = render(&(struct owners_report){ .by = OWNERS_BY_ALL }, owners_text);
	has(text, (const char *const[]){
			  "100 MiB in 3,100 objects",
			  "25.0 MiB in 500 objects, 20.0 % of the heap: garbage",
			  "80.0 MiB marked 60 s ago; what is reachable is 20.0 MiB (25.0 %) more now",
			  "96.3 % of the reachable bytes",
			  "main.Sessions (global, used by main.leakSessions)",
			  "90.0",
			  "main.worker created by main.start\n",
			  "  (12 goroutines, in main.work, chan receive)\n",
			  "-> .data []byte",
			  "allocated in main.newSession (session.go:17), 98 % of the samples",
			  "they never end",
			  "is blocked in main.close",
			  "3 slices use a tenth",
			  "*bytes.Buffer: largest 64 KiB",
			  "ullage owners 4711 --by path",
			  "something is missing.",
			  NULL,
		  });
	assert_ptr_equal(strstr(strstr(text, ".data []byte") + 1, ".data []byte"), NULL);
}

static void a_path_that_a_longer_one_tells_is_not_shown(void **state)
{
	AUTO_FREE char *text = render(&(struct owners_report){ .by = OWNERS_BY_PATH }, owners_text);
	int paths = 0;
	for (const char *at = text; (at = strstr(at, "main.Sessions (global")); at++)
		paths++;
	assert_int_equal(paths, 2); /* to the buffers and to the names */
	has(text, (const char *const[]){ "1,000  80.0 MiB    -> .data []byte", "2 more; --top", NULL });
}

static void no_line_is_wider_than_the_screen(void **state)
{
	for (int by = OWNERS_BY_ROOT; by <= OWNERS_BY_ALL; by++) {
		AUTO_FREE char *text = render(&(struct owners_report){ .by = (enum owners_by)by }, owners_text);
		for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
			*end = 0;
			assert_true(clean_width(at) <= 100);
		}
	}
}

static void paths_of_one_type_are_those_that_end_there(void **state)
{
	AUTO_FREE char *found =
		render(&(struct owners_report){ .by = OWNERS_BY_ALL, .type = "*main.Session" }, owners_text);
	has(found, (const char *const[]){ "By which path *main.Session is held", "89.0 MiB", NULL });
	AUTO_FREE char *none = render(&(struct owners_report){ .by = OWNERS_BY_PATH, .type = "int" }, owners_text);
	has(none, (const char *const[]){ "No reachable object is of type int", NULL });
}

static void the_json_has_what_the_contract_names(void **state)
{
	AUTO_FREE char *text = render(&(struct owners_report){ 0 }, owners_json);
	has(text, (const char *const[]){
			  "\"schema\":\"ullage.owners/1\"",
			  "\"pid\":4711",
			  "\"total_bytes\":131072000",
			  "\"reachable_bytes\":104857600,\"reachable_objects\":3100,\"floating_bytes\":26214400",
			  "\"heap_marked_bytes\":83886080",
			  "\"typed_ratio\":0.963",
			  "\"stopped_ms\":0",
			  "\"inconsistencies\":7",
			  "\"kind\":\"global\",\"name\":\"main.Sessions\",\"used_by\":\"main.leakSessions\","
			  "\"function\":null",
			  "\"function\":\"main.start\",\"file\":\"/src/app/start.go\",\"line\":41",
			  "\"goroutines\":12,\"retained_bytes\":8388608,\"retained_objects\":24",
			  "\"steps\":[{\"type\":\"map[string]*main.Session\",\"field\":null,\"objects\":1,\"bytes\":"
			  "1048576}]",
			  "\"allocated_in\":{\"function\":\"main.newSession\"",
			  "\"entries\":1000,\"capacity\":14336,\"bytes\":1048576,\"recoverable_bytes\":524288",
			  "\"rule\":\"slice-capacity\"",
			  "\"elements\":null",
			  "\"reason\":\"chan receive\"",
			  "\"queued\":3,\"blocked\":true,\"at\":\"main.close\"",
			  "\"notes\":[\"something is missing\"]",
			  NULL,
		  });
}

static void a_top_cuts_the_lists_of_the_json_and_says_how_long_they_are(void **state)
{
	AUTO_FREE char *text = render(&(struct owners_report){ .top = 1 }, owners_json);
	has(text, (const char *const[]){ "\"roots_total\":2", "\"paths_total\":4", NULL });
	assert_null(strstr(text, "main.worker"));
}

/* ---- one path on lines ---- */

static void a_path_breaks_before_an_arrow(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	owners_path_fold("main.a -> main.b -> main.c", 20, &(struct style){ .width = 80 }, &out);
	assert_string_equal(out.buf, "main.a -> main.b\n-> main.c");
}

static void a_long_path_is_told_without_its_middle(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	owners_path_fold("a -> b -> c -> d -> e -> f -> g -> h -> i -> j", 200, &(struct style){ .width = 80 }, &out);
	assert_string_equal(out.buf, "a -> b -> c -> (3 more) -> g -> h -> i -> j");
}

static void hostile_names_and_narrow_screens_are_bounded(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	owners_path_fold("x\x1b[31m\n -> yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy ->  -> ", 24,
			 &(struct style){ .width = 80 }, &out);
	assert_null(strchr(out.buf, '\x1b'));
	for (char *at = out.buf, *end; (end = strchr(at, '\n')); at = end + 1)
		assert_true(end - at <= 24);
}

static void paths_without_a_root_or_steps_are_passed_over(void **state)
{
	struct snapshot s;
	make(&s);
	s.owners.paths.v[0].root = 99;
	s.owners.paths.v[1].step_at = 1000;
	s.owners.paths.v[2].step_n = UINT32_MAX;
	s.owners.paths.v[3].site = 77;
	s.owners.stuck.v[0].stack = 77;
	for (int by = OWNERS_BY_ROOT; by <= OWNERS_BY_ALL; by++) {
		AUTO(strbuf) struct strbuf out;
		strbuf_init(&out);
		const struct owners_report r = { &s, (enum owners_by)by, NULL, 0, { .width = 80 } };
		owners_text(&r, &out);
		owners_json(&r, &out);
		owners_flame(&r, &out);
		assert_non_null(strstr(out.buf, "\"paths_total\":1"));
	}
	snapshot_deinit(&s);
}

/* ---- the picture ---- */

static void in_the_picture_each_byte_stands_once(void **state)
{
	AUTO_FREE char *page = render(&(struct owners_report){ 0 }, owners_flame);
	char *at = strstr(page, "\"self\":[");
	assert_non_null(at);
	unsigned long long sum = 0;
	for (at += 7; *at != ']';)
		sum += strtoull(at + 1, &at, 10);
	assert_int_equal(sum, 98 * MIB); /* what the two roots retain */
	has(page, (const char *const[]){ "main.Sessions (global, used by main.leakSessions)", ".data []byte", NULL });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_screen_says_who_holds_most_and_what_is_garbage),
		cmocka_unit_test(a_path_that_a_longer_one_tells_is_not_shown),
		cmocka_unit_test(no_line_is_wider_than_the_screen),
		cmocka_unit_test(paths_of_one_type_are_those_that_end_there),
		cmocka_unit_test(the_json_has_what_the_contract_names),
		cmocka_unit_test(a_top_cuts_the_lists_of_the_json_and_says_how_long_they_are),
		cmocka_unit_test(a_path_breaks_before_an_arrow),
		cmocka_unit_test(a_long_path_is_told_without_its_middle),
		cmocka_unit_test(hostile_names_and_narrow_screens_are_bounded),
		cmocka_unit_test(paths_without_a_root_or_steps_are_passed_over),
		cmocka_unit_test(in_the_picture_each_byte_stands_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
