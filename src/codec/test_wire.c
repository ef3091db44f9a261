/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "codec/wire.h"

static void numbers_come_back_as_they_were(void **state)
{
	static const uint64_t values[] = {
		1, 127, 128, 300, UINT32_MAX, (uint64_t)INT64_MAX, (uint64_t)-5, UINT64_MAX
	};
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		wire_put_u64(&out, (uint32_t)i + 1, values[i]);
	wire_put_i64(&out, 100, -1);
	struct cursor c;
	struct wire_field f;
	cursor_init(&c, out.buf, out.len);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_true(wire_next(&c, &f));
		assert_int_equal(f.number, i + 1);
		assert_int_equal(f.type, WIRE_VARINT);
		assert_true(f.value == values[i]);
	}
	assert_true(wire_next(&c, &f));
	assert_int_equal((int64_t)f.value, -1);
	assert_false(wire_next(&c, &f));
	assert_null(wire_check(&c, "file", "it"));
}

static void zero_and_empty_are_left_out(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	wire_put_u64(&out, 1, 0);
	wire_put_i64(&out, 2, 0);
	wire_put_str(&out, 3, "");
	wire_put_str(&out, 3, NULL);
	wire_put_fixed64(&out, 5, 0);
	assert_int_equal(out.len, 0);
	wire_put_bytes(&out, 4, NULL, 0);
	assert_int_equal(out.len, 2);
}

/* A message in a message, as long as `len`, so that lengths of one to four bytes are written. */
static void check_nested(size_t len)
{
	AUTO_FREE char *text = xmalloc(len + 1);
	memset(text, 'x', len);
	text[len] = 0;
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	wire_put_str(&out, 1, "before");
	size_t outer = wire_begin(&out, 2), inner = wire_begin(&out, 3);
	wire_put_bytes(&out, 4, text, len);
	wire_end(&out, inner);
	wire_put_u64(&out, 5, 55);
	wire_end(&out, outer);
	wire_put_u64(&out, 6, 66);

	struct cursor c;
	struct wire_field f, in, innermost;
	cursor_init(&c, out.buf, out.len);
	assert_true(wire_next(&c, &f));
	assert_memory_equal(f.bytes.p, "before", 6);
	assert_true(wire_next(&c, &f));
	assert_int_equal(f.number, 2);
	assert_true(wire_next(&f.bytes, &in));
	assert_true(wire_next(&in.bytes, &innermost));
	assert_int_equal(cursor_left(&innermost.bytes), len);
	assert_memory_equal(innermost.bytes.p, text, len);
	assert_ptr_equal(innermost.bytes.start, c.start);
	assert_true(wire_next(&f.bytes, &in));
	assert_int_equal(in.value, 55);
	assert_false(wire_next(&f.bytes, &in));
	assert_true(wire_next(&c, &f));
	assert_int_equal(f.value, 66);
	assert_false(wire_next(&c, &f));
	assert_false(c.bad);
}

static void messages_hold_messages_of_any_length(void **state)
{
	static const size_t lengths[] = { 0, 1, 100, 126, 127, 128, 16380, 16384, 3 << 20 };
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		check_nested(lengths[i]);
}

static void repeated_numbers_may_be_packed_or_not(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	size_t at = wire_begin(&out, 1);
	for (uint64_t v = 0; v < 1000; v += 100)
		wire_put_varint(&out, v);
	wire_end(&out, at);
	wire_put_u64(&out, 1, 1000);
	strbuf_add(&out, "\x0a\x00", 2); /* none */
	struct cursor c;
	struct wire_field f;
	uint64_t v = 0, want = 0;
	cursor_init(&c, out.buf, out.len);
	while (wire_next(&c, &f)) {
		for (; wire_number(&f, &v); want += 100)
			assert_int_equal(v, want);
		assert_false(wire_number(&f, &v));
		assert_false(f.bytes.bad);
	}
	assert_false(c.bad);
	assert_int_equal(want, 1100);
}

static void fixed_numbers_are_read(void **state)
{
	static const char data[] = "\x09\x01\x02\x03\x04\x05\x06\x07\x08\x15\x01\x00\x00\x80";
	struct cursor c;
	struct wire_field f;
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	wire_put_fixed64(&out, 1, 0x0807060504030201);
	assert_int_equal(out.len, 9);
	assert_memory_equal(out.buf, data, 9);
	cursor_init(&c, data, sizeof(data) - 1);
	assert_true(wire_next(&c, &f));
	assert_int_equal(f.value, 0x0807060504030201);
	assert_true(wire_next(&c, &f));
	assert_int_equal(f.number, 2);
	assert_int_equal(f.value, 0x80000001);
	assert_false(wire_next(&c, &f));
}

static void damage_is_told_with_its_offset(void **state)
{
	static const struct {
		const char *data;
		size_t len;
		const char *text;
	} rows[] = {
		{ "\x08\x01\x12\x05"
		  "abc",
		  7, "f: it is damaged at offset 2" }, /* a length beyond the end */
		{ "\x08\x01\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 13, "f: it is damaged at offset 2" },
		{ "\x08", 1, "f: it is damaged at offset 0" }, /* no value */
		{ "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, "f: it is damaged at offset 0" },
		{ "\x0b\x0c", 2, "f: it is damaged at offset 0" }, /* a group */
		{ "\x0f\x0c", 2, "f: it is damaged at offset 0" }, /* no type */
		{ "\x00\x01", 2, "f: it is damaged at offset 0" }, /* field 0 */
		{ "\xf8\xff\xff\xff\xff\xff\x01\x01", 8, "f: it is damaged at offset 0" },
		{ "\x0d\x01\x02", 3, "f: it is damaged at offset 0" },
		{ "\x09\x01\x02", 3, "f: it is damaged at offset 0" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cursor c;
		struct wire_field f;
		cursor_init(&c, rows[i].data, rows[i].len);
		while (wire_next(&c, &f))
			;
		struct err *err AUTO(err) = wire_check(&c, "f", "it");
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_FORMAT);
		assert_string_equal(err_text(err), rows[i].text);
	}
}

static void damaged_packed_numbers_end(void **state)
{
	static const char data[] = "\x0a\x03\x05\xff\xff";
	struct cursor c;
	struct wire_field f;
	uint64_t v = 0;
	cursor_init(&c, data, sizeof(data) - 1);
	assert_true(wire_next(&c, &f));
	assert_true(wire_number(&f, &v));
	assert_int_equal(v, 5);
	assert_false(wire_number(&f, &v));
	assert_true(f.bytes.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_back_as_they_were),
		cmocka_unit_test(zero_and_empty_are_left_out),
		cmocka_unit_test(messages_hold_messages_of_any_length),
		cmocka_unit_test(repeated_numbers_may_be_packed_or_not),
		cmocka_unit_test(fixed_numbers_are_read),
		cmocka_unit_test(damage_is_told_with_its_offset),
		cmocka_unit_test(damaged_packed_numbers_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
