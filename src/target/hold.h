/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * target/hold - the memory of a live process while it is held still, or while we run ahead of others, for a budget.
 *
 * The first read past the deadline lets the process go and restores our priority; reading goes on from the running one,
 * and `late` says so. So neither is ever longer than its budget and one read, whatever the size of the heap.
 * Between target_hold() or target_run_ahead() and target_let_go() the target's Go runtime is read through the hold.
 * One thread only: a stop belongs to the thread that made it.
 */

#include "proc/priority.h"
#include "proc/stop.h"
#include "target/target.h"

struct target_hold {
	struct memsrc src; /* first */
	struct memsrc *under;
	struct target *target;
	struct proc_stop stop; /* stop.stopped_ns: for how long, after target_let_go() */
	struct proc_priority priority;
	int64_t deadline;
	bool late;
};

/* Stops all threads. LIMIT, DENIED, GONE as proc_stop_all(): nothing is held then, and target_let_go() is to be called all the same. */
MUST_CHECK struct err *target_hold(struct target *t, int64_t budget_ns, struct target_hold *h);

/* Stops nothing; runs ahead of others for the budget. */
void target_run_ahead(struct target *t, int64_t budget_ns, struct target_hold *h);

void target_let_go(struct target_hold *h); /* idempotent */

/* A sentence for the reader when a stop was longer than its budget, which one read or a wait for a processor can make it. */
enum { TARGET_HOLD_TEXT = 160 };
bool target_hold_exceeded(int64_t stopped_ns, int64_t budget_ns, char text[TARGET_HOLD_TEXT]);
