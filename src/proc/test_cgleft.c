/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "base/strbuf.h"
#include "proc/cgleft.h"
#include "proc/test_child.h"

/* A tree of directories that looks like a v1 hierarchy, and a mountinfo that shows it. */
struct scene {
	char root[32];
	char *mountinfo;
	struct arena arena;
	struct proc_cgleft left;
	struct proc_process p;
};

static void put_file(const char *dir, const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A cgroup with these processes ("" none) and that charge. */
static void cgroup(const struct scene *sc, const char *name, const char *procs, const char *usage)
{
	AUTO_FREE char *dir = xasprintf("%s/%s", sc->root, name);
	mkdir(dir, 0755);
	put_file(dir, "cgroup.procs", procs);
	put_file(dir, "memory.usage_in_bytes", usage);
	put_file(dir, "memory.stat", "");
}

static void scene_init(struct scene *sc)
{
	*sc = (struct scene){ .root = "/tmp/ullage-cgleft-XXXXXX" };
	assert_non_null(mkdtemp(sc->root));
	arena_init(&sc->arena);
	cgroup(sc, "", "", "0\n");
	sc->mountinfo = xasprintf("%s/mountinfo", sc->root);
	AUTO_FREE char *line = xasprintf("1 1 0:1 / %s rw - cgroup cgroup rw,memory\n", sc->root);
	put_file(sc->root, "mountinfo", line);
}

static void scene_deinit(struct scene *sc)
{
	vec_deinit(&sc->left.v);
	arena_deinit(&sc->arena);
	free(sc->mountinfo);
	AUTO_FREE char *command = xasprintf("rm -r %s", sc->root);
	assert_int_equal(system(command), 0);
}

/* As of a process whose files are in the tree, too. */
static void look(struct scene *sc, const char *own)
{
	struct proc_fds none = { 0 };
	AUTO_FREE char *proc = xasprintf("%s/proc", sc->root), *dir = xasprintf("%s/81", proc);
	AUTO_FREE char *cg = xasprintf("4:memory:%s\n", own);
	mkdir(proc, 0755);
	mkdir(dir, 0755);
	put_file(dir, "stat", "81 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0");
	put_file(dir, "status", "Name:\tx\nState:\tS (sleeping)\nUid:\t0\t0\t0\t0\n");
	put_file(dir, "cgroup", cg);
	ok(proc_process_open(proc, 81, &sc->p));
	ok(proc_cgleft_read(&sc->p, sc->mountinfo, &none, &sc->arena, &sc->left));
	proc_process_close(&sc->p);
}

static const struct proc_cgleft_one *find(const struct scene *sc, const char *path)
{
	for (size_t i = 0; i < sc->left.v.n; i++) {
		if (strcmp(sc->left.v.v[i].path, path) == 0)
			return &sc->left.v.v[i];
	}
	return NULL;
}

static void those_below_ones_own_without_processes(void **state)
{
	struct scene sc;
	scene_init(&sc);
	cgroup(&sc, "own", "81\n", "999999\n");
	cgroup(&sc, "own/lives", "82\n", "1\n");
	cgroup(&sc, "own/left", "", "4096\n");
	cgroup(&sc, "own/nested", "", "10000\n");
	cgroup(&sc, "own/nested/a", "", "3000\n");
	cgroup(&sc, "own/nested/b", "", "4000\n");
	cgroup(&sc, "own/above", "", "70000\n"); /* a process lives below it */
	cgroup(&sc, "own/above/lives", "83\n", "60000\n");
	cgroup(&sc, "own/above/left", "", "500\n");
	cgroup(&sc, "sibling", "", "123456\n");
	look(&sc, "/own");
	assert_int_equal(sc.left.v.n, 5);
	assert_int_equal(sc.left.charged, 4096 + 10000 + 500);
	assert_non_null(find(&sc, "/own/left"));
	assert_non_null(find(&sc, "/own/nested"));
	assert_int_equal(find(&sc, "/own/nested/b")->charged, 4000);
	assert_non_null(find(&sc, "/own/above/left"));
	assert_null(find(&sc, "/own/above"));
	assert_true(find(&sc, "/own/left")->age_ns >= 0);
	assert_true(sc.left.dying == CGROUP_UNKNOWN);
	assert_false(sc.left.by_age || sc.left.cut);
	scene_deinit(&sc);
}

static void a_cgroup_that_does_not_tell_is_not_accused(void **state)
{
	struct scene sc;
	scene_init(&sc);
	cgroup(&sc, "own", "81\n", "999999\n");
	cgroup(&sc, "own/mute", "", "1\n");
	AUTO_FREE char *procs = xasprintf("%s/own/mute/cgroup.procs", sc.root);
	unlink(procs);
	look(&sc, "/own");
	assert_int_equal(sc.left.v.n, 0);
	scene_deinit(&sc);
}

static void nothing_where_no_cgroup_is_visible(void **state)
{
	struct scene sc;
	scene_init(&sc);
	look(&sc, "/elsewhere");
	assert_int_equal(sc.left.v.n, 0);
	assert_int_equal(sc.left.roots, 0);
	scene_deinit(&sc);
}

int main(void)
{
	struct stat st;
	if (stat("/proc/self/ns/pid", &st) != 0 || st.st_ino != 0xEFFFFFFCu) {
		printf("1..0 # SKIP v1 tells nothing in a pid namespace of one's own\n");
		return 0;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_below_ones_own_without_processes),
		cmocka_unit_test(a_cgroup_that_does_not_tell_is_not_accused),
		cmocka_unit_test(nothing_where_no_cgroup_is_visible),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
