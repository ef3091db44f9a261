/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/log.h"

/* What a line looks like where standard error is a pipe. */
static const char *logged(const char *form, bool journal, const char *name)
{
	static char text[LOG_LINE * 2];
	int ends[2], own = dup(STDERR_FILENO);
	struct stat st;
	struct log l;
	char stream[64];
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)st.st_dev, (unsigned long)st.st_ino + !journal);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init(&l, form);
	log_line(&l, LOG_LEVEL_WARNING, "about %s", name);
	dup2(own, STDERR_FILENO);
	ssize_t n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = 0;
	close(own);
	close(ends[0]);
	close(ends[1]);
	return text;
}

static void the_journal_gets_a_level_and_no_time(void **state)
{
	assert_string_equal(logged(NULL, true, "x\n<0>y\033"), "<4>about x?<0>y?\n");
}

static void others_get_a_time_and_a_word(void **state)
{
	const char *line = logged("text", false, "x");
	assert_string_equal(line + strlen("2026-01-01T00:00:00.000Z"), " warning about x\n");
}

static void json_is_an_object_a_line(void **state)
{
	const char *line = logged("json", false, "\"x\"");
	assert_int_equal(strncmp(line, "{\"time\":\"", 9), 0);
	assert_non_null(strstr(line, "\"level\":\"warning\",\"message\":\"about \\\"x\\\"\"}\n"));
}

static void a_line_has_an_end(void **state)
{
	char name[LOG_LINE * 2];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_true(strlen(logged("text", true, name)) < LOG_LINE + 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_journal_gets_a_level_and_no_time),
		cmocka_unit_test(others_get_a_time_and_a_word),
		cmocka_unit_test(json_is_an_object_a_line),
		cmocka_unit_test(a_line_has_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
