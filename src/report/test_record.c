/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "report/record_words.h"
#include "screen/clean.h"

static const uint64_t KIB = 1 << 10, MIB = 1 << 20;

#define SECONDS INT64_C(1000000000)

static uint32_t stack_of(struct record *r, const struct frame *frames)
{
	uint32_t ids[16], n = 0;
	for (; frames[n].function; n++)
		ids[n] = stacks_frame(&r->stacks, &frames[n]);
	return stacks_add(&r->stacks, ids, n);
}

static const struct frame resize[] = {
	{ .function = "malloc", .file = "libc.so.6" },
	{ .function = "image_new", .file = "libimage.so.1" },
	{ .function = "image_open", .file = "libimage.so.1" },
	{ .function = "runtime.asmcgocall", .file = "/go/src/runtime/asm_amd64.s", .line = 923 },
	{ .function = "runtime.cgocall", .file = "/go/src/runtime/cgocall.go", .line = 157 },
	{ .function = "main._Cfunc_image_open", .file = "_cgo_gotypes.go", .line = 88 },
	{ .function = "main.resize", .file = "/src/app/resize.go", .line = 33, .inlined = true },
	{ .function = "main.main", .file = "/src/app/main.go", .line = 12 },
	{ 0 },
};

static const struct frame arena[] = {
	{ .function = "brk", .file = "libc.so.6" },
	{ .function = "malloc", .file = "libc.so.6" },
	{ .function = "image_new", .file = "libimage.so.1" },
	{ 0 },
};

static const struct frame cache[] = {
	{ .function = "syscall.mmap", .file = "/go/src/syscall/zsyscall_linux_amd64.go", .line = 1575 },
	{ .function = "main.cache", .file = "/src/app/cache.go", .line = 7 },
	{ .function = "main.main", .file = "/src/app/main.go", .line = 14 },
	{ 0 },
};

static const struct frame runtime[] = {
	{ .function = "runtime.mmap", .file = "/go/src/runtime/cgo_mmap.go", .line = 52 },
	{ .function = "runtime.sysMap", .file = "/go/src/runtime/mem.go", .line = 142 },
	{ 0 },
};

static struct record_row row_of(enum record_kind kind, enum record_what what, uint64_t bytes, uint64_t count)
{
	return (struct record_row){
		.kind = kind,
		.what = what,
		.pid = 4711,
		.bytes = bytes,
		.low_bytes = bytes,
		.high_bytes = bytes,
		.count = count,
		.low_count = count,
		.high_count = count,
		.resident_bytes = ACCOUNT_UNKNOWN,
		.peak_bytes = ACCOUNT_UNKNOWN,
		.total_bytes = bytes,
		.total_count = count,
		.last_ns = 9 * SECONDS,
	};
}

static void add_rows(struct record *r)
{
	struct record_row *row = vec_push(&r->rows);
	*row = row_of(RECORD_MMAP, RECORD_WHAT_UNTOUCHED, 64 * MIB, 4);
	row->stack = stack_of(r, cache);
	row->resident_bytes = 0;
	row->peak_bytes = 640 * MIB;
	row = vec_push(&r->rows);
	*row = row_of(RECORD_MMAP, RECORD_WHAT_GO, 4 * MIB, 1);
	row->stack = stack_of(r, runtime);
	row = vec_push(&r->rows);
	*row = row_of(RECORD_MMAP, RECORD_WHAT_ANON, 2 * MIB, 16);
	row->stack = stack_of(r, arena);
	row->resident_bytes = MIB;
	row = vec_push(&r->rows);
	*row = row_of(RECORD_MALLOC, RECORD_WHAT_ANON, 12 * MIB, 1234);
	row->stack = stack_of(r, resize);
	row->low_bytes = 11 * MIB;
	row->high_bytes = 13 * MIB;
	row = vec_push(&r->rows);
	*row = row_of(RECORD_MALLOC, RECORD_WHAT_ANON, 0, 0);
	row->stack = stack_of(r, arena);
	row->total_bytes = 5 * MIB;
}

