/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/copy - copy what the account needs out of a Go runtime: at one moment when the target may be stopped, as near to
 * it as a moving target lets us otherwise.
 *
 * For the first COPY_AHEAD_NS we run ahead of other processes (proc/priority), because a reader that is put aside half-way
 * sees a heap that has moved on; never longer, so that a target on a single processor is not held up by that.
 */

#include "gort/goroutine.h"
#include "gort/heap.h"
#include "gort/stats.h"
#include "target/target.h"

#define COPY_AHEAD_NS INT64_C(20000000)

struct copy {
	bool have; /* the rest is filled */
	struct gort_stats stats;
	struct gort_heap heap;
	struct gort_goroutines gs;
	struct gort_thread_vec threads;
};

/*
 * With a budget over 0 the target is stopped while spans, goroutines and counters are copied, in all never longer than
 * the budget and one read; a->stopped_ns says how long. What did not work out is a note in `a`. FAULT or FORMAT when the
 * runtime cannot be read at all. On every return *ret may be given to copy_clear().
 */
MUST_CHECK struct err *copy_take(struct target *t, int64_t stop_budget_ns, struct account *a, struct copy *ret);
void copy_clear(struct copy *c);
