/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox/child - a forked part of this program that does one thing, and talks over one socket.
 *
 * A child has the standard streams (its input is empty) and its end of the socket, nothing else that was open. It ignores
 * SIGINT, SIGTERM and SIGHUP, which are for the whole: its end is the end of its socket, so it never outlives its parent.
 * Children are made before threads are.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

enum child_socket { CHILD_STREAM, CHILD_MESSAGES }; /* bytes; messages with their bounds (and descriptors) */

struct child {
	pid_t pid; /* 0: none */
	int fd;	   /* the parent's end, close-on-exec, does not block; or -1 */
};

#define CHILD_NONE ((struct child){ .fd = -1 })

/*
 * Forks; in the child calls run(fd, arg) and ends with what that returns as exit status. `name` is what ps shows (15 bytes).
 * The child's end blocks.
 */
MUST_CHECK struct err *child_start(const char *name, enum child_socket kind, int (*run)(int fd, void *arg), void *arg,
				   struct child *ret);

/*
 * For the child, when it has begun: gives back what only its beginning needed, free memory and the pages of code and
 * constants, which come back from the page cache where they are used again: 3.5 MiB resident become 2.
 */
void child_settle(void);

/*
 * Closes the socket and waits for the end, at most grace_ms; then the child is killed, and waited for another half second.
 * Fine on CHILD_NONE.
 */
void child_stop(struct child *c, int grace_ms);

/*
 * Has it ended by itself? Then *how says so ("was killed by signal 9 (KILL)"), and it is CHILD_NONE but for its socket. To be
 * asked when the socket has closed: waits a moment for the end that must follow.
 */
bool child_ended(struct child *c, char *how, size_t len);
