/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "proc/test_child.h"

static void a_plain_process(void **state)
{
	AUTO_FREE char *procfs = tree("plain/proc");
	struct proc_process p;
	ok(proc_process_open(procfs, 81, &p));
	assert_string_equal(p.comm, "server");
	assert_int_equal(p.state, 'S');
	assert_int_equal(p.start_ticks, 12345);
	assert_int_equal(p.start_stack, 140730000000000);
	assert_false(p.kernel_thread);
	assert_int_equal(p.exe, -1);
	assert_int_equal(p.exe_errno, ENOENT);
	assert_int_equal(proc_exe_on_disk(&p), -1);
	ok(proc_process_check(&p));
	proc_process_close(&p);
	ok(proc_process_open(procfs, 2, &p));
	assert_true(p.kernel_thread);
	not_ok(ERR_UNSUPPORTED, proc_process_gone(&p));
	proc_process_close(&p);
}

static void no_such_process(void **state)
{
	AUTO_FREE char *procfs = tree("plain/proc");
	struct proc_process p;
	not_ok(ERR_NOT_FOUND, proc_process_open(procfs, 80, &p));
	not_ok(ERR_NOT_FOUND, proc_process_open(procfs, 0, &p));
	not_ok(ERR_NOT_FOUND, proc_process_open(procfs, -1, &p));
	not_ok(ERR_NOT_FOUND, proc_process_open("/nonexistent", 1, &p));
	not_ok(ERR_NOT_FOUND, proc_process_open("/proc", INT32_MAX, &p));
	proc_process_close(&p);
}

static void hostile_names_and_garbage(void **state)
{
	AUTO_FREE char *procfs = tree("hostile/proc");
	struct proc_process p;
	ok(proc_process_open(procfs, 81, &p));
	assert_string_equal(p.comm, "foo) Z (");
	assert_int_equal(p.state, 'S');
	proc_process_close(&p);
	ok(proc_process_open(procfs, 86, &p));
	assert_int_equal(strlen(p.comm), sizeof(p.comm) - 1);
	proc_process_close(&p);
	ok(proc_process_open(procfs, 89, &p));
	assert_string_equal(p.comm, "a) R 1 2 3\n4 (b");
	proc_process_close(&p);
	not_ok(ERR_FORMAT, proc_process_open(procfs, 82, &p));
	not_ok(ERR_NOT_FOUND, proc_process_open(procfs, 83, &p)); /* as an exiting process may look */
	not_ok(ERR_FORMAT, proc_process_open(procfs, 84, &p));
	not_ok(ERR_FORMAT, proc_process_open(procfs, 85, &p));
	not_ok(ERR_FORMAT, proc_process_open(procfs, 87, &p));
	not_ok(ERR_FORMAT, proc_process_open(procfs, 88, &p));
}

static void files_that_are_not_there(void **state)
{
	AUTO_FREE char *procfs = tree("plain/proc");
	struct proc_process p;
	int fd = -1;
	ok(proc_process_open(procfs, 81, &p));
	not_ok(ERR_UNSUPPORTED, proc_process_file(&p, "smaps_rollup", O_RDONLY, &fd));
	assert_int_equal(fd, -1);
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	not_ok(ERR_UNSUPPORTED, proc_process_text(&p, "smaps_rollup", 100, &text));
	struct arena arena;
	arena_init(&arena);
	char *link = NULL;
	not_ok(ERR_NOT_FOUND, proc_process_link(&p, "exe", &arena, &link));
	not_ok(ERR_OS, proc_process_link(&p, "stat", &arena, &link)); /* not a link */
	arena_deinit(&arena);
	proc_process_close(&p);
}

static void text_has_a_ceiling(void **state)
{
	AUTO_FREE char *procfs = tree("plain/proc");
	struct proc_process p;
	ok(proc_process_open(procfs, 81, &p));
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	ok(proc_process_text(&p, "stat", 5, &text));
	assert_string_equal(text.buf, "81 (s");
	proc_process_close(&p);
}

static void environment(void **state)
{
	AUTO_FREE char *procfs = tree("plain/proc");
	struct proc_process p;
	struct arena arena;
	char *value = NULL;
	arena_init(&arena);
	ok(proc_process_open(procfs, 81, &p));
	ok(proc_environ_get(&p, "GODEBUG", &arena, &value));
	assert_string_equal(value, "madvdontneed=1");
	ok(proc_environ_get(&p, "EMPTY", &arena, &value));
	assert_string_equal(value, "");
	ok(proc_environ_get(&p, "LAST", &arena, &value));
	assert_string_equal(value, "unfinished");
	ok(proc_environ_get(&p, "GODEBU", &arena, &value));
	assert_null(value);
	arena_deinit(&arena);
	proc_process_close(&p);
}

