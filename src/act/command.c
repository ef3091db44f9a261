/* SPDX-License-Identifier: Apache-2.0 */
#include "act/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/num.h"

enum { READS = 32 };
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S 1e9

struct err *command_rehearse(const struct config_strings *argv)
{
	const char *path = argv->v[0];
	struct stat st;
	if (!strchr(path, '/'))
		return err_new(ERR_ARG, "%s: a command is named by its path", path);
	if (stat(path, &st) != 0)
		return err_os(errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_new(ERR_ARG, "%s is not a file", path);
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? NULL : err_os(errno, "%s may not be run", path);
}

/* ---- starting ---- */

static int make_input(const char *text)
{
	int fd = memfd_create("incident", MFD_CLOEXEC);
	size_t len = strlen(text);
	if (fd >= 0 && (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* errno, or 0. */
static int spawn(pid_t *pid, const char *const *argv, const char *const *env, int in, int out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1); /* libraries may have left some open */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	int os =
		posix_spawn(pid, argv[0], &files, &attr, (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return os;
}

struct err *command_start(struct command *c, const struct config_strings *argv, const char *const *env,
			  const char *input, unsigned timeout_ms, int64_t now)
{
	*c = (struct command){ .pidfd = -1, .out = -1, .timeout_ms = timeout_ms, .began = now };
	c->deadline = now + timeout_ms * NS_PER_MS;
	TRY(command_rehearse(argv));
	int ends[2];
	AUTO_CLOSE int in = make_input(input);
	if (in < 0 || pipe2(ends, O_CLOEXEC) != 0)
		return err_os(errno, "%s: making its input and output", argv->v[0]);
	AUTO_CLOSE int from = ends[0];
	AUTO_CLOSE int to = ends[1];
	AUTO_FREE const char **args = xcalloc(argv->n + 1, sizeof(*args));
	memcpy(args, argv->v, argv->n * sizeof(*args));
	int os = fcntl(from, F_SETFL, O_NONBLOCK) != 0 ? errno : spawn(&c->pid, args, env, in, to);
	if (os)
		return err_os(os, "starting %s", argv->v[0]);
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	c->out = take_fd(from);
	return NULL;
}

/* ---- running ---- */

static void read_output(struct command *c)
{
	char buf[4096];
	for (unsigned i = 0; i < READS && c->out >= 0; i++) { /* one that writes without an end must not keep us here */
		ssize_t n = read(c->out, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close(take_fd(c->out));
			return;
		}
		size_t keep = num_min((size_t)n, COMMAND_OUTPUT - c->n_output);
		memcpy(c->output + c->n_output, buf, keep);
		c->n_output += keep;
		c->lost += (size_t)n - keep;
	}
}

static void forget(struct command *c)
{
	if (c->out >= 0)
		close(c->out);
	if (c->pidfd >= 0)
		close(c->pidfd);
	c->out = c->pidfd = -1;
	c->pid = 0;
}

static void say_end(const struct command *c, int status, int64_t now, bool *ok, char text[COMMAND_TEXT_LEN])
{
	double took = (double)(now - c->began) / NS_PER_S;
	*ok = !c->killed && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (c->killed)
		snprintf(text, COMMAND_TEXT_LEN, "timed out after %.3g s and was killed", c->timeout_ms / 1e3);
	else if (WIFSIGNALED(status))
		snprintf(text, COMMAND_TEXT_LEN, "killed by signal %d (%s)", WTERMSIG(status),
			 sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(text, COMMAND_TEXT_LEN, "exit status %d after %.3g s", WEXITSTATUS(status), took);
}

bool command_step(struct command *c, int64_t now, bool *ok, char text[COMMAND_TEXT_LEN])
{
	int status = 0;
	read_output(c);
	if (!c->killed && now >= c->deadline) {
		c->killed = true;
		kill(-c->pid, SIGKILL);
	}
	pid_t got = waitpid(c->pid, &status, WNOHANG);
	if (got == 0 || (got < 0 && errno == EINTR))
		return false;
	read_output(c);
	say_end(c, status, now, ok, text);
	forget(c);
	return true;
}

void command_abandon(struct command *c)
{
	int status = 0;
	if (c->pid > 0) {
		kill(-c->pid, SIGKILL);
		waitpid(c->pid, &status, 0);
	}
	forget(c);
}
