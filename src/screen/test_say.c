/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "screen/say.h"

static const struct style plain = { .width = 60 };

static void facts_wrap_between_words_and_keep_units(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct say s = { &out, &plain };
	say_fact(&s, "heap", "12 words of some length that go on, until here: 123 MiB, and then more");
	assert_string_equal(out.buf, "  heap       12 words of some length that go on, until here:\n"
				     "             123 MiB, and then more\n");
}

static void a_number_is_not_parted_from_its_unit(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct say s = { &out, &plain };
	say_line(&s, STYLE_PLAIN, 0, "this line has a number that stands at the very end: 12 MiB");
	strbuf_clear(&out);
	struct style narrow = { .width = 55 };
	s.style = &narrow;
	say_line(&s, STYLE_PLAIN, 0, "this line has a number that stands at the very end: 12 MiB");
	assert_string_equal(out.buf, "this line has a number that stands at the very end:\n12 MiB\n");
}

static void hostile_text_stays_on_its_line(void **state)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct say s = { &out, &plain };
	say_title(&s, "%s", "a\nb");
	say_line(&s, STYLE_BAD, 0, "%s", "");
	say_line(&s, STYLE_BAD, 2, "%s", "\x1b]0;x\x07");
	assert_string_equal(out.buf, "\na\\x0ab\n\n  \\x1b]0;x\\x07\n");
}

static void a_word_longer_than_the_line_is_not_lost(void **state)
{
	char word[200];
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = 0;
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct say s = { &out, &plain };
	say_fact(&s, "a", "%s and more", word);
	assert_non_null(strstr(out.buf, word));
	assert_non_null(strstr(out.buf, "\n             and more\n"));
}

static void numbers_for_people(void **state)
{
	char buf[SAY_NUM_LEN];
	assert_string_equal(say_num(0, buf), "0");
	assert_string_equal(say_num(999, buf), "999");
	assert_string_equal(say_num(1000, buf), "1,000");
	assert_string_equal(say_num(UINT64_MAX - 1, buf), "18,446,744,073,709,551,614");
	assert_string_equal(say_num(UINT64_MAX, buf), "unknown");
	assert_string_equal(say_size(1536, buf), "1.50 KiB");
	assert_string_equal(say_size(UINT64_MAX, buf), "unknown");
	assert_string_equal(say_duration(-1, buf), "unknown");
	assert_string_equal(say_duration(0, buf), "0 s");
	assert_string_equal(say_duration(850000000, buf), "850 ms");
	assert_string_equal(say_duration(1300000000, buf), "1.3 s");
	assert_string_equal(say_duration(240000000000, buf), "4.0 min");
	assert_string_equal(say_duration(259200000000000, buf), "3.0 days");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(facts_wrap_between_words_and_keep_units),
		cmocka_unit_test(a_number_is_not_parted_from_its_unit),
		cmocka_unit_test(hostile_text_stays_on_its_line),
		cmocka_unit_test(a_word_longer_than_the_line_is_not_lost),
		cmocka_unit_test(numbers_for_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
