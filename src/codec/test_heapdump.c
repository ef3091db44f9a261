/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/strbuf.h"
#include "codec/heapdump.h"

/* ---- a dump under construction ---- */

static struct strbuf out;

static void num(uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		strbuf_putc(&out, (char)(v | 0x80));
	strbuf_putc(&out, (char)v);
}

static void nums(size_t n)
{
	while (n--)
		num(1);
}

static void text(const char *s)
{
	num(strlen(s));
	strbuf_puts(&out, s);
}

static void contents(size_t n)
{
	num(n);
	for (size_t i = 0; i < n; i++)
		strbuf_putc(&out, (char)0xff);
}

/* Pointers at the words of this mask. */
static void pointers(uint64_t mask)
{
	for (uint64_t i = 0; i < 64; i++) {
		if (mask >> i & 1) {
			num(1);
			num(i * 8);
		}
	}
	num(0);
}

static void object(uint64_t address, size_t size, uint64_t mask)
{
	num(1);
	num(address);
	contents(size);
	pointers(mask);
}

static void frame(const char *function)
{
	num(5);
	nums(3);
	contents(32);
	nums(3);
	text(function);
	pointers(1);
}

static void goroutine(uint64_t number, uint64_t status, const char *reason, bool system)
{
	num(4);
	nums(2);
	num(number);
	num(0x401000);
	num(status);
	num(system);
	num(0);
	num(77);
	text(reason);
	nums(4);
}

static void bucket(uint64_t address, uint64_t size, const char *leaf, uint64_t allocs, uint64_t frees)
{
	num(16);
	num(address);
	num(size);
	num(3);
	text("runtime.mallocgc");
	text("malloc.go");
	num(10);
	text(leaf);
	text("/src/main.go");
	num(42);
	text("main.main");
	text("/src/main.go");
	num(7);
	num(allocs);
	num(frees);
}

static void start(void)
{
	strbuf_clear(&out);
	strbuf_puts(&out, "go1.7 heap dump\n");
	num(6);
	num(0);
	num(8);
	nums(2);
	text("amd64");
	text("go1.22.12 X:nocoverageredesign");
	num(4);
}

static void memstats(void)
{
	num(10);
	for (uint64_t i = 0; i < 24; i++)
		num(1000 + i);
	nums(256);
	num(17);
}

static void whole_dump(void)
{
	start();
	num(3);
	nums(2);
	text("main.T");
	num(0);
	num(8);
	nums(2);
	for (size_t i = 0; i < 100; i++)
		object(0xc000000000 + 64 * i, 64, 3);
	object(0xc000100000, 112, 0);
	object(0xc000200000, 4096, 0x8000000000000005);
	goroutine(1, 4, "chan receive", false);
	frame("runtime.gopark");
	frame("main.block");
	frame("main.main");
	num(14);
	nums(7);
	num(15);
	nums(6);
	goroutine(18, 1, "", true);
	frame("runtime.bgsweep");
	num(9);
	nums(3);
	num(2);
	text("a root");
	num(1);
	num(12);
	num(0x500000);
	contents(64);
	pointers(5);
	num(13);
	num(0x600000);
	contents(64);
	pointers(0);
	num(7);
	nums(5);
	num(11);
	nums(5);
	memstats();
	bucket(0x7000, 64, "main.list", 130, 30);
	bucket(0x7100, 112, "main.one", 1, 0);
	bucket(0x7200, 4096, "main.large", 1, 0);
	for (size_t i = 0; i < 100; i++) {
		num(17);
		num(0xc000000000 + 64 * i);
		num(0x7000);
	}
	num(17);
	num(0xc000100000);
	num(0x7100);
	num(17);
	num(0xc000200000);
	num(0x7200);
	num(0);
}

static struct err *read_out(struct snapshot *s)
{
	AUTO(stream) struct stream in;
	snapshot_init(s);
	TRY(stream_open_memory(out.buf, out.len, "x.dump", UINT64_MAX, &in));
	return heapdump_read(&in, s);
}

/* ---- tests ---- */