/* A resizer that leaks images in C, and maps a cache that it never touches. */
static void make(struct record *r)
{
	record_init(r);
	add_rows(r);
	*vec_push(&r->processes) = (struct record_process){
		.pid = 4711,
		.comm = "resizer",
		.exe = "/srv/resizer",
		.go_version = "go1.24.4",
		.allocator = { "glibc 2.36", 40 * MIB, 52 * MIB, 3 * MIB, 3 * MIB },
	};
	for (int i = 0; i <= 10; i++)
		*vec_push(&r->series) = (struct record_point){
			.t_ns = i * SECONDS,
			.mapped_bytes = (int64_t)MIB * (i == 4 ? 640 : i * 7),
			.malloc_bytes = (int64_t)MIB * i,
			.resident_bytes = (uint64_t)(100 + i) * MIB,
		};
	r->peak = 4;
	r->events[RECORD_EVENT_MMAP] = 21;
	r->events[RECORD_EVENT_MALLOC] = 1234567;
	r->wanted = 1u << RECORD_MMAP | 1u << RECORD_MALLOC | 1u << RECORD_RESIDENT;
	r->have = 1u << RECORD_MMAP | 1u << RECORD_MALLOC;
	r->start_wall_ns = 1700000000 * SECONDS;
	r->window_ns = 10 * SECONDS;
	r->malloc_on_ratio = 0.032;
	r->cpu_ratio = 0.0042;
	r->partial = true;
	r->lost = 7;
	record_note(r, "page faults could not be recorded: this kernel has no tracepoint for them");
}

static char *render(size_t top, void (*put)(const struct record_report *r, struct strbuf *out))
{
	AUTO(strbuf) struct strbuf out;
	struct record r;
	make(&r);
	strbuf_init(&out);
	const struct record_report report = { .record = &r, .top = top, .style = { .utf8 = true, .width = 100 } };
	put(&report, &out);
	record_deinit(&r);
	return strbuf_take(&out);
}

static void has(const char *text, const char *const *parts)
{
	for (; *parts; parts++) {
		if (!strstr(text, *parts))
			fail_msg("no '%s' in:\n%s", *parts, text);
	}
}

#define HAS(text, ...) has(text, (const char *const[]){ __VA_ARGS__, NULL })

/* ---- text ---- */

static void the_first_lines_say_how_much_who_and_how_fast(void **state)
{
	AUTO_FREE char *text = render(0, record_text);
	HAS(text, "record of pid 4711, resizer, go1.24.4, for 10 s",
	    "Outside the Go heap: 76.0 MiB (75.0 to 77.0 MiB) more after 10 s (7.60 MiB/s), 64.0 MiB of it never",
	    "12.0 MiB (11.0 to 13.0 MiB) allocated and not freed: 1,234 blocks, 1.20 MiB/s",
	    "100 % by main.resize (resize.go:33) calling image_open", "100 % by main.cache (cache.go:7)");
}

static void what_the_allocator_and_the_runtime_map_is_not_added_up(void **state)
{
	struct record r;
	struct record_sums sums;
	make(&r);
	record_sum(&r, &sums);
	assert_int_equal(sums.v[RECORD_PART_MAP].bytes, 64 * MIB);
	assert_int_equal(sums.v[RECORD_PART_ARENA].bytes, 2 * MIB);
	assert_int_equal(sums.v[RECORD_PART_ARENA].resident, MIB);
	assert_int_equal(sums.v[RECORD_PART_RUNTIME].bytes, 4 * MIB);
	assert_int_equal(sums.v[RECORD_PART_MALLOC].rows, 1);
	assert_int_equal(sums.v[RECORD_PART_MALLOC].total, 17 * MIB);
	assert_int_equal(sums.v[RECORD_PART_GO].total, ACCOUNT_UNKNOWN);
	record_deinit(&r);
}

static void what_is_missing_and_what_it_cost_is_said(void **state)
{
	AUTO_FREE char *text = render(0, record_text);
	HAS(text, "7 events did not fit into the buffers", "Partial:", "0.42 % of the CPU time",
	    "malloc watched 3.2 % of the time", "1,234,567 malloc", "page faults could not be recorded",
	    "in use 40.0 MiB, then 52.0 MiB", "640 MiB by main.cache", "100 MiB, then 110 MiB: 10.0 MiB more",
	    "peak 640 MiB at 4 s", "never touched");
}

static void no_line_is_wider_than_the_screen(void **state)
{
	AUTO_FREE char *text = render(9, record_text);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (clean_width(line) > 100)
			fail_msg("%zu columns: %s", clean_width(line), line);
	}
}

static void nothing_taken_is_said_in_a_line(void **state)
{
	AUTO(strbuf) struct strbuf out;
	struct record r;
	record_init(&r);
	r.window_ns = 10 * SECONDS;
	strbuf_init(&out);
	record_text(&(struct record_report){ .record = &r, .style.width = 100 }, &out);
	HAS(out.buf, "Outside the Go heap nothing was taken in 10 s and kept.");
	record_deinit(&r);
}

static void an_interval_is_written_with_its_ends(void **state)
{
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	record_size_words(12 * MIB, 12 * MIB, 12 * MIB, &t);
	assert_string_equal(t.buf, "12.0 MiB");
	strbuf_clear(&t);
	record_size_words(MIB, 900 * KIB, 2 * MIB, &t);
	assert_string_equal(t.buf, "1.00 MiB (900 KiB to 2.00 MiB)");
	strbuf_clear(&t);
	record_size_words(0, 0, 3 * MIB, &t);
	assert_string_equal(t.buf, "0 B (0 B to 3.00 MiB)");
}

