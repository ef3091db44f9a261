/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/strbuf.h"
#include "proc/cgroup.h"
#include "proc/test_child.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

struct scene {
	char *root, mountinfo[32];
	struct proc_process process;
	struct arena arena;
	struct cgroup cg;
};

static void put_path(struct strbuf *out, const char *path)
{
	for (; *path; path++) {
		if (strchr(" \t\n\\", *path))
			strbuf_printf(out, "\\%03o", *path);
		else
			strbuf_putc(out, *path);
	}
}

/* The tree's mountinfo with @ROOT@ replaced, in a temporary file. */
static void make_mountinfo(struct scene *s)
{
	AUTO_FREE char *path = xasprintf("%s/mountinfo", s->root);
	FILE *in = fopen(path, "re");
	assert_non_null(in);
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	char line[1024];
	while (fgets(line, sizeof(line), in)) {
		char *at = strstr(line, "@ROOT@");
		strbuf_add(&out, line, at ? (size_t)(at - line) : strlen(line));
		if (at) {
			put_path(&out, s->root);
			strbuf_puts(&out, at + strlen("@ROOT@"));
		}
	}
	fclose(in);
	memcpy(s->mountinfo, "/tmp/ullage-mounts-XXXXXX", sizeof("/tmp/ullage-mounts-XXXXXX"));
	AUTO_CLOSE int fd = mkostemp(s->mountinfo, O_CLOEXEC);
	assert_int_equal(write(fd, out.buf, out.len), out.len);
}

static void look(struct scene *s, const char *name, pid_t pid)
{
	*s = (struct scene){ .root = tree(name) };
	arena_init(&s->arena);
	make_mountinfo(s);
	AUTO_FREE char *procfs = xasprintf("%s/proc", s->root);
	ok(proc_process_open(procfs, pid, &s->process));
	ok(proc_cgroup_read(&s->process, s->mountinfo, &s->arena, &s->cg));
	proc_cgroup_pids(&s->cg);
}

static void done(struct scene *s)
{
	unlink(s->mountinfo);
	proc_cgroup_deinit(&s->cg);
	proc_process_close(&s->process);
	arena_deinit(&s->arena);
	free(s->root);
}

static uint64_t event(const struct cgroup *cg, const char *name)
{
	for (size_t i = 0; i < cg->events.n; i++) {
		if (!strcmp(cg->events.v[i].name, name))
			return cg->events.v[i].value;
	}
	return CGROUP_UNKNOWN;
}

