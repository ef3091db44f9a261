/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/strbuf.h"
#include "codec/hprof.h"

/* ---- a dump under construction ---- */

static struct strbuf out;
static size_t id_size;

static void be(uint64_t v, size_t n)
{
	while (n--)
		strbuf_putc(&out, (char)(v >> (8 * n)));
}

static void id(uint64_t v)
{
	be(v, id_size);
}

static void start(size_t ids)
{
	strbuf_clear(&out);
	id_size = ids;
	strbuf_add(&out, "JAVA PROFILE 1.0.2", 19);
	be(ids, 4);
	be(1700000000123, 8);
}

static void record(unsigned char tag, uint64_t length)
{
	be(tag, 1);
	be(0, 4);
	be(length, 4);
}

static void string(uint64_t name, const char *text)
{
	record(1, id_size + strlen(text));
	id(name);
	strbuf_puts(&out, text);
}

static void class(uint64_t number, uint64_t name)
{
	record(2, 8 + 2 * id_size);
	be(1, 4);
	id(number);
	be(1, 4);
	id(name);
}

/* Opens a segment; close_segment() writes its length. */
static size_t open_segment(void)
{
	record(0x1c, 0);
	return out.len;
}

static void close_segment(size_t at)
{
	size_t n = out.len - at;
	for (size_t i = 0; i < 4; i++)
		out.buf[at - 4 + i] = (char)(n >> (8 * (3 - i)));
}

enum { OBJECT = 2, INT = 10, LONG = 11, BYTE = 8 };

/* A class dump with a constant, a static field, and instance fields of these types. */
static void class_dump(uint64_t number, uint64_t super, const unsigned char *types, size_t n)
{
	be(0x20, 1);
	id(number);
	be(1, 4);
	id(super);
	for (int i = 0; i < 5; i++)
		id(0);
	be(0, 4);
	be(1, 2);
	be(7, 2);
	be(INT, 1);
	be(5, 4);
	be(1, 2);
	id(90);
	be(LONG, 1);
	be(5, 8);
	be(n, 2);
	for (size_t i = 0; i < n; i++) {
		id(90);
		be(types[i], 1);
	}
}

static void instance(uint64_t object, uint64_t number, size_t body)
{
	be(0x21, 1);
	id(object);
	be(1, 4);
	id(number);
	be(body, 4);
	for (size_t i = 0; i < body; i++)
		be(0xee, 1);
}

static void objects(uint64_t object, uint64_t number, size_t n)
{
	be(0x22, 1);
	id(object);
	be(1, 4);
	be(n, 4);
	id(number);
	for (size_t i = 0; i < n; i++)
		id(0);
}

static void bytes(uint64_t object, size_t n)
{
	be(0x23, 1);
	id(object);
	be(1, 4);
	be(n, 4);
	be(BYTE, 1);
	for (size_t i = 0; i < n; i++)
		be(i, 1);
}

static void roots(void)
{
	static const struct {
		unsigned char tag, ids, more;
	} all[] = { { 0xff, 1, 0 }, { 1, 2, 0 }, { 2, 1, 8 }, { 3, 1, 8 }, { 4, 1, 4 },
		    { 5, 1, 0 },    { 6, 1, 4 }, { 7, 1, 0 }, { 8, 1, 8 } };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		be(all[i].tag, 1);
		for (int k = 0; k < all[i].ids; k++)
			id(0x1000);
		be(0, all[i].more);
	}
}