static void objects_are_counted_by_size_and_pointers(void **state)
{
	AUTO(snapshot) struct snapshot s;
	whole_dump();
	AUTO(err) struct err *err = read_out(&s);
	assert_null(err);
	assert_int_equal(s.heap.types.n, 3);
	assert_string_equal(s.heap.types.v[0].type, "64 B [pp......]");
	assert_int_equal(s.heap.types.v[0].objects, 100);
	assert_int_equal(s.heap.types.v[0].bytes, 6400);
	assert_string_equal(s.heap.types.v[1].type, "4096 B, 3 pointers");
	assert_string_equal(s.heap.types.v[2].type, "112 B, no pointers");
	assert_string_equal(s.id.go_version, "go1.22.12");
	assert_int_equal(s.account.runtime.heap_alloc, 1006);
	assert_int_equal(s.account.runtime.heap_objects, 1011);
	assert_int_equal(s.clock.last_gc_wall, 1022);
	assert_int_equal(s.clock.gc_count, 17);
}

static void goroutines_have_their_states_and_functions(void **state)
{
	AUTO(snapshot) struct snapshot s;
	whole_dump();
	AUTO(err) struct err *err = read_out(&s);
	assert_null(err);
	const struct goroutines *gs = &s.goroutines;
	assert_int_equal(gs->v.n, 2);
	assert_int_equal(gs->total, 1);
	assert_int_equal(gs->v.v[0].id, 1);
	assert_string_equal(gs->v.v[0].state, "waiting");
	assert_string_equal(gs->v.v[0].wait_reason, "chan receive");
	assert_int_equal(stacks_depth(&gs->stacks, gs->v.v[0].stack), 3);
	assert_string_equal(stacks_at(&gs->stacks, gs->v.v[0].stack, 1)->function, "main.block");
	assert_string_equal(gs->v.v[1].state, "runnable");
	assert_null(gs->v.v[1].wait_reason);
	assert_int_equal(gs->v.v[1].flags, GOROUTINE_SYSTEM);
	assert_int_equal(stacks_depth(&gs->stacks, gs->v.v[1].stack), 1);
}

static void the_profile_is_scaled_by_the_rate_that_explains_it(void **state)
{
	AUTO(snapshot) struct snapshot s;
	whole_dump(); /* every object has a sample: a rate of 1 */
	AUTO(err) struct err *err = read_out(&s);
	assert_null(err);
	const struct profile *p = &s.heap.profile;
	assert_int_equal(s.heap.rate, 1);
	assert_int_equal(p->samples.n, 3);
	assert_int_equal(profile_values(p, 0)[HEAP_ALLOC_OBJECTS], 130);
	assert_int_equal(profile_values(p, 0)[HEAP_INUSE_OBJECTS], 100);
	assert_int_equal(profile_values(p, 0)[HEAP_INUSE_SPACE], 6400);
	/* the allocator's own frame is left out */
	const struct frame *leaf = stacks_at(&p->stacks, p->samples.v[0].stack, 0);
	assert_string_equal(leaf->function, "main.list");
	assert_string_equal(leaf->file, "/src/main.go");
	assert_int_equal(leaf->line, 42);
}

static void a_sparse_profile_has_the_usual_rate(void **state)
{
	AUTO(snapshot) struct snapshot s;
	start();
	/* 64 KiB each: one of 8.5 is sampled at 512 KiB */
	for (size_t i = 0; i < 17; i++)
		object(0xc000000000 + 65536 * i, 65536, 0);
	bucket(0x7000, 65536, "main.big", 2, 0);
	num(17);
	num(0xc000000000);
	num(0x7000);
	num(17);
	num(0xc000010000);
	num(0x7000);
	num(0);
	AUTO(err) struct err *err = read_out(&s);
	assert_null(err);
	assert_int_equal(s.heap.rate, 512 << 10);
	assert_int_equal(profile_values(&s.heap.profile, 0)[HEAP_INUSE_OBJECTS], 17); /* 2 * 8.51 */
	assert_int_equal(s.notes.n, 0);
}

static void a_rate_of_its_own_is_worked_out_and_told(void **state)
{
	AUTO(snapshot) struct snapshot s;
	start();
	for (size_t i = 0; i < 100; i++)
		object(0xc000000000 + 1024 * i, 1024, 0);
	bucket(0x7000, 1024, "main.k", 25, 0);
	for (size_t i = 0; i < 25; i++) {
		num(17);
		num(0xc000000000 + 1024 * i);
		num(0x7000);
	}
	num(0);
	AUTO(err) struct err *err = read_out(&s);
	assert_null(err);
	assert_in_range(s.heap.rate, 3400, 3700); /* 1 - exp(-1024 / 3560) is a quarter */
	assert_in_range((uint64_t)profile_values(&s.heap.profile, 0)[HEAP_INUSE_OBJECTS], 99, 101);
	assert_int_equal(s.notes.n, 1);
}

