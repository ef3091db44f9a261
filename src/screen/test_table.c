/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "screen/table.h"

static const struct style plain = { .width = 30 };

static void columns_are_aligned_and_no_line_ends_in_space(void **state)
{
	static const struct table_column columns[] = {
		{ "NAME", TABLE_LEFT, 0 },
		{ "SIZE", TABLE_RIGHT, 0 },
		{ "", TABLE_LEFT, 0 },
	};
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct table t;
	table_init(&t, columns, 3, &plain);
	t.indent = 1;
	table_cell(&t, "a");
	table_size(&t, 1536);
	table_cell(&t, "what it is, at some length");
	table_cell(&t, "b\x1b[2J");
	table_size(&t, UINT64_MAX);
	table_cell(&t, "");
	table_print(&t, &out);
	assert_string_equal(out.buf, " NAME          SIZE\n"
				     " a         1.50 KiB  wh...ngth\n"
				     " b\\x1b[2J         -\n");
	table_deinit(&t);
}

static void a_column_keeps_its_limit_and_the_screen_its_width(void **state)
{
	static const struct table_column columns[] = { { NULL, TABLE_LEFT, 6 }, { NULL, TABLE_LEFT, 0 } };
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct table t;
	table_init(&t, columns, 2, &plain);
	table_cell(&t, "0123456789");
	table_cell(&t, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
	table_print(&t, &out);
	assert_string_equal(out.buf, "0...89  abcdefg...opqrstuvwxyz\n");
	assert_true(strlen(out.buf) <= 31);
	table_deinit(&t);
}

static void colour_surrounds_the_text_only(void **state)
{
	static const struct table_column columns[] = { { NULL, TABLE_RIGHT, 0 }, { NULL, TABLE_LEFT, 0 } };
	static const struct style colored = { .color = true, .width = 30 };
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct table t;
	table_init(&t, columns, 2, &colored);
	table_cell(&t, "x");
	table_role(&t, STYLE_HEAD);
	table_cell(&t, "y");
	table_rgb(&t, "#ff0000");
	table_cell(&t, "long");
	table_cell(&t, "");
	table_role(&t, STYLE_DIM);
	table_print(&t, &out);
	assert_string_equal(out.buf, "   \x1b[1mx\x1b[0m  \x1b[38;5;196my\x1b[0m\nlong\n");
	table_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_aligned_and_no_line_ends_in_space),
		cmocka_unit_test(a_column_keeps_its_limit_and_the_screen_its_width),
		cmocka_unit_test(colour_surrounds_the_text_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
