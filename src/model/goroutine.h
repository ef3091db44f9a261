/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/goroutine - goroutines, of a live process, a text dump or a goroutine profile: what `ullage goroutines` shows.
 *
 * Plain data. Strings are interned in stacks.strings. Durations in nanoseconds, -1 = unknown.
 */

#include "model/account.h"
#include "model/stack.h"

enum goroutine_flags {
	GOROUTINE_SYSTEM = 1u << 0,	 /* one of the runtime's own, which runtime.NumGoroutine leaves out */
	GOROUTINE_LOCKED = 1u << 1,	 /* locked to its thread */
	GOROUTINE_MOVING = 1u << 2,	 /* it ran while we looked: the stack was not taken */
	GOROUTINE_LEAKED = 1u << 3,	 /* the runtime's own goroutineleak profile says so */
	GOROUTINE_CUT = 1u << 4,	 /* the stack is not complete */
	GOROUTINE_SELECT = 1u << 5,	 /* waits in a select */
	GOROUTINE_BUBBLE = 1u << 6,	 /* inside a synctest bubble */
	GOROUTINE_DURABLE = 1u << 7,	 /* durably blocked, in a bubble */
	GOROUTINE_NO_DEADLINE = 1u << 8, /* in IO wait, and no deadline is set */
	GOROUTINE_DEADLINE = 1u << 9,	 /* in IO wait, and a deadline is set */
	GOROUTINE_PANIC = 1u << 10,	 /* the one that a crash dump is about */
	GOROUTINE_END = 1u << 11,	 /* the last of a dump that seems to be cut behind it: more may be missing */
};

struct goroutine {
	uint64_t id;	 /* 0: unknown (profiles, debug=1) */
	uint64_t parent; /* 0: unknown */
	/* "running", "runnable", "syscall", "waiting", "copystack", "preempted", "leaked", "idle", "unknown" (profiles) */
	const char *state;
	const char *wait_reason;    /* "chan receive", "IO wait", ...; NULL unless waiting or leaked */
	int64_t wait_ns;	    /* lower bound */
	uint64_t stack_bytes;	    /* allocated for its stack; ACCOUNT_UNKNOWN */
	uint32_t stack;		    /* in `stacks` */
	uint32_t created_by;	    /* a stack of one frame, the go statement; 0: unknown */
	uint32_t count;		    /* goroutines that this row stands for; 1 but for profiles and debug=1 */
	uint32_t label_at, label_n; /* in `labels` */
	int fd;			    /* in IO wait: the descriptor, else -1 */
	const char *peer;	    /* its peer, "tcp 10.0.0.1:5432", or NULL */
	uint64_t wait_on;	    /* address of the channel, mutex... it waits on; 0: unknown or several */
	const char *wait_type;	    /* element type of that channel, or NULL */
	uint32_t input;		    /* which of several files it came from */
	unsigned flags;
};

struct goroutine_label {
	const char *key, *value;
};

VEC_TYPE(goroutine_vec, struct goroutine);
VEC_TYPE(goroutine_label_vec, struct goroutine_label);

struct goroutines {
	struct stacks stacks;
	struct goroutine_vec v; /* in the order of the source */
	struct goroutine_label_vec labels;
	uint64_t total;	     /* the user's goroutines: as runtime.NumGoroutine counts; of all inputs */
	bool live;	     /* read from a process, not from a dump: wait times are since a GC saw it waiting */
	int64_t since_gc_ns; /* live: since the last GC, -1 never; bounds what wait_ns can say */
};

void goroutines_init(struct goroutines *gs);
void goroutines_deinit(struct goroutines *gs);

/* Appends copies of all of `from`, as coming from input number `input`, and adds to the total. */
void goroutines_append(struct goroutines *to, const struct goroutines *from, uint32_t input);
