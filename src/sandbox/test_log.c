/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/log.h"

/* What a line looks like where standard error is a pipe. */
static const char *logged(const char *form, bool journal, const char *name)
{
	static char text[LOG_LINE * 2];
	int ends[2], own = dup(STDERR_FILENO);
	struct stat st;
	struct log l = { .fd = 0 };
	char stream[64];
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)st.st_dev, (unsigned long)st.st_ino + !journal);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init(&l, form);
	if (l.fd > 0)
		close(l.fd); /* there is a journal here */
	l.fd = -1;
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
	assert_string_equal(logged(NULL, true, "\xff\xc2\x9b\xc3\xa9\xc3"), "<4>about ???\xc3\xa9?\n");
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

static void the_journal_gets_fields(void **state)
{
	char record[LOG_LINE];
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	struct log l = { .journal = true, .fd = pair[0] };
	const struct log_field fields[] = { { "kind", "oom_kill" }, { "name", NULL }, { "comm", "a\nPRIORITY=0" } };
	log_fields(&l, LOG_LEVEL_ERROR, fields, 3, "a\nb");
	ssize_t n = read(pair[1], record, sizeof(record) - 1);
	assert_true(n > 0);
	record[n] = 0;
	assert_string_equal(record, "PRIORITY=3\nSYSLOG_IDENTIFIER=ullage\nULLAGE_KIND=oom_kill\n"
				    "ULLAGE_COMM=a?PRIORITY=0\nMESSAGE=a?b\n");
	close(pair[0]);
	close(pair[1]);
}

static void json_has_the_fields(void **state)
{
	struct log l = { .json = true };
	const struct log_field fields[] = { { "kind", "exit" }, { "target", NULL } };
	int ends[2], own = dup(STDERR_FILENO);
	char text[LOG_LINE] = { 0 };
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_fields(&l, LOG_LEVEL_INFO, fields, 2, "gone");
	dup2(own, STDERR_FILENO);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "\"message\":\"gone\",\"kind\":\"exit\"}\n"));
	close(own);
	close(ends[0]);
	close(ends[1]);
}

static void a_line_has_an_end(void **state)
{
	char name[LOG_LINE * 2];
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	assert_true(strlen(logged("text", true, name)) < LOG_LINE + 10);
}

static void what_nobody_reads_is_lost_and_holds_nobody_up(void **state)
{
	enum { PIPE = 65536, LINES = 2000 };
	static char text[2 * PIPE];
	struct log l = { .fd = -1 };
	int ends[2], own = dup(STDERR_FILENO);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	alarm(20);
	for (unsigned i = 0; i < LINES; i++)
		log_line(&l, LOG_LEVEL_INFO, "line %u of many", i);
	unsigned long lost = l.lost;
	ssize_t n = read(ends[0], text, sizeof(text) - 1);
	log_line(&l, LOG_LEVEL_INFO, "the end");
	alarm(0);
	dup2(own, STDERR_FILENO);
	assert_in_range(n, PIPE / 2, PIPE);
	text[n] = 0;
	unsigned long got = 0;
	for (const char *s = text; (s = strchr(s, '\n')); s++)
		got++;
	assert_int_equal(text[n - 1], '\n'); /* none is cut */
	assert_int_equal(got + lost, LINES);
	text[read(ends[0], text, sizeof(text) - 1)] = 0;
	snprintf(text + PIPE, PIPE, "warning %lu lines of the log are lost here", lost);
	assert_non_null(strstr(text, text + PIPE));
	assert_non_null(strstr(text, "the end\n"));
	close(own);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_journal_gets_a_level_and_no_time),
		cmocka_unit_test(others_get_a_time_and_a_word),
		cmocka_unit_test(json_is_an_object_a_line),
		cmocka_unit_test(the_journal_gets_fields),
		cmocka_unit_test(json_has_the_fields),
		cmocka_unit_test(a_line_has_an_end),
		cmocka_unit_test(what_nobody_reads_is_lost_and_holds_nobody_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
