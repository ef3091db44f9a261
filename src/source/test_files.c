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

#include "base/cleanup.h"
#include "source/files.h"

static void put(const char *root, const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", root, name);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(path, 0755);
		*slash = '/';
	}
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void files_are_found_by_their_end(void **state)
{
	static const char *const table[][2] = {
		{ "example.com/mod/store/db.go", "store/db.go" },
		{ "/build/x/store/db.go", "store/db.go" },
		{ "example.com/mod@v1.2.3/cache/db.go", "cache/db.go" },
		{ "example.com/mod/main.go", "main.go" },
		{ "main.go", "main.go" },
		{ "example.com/other/db.go", NULL }, /* two are as near */
		{ "a/xdb.go", NULL },
		{ "nothing.go", NULL },
		{ "", NULL },
		{ "store/db.go/", NULL },
		{ "b/one.go", "b/one.go" },
		{ "c/one.go", "one.go" },
	};
	char root[] = "/tmp/ullage-files-XXXXXX";
	struct source_files f;
	assert_non_null(mkdtemp(root));
	put(root, "store/db.go", "package store\n");
	put(root, "cache/db.go", "package cache\n");
	put(root, "main.go", "package main\n");
	put(root, "one.go", "package main\n");
	put(root, "b/one.go", "package b\n");
	put(root, "store/db_test.go", "package store\n");
	put(root, ".git/x.go", "package x\n");
	put(root, "node_modules/y.go", "package y\n");
	AUTO_FREE char *link = xasprintf("%s/z.go", root), *loop = xasprintf("%s/loop", root);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(symlink(root, loop), 0);
	assert_null(source_files_open(root, &f));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *found = source_files_find(&f, table[i][0]);
		if ((found && !table[i][1]) || (!found && table[i][1]) || (found && strcmp(found, table[i][1]) != 0))
			fail_msg("%s is %s, not %s", table[i][0], found ? found : "none", table[i][1]);
	}
	char *text = NULL;
	size_t len = 0;
	assert_null(source_files_read(&f, "main.go", &text, &len));
	assert_string_equal(text, "package main\n");
	free(text);
	struct err *err = source_files_read(&f, "z.go", &text, &len);
	assert_non_null(err);
	assert_null(text);
	err_free(err);
	source_files_close(&f);
	AUTO_FREE char *command = xasprintf("rm -r %s", root);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(files_are_found_by_their_end) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
