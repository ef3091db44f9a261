/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox/spawner - a forked part of this program that begins the others, and begins one again that has ended.
 *
 * Whoever has given up power and system calls cannot fork somebody who has more. So there is one process that keeps what its
 * parts need and reads nothing but two bytes a request: which part to begin, and how that one has ended. What begins has the
 * state of the moment at which the spawner was made, none of what its caller became since.
 *
 * Parts end at the end of their sockets, as sandbox/child says, and the spawner after them, at the end of its own.
 */

#include <stdint.h>

#include "sandbox/child.h"

enum { SPAWNER_PARTS = 4, SPAWNER_WAIT_MS = 2000 };

/* As child_start() takes it. */
struct spawner_part {
	const char *name;
	enum child_socket kind;
	int (*run)(int fd, void *arg);
	void *arg;
};

struct spawner {
	struct child child;
};
#define SPAWNER_NONE ((struct spawner){ .child = CHILD_NONE })

/* Forks it. `powers`: what any of the parts keeps (sandbox/power.h). Before threads are made. */
MUST_CHECK struct err *spawner_start(struct spawner *s, const struct spawner_part *parts, size_t n, unsigned powers);

/*
 * A new process of that part; one of before that still runs is killed. Its `pid` is no child of ours. GONE: there is no
 * spawner any more, so never again; OS: not now.
 */
MUST_CHECK struct err *spawner_begin(struct spawner *s, unsigned part, struct child *ret);

/* As child_ended(), of a part. False: it has not, or nobody knows. */
bool spawner_ended(struct spawner *s, unsigned part, char *how, size_t len);

/* When the sockets of all parts are closed: waits for their ends, at most grace_ms; then they are killed. Fine on SPAWNER_NONE. */
void spawner_stop(struct spawner *s, int grace_ms);

/* ---- when to begin a part again ---- */

enum { SPAWNER_STABLE_S = 60, SPAWNER_PAUSE_MAX_S = 60 };

/* All zero at first. Times of one clock, in ns. */
struct spawner_again {
	int64_t began_ns, due_ns;
	unsigned pause_s;
	unsigned long times; /* it was begun again */
};

/* It has ended: from due_ns on it may begin again. At once after a minute of life, else after 1 s, 2 s, 4 s ... a minute. */
void spawner_again_ended(struct spawner_again *a, int64_t now_ns);
/* It has begun, for the first time or again. */
void spawner_again_began(struct spawner_again *a, int64_t now_ns);
