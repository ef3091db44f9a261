/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "proc/maps.h"
#include "proc/mem.h"
#include "proc/opener.h"
#include "proc/peek.h"
#include "proc/test_child.h"

struct layout {
	uint64_t word;
};

static volatile uint64_t secret;

static void target(void *layout, void *arg)
{
	secret = 4711;
	((struct layout *)layout)->word = (uintptr_t)&secret;
}

/* A server in a process of its own, and a target. */
struct scene {
	pid_t server, target;
	int opener;
	char procfs[64];
	struct layout layout;
	struct proc_process p; /* as we, who may, see it */
};

static void open_scene(struct scene *s)
{
	int ends[2];
	s->target = child_start(target, NULL, &s->layout, sizeof(s->layout));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	s->server = fork();
	if (s->server == 0) {
		close(ends[0]);
		_exit(proc_opener_serve(ends[1], "/proc"));
	}
	close(ends[1]);
	s->opener = ends[0];
	snprintf(s->procfs, sizeof(s->procfs), "opener:%d:/proc", s->opener);
	ok(proc_process_open("/proc", s->target, &s->p));
}

/* The server ends well when nobody asks any more. */
static void close_scene(struct scene *s)
{
	int status = -1;
	close(s->opener);
	assert_int_equal(waitpid(s->server, &status, 0), s->server);
	assert_int_equal(status, 0);
	proc_process_close(&s->p);
	child_end(s->target);
}

static int ask(const struct scene *s, const char *name)
{
	errno = 0;
	return proc_opener_ask(s->opener, s->target, s->p.start_ticks, name);
}

static void what_is_on_the_list_is_given_for_reading(void **state)
{
	static const char *const names[] = { "auxv", "exe", "maps", "mem", "pagemap", "smaps", "smaps_rollup", "fd" };
	struct scene s;
	open_scene(&s);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_CLOSE int fd = ask(&s, names[i]);
		if (fd < 0)
			fail_msg("%s: %s", names[i], strerror(errno));
		assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	}
	uint64_t got = 0;
	AUTO_CLOSE int mem = ask(&s, "mem");
	assert_int_equal(pread(mem, &got, sizeof(got), (off_t)s.layout.word), sizeof(got));
	assert_int_equal(got, 4711);
	close_scene(&s);
}

static void all_else_is_refused(void **state)
{
	static const char *const names[] = { "environ",	    "cmdline",	   "root",	    "cwd",
					     "fd/0",	    "task",	   "../1/mem",	    "",
					     "mem/",	    "/",	   "/etc/shadow",   "/dev/null",
					     "/proc/1/mem", "maps ",	   "map_files/0-1", "ns/net",
					     "/etc/passwd", "attr/current" };
	struct scene s;
	open_scene(&s);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd = ask(&s, names[i]);
		if (fd >= 0 || errno != EPERM)
			fail_msg("%s: %d, errno %d", names[i], fd, errno);
	}
	errno = 0;
	assert_int_equal(proc_opener_ask(s.opener, s.target, s.p.start_ticks + 1, "maps"), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(proc_opener_ask(s.opener, -1, s.p.start_ticks, "maps"), -1);
	assert_int_equal(errno, ESRCH);
	close_scene(&s);
}

static void what_is_no_request_does_no_harm(void **state)
{
	static const char text[] = "a message that is none";
	struct scene s;
	open_scene(&s);
	assert_int_equal(send(s.opener, text, 1, 0), 1);
	assert_int_equal(send(s.opener, text, sizeof(text), 0), sizeof(text));
	AUTO_CLOSE int fd = ask(&s, "maps");
	assert_true(fd >= 0);
	close_scene(&s);
}

/* The path of a library that is mapped in us, and so in the target. */
static void find_library(char *path, size_t len)
{
	char line[4400];
	FILE *f = fopen("/proc/self/maps", "re");
	assert_non_null(f);
	*path = 0;
	while (!*path && fgets(line, sizeof(line), f)) {
		const char *name = strchr(line, '/');
		if (name && strstr(name, "libc"))
			snprintf(path, len, "%.*s", (int)strcspn(name, "\n"), name);
	}
	fclose(f);
	assert_true(*path);
}

