/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "fixture/ok.h"
#include "fixture/sanitized.h"
#include "sandbox/child.h"
#include "sandbox/filter.h"

/* What is tried under a filter: errno, or 0. */
static int try_exec(void)
{
	char *argv[] = { (char[]){ "/bin/true" }, NULL };
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		return errno;
	if (pid == 0) {
		execv(argv[0], argv);
		_exit(1);
	}
	int status = 0;
	return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : EIO;
}

static int try_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0 ? 0 : errno;
}

static int try_vm_read(void)
{
	char a = 0, b = 0;
	struct iovec local = { &a, 1 }, remote = { &b, 1 };
	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1 ? 0 : errno;
}

static int try_mount(void)
{
	return syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, NULL) == 0 ? 0 : errno;
}

static int try_bpf(void)
{
	return syscall(SYS_bpf, -1, NULL, 0) == 0 || errno == EINVAL
		       ? 0
		       : errno; /* it is no command, where it may be asked */
}

static int try_unshare(void)
{
	return syscall(SYS_unshare, 0) == 0 ? 0 : errno;
}

static int try_packet_socket(void)
{
	AUTO_CLOSE int fd = socket(AF_PACKET, SOCK_RAW, 0);
	return fd >= 0 ? 0 : errno;
}

static int try_local_socket(void)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return fd >= 0 ? 0 : errno;
}

static int try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p != MAP_FAILED ? 0 : errno;
}

static int try_file(void)
{
	AUTO_CLOSE int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	char c = 0;
	return fd >= 0 && read(fd, &c, 1) == 1 ? 0 : errno;
}

static void *nothing(void *arg)
{
	return arg;
}

static int try_thread(void)
{
	pthread_t t;
	int os = pthread_create(&t, NULL, nothing, NULL);
	return os ? os : pthread_join(t, NULL);
}

static int try_kill(void)
{
	return kill(getpid(), 0) == 0 ? 0 : errno;
}

enum { TRIES_MAX = 16 };
static const struct {
	const char *name;
	int (*what)(void);
	int analyse, open, act; /* errno wanted */
	bool sanitizer;		/* it needs that itself: not tested there */
} tries[] = {
	{ "file", try_file, 0, 0, 0, false },
	{ "thread", try_thread, 0, EPERM, 0, true },
	{ "local socket", try_local_socket, 0, EPERM, 0, false },
	{ "packet socket", try_packet_socket, EPERM, EPERM, EPERM, false },
	{ "code in memory", try_code, EPERM, EPERM, 0, false },
	{ "command", try_exec, EIO, EPERM, 0, true }, /* a process, but no program */
	{ "a signal", try_kill, EPERM, EPERM, 0, true },
	{ "ptrace", try_ptrace, EPERM, EPERM, EPERM, true },
	{ "memory of a process", try_vm_read, EPERM, EPERM, EPERM, true },
	{ "mount", try_mount, EPERM, EPERM, EPERM, false },
	{ "unshare", try_unshare, EPERM, EPERM, EPERM, false },
	{ "bpf", try_bpf, EPERM, EPERM, EPERM, false },
};
enum { TRIES = sizeof(tries) / sizeof(tries[0]) };

struct answers {
	int failed; /* to be filtered at all */
	int os[TRIES_MAX];
};

static int try_all(int fd, void *arg)
{
	const unsigned *roles = arg;
	struct answers a = { 0 };
	dup2(fd, STDERR_FILENO); /* lines about refused calls go the same way, before the answers */
	struct err *err = filter_apply(*roles);
	a.failed = err != NULL;
	err_free(err);
	for (size_t i = 0; i < TRIES; i++) { /* what a sanitizer may do would be done: the parent would be traced */
		if (!SANITIZED || !tries[i].sanitizer)
			a.os[i] = tries[i].what();
	}
	return write(fd, &a, sizeof(a)) == sizeof(a) ? 0 : 1;
}

/* What a child of these roles could do, and what was written meanwhile. */
static struct answers in_child(unsigned roles, char *lines, size_t len)
{
	struct child c;
	struct answers a = { .failed = -1 };
	char message[1024];
	size_t n = 0;
	ok(child_start("test-filter", CHILD_MESSAGES, try_all, &roles, &c));
	while (a.failed < 0 && poll(&(struct pollfd){ .fd = c.fd, .events = POLLIN }, 1, 60000) == 1) {
		ssize_t got = read(c.fd, message, sizeof(message));
		if (got == sizeof(a)) {
			memcpy(&a, message, sizeof(a));
			break;
		}
		if (got <= 0 || n + (size_t)got >= len)
			break;
		memcpy(lines + n, message, (size_t)got);
		n += (size_t)got;
	}
	lines[n] = 0;
	child_stop(&c, 10000);
	assert_int_equal(a.failed, 0);
	return a;
}

static void check_role(unsigned roles)
{
	char lines[4096];
	struct answers a = in_child(roles, lines, sizeof(lines));
	for (size_t i = 0; i < TRIES; i++) {
		int want = roles & FILTER_ANALYSE ? tries[i].analyse
			   : roles & FILTER_OPEN  ? tries[i].open
						  : tries[i].act;
		if (roles & FILTER_BPF && strcmp(tries[i].name, "bpf") == 0)
			want = 0;
		if (SANITIZED && tries[i].sanitizer)
			continue;
		if (a.os[i] != want)
			fail_msg("%s under roles %u: errno %d, not %d; %s", tries[i].name, roles, a.os[i], want, lines);
	}
	if (roles & FILTER_ACT) {
		assert_string_equal(lines, "");
		return;
	}
	assert_non_null(strstr(lines, " mount\n"));	/* a refused call is named */
	assert_null(strstr(lines, "process_vm_readv")); /* ... but for those that are expected */
}

static void who_analyses_runs_and_traces_nothing(void **state)
{
	check_role(FILTER_ANALYSE);
}

static void bpf_is_allowed_where_it_was_asked_for(void **state)
{
	if (try_bpf() != 0)
		skip(); /* not allowed without a filter either */
	check_role(FILTER_ANALYSE | FILTER_BPF);
}

static void who_opens_does_nothing_else(void **state)
{
	check_role(FILTER_OPEN);
}

static void who_acts_runs_commands(void **state)
{
	check_role(FILTER_ACT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_analyses_runs_and_traces_nothing),
		cmocka_unit_test(bpf_is_allowed_where_it_was_asked_for),
		cmocka_unit_test(who_opens_does_nothing_else),
		cmocka_unit_test(who_acts_runs_commands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
