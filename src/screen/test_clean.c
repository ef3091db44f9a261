/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "screen/clean.h"

static void hostile_text_is_shown_and_not_sent(void **state)
{
	static const struct {
		const char *in;
		bool utf8;
		const char *out;
	} rows[] = {
		{ "plain \\x1b", true, "plain \\x1b" },
		{ "a\x1b[31mb\nc\td\x7f", true, "a\\x1b[31mb\\x0ac\\x09d\\x7f" },
		{ "gr\xc3\xbc\xc3\x9f", true, "gr\xc3\xbc\xc3\x9f" },
		{ "gr\xc3\xbc", false, "gr\\u{fc}" },
		{ "\xc2\x9b", true, "\\u{9b}" },	     /* CSI in one character */
		{ "\xe2\x80\xae", true, "\\u{202e}" },	     /* right to left from here */
		{ "\xe2\x80\xa8", true, "\\u{2028}" },	     /* line separator */
		{ "\xef\xbb\xbf", true, "\\u{feff}" },	     /* no width at all */
		{ "\xff\xc3", true, "\\xff\\xc3" },	     /* no UTF-8 */
		{ "\xed\xa0\x80", true, "\\xed\\xa0\\x80" }, /* a surrogate */
		{ "\xf0\x9f\x90\xb9", true, "\xf0\x9f\x90\xb9" },
		{ NULL, true, "?" },
		{ "", true, "" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO(strbuf) struct strbuf out;
		strbuf_init(&out);
		clean_add(&out, rows[i].in, rows[i].utf8);
		assert_string_equal(out.buf, rows[i].out);
	}
}

static void long_text_loses_its_middle(void **state)
{
	static const struct {
		const char *in;
		size_t width;
		bool utf8;
		const char *out;
	} rows[] = {
		{ "short", 5, true, "short" },
		{ "0123456789", 9, true,
		  "012\xe2\x80\xa6"
		  "56789" },
		{ "0123456789", 8, false, "01...789" },
		{ "0123456789", 3, false, "012" },
		{ "0123456789", 1, true, "0" },
		{ "0123456789", 0, true, "" },
		{ "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc", 4, true, "\xc3\xa4\xe2\x80\xa6\xc3\xb6\xc3\xbc" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO(strbuf) struct strbuf out;
		strbuf_init(&out);
		clean_cut(&out, rows[i].in, rows[i].width, rows[i].utf8);
		assert_string_equal(out.buf, rows[i].out);
		assert_true(clean_width(out.buf) <= rows[i].width);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_text_is_shown_and_not_sent),
		cmocka_unit_test(long_text_loses_its_middle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