static void expect_pids(const struct cgroup *cg, const pid_t *want, size_t n)
{
	assert_int_equal(cg->pids.n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(cg->pids.v[i], want[i]);
}

static void v1(void **state)
{
	struct scene s;
	look(&s, "cgroup-v1", 81);
	assert_int_equal(s.cg.version, 1);
	assert_string_equal(s.cg.path, "/system.slice/web.service");
	assert_non_null(s.cg.dir);
	assert_int_equal(s.cg.usage, 20 * MIB);
	assert_int_equal(s.cg.limit, 64 * MIB);
	assert_string_equal(s.cg.limit_path, "/system.slice");
	assert_true(s.cg.high == CGROUP_UNKNOWN);
	assert_int_equal(s.cg.swap, 0);
	assert_int_equal(s.cg.kmem_usage, 2 * MIB);
	assert_int_equal(s.cg.tcp_usage, 8 * KIB);
	assert_int_equal(s.cg.stat.anon, 10 * MIB);
	assert_int_equal(s.cg.stat.file, 5 * MIB);
	assert_int_equal(s.cg.stat.shmem, 1 * MIB);
	assert_int_equal(s.cg.stat.kernel, 2 * MIB);
	assert_int_equal(s.cg.stat.sock, 8 * KIB);
	assert_true(s.cg.stat.slab == CGROUP_UNKNOWN);
	assert_int_equal(proc_cgroup_working_set(&s.cg), 17 * MIB);
	assert_true(s.cg.cpu_quota > 1.49 && s.cg.cpu_quota < 1.51);
	assert_int_equal(event(&s.cg, "failcnt"), 7);
	assert_int_equal(event(&s.cg, "oom_kill"), 2);
	assert_int_equal(event(&s.cg, "under_oom"), 0);
	assert_int_equal(s.cg.events.n, 3);
	expect_pids(&s.cg, (pid_t[]){ 81, 84, 90 }, 3);
	const char *path = NULL;
	ok(proc_cgroup_path(&s.process, &s.arena, &path));
	assert_string_equal(path, "/system.slice/web.service");
	done(&s);
}

static void v2(void **state)
{
	struct scene s;
	look(&s, "cgroup-v2", 81);
	assert_int_equal(s.cg.version, 2);
	assert_string_equal(s.cg.path, "/kubepods/pod a\\b/c1");
	assert_int_equal(s.cg.limit, 256 * MIB);
	assert_string_equal(s.cg.limit_path, "/kubepods/pod a\\b");
	assert_int_equal(s.cg.high, 200000000);
	assert_int_equal(s.cg.usage, 20 * MIB);
	assert_int_equal(s.cg.swap, 4 * KIB);
	assert_true(s.cg.kmem_usage == CGROUP_UNKNOWN);
	assert_int_equal(s.cg.stat.kernel, 2 * MIB);
	assert_int_equal(s.cg.stat.slab, 512 * KIB);
	assert_int_equal(s.cg.stat.sock, 40 * KIB);
	assert_true(s.cg.cpu_quota > 0.49 && s.cg.cpu_quota < 0.51);
	assert_int_equal(event(&s.cg, "oom_kill"), 1);
	assert_int_equal(event(&s.cg, "high"), 12);
	assert_int_equal(s.cg.pids.n, 3);
	done(&s);
}

static void v2_root_deleted_and_old_kernels(void **state)
{
	struct scene s;
	look(&s, "cgroup-v2", 82);
	assert_string_equal(s.cg.path, "/");
	assert_true(s.cg.usage == CGROUP_UNKNOWN); /* the root has no memory.current */
	assert_true(s.cg.limit == CGROUP_UNKNOWN);
	assert_null(s.cg.limit_path);
	assert_int_equal(s.cg.stat.anon, 10 * MIB);
	assert_true(proc_cgroup_working_set(&s.cg) == CGROUP_UNKNOWN);
	done(&s);
	look(&s, "cgroup-v2", 83);
	assert_int_equal(s.cg.version, 2);
	assert_null(s.cg.dir);
	assert_int_equal(s.cg.pids.n, 0);
	done(&s);
	look(&s, "cgroup-v2", 84);
	assert_int_equal(s.cg.stat.kernel, 524288 + 65536 + 131072 + 1024 + 4096);
	done(&s);
}

static void v2_without_the_controller(void **state)
{
	struct scene s;
	look(&s, "cgroup-v2", 85);
	assert_int_equal(s.cg.version, 2);
	assert_string_equal(s.cg.own_path, "/kubepods/pod a\\b/bare/deeper");
	assert_string_equal(s.cg.path, "/kubepods/pod a\\b"); /* that is charged */
	assert_int_equal(s.cg.usage, 20 * MIB);
	assert_int_equal(s.cg.limit, 256 * MIB);
	assert_string_equal(s.cg.limit_path, "/kubepods/pod a\\b");
	assert_int_equal(s.cg.pids.n, 4);
	const char *path = NULL;
	ok(proc_cgroup_path(&s.process, &s.arena, &path));
	assert_string_equal(path, s.cg.own_path);
	done(&s);
}

static void hybrid(void **state)
{
	struct scene s;
	look(&s, "cgroup-hybrid", 81);
	assert_int_equal(s.cg.version, 1);
	assert_int_equal(s.cg.limit, 50000000);
	assert_string_equal(s.cg.limit_path, "/app");
	assert_true(s.cg.cpu_quota <= 0);
	done(&s);
	look(&s, "cgroup-hybrid", 82);
	assert_int_equal(s.cg.version, 0); /* its v2 cgroup has no memory controller */
	assert_null(s.cg.dir);
	assert_true(s.cg.cpu_quota > 0.24 && s.cg.cpu_quota < 0.26);
	done(&s);
}

static void container_without_a_namespace(void **state)
{
	struct scene s;
	look(&s, "cgroup-container", 81);
	assert_string_equal(s.cg.path, "/docker/0123abcd");
	assert_non_null(s.cg.dir);
	assert_int_equal(s.cg.usage, 20 * MIB);
	assert_int_equal(s.cg.limit, 64 * MIB); /* hierarchical_memory_limit: an ancestor's */
	assert_string_equal(s.cg.limit_path, "(an ancestor that is not visible from here)");
	done(&s);
	look(&s, "cgroup-container", 83);
	assert_non_null(strstr(s.cg.dir, "/memory/child"));
	assert_int_equal(s.cg.limit, 32 * MIB);
	done(&s);
	for (pid_t pid = 82; pid <= 84; pid += 2) { /* others': one has our name as a prefix of its own */
		look(&s, "cgroup-container", pid);
		assert_int_equal(s.cg.version, 1);
		assert_null(s.cg.dir);
		assert_true(s.cg.usage == CGROUP_UNKNOWN && s.cg.limit == CGROUP_UNKNOWN);
		done(&s);
	}
}

static void namespace_below_the_mount(void **state)
{
	struct scene s;
	look(&s, "cgroup-namespace", 81);
	assert_non_null(strstr(s.cg.dir, "/cgroup/other/job"));
	assert_int_equal(s.cg.limit, 300000000);
	assert_string_equal(s.cg.limit_path, "/../../other");
	done(&s);
	look(&s, "cgroup-namespace", 82); /* "/": our own, found by its process */
	assert_non_null(strstr(s.cg.dir, "/cgroup/ours/box"));
	assert_int_equal(s.cg.limit, 500000000);
	assert_string_equal(s.cg.limit_path, "/..");
	done(&s);
	look(&s, "cgroup-namespace", 83);
	assert_non_null(strstr(s.cg.dir, "/cgroup/ours/box/inner"));
	assert_int_equal(s.cg.limit, 500000000);
	done(&s);
	look(&s, "cgroup-namespace", 84);
	assert_non_null(strstr(s.cg.dir, "/cgroup/ours/sibling"));
	assert_int_equal(s.cg.limit, 500000000);
	done(&s);
	look(&s, "cgroup-namespace", 85); /* above what is mounted */
	assert_null(s.cg.dir);
	done(&s);
}

static void garbage_is_unknown(void **state)
{
	struct scene s;
	look(&s, "cgroup-garbage", 81);
	assert_int_equal(s.cg.version, 1);
	assert_string_equal(s.cg.path, "/g");
	assert_non_null(s.cg.dir);
	assert_true(s.cg.usage == CGROUP_UNKNOWN && s.cg.limit == CGROUP_UNKNOWN && s.cg.swap == CGROUP_UNKNOWN);
	assert_true(s.cg.stat.anon == CGROUP_UNKNOWN && s.cg.stat.kernel == CGROUP_UNKNOWN);
	assert_true(s.cg.stat.shmem == CGROUP_UNKNOWN && s.cg.stat.inactive_file == CGROUP_UNKNOWN);
	assert_int_equal(s.cg.stat.unevictable, 12);
	assert_true(s.cg.events.n <= 32);
	assert_int_equal(s.cg.pids.n, 1);
	assert_true(s.cg.cpu_quota <= 0);
	done(&s);
	for (pid_t pid = 82; pid <= 83; pid++) {
		look(&s, "cgroup-garbage", pid);
		assert_int_equal(s.cg.version, 0);
		done(&s);
	}
	look(&s, "cgroup-garbage", 84);
	assert_null(s.cg.dir); /* "/a/../../etc" leads nowhere */
	done(&s);
	look(&s, "cgroup-garbage", 85);
	assert_null(s.cg.dir);
	done(&s);
}

static void errors(void **state)
{
	struct scene s;
	look(&s, "cgroup-v1", 81);
	struct cgroup cg;
	not_ok(ERR_OS, proc_cgroup_read(&s.process, "/nonexistent", &s.arena, &cg));
	done(&s);
	AUTO_FREE char *procfs = tree("plain/proc");
	const char *path = NULL;
	ok(proc_process_open(procfs, 81, &s.process));
	not_ok(ERR_UNSUPPORTED, proc_cgroup_path(&s.process, &s.arena, &path)); /* a kernel without cgroups */
	proc_process_close(&s.process);
}

static void this_host(void **state)
{
	struct proc_process p;
	struct cgroup cg;
	struct arena arena;
	arena_init(&arena);
	ok(proc_process_open("/proc", getpid(), &p));
	ok(proc_cgroup_read(&p, "/proc/self/mountinfo", &arena, &cg));
	proc_cgroup_pids(&cg);
	bool found = !cg.dir;
	for (size_t i = 0; i < cg.pids.n; i++)
		found = found || cg.pids.v[i] == getpid();
	assert_true(found);
	proc_cgroup_deinit(&cg);
	proc_process_close(&p);
	arena_deinit(&arena);
}

/* What a namespace or a mount shows first looks like the root, but for some files. */
static void the_root_is_told_from_what_is_shown_first(void **state)
{
	char dir[] = "/tmp/ullage-root-XXXXXX";
	assert_non_null(mkdtemp(dir));
	AUTO_FREE char *v1 = xasprintf("%s/release_agent", dir);
	AUTO_FREE char *v2 = xasprintf("%s/cgroup.type", dir);
	assert_false(proc_cgroup_is_root(dir, 1));
	assert_true(proc_cgroup_is_root(dir, 2));
	for (unsigned version = 1; version <= 2; version++) {
		int fd = open(version == 1 ? v1 : v2, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		assert_true(fd >= 0 && close(fd) == 0);
		assert_int_equal(proc_cgroup_is_root(dir, version), version == 1);
	}
	assert_true(unlink(v1) == 0 && unlink(v2) == 0 && rmdir(dir) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v1),
		cmocka_unit_test(v2),
		cmocka_unit_test(v2_root_deleted_and_old_kernels),
		cmocka_unit_test(v2_without_the_controller),
		cmocka_unit_test(hybrid),
		cmocka_unit_test(container_without_a_namespace),
		cmocka_unit_test(namespace_below_the_mount),
		cmocka_unit_test(garbage_is_unknown),
		cmocka_unit_test(the_root_is_told_from_what_is_shown_first),
		cmocka_unit_test(errors),
		cmocka_unit_test(this_host),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
