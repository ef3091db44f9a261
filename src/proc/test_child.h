/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/test_child - children to look at, for the tests of this room. Include after cmocka.h.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "fixture/ok.h"
#include "proc/process.h"

/*
 * Fork; the child runs body(), which fills `layout`, hands that to us, and then sleeps until it is killed. It dies with
 * us, too.
 */
static inline pid_t child_start(void (*body)(void *layout, void *arg), void *arg, void *layout, size_t len)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body(layout, arg);
		if (write(ends[1], layout, len) != (ssize_t)len)
			_exit(1);
		close(ends[1]);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], layout, len), len);
	close(ends[0]);
	return pid;
}

static inline void child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A descriptor with that text in it. */
static inline int text_file(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* A fake tree of tests/proctrees. Freed by the caller. */
static inline char *tree(const char *name)
{
	const char *source = getenv("ULLAGE_SOURCE");
	return xasprintf("%s/tests/proctrees/%s", source ? source : ".", name);
}