/* `ref` is what a reference takes in memory: where the second array of references lies tells. */
static void whole_dump(size_t ids, size_t ref, size_t array)
{
	static const unsigned char node[] = { OBJECT, INT }, session[] = { LONG, BYTE, OBJECT };
	start(ids);
	string(1, "java/lang/Object");
	string(2, "Leak$Session");
	string(3, "[[Ljava/lang/String;");
	string(4, "<init>");
	string(90, "field");
	class(100, 1);
	class(200, 2);
	class(300, 3);
	size_t at = open_segment();
	roots();
	class_dump(100, 0, node, sizeof(node));
	class_dump(200, 100, session, sizeof(session));
	close_segment(at);
	at = open_segment();
	instance(0x2000, 200, 0);
	instance(0x2100, 200, 13);
	instance(0x2200, 100, 4);
	objects(0x3000, 300, 5);
	objects(0x3000 + (array + 5 * ref + 7) / 8 * 8, 300, 5);
	bytes(0x4000, 1000);
	bytes(0x4800, 1000);
	bytes(0x5000, 2000);
	instance(0x6000, 999, 4);
	close_segment(at);
	record(0x2c, 0);
}

static struct err *read_out(struct snapshot *s)
{
	AUTO(stream) struct stream in;
	snapshot_init(s);
	TRY(stream_open_memory(out.buf, out.len, "x.hprof", UINT64_MAX, &in));
	return hprof_read(&in, s);
}

static const struct heap_type *type(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->heap.types.n; i++) {
		if (strcmp(s->heap.types.v[i].type, name) == 0)
			return &s->heap.types.v[i];
	}
	fail_msg("no %s", name);
	return NULL;
}

static void expect(const struct snapshot *s, const char *name, uint64_t n, uint64_t size)
{
	assert_int_equal(type(s, name)->objects, n);
	assert_int_equal(type(s, name)->bytes, size);
}

/* ---- tests ---- */

static void classes_and_arrays_are_counted_with_their_shallow_sizes(void **state)
{
	static const struct {
		size_t ids, ref, array;
		uint64_t session, object, strings, kilobyte;
	} cases[] = {
		/* header, a reference and an int of the superclass, a long, a byte and a reference, padded */
		{ 8, 4, 16, 40, 24, 40, 1016 }, /* 12+4+4+8+1+4 */
		{ 8, 8, 16, 48, 24, 56, 1016 }, /* 12+8+4+8+1+8 */
		{ 8, 8, 24, 48, 32, 64, 1024 }, /* 16+8+4+8+1+8 */
		{ 4, 4, 12, 32, 16, 32, 1016 }, /* 8+4+4+8+1+4 */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(snapshot) struct snapshot s;
		whole_dump(cases[i].ids, cases[i].ref, cases[i].array);
		AUTO(err) struct err *err = read_out(&s);
		assert_null(err);
		assert_int_equal(s.parts, SNAPSHOT_CENSUS);
		assert_int_equal(s.clock.wall, 1700000000123000000);
		expect(&s, "Leak$Session", 2, 2 * cases[i].session);
		expect(&s, "java.lang.Object", 1, cases[i].object);
		expect(&s, "java.lang.String[5][]", 2, 2 * cases[i].strings);
		expect(&s, "byte[1000]", 2, 2 * cases[i].kilobyte);
		assert_int_equal(type(&s, "byte[2000]")->objects, 1);
		assert_int_equal(type(&s, "(class 0x3e7)")->objects, 1);
		assert_string_equal(s.heap.types.v[0].type, "byte[1000]"); /* by bytes */
	}
}

static void what_does_not_tell_its_layout_says_so(void **state)
{
	AUTO(snapshot) struct snapshot s;
	start(8);
	size_t at = open_segment();
	bytes(0x4000, 10);
	close_segment(at);
	record(0x2c, 0);
	AUTO(err) struct err *err = read_out(&s);
	assert_null(err);
	expect(&s, "byte[10]", 1, 32);
	assert_int_equal(s.notes.n, 1);
}