static void a_file_that_is_mapped_is_given(void **state)
{
	char path[4096];
	struct stat a, b;
	struct scene s;
	open_scene(&s);
	find_library(path, sizeof(path));
	AUTO_CLOSE int fd = ask(&s, path);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(stat(path, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	close_scene(&s);
}

/* In a process without rights: 0, or a number that tells what went wrong. */
static int look_without_rights(const struct scene *s)
{
	struct proc_process p, refused;
	struct proc_mem mem;
	struct proc_pagemap pagemap;
	struct proc_peek peek;
	struct vma_vec maps = { 0 };
	struct arena arena;
	uint64_t word = 0;
	char *exe = NULL;
	int fd = -1;
	arena_init(&arena);
	if (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
		return 1;
	if (proc_process_open("/proc", s->target, &refused) || !proc_process_file(&refused, "maps", O_RDONLY, &fd))
		return 2;
	if (proc_process_open(s->procfs, s->target, &p) || p.exe < 0 || !p.exe_inode || proc_process_check(&p))
		return 3;
	if (proc_process_link(&p, "exe", &arena, &exe) || !exe || *exe != '/')
		return 4;
	if (proc_maps_read(&p, &arena, &maps) || proc_pagemap_open(&p, &pagemap) ||
	    proc_mem_init(&mem, &p, &maps, &pagemap))
		return 5;
	if (!memsrc_read(&mem.src, s->layout.word, &word, sizeof(word)) || word != 4711)
		return 6;
	word = 0;
	if (proc_peek_open(&p, &peek) || !memsrc_read(&peek.src, s->layout.word, &word, sizeof(word)) || word != 4711)
		return 7;
	for (size_t i = 0; i < maps.n; i++) { /* a library is read from its file */
		if (strstr(maps.v[i].name, "libc") && proc_mem_file(&mem, &maps.v[i]) < 0)
			return 8;
	}
	return 0;
}

static void who_may_nothing_sees_a_process_by_what_is_given(void **state)
{
	struct scene s;
	int status = -1;
	if (geteuid() != 0)
		skip();
	open_scene(&s);
	pid_t pid = fork();
	if (pid == 0)
		_exit(look_without_rights(&s));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	close_scene(&s);
}

/* As one that opens a file of a server that is gone. */
static void nobody_waits_twice_for_who_does_not_answer(void **state)
{
	struct scene s;
	int status = -1;
	open_scene(&s);
	assert_int_equal(kill(s.server, SIGSTOP), 0);
	assert_int_equal(waitpid(s.server, &status, WUNTRACED), s.server);
	assert_false(proc_opener_is_stuck(s.opener));
	assert_int_equal(ask(&s, "maps"), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_true(proc_opener_is_stuck(s.opener));
	assert_int_equal(ask(&s, "maps"), -1);
	assert_int_equal(errno, EAGAIN);
	AUTO_CLOSE int ping = proc_opener_ping(s.opener);
	struct pollfd p = { .fd = ping, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(kill(s.server, SIGCONT), 0);
	assert_int_equal(poll(&p, 1, 20000), 1);
	assert_int_equal(ask(&s, "maps"), -1); /* until it is trusted */
	proc_opener_trust(s.opener);
	assert_false(proc_opener_is_stuck(s.opener));
	AUTO_CLOSE int fd = ask(&s, "maps");
	assert_true(fd >= 0);
	close_scene(&s);
}

static void a_name_of_procfs_names_the_opener(void **state)
{
	static const struct {
		const char *name;
		int opener;
		const char *dir;
	} cases[] = { { "/proc", -1, "/proc" },
		      { "opener:5:/proc", 5, "/proc" },
		      { "opener:12:/host/proc", 12, "/host/proc" },
		      { "opener:x:/proc", -1, "opener:x:/proc" },
		      { "opener:-1:/proc", -1, "opener:-1:/proc" } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(proc_opener_of(cases[i].name), cases[i].opener);
		assert_string_equal(proc_opener_dir(cases[i].name), cases[i].dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_on_the_list_is_given_for_reading),
		cmocka_unit_test(all_else_is_refused),
		cmocka_unit_test(what_is_no_request_does_no_harm),
		cmocka_unit_test(a_file_that_is_mapped_is_given),
		cmocka_unit_test(who_may_nothing_sees_a_process_by_what_is_given),
		cmocka_unit_test(nobody_waits_twice_for_who_does_not_answer),
		cmocka_unit_test(a_name_of_procfs_names_the_opener),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
