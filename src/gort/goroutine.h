/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/goroutine - every goroutine: status, stack, creation site. No stack is walked.
 *
 * Source: runtime.allgs, runtime2.go (status values), traceback.go (which goroutines are the system's).
 * Cost: one bulk read per 4096 goroutines. Memory: 48 bytes a goroutine.
 */

#include "gort/gort.h"

enum gort_g_status {
	GORT_G_IDLE = 0,
	GORT_G_RUNNABLE = 1,
	GORT_G_RUNNING = 2,
	GORT_G_SYSCALL = 3,
	GORT_G_WAITING = 4,
	GORT_G_DEAD = 6,
	GORT_G_COPYSTACK = 8,
	GORT_G_PREEMPTED = 9,
	GORT_G_LEAKED = 10,    /* 1.26 on */
	GORT_G_DEADEXTRA = 11, /* 1.26 on: the g of a spare M */
	GORT_G_STATUS_MAX_
};

extern const char *const gort_g_status_names[GORT_G_STATUS_MAX_]; /* NULL where unused */

struct gort_goroutine {
	uint64_t id, stack_lo, stack_hi;
	uint64_t sp; /* where it was when it last gave way; 0: outside of its stack */
	uint64_t gopc, startpc;
	uint8_t status; /* enum gort_g_status, without the scan bit */
	bool system;	/* one of the runtime's own, which runtime.NumGoroutine leaves out */
};

VEC_TYPE(gort_goroutine_vec, struct gort_goroutine);

struct gort_goroutines {
	struct gort_goroutine_vec v;		/* not dead */
	uint64_t dead;				/* kept by the runtime for reuse */
	uint64_t user;				/* what runtime.NumGoroutine answers */
	uint64_t by_status[GORT_G_STATUS_MAX_]; /* of the user's goroutines */
	uint64_t torn;				/* records that made no sense, skipped */
};

/* FAULT or FORMAT when the list itself cannot be read. Which goroutines are the system's is decided by gort_goroutines_judge(). */
MUST_CHECK struct err *gort_goroutines_read(const struct gort *g, struct gort_goroutines *ret);
void gort_goroutines_deinit(struct gort_goroutines *gs);

/* Needs function names, so it is apart from the read: it may follow when a stopped target runs again. */
void gort_goroutines_judge(const struct gort *g, struct gort_goroutines *gs);

/* Is one that starts there the system's, which runtime.NumGoroutine leaves out? */
bool gort_goroutine_system(const struct gort *g, uint64_t startpc);

/* Address and length of the runtime's list. FORMAT when it is damaged. */
MUST_CHECK struct err *gort_goroutines_list(const struct gort *g, uint64_t *list, uint64_t *n);

/* One g, from a copy of its record; false when that makes no sense. A dead one does. */
bool gort_goroutine_load(const struct gort_layout *l, const void *rec, struct gort_goroutine *ret);

/* Stacks of the runtime's own threads: g0 and gsignal of every M. */
struct gort_thread {
	uint64_t m, procid;
	uint64_t g0_lo, g0_hi, gsignal_lo, gsignal_hi;
};

VEC_TYPE(gort_thread_vec, struct gort_thread);
MUST_CHECK struct err *gort_threads_read(const struct gort *g, struct gort_thread_vec *ret);
