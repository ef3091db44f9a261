/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watch/capture - the costly readings of a target: a `map`, a profile, a snapshot of everything.
 *
 * Each is made by a child of its own, one at a time, within a budget of time, CPU and bytes: the loop goes on meanwhile, and
 * what a hostile target does to the reading ends with the child. The child writes to a descriptor that it is given, and
 * tells how it went through a pipe.
 */

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "model/class.h"
#include "model/watch.h"

enum capture_kind { CAPTURE_SNAPSHOT, CAPTURE_HEAP, CAPTURE_GOROUTINES, CAPTURE_MAP, CAPTURE_KINDS };

extern const char *const capture_kinds[]; /* "snapshot", "heap", "goroutines", "map" */

struct capture_budget {
	unsigned time_ms;
	uint64_t bytes;
};

/* What the child tells. */
struct capture_result {
	bool done, gone; /* gone: the target exited meanwhile */
	bool over;	 /* it went beyond its budget of time, CPU, memory or bytes */
	char text[240];	 /* the error, or "" */
	int64_t cpu_ns;	 /* that the child took */
	bool has_classes;
	uint64_t classes[CLASS_MAX_];
};

struct capture {
	pid_t pid; /* 0: none is under way */
	int pipe;  /* readable when it has ended */
	enum capture_kind kind;
	bool less, killed;
	int64_t began_ns, deadline_ns; /* CLOCK_BOOTTIME */
};

struct capture_order {
	enum capture_kind kind;
	const char *procfs;
	int target;	      /* pid, */
	uint64_t start_ticks; /* and since when: another process of that number is not read */
	int fd;		      /* where the file goes; -1 for a map */
	bool less;	      /* a snapshot of everything went beyond its budget: account and heap profile only */
	struct capture_budget budget;
};

MUST_CHECK struct err *capture_begin(struct capture *c, const struct capture_order *order, int64_t now_ns);

/*
 * The deadline is over. Its end comes as that of any other, by `pipe`: one that waits for a disk, or for its target, in the
 * kernel ends only when that answers, and nobody here waits with it.
 */
void capture_kill(struct capture *c);
/* The outcome, after `pipe` was readable; before that it is waited for. */
void capture_end(struct capture *c, struct capture_result *ret);
