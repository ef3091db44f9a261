/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "operand/status.h"

static void every_error_has_its_status(void **state)
{
	static const struct {
		enum err_code code;
		int status;
	} rows[] = {
		{ ERR_ARG, 2 },		{ ERR_GONE, 3 },   { ERR_NOT_FOUND, 3 }, { ERR_DENIED, 4 },
		{ ERR_UNSUPPORTED, 5 }, { ERR_FORMAT, 6 }, { ERR_LIMIT, 6 },	 { ERR_FAULT, 6 },
		{ ERR_WRITE, 7 },	{ ERR_OS, 70 },	   { ERR_NOMEM, 70 },	 { ERR_INTERNAL, 70 },
	};
	assert_int_equal(sizeof(rows) / sizeof(rows[0]), ERR_MAX_);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(status_of(rows[i].code), rows[i].status);
	assert_int_equal(status_of(ERR_MAX_), 70);
}

static void every_command_has_its_help(void **state)
{
	AUTO(strbuf) struct strbuf all;
	strbuf_init(&all);
	command_help_text(NULL, &all);
	for (size_t i = 0; command_table[i]; i++) {
		const struct command *c = NULL;
		AUTO(strbuf) struct strbuf one;
		strbuf_init(&one);
		assert_null(command_find(command_table[i]->name, &c));
		assert_ptr_equal(c, command_table[i]);
		assert_non_null(strstr(all.buf, c->purpose));
		command_help_text(c, &one);
		assert_non_null(strstr(one.buf, "\nExamples:\n"));
		assert_non_null(strstr(one.buf, "\nExit status:\n"));
		assert_non_null(strstr(one.buf, "--help"));
	}
}

static void an_unknown_command_has_a_neighbour(void **state)
{
	static const struct {
		const char *name, *text;
	} rows[] = {
		{ "mpa", "unknown command 'mpa'; did you mean map?" },
		{ "frobnicate", "unknown command 'frobnicate'; `ullage help` lists the commands" },
		{ "--json", "the command comes first, before '--json': see `ullage help`" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct command *c = NULL;
		AUTO(err) struct err *err = command_find(rows[i].name, &c);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_ARG);
		assert_string_equal(err_text(err), rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_its_status),
		cmocka_unit_test(every_command_has_its_help),
		cmocka_unit_test(an_unknown_command_has_a_neighbour),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
