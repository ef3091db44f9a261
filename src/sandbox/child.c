/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/child.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { FIRST_OWN_FD = 3, NS_PER_MS = 1000000, WAIT_STEP_MS = 5, CLOSE_TO_END_MS = 100, KILLED_MS = 500 };

static void default_signals(void)
{
	struct sigaction usual = { .sa_handler = SIG_DFL }, none = { .sa_handler = SIG_IGN };
	static const int for_the_whole[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ };
	for (int s = 1; s < NSIG; s++)
		sigaction(s, &usual, NULL); /* refused for some, which have none */
	for (size_t i = 0; i < sizeof(for_the_whole) / sizeof(for_the_whole[0]); i++)
		sigaction(for_the_whole[i], &none, NULL);
	sigset_t all;
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Everything but the standard streams and `fd` is closed; `fd` becomes the first free number. */
static int only_this(int fd)
{
	int empty = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (empty >= 0) {
		dup2(empty, STDIN_FILENO);
		for (int i = STDOUT_FILENO; i < FIRST_OWN_FD; i++) {
			if (fcntl(i, F_GETFD) < 0)
				dup2(empty, i);
		}
	}
	int own = fd == FIRST_OWN_FD ? fd : dup3(fd, FIRST_OWN_FD, O_CLOEXEC);
	if (own >= 0)
		syscall(SYS_close_range, FIRST_OWN_FD + 1, ~0U, 0);
	return own;
}

/* What may not be written is as the file has it: relocated data, made read-only later, is in a segment that may. */
static int give_back(struct dl_phdr_info *file, size_t size, void *arg)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	for (unsigned i = 0; i < file->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &file->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || p->p_flags & PF_W)
			continue;
		uintptr_t start = (file->dlpi_addr + p->p_vaddr) / page * page;
		uintptr_t end = (file->dlpi_addr + p->p_vaddr + p->p_memsz) / page * page;
		if (end > start)
			(void)madvise((void *)start, end - start, MADV_DONTNEED); /* refused where it is locked */
	}
	return 0;
}

void child_settle(void)
{
	malloc_trim(0);
	dl_iterate_phdr(give_back, NULL);
}

struct err *child_start(const char *name, enum child_socket kind, int (*run)(int fd, void *arg), void *arg,
			struct child *ret)
{
	*ret = CHILD_NONE;
	int ends[2];
	if (socketpair(AF_UNIX, (kind == CHILD_STREAM ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC, 0, ends) != 0)
		return err_os(errno, "making a socket for %s", name);
	pid_t pid = fork();
	if (pid == 0) {
		int own = only_this(ends[1]);
		default_signals();
		prctl(PR_SET_NAME, name);
		_exit(own < 0 ? 1 : run(own, arg));
	}
	int os = errno;
	close(ends[1]);
	if (pid < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
		close(ends[0]);
		return err_os(pid < 0 ? os : errno, "starting %s", name);
	}
	*ret = (struct child){ .pid = pid, .fd = ends[0] };
	return NULL;
}

/* False: it has not ended within the time. */
static bool wait_for(pid_t pid, int ms, int *status)
{
	for (;; ms -= WAIT_STEP_MS) {
		pid_t got = waitpid(pid, status, WNOHANG);
		if (got == pid || (got < 0 && errno != EINTR))
			return true;
		if (ms <= 0)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = (long)WAIT_STEP_MS * NS_PER_MS }, NULL);
	}
}

void child_stop(struct child *c, int grace_ms)
{
	int status = 0;
	if (c->fd >= 0)
		close(c->fd);
	if (c->pid > 0 && !wait_for(c->pid, grace_ms, &status)) {
		/*
		 * Where a filter forbids that, it ends by itself, or whoever started us sees to it. One that waits for a file
		 * system that does not answer may be beyond a signal, and is left.
		 */
		if (kill(c->pid, SIGKILL) == 0)
			(void)wait_for(c->pid, KILLED_MS, &status);
	}
	*c = CHILD_NONE;
}

bool child_ended(struct child *c, char *how, size_t len)
{
	int status = 0;
	if (c->pid > 0 && !wait_for(c->pid, CLOSE_TO_END_MS, &status))
		return false;
	if (WIFSIGNALED(status))
		snprintf(how, len, "was killed by signal %d (%s)", WTERMSIG(status), sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(how, len, "has ended with status %d", WEXITSTATUS(status));
	c->pid = 0;
	return true;
}