static void a_program_that_does_not_sample_has_no_profile(void **state)
{
	AUTO(snapshot) struct snapshot s;
	start();
	num(0);
	AUTO(err) struct err *err = read_out(&s);
	assert_null(err);
	assert_int_equal(s.parts, SNAPSHOT_CENSUS | SNAPSHOT_GOROUTINES);
	assert_false(s.heap.enabled);
	assert_non_null(s.heap.reason);
}

static void shapes_beyond_the_limit_are_counted_by_size(void **state)
{
	AUTO(snapshot) struct snapshot s;
	start();
	for (size_t i = 0; i < HEAPDUMP_SHAPES_MAX + 100; i++) { /* 17 bits of pattern */
		object(i, 136 + 8 * (i / 17 / 1000), (1ULL << (i % 17)) - 1);
		object(i, 128, i & 0xffff);
	}
	num(0);
	AUTO(err) struct err *err = read_out(&s);
	assert_null(err);
	uint64_t all = 0;
	for (size_t i = 0; i < s.heap.types.n; i++)
		all += s.heap.types.v[i].objects;
	assert_int_equal(all, 2 * (HEAPDUMP_SHAPES_MAX + 100));
	assert_true(s.heap.types.n / 2 < HEAPDUMP_SHAPES_MAX);
}

static void every_cut_is_an_error(void **state)
{
	whole_dump();
	size_t n = out.len;
	for (size_t cut = 0; cut < n; cut += cut % 7 + 1) {
		AUTO(snapshot) struct snapshot s;
		out.len = cut;
		AUTO(err) struct err *err = read_out(&s);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_FORMAT);
		assert_non_null(strstr(err_text(err), "x.dump: "));
	}
	out.len = n;
}

static void wrong_bytes_are_told_with_their_offset(void **state)
{
	static const struct {
		const char *want;
		unsigned char bytes[24];
		size_t n;
	} cases[] = {
		{ "x.dump: a record of unknown kind 99 at offset 17", { 99 }, 1 },
		{ "x.dump: a number of more than ten bytes at offset 16",
		  { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 },
		  11 },
		{ "x.dump: a stack frame without a goroutine at offset 17", { 5 }, 1 },
		{ "x.dump: an allocation sample of an unknown bucket at offset 19", { 17, 1, 1 }, 3 },
		{ "x.dump: a stack of 16383 frames at offset 21", { 16, 1, 1, 255, 127 }, 5 },
		{ "x.dump: a name of 2097151 bytes at offset 20", { 2, 255, 255, 127 }, 4 },
		{ "x.dump: a pointer field at 9, beyond the 1 bytes it is in at offset 22", { 1, 1, 1, 0, 1, 9 }, 6 },
		{ "x.dump: a field of unknown kind 3 at offset 21", { 1, 1, 1, 0, 3 }, 5 },
		{ "x.dump: pointers of 5 bytes at offset 19", { 6, 0, 5 }, 3 },
		{ "x.dump: the file ends 9223372036854775807 bytes too early at offset 27",
		  { 1, 1, 255, 255, 255, 255, 255, 255, 255, 255, 127 },
		  11 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(snapshot) struct snapshot s;
		strbuf_clear(&out);
		strbuf_puts(&out, "go1.7 heap dump\n");
		strbuf_add(&out, cases[i].bytes, cases[i].n);
		AUTO(err) struct err *err = read_out(&s);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_FORMAT);
		assert_string_equal(err_text(err), cases[i].want);
	}
}

static int setup(void **state)
{
	strbuf_init(&out);
	return 0;
}

static int teardown(void **state)
{
	strbuf_deinit(&out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_counted_by_size_and_pointers),
		cmocka_unit_test(goroutines_have_their_states_and_functions),
		cmocka_unit_test(the_profile_is_scaled_by_the_rate_that_explains_it),
		cmocka_unit_test(a_sparse_profile_has_the_usual_rate),
		cmocka_unit_test(a_rate_of_its_own_is_worked_out_and_told),
		cmocka_unit_test(a_program_that_does_not_sample_has_no_profile),
		cmocka_unit_test(shapes_beyond_the_limit_are_counted_by_size),
		cmocka_unit_test(every_cut_is_an_error),
		cmocka_unit_test(wrong_bytes_are_told_with_their_offset),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
