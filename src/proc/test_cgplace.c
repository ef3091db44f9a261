/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "proc/cgplace.h"

static void the_v1_hierarchy_wins(void **state)
{
	static const struct {
		const char *text;
		unsigned version;
		const char *path;
	} rows[] = {
		{ "4:memory:/a\n0::/b\n", 1, "/a" },
		{ "0::/b\n4:cpu,memory:/a", 1, "/a" },
		{ "0::/b\n", 2, "/b" },
		{ "4:cpu:/a\n0::/b:c d\n", 2, "/b:c d" },
		{ "4:memoryx,xmemory:/a\n", 0, NULL },
		{ "4:memory:relative\n", 0, NULL },
		{ "5::/v1 without controllers\n", 0, NULL },
		{ "1:name=memory:/a\n", 0, NULL },
		{ "", 0, NULL },
		{ ":", 0, NULL },
		{ "0:", 0, NULL },
		{ "0::", 0, NULL },
		{ "\n\n0::/\n", 2, "/" },
	};
	struct arena arena;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cgplace p;
		proc_cgplace_find(rows[i].text, "memory", &arena, &p);
		assert_int_equal(p.version, rows[i].version);
		if (rows[i].path)
			assert_string_equal(p.path, rows[i].path);
		else
			assert_null(p.path);
	}
	arena_deinit(&arena);
}

static void paths_are_put_below_their_mount(void **state)
{
	static const struct {
		const char *root, *path, *below; /* NULL: not there; "*": to be searched */
	} rows[] = {
		{ "/", "/", "" },
		{ "/", "/a/b", "a/b" },
		{ "/", "/a/b/", "a/b" },
		{ "/a", "/a", "" },
		{ "/a", "/a/b", "b" },
		{ "/a/", "/a/b", "b" },
		{ "/a", "/ab", NULL },
		{ "/a", "/", NULL },
		{ "/", "/../x", NULL },
		{ "/..", "/../x", "x" },
		{ "/..", "/..", "" },
		{ "/../..", "/../../x/y", "x/y" },
		{ "/..", "/x", "*" },
		{ "/../..", "/../x", "*" },
		{ "/..", "/../../x", NULL },
		{ "/../s", "/../s/x", "x" },
		{ "/../s", "/x", NULL },
		{ "/", "/a/../b", NULL },
		{ "/", "/a/..", NULL },
		{ "/", "/..a/b", "..a/b" },
		{ "/", "/a/..b", "a/..b" },
		{ "relative", "/a", NULL },
		{ "/a\\040b", "/a b/c", "c" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena;
		arena_init(&arena);
		struct cgplace place = { 2, rows[i].path };
		struct cgplace_dir_vec dirs = { 0 };
		AUTO_FREE char *text = xasprintf("1 2 0:3 %s /mnt rw shared:1 - cgroup2 none rw\n", rows[i].root);
		proc_cgplace_dirs(text, &place, "memory", &arena, &dirs);
		assert_int_equal(dirs.n, rows[i].below != NULL);
		if (dirs.n) {
			bool search = !strcmp(rows[i].below, "*");
			assert_int_equal(dirs.v[0].search, search);
			assert_string_equal(dirs.v[0].below, search ? "" : rows[i].below);
			assert_string_equal(dirs.v[0].mount, "/mnt");
		}
		vec_deinit(&dirs);
		arena_deinit(&arena);
	}
}

static void the_mount_that_shows_most_comes_first(void **state)
{
	static const char text[] = "1 2 0:3 /a/b /one rw - cgroup none rw,memory\n"
				   "1 2 0:3 /.. /two rw - cgroup none rw,memory\n"
				   "1 2 0:3 / /thr\\145e rw a:1 b:2 - cgroup none rw,cpu,memory\n"
				   "1 2 0:3 / /cpu rw - cgroup none rw,cpu\n"
				   "1 2 0:3 / /unified rw - cgroup2 none rw\n"
				   "1 2 0:3 / /cut - cgroup\n";
	struct arena arena;
	arena_init(&arena);
	struct cgplace_dir_vec dirs = { 0 };
	proc_cgplace_dirs(text, &(struct cgplace){ 1, "/a/b/c" }, "memory", &arena, &dirs);
	assert_int_equal(dirs.n, 3);
	assert_string_equal(dirs.v[0].mount, "/three");
	assert_string_equal(dirs.v[0].below, "a/b/c");
	assert_string_equal(dirs.v[1].mount, "/one");
	assert_true(dirs.v[2].search);
	dirs.n = 0;
	proc_cgplace_dirs(text, &(struct cgplace){ 0 }, "memory", &arena, &dirs);
	assert_int_equal(dirs.n, 0);
	vec_deinit(&dirs);
	arena_deinit(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_v1_hierarchy_wins),
		cmocka_unit_test(paths_are_put_below_their_mount),
		cmocka_unit_test(the_mount_that_shows_most_comes_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
