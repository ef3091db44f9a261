/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"

static void integers_are_little_endian(void **state)
{
	const unsigned char bytes[] = { 1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0x80 };
	struct cursor c;
	cursor_init(&c, bytes, sizeof(bytes));
	assert_int_equal(cursor_u8(&c), 1);
	assert_int_equal(cursor_u16(&c), 2);
	assert_int_equal(cursor_u32(&c), 3);
	assert_true(cursor_u64(&c) == (UINT64_C(0x80) << 56 | 4));
	assert_int_equal(cursor_left(&c), 0);
	assert_null(cursor_check(&c, "it"));
}

static void reading_past_the_end_is_bad_and_stays_bad(void **state)
{
	struct cursor c;
	cursor_init(&c, "abc", 3);
	assert_int_equal(cursor_u32(&c), 0);
	assert_true(c.bad);
	assert_int_equal(cursor_u8(&c), 0);
	assert_false(cursor_seek(&c, 0));
	AUTO(err) struct err *err = cursor_check(&c, "the note");
	assert_int_equal(err_code(err), ERR_FORMAT);
	assert_string_equal(err_text(err), "the note is cut short at offset 0");
}

static void huge_lengths_do_not_wrap(void **state)
{
	struct cursor c;
	cursor_init(&c, "abc", 3);
	assert_null(cursor_bytes(&c, UINT64_MAX));
	cursor_init(&c, "abc", 3);
	assert_false(cursor_skip(&c, UINT64_MAX - 1));
	cursor_init(&c, "abc", 3);
	assert_false(cursor_seek(&c, 4));
	cursor_init(&c, "abc", 3);
	assert_true(cursor_seek(&c, 3));
}

static void strings_need_their_nul(void **state)
{
	struct cursor c;
	cursor_init(&c, "ab\0cd", 5);
	assert_string_equal(cursor_str(&c), "ab");
	assert_int_equal(cursor_offset(&c), 3);
	assert_null(cursor_str(&c));
	assert_true(c.bad);
	cursor_init(&c, NULL, 0);
	assert_null(cursor_str(&c));
}

static void uvarints(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		uint64_t value;
		bool bad;
	} rows[] = {
		{ "\x00", 1, 0, false },       { "\x7f", 1, 127, false },
		{ "\xac\x02", 2, 300, false }, { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, UINT64_MAX, false },
		{ "\x80", 1, 0, true },	       { "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, 0, true },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cursor c;
		cursor_init(&c, rows[i].bytes, rows[i].len);
		assert_true(cursor_uvarint(&c) == rows[i].value);
		assert_int_equal(c.bad, rows[i].bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_little_endian),
		cmocka_unit_test(reading_past_the_end_is_bad_and_stays_bad),
		cmocka_unit_test(huge_lengths_do_not_wrap),
		cmocka_unit_test(strings_need_their_nul),
		cmocka_unit_test(uvarints),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
