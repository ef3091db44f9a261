/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/lines.h"

static int text_file(const char *text, size_t len)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void last_line_needs_no_newline(void **state)
{
	AUTO_CLOSE int fd = text_file("one\n\nthree", 10);
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	static const char *const want[] = { "one", "", "three" };
	char *line = NULL;
	size_t len = 0;
	for (size_t i = 0; i < 3; i++) {
		assert_null(lines_next(&l, &line, &len));
		assert_string_equal(line, want[i]);
		assert_int_equal(len, strlen(want[i]));
		assert_int_equal(l.line, i + 1);
	}
	assert_null(lines_next(&l, &line, &len));
	assert_null(line);
	assert_null(lines_next(&l, &line, &len));
	assert_null(line);
}

static void empty_file_has_no_line(void **state)
{
	AUTO_CLOSE int fd = text_file("", 0);
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	char *line = (char[]){ "x" };
	assert_null(lines_next(&l, &line, NULL));
	assert_null(line);
}

static void many_lines_cross_the_buffer(void **state)
{
	enum { N = 100000 };
	AUTO_FREE char *text = xmalloc(N * 16);
	size_t len = 0;
	for (int i = 0; i < N; i++)
		len += (size_t)snprintf(text + len, 16, "line %d\n", i);
	AUTO_CLOSE int fd = text_file(text, len);
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	char want[16];
	for (int i = 0; i < N; i++) {
		char *line = NULL;
		assert_null(lines_next(&l, &line, NULL));
		snprintf(want, sizeof(want), "line %d", i);
		assert_string_equal(line, want);
	}
}

static void long_line_is_cut_and_the_next_is_whole(void **state)
{
	enum { LEN = LINES_MAX + 5000 };
	AUTO_FREE char *text = xmalloc(LEN + 10);
	memset(text, 'a', LEN);
	memcpy(text + LEN, "\nnext\n", 6);
	AUTO_CLOSE int fd = text_file(text, LEN + 6);
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	char *line = NULL;
	size_t len = 0;
	assert_null(lines_next(&l, &line, &len));
	assert_int_equal(len, LINES_MAX);
	assert_int_equal(strlen(line), LINES_MAX);
	assert_null(lines_next(&l, &line, &len));
	assert_string_equal(line, "next");
}

static void endless_line_ends(void **state)
{
	enum { LEN = 3 * LINES_BUF };
	AUTO_FREE char *text = xmalloc(LEN);
	memset(text, 'a', LEN);
	AUTO_CLOSE int fd = text_file(text, LEN);
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	char *line = NULL;
	for (int i = 0; i < 10; i++) {
		assert_null(lines_next(&l, &line, NULL));
		if (!line)
			return;
		assert_int_equal(strlen(line), LINES_MAX);
	}
	fail_msg("did not end");
}

static void unreadable_file_is_an_error(void **state)
{
	AUTO(lines) struct lines l;
	lines_init(&l, -1);
	char *line = NULL;
	AUTO(err) struct err *err = lines_next(&l, &line, NULL);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_OS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_line_needs_no_newline),  cmocka_unit_test(empty_file_has_no_line),
		cmocka_unit_test(many_lines_cross_the_buffer), cmocka_unit_test(long_line_is_cut_and_the_next_is_whole),
		cmocka_unit_test(endless_line_ends),	       cmocka_unit_test(unreadable_file_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
