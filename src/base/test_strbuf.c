/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

static void it_is_a_string_from_the_start(void **state)
{
	AUTO(strbuf) struct strbuf sb;
	strbuf_init(&sb);
	assert_string_equal(sb.buf, "");
	strbuf_clear(&sb);
	assert_string_equal(sb.buf, "");
}

static void it_grows(void **state)
{
	AUTO(strbuf) struct strbuf sb;
	strbuf_init(&sb);
	for (int i = 0; i < 1000; i++)
		strbuf_printf(&sb, "%d,", i);
	assert_int_equal(sb.len, strlen(sb.buf));
	assert_int_equal(sb.len, 10 * 2 + 90 * 3 + 900 * 4);
	strbuf_clear(&sb);
	strbuf_puts(&sb, "ab");
	strbuf_putc(&sb, 'c');
	strbuf_add(&sb, "def", 2);
	assert_string_equal(sb.buf, "abcde");
}

static void taken_strings_are_given(void **state)
{
	AUTO(strbuf) struct strbuf sb;
	strbuf_init(&sb);
	strbuf_puts(&sb, "mine");
	AUTO_FREE char *s = strbuf_take(&sb);
	assert_string_equal(s, "mine");
	assert_string_equal(sb.buf, "");
	strbuf_puts(&sb, "again");
	assert_string_equal(sb.buf, "again");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_a_string_from_the_start),
		cmocka_unit_test(it_grows),
		cmocka_unit_test(taken_strings_are_given),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
