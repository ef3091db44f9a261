/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "format/output.h"

static char folder[] = "/tmp/ullage-output-XXXXXX";

static char *in_folder(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

static int set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	return rmdir(folder); /* fails when something was left behind */
}

static void assert_content(const char *path, const char *want)
{
	char got[64] = { 0 };
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	assert_string_equal(got, want);
}

static size_t count_files(void)
{
	size_t n = 0;
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static struct err *put(const char *path, const char *text)
{
	struct output o;
	TRY(output_open(&o, path));
	return output_commit(&o, text, strlen(text));
}

static void a_file_appears_whole(void **state)
{
	AUTO_FREE char *path = in_folder("a");
	struct output o;
	assert_null(output_open(&o, path));
	assert_int_equal(access(path, F_OK), -1);
	assert_null(output_commit(&o, "one", 3));
	assert_content(path, "one");
	assert_int_equal(chmod(path, 0640), 0);
	assert_null(put(path, "two"));
	assert_content(path, "two");
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(count_files(), 1);
	unlink(path);
}

static void what_is_abandoned_leaves_nothing(void **state)
{
	AUTO_FREE char *path = in_folder("a");
	struct output o;
	assert_null(output_open(&o, path));
	assert_int_equal(count_files(), o.nameless ? 0 : 1);
	output_abandon(&o);
	assert_int_equal(count_files(), 0);
	output_abandon(&o);
}

static void a_link_is_followed(void **state)
{
	AUTO_FREE char *path = in_folder("a"), *link = in_folder("b");
	assert_null(put(path, "one"));
	assert_int_equal(symlink("a", link), 0);
	assert_null(put(link, "two"));
	assert_content(path, "two");
	struct stat st;
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(path);
	unlink(link);
}

static void assert_refused(const char *path)
{
	AUTO(err) struct err *err = put(path, "x");
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_WRITE);
	assert_string_not_equal(err_text(err), "");
}

static void what_cannot_be_written_is_refused(void **state)
{
	assert_refused("");
	assert_refused("/nonexistent/file");
	assert_refused("/dev/full/file");
	assert_refused("/dev/full");
	assert_refused(folder);
	assert_null(put("/dev/null", "x"));
	struct stat st;
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
}

static void a_reader_that_went_away_is_not_talked_about(void **state)
{
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	AUTO(err) struct err *err = output_write(fds[1], "standard output", "x", 1);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_WRITE);
	assert_string_equal(err_text(err), "");
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_appears_whole),
		cmocka_unit_test(what_is_abandoned_leaves_nothing),
		cmocka_unit_test(a_link_is_followed),
		cmocka_unit_test(what_cannot_be_written_is_refused),
		cmocka_unit_test(a_reader_that_went_away_is_not_talked_about),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