static void nothing(void *layout, void *arg)
{
}

static void exit_and_zombie(void **state)
{
	char layout = 0;
	struct proc_process p, z;
	pid_t pid = child_start(nothing, NULL, &layout, 1);
	ok(proc_process_open("/proc", pid, &p));
	assert_true(p.exe >= 0);
	assert_int_equal(proc_exe_on_disk(&p), 1);
	ok(proc_process_check(&p));
	kill(pid, SIGKILL);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	not_ok(ERR_GONE, proc_process_check(&p));
	ok(proc_process_open("/proc", pid, &z));
	assert_int_equal(z.state, 'Z');
	assert_int_equal(z.exe, -1);
	ok(proc_process_check(&z));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	not_ok(ERR_GONE, proc_process_check(&p));
	not_ok(ERR_GONE, proc_process_check(&z));
	int fd = -1;
	not_ok(ERR_GONE, proc_process_file(&p, "maps", O_RDONLY, &fd));
	struct proc_status st;
	not_ok(ERR_GONE, proc_status_read(&p, &st));
	struct tid_vec tids = { 0 };
	not_ok(ERR_GONE, proc_threads(&p, &tids));
	proc_process_close(&p);
	proc_process_close(&z);
}

static void copy_file(const char *from, const char *to)
{
	AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	char buf[65536];
	ssize_t n = 0;
	while ((n = read(in, buf, sizeof(buf))) > 0)
		assert_int_equal(write(out, buf, (size_t)n), n);
	assert_int_equal(n, 0);
}

static pid_t run(const char *path)
{
	int ends[2];
	char c = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(path, "sleep", "1000", (char *)NULL);
		_exit(1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &c, 1), 0); /* closed by the exec */
	close(ends[0]);
	return pid;
}

static void replaced_on_disk(void **state)
{
	char dir[] = "/tmp/ullage-exe-XXXXXX";
	assert_non_null(mkdtemp(dir));
	AUTO_FREE char *path = xasprintf("%s/odd (deleted)", dir);
	AUTO_FREE char *other = xasprintf("%s/other", dir);
	copy_file("/bin/sleep", path);
	pid_t pid = run(path);
	struct proc_process p;
	ok(proc_process_open("/proc", pid, &p));
	assert_int_equal(proc_exe_on_disk(&p), 1); /* though its name looks deleted */
	copy_file("/bin/sleep", other);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(proc_exe_on_disk(&p), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(proc_exe_on_disk(&p), 0);
	ok(proc_process_check(&p)); /* still the same process */
	proc_process_close(&p);
	child_end(pid);
	assert_int_equal(rmdir(dir), 0);
}

static void on_signal(int sig)
{
	execl("/proc/self/exe", "again", "again", (char *)NULL);
	_exit(1);
}

static void ready_to_exec(void *layout, void *arg)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGUSR1, &sa, NULL);
}

/* The same executable with the same pid and start time. */
static void exec_of_itself(void **state)
{
	char layout = 0, c = 0;
	struct proc_process p;
	pid_t pid = child_start(ready_to_exec, NULL, &layout, 1);
	ok(proc_process_open("/proc", pid, &p));
	ok(proc_process_check(&p));
	kill(pid, SIGUSR1);
	AUTO(strbuf) struct strbuf line;
	strbuf_init(&line);
	for (int i = 0; i < 5000 && strcmp(line.buf, "again") != 0; i++) {
		usleep(1000);
		strbuf_clear(&line);
		ok(proc_process_text(&p, "cmdline", 100, &line));
	}
	assert_string_equal(line.buf, "again");
	AUTO_CLOSE int fd = open("/proc/sys/kernel/randomize_va_space", O_RDONLY | O_CLOEXEC);
	if (read(fd, &c, 1) == 1 && c != '0')
		not_ok(ERR_GONE, proc_process_check(&p));
	proc_process_close(&p);
	child_end(pid);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "again"))
		return pause(); /* exec_of_itself() */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_process),
		cmocka_unit_test(no_such_process),
		cmocka_unit_test(hostile_names_and_garbage),
		cmocka_unit_test(files_that_are_not_there),
		cmocka_unit_test(text_has_a_ceiling),
		cmocka_unit_test(environment),
		cmocka_unit_test(exit_and_zombie),
		cmocka_unit_test(replaced_on_disk),
		cmocka_unit_test(exec_of_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