static void lengths_beyond_the_limit_share_a_row(void **state)
{
	AUTO(snapshot) struct snapshot s;
	start(8);
	size_t at = open_segment();
	enum { MORE = 10 };
	for (size_t i = 0; i < HPROF_LENGTHS_MAX + MORE; i++) {
		be(0x22, 1);
		id(i);
		be(1, 4);
		be(i % 100, 4);
		id(1 + i / 100);
		for (size_t k = 0; k < i % 100; k++)
			id(0);
	}
	close_segment(at);
	record(0x2c, 0);
	AUTO(err) struct err *err = read_out(&s);
	assert_null(err);
	uint64_t all = 0;
	for (size_t i = 0; i < s.heap.types.n; i++)
		all += s.heap.types.v[i].objects;
	assert_int_equal(all, HPROF_LENGTHS_MAX + MORE);
	assert_int_equal(s.heap.types.n, HPROF_LENGTHS_MAX + 1);
}

/* Wherever a dump is cut the sentence has its name, and no cut reads as a smaller heap. */
static void every_cut_is_an_error(void **state)
{
	whole_dump(8, 4, 16);
	size_t n = out.len;
	for (size_t cut = 0; cut < n; cut++) {
		AUTO(snapshot) struct snapshot s;
		out.len = cut;
		AUTO(err) struct err *err = read_out(&s);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_FORMAT);
		assert_non_null(strstr(err_text(err), "x.hprof: "));
		assert_int_equal(s.heap.types.n, 0);
	}
	out.len = n;
}

static void wrong_bytes_are_told_with_their_offset(void **state)
{
	static const struct {
		const char *want;
		unsigned char tag;
		uint64_t length; /* of the array */
		unsigned char type;
		size_t segment; /* 0: as long as it is */
	} cases[] = {
		{ "x.hprof: a sub-record of unknown kind 0x77 at offset 40", 0x77, 0, 0, 0 },
		{ "x.hprof: an array of unknown type 3 at offset 40", 0x23, 4, 3, 0 },
		{ "x.hprof: a sub-record is 4294967280 bytes longer than its segment at offset 40", 0x23, 0xfffffff0,
		  BYTE, 0 },
		{ "x.hprof: the file ends 4294967262 bytes too early at offset 58", 0x23, 0xfffffff0 - 18, BYTE,
		  0xfffffff0 },
		{ "x.hprof: a field of unknown type 99 at offset 112", 0x20, 0, 99, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO(snapshot) struct snapshot s;
		static const unsigned char none = 99;
		start(8);
		size_t at = open_segment();
		if (cases[i].tag == 0x20) {
			class_dump(1, 0, &none, 1);
		} else {
			be(cases[i].tag, 1);
			id(0x1000);
			be(0, 4);
			be(cases[i].length, 4);
			be(cases[i].type, 1);
		}
		close_segment(at);
		for (size_t k = 0; cases[i].segment && k < 4; k++)
			out.buf[at - 4 + k] = (char)(cases[i].segment >> (8 * (3 - k)));
		AUTO(err) struct err *err = read_out(&s);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_FORMAT);
		if (cases[i].tag != 0x20)
			assert_string_equal(err_text(err), cases[i].want);
		else
			assert_non_null(strstr(err_text(err), "unknown type 99 at offset"));
	}
}

static void other_versions_are_refused_by_name(void **state)
{
	AUTO(snapshot) struct snapshot s;
	start(8);
	out.buf[17] = '3';
	AUTO(err) struct err *err = read_out(&s);
	assert_int_equal(err_code(err), ERR_UNSUPPORTED);
	assert_non_null(strstr(err_text(err), "1.0.3"));
	AUTO(snapshot) struct snapshot t;
	start(5);
	AUTO(err) struct err *size = read_out(&t);
	assert_int_equal(err_code(size), ERR_FORMAT);
	assert_non_null(strstr(err_text(size), "identifiers of 5 bytes"));
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
		cmocka_unit_test(classes_and_arrays_are_counted_with_their_shallow_sizes),
		cmocka_unit_test(what_does_not_tell_its_layout_says_so),
		cmocka_unit_test(lengths_beyond_the_limit_share_a_row),
		cmocka_unit_test(every_cut_is_an_error),
		cmocka_unit_test(wrong_bytes_are_told_with_their_offset),
		cmocka_unit_test(other_versions_are_refused_by_name),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
