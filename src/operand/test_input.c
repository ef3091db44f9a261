/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "operand/input.h"

static const struct evidence_options nothing = { .account = { .procfs = "/proc" } };

/* A file with these bytes; its name is valid until the next one. */
static const char *file_of(const void *data, size_t len)
{
	static char path[64];
	strcpy(path, "/tmp/ullage-input.XXXXXX");
	AUTO_CLOSE int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	return path;
}

static void digits_are_a_process_and_all_else_a_file(void **state)
{
	assert_false(input_is_file("4711"));
	assert_false(input_is_file(""));
	assert_true(input_is_file("./4711"));
	assert_true(input_is_file("4711.pb.gz"));
	assert_true(input_is_file("http://localhost:6060/debug/pprof/heap"));
	assert_true(input_is_file("-"));
}

static void a_file_of_no_use_is_refused_with_what_it_is(void **state)
{
	static const char core[32] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\4",
			  program[32] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2";
	static const struct {
		const char *data;
		size_t len;
		enum err_code code;
		const char *text;
	} rows[] = {
		{ core, sizeof(core), ERR_FORMAT, ": no ELF core begins at offset 0" },
		{ program, sizeof(program), ERR_ARG, " is a program; " },
		{ "go1.7 heap dump\n", 16, ERR_FORMAT, "at offset 16" },
		{ "JAVA PROFILE 1.0.2\0", 19, ERR_ARG, " is a JVM heap dump (HPROF); `owners` and `diff` read it" },
		{ "heap profile: 1: 2 [3: 4] @ heap/2\n", 35, ERR_ARG, " is a profile as text (debug=1); " },
		{ "", 0, ERR_FORMAT, "the file is empty: nothing at offset 0" },
		{ "hello world\n", 12, ERR_FORMAT, "no snapshot, profile or dump of a known kind begins at offset 0" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct snapshot s;
		int status = 0;
		const char *path = file_of(rows[i].data, rows[i].len);
		struct err *err = input_operand(path, &nothing, &s, &status);
		assert_non_null(err);
		assert_int_equal(err_code(err), rows[i].code);
		assert_non_null(strstr(err_text(err), path));
		assert_non_null(strstr(err_text(err), rows[i].text));
		err_free(err);
		snapshot_deinit(&s);
		unlink(path);
	}
}

static void a_file_that_is_not_there_is_not_found(void **state)
{
	static const struct {
		const char *operand;
		enum err_code code;
		const char *text;
	} rows[] = {
		{ "/nonexistent/file", ERR_NOT_FOUND, "/nonexistent/file: No such file or directory" },
		{ "before.ullage", ERR_NOT_FOUND, "before.ullage: No such file or directory" },
		{ "nginx", ERR_ARG,
		  "is neither a process id nor a file; a process is found by its name with --name nginx" },
		{ "/tmp", ERR_ARG, "'/tmp' is a directory; a cgroup is named with --cgroup" },
		{ "", ERR_ARG, "'' is not a process id" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct snapshot s;
		int status = 0;
		struct err *err = input_operand(rows[i].operand, &nothing, &s, &status);
		assert_int_equal(err_code(err), rows[i].code);
		assert_non_null(strstr(err_text(err), rows[i].text));
		err_free(err);
		snapshot_deinit(&s);
	}
}

static void what_a_file_is_can_be_asked(void **state)
{
	enum codec_kind kind = CODEC_UNKNOWN;
	const char *path = file_of("goroutine 1 [running]:\n", 23);
	assert_null(input_kind(path, &kind));
	assert_int_equal(kind, CODEC_GOROUTINES);
	unlink(path);
	struct err *err = input_kind(path, &kind);
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
	err_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digits_are_a_process_and_all_else_a_file),
		cmocka_unit_test(a_file_of_no_use_is_refused_with_what_it_is),
		cmocka_unit_test(a_file_that_is_not_there_is_not_found),
		cmocka_unit_test(what_a_file_is_can_be_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
