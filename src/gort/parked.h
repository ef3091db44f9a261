/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/parked - every goroutine of a target that runs, with its call stack and what it waits for.
 *
 * A goroutine is looked at twice and its stack copied twice, in turn: only when neither changed is the stack taken.
 * What runs, or moved each time, has no stack: GORT_PARKED_MOVING.
 * Source: runtime.allgs, runtime2.go (g, sudog), chan.go (hchan), netpoll.go (pollDesc).
 * Cost:   for 4096 goroutines two bulk reads of records and some dozens of stacks; about 2 us a goroutine in all.
 * Memory: 152 bytes a goroutine, and the different stacks.
 */

#include "gort/goroutine.h"
#include "gort/unwind.h"

enum { GORT_PARKED_MAX = 16 << 20 }; /* entries of the list */

enum gort_parked_flags {
	GORT_PARKED_MOVING = 1u << 0, /* it ran while we looked: no stack */
	GORT_PARKED_CUT = 1u << 1,    /* the stack does not reach its end */
	GORT_PARKED_LOCKED = 1u << 2, /* locked to its thread */
	GORT_PARKED_BUBBLE = 1u << 3, /* in a synctest bubble */
	GORT_PARKED_SELECT = 1u << 4, /* waits in a select */
	GORT_PARKED_SYSTEM = 1u << 5, /* runtime.NumGoroutine leaves it out */
};

struct gort_parked {
	uint64_t g; /* its address */
	uint64_t id, parent, stack_lo, stack_hi, gopc, startpc, labels;
	uint64_t pc, sp;    /* where its stack begins */
	int64_t wait_since; /* CLOCK_MONOTONIC of the target, ns; 0: no GC has seen it waiting */
	uint64_t sudog;	    /* the record of what it waits on, or 0 */
	uint64_t wait_on;   /* address of the channel or semaphore; 0: unknown, or several */
	uint64_t elem_type; /* of that channel, or 0 */
	int64_t deadline;   /* of the descriptor, ns of CLOCK_MONOTONIC; 0 none, negative: over */
	int fd;		    /* that it waits for, or -1 */
	uint32_t stack;	    /* in the stacks of the unwinder */
	uint8_t status;	    /* enum gort_g_status, without the scan bit */
	uint8_t reason;	    /* why it waits: index in the runtime's list of reasons */
	unsigned flags;	    /* enum gort_parked_flags */
};

VEC_TYPE(gort_parked_vec, struct gort_parked);

/* In the order of allgs, without the dead. FORMAT, LIMIT or FAULT when the list itself cannot be read. */
MUST_CHECK struct err *gort_parked_read(const struct gort *g, struct gort_unwinder *u, struct gort_parked_vec *ret);

/* The text of a wait reason, "chan receive", in `strings`; NULL where the runtime has none. */
const char *gort_wait_reason(const struct gort *g, unsigned reason, struct intern *strings);