/* ---- JSON ---- */

static void json_has_what_the_contract_names(void **state)
{
	AUTO_FREE char *text = render(0, record_json);
	HAS(text, "\"schema\":\"ullage.record/1\"", "\"events\":{\"mmap\":21,\"munmap\":0,\"mremap\":0,\"brk\":0",
	    "\"malloc\":1234567,\"free\":0,\"fault\":null", "\"kind\":\"malloc\"", "\"bytes\":12582912",
	    "\"low_bytes\":11534336", "\"high_bytes\":13631488", "\"count\":1234", "\"lost\":7", "\"cpu_ratio\":0.0042",
	    "\"partial\":true", "\"series\":[{\"t\":0,\"mapped_bytes\":0", "\"outstanding_total\":4",
	    "\"returned_total\":1", "\"function\":\"main.resize\"", "\"inlined\":true", "\"by\":\"allocator\"");
}

static void json_says_null_where_nothing_is_known(void **state)
{
	AUTO(strbuf) struct strbuf out;
	struct record r;
	record_init(&r);
	strbuf_init(&out);
	record_json(&(struct record_report){ .record = &r }, &out);
	HAS(out.buf, "\"pid\":null", "\"mmap\":null", "\"cpu_ratio\":null", "\"malloc_on_ratio\":null",
	    "\"peak\":{\"t\":null,\"mapped_bytes\":null}", "\"outstanding\":[]", "\"partial\":false", "\"time\":null");
	record_deinit(&r);
}

/* ---- profile ---- */

static int64_t sum_of(const struct profile *p, const char *type)
{
	int64_t sum = 0;
	int at = profile_type_find(p, type);
	assert_true(at >= 0);
	for (size_t i = 0; i < p->samples.n; i++)
		sum += profile_values(p, i)[at];
	return sum;
}

static void the_profile_has_every_row_once(void **state)
{
	struct record r;
	struct profile p;
	make(&r);
	record_profile(&r, &p);
	assert_int_equal(p.n_types, 5);
	assert_int_equal(p.samples.n, 4);
	assert_int_equal(sum_of(&p, "mmap_space"), 70 * MIB);
	assert_int_equal(sum_of(&p, "mmap_objects"), 21);
	assert_int_equal(sum_of(&p, "malloc_space"), 12 * MIB);
	assert_int_equal(sum_of(&p, "malloc_objects"), 1234);
	assert_int_equal(sum_of(&p, "resident_space"), 0);
	assert_string_equal(p.default_type, "mmap_space");
	assert_true(p.duration_ns == 10 * SECONDS);
	assert_string_equal(p.comments.v[0], "malloc: 12.0 MiB (11.0 to 13.0 MiB), main.resize (resize.go:33) calling "
					     "image_open");
	profile_deinit(&p);
	record_deinit(&r);
}

static void the_go_heap_is_in_the_profile_where_it_was_asked_for(void **state)
{
	struct record r;
	struct profile p;
	make(&r);
	*vec_push(&r.rows) = row_of(RECORD_GO, RECORD_WHAT_GO, 3 * MIB, 9);
	record_profile(&r, &p);
	assert_int_equal(profile_type_find(&p, "go_space"), -1);
	profile_deinit(&p);
	r.wanted |= 1u << RECORD_GO;
	record_profile(&r, &p);
	assert_int_equal(sum_of(&p, "go_space"), 3 * MIB);
	profile_deinit(&p);
	record_deinit(&r);
}

static void folded_stacks_are_of_what_took_most(void **state)
{
	AUTO_FREE char *text = render(0, record_folded);
	HAS(text, "main.main;main.cache;syscall.mmap 67108864\n");
}

static void the_page_names_the_program(void **state)
{
	AUTO_FREE char *text = render(0, record_flame);
	HAS(text, "Off-heap memory of resizer", "main.cache");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_lines_say_how_much_who_and_how_fast),
		cmocka_unit_test(what_the_allocator_and_the_runtime_map_is_not_added_up),
		cmocka_unit_test(what_is_missing_and_what_it_cost_is_said),
		cmocka_unit_test(no_line_is_wider_than_the_screen),
		cmocka_unit_test(nothing_taken_is_said_in_a_line),
		cmocka_unit_test(an_interval_is_written_with_its_ends),
		cmocka_unit_test(json_has_what_the_contract_names),
		cmocka_unit_test(json_says_null_where_nothing_is_known),
		cmocka_unit_test(the_profile_has_every_row_once),
		cmocka_unit_test(the_go_heap_is_in_the_profile_where_it_was_asked_for),
		cmocka_unit_test(folded_stacks_are_of_what_took_most),
		cmocka_unit_test(the_page_names_the_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
