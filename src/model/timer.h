/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/timer - the timers of a Go process, by callback: what `ullage timers` shows.
 *
 * Plain data. Strings are interned in stacks.strings.
 */

#include "model/account.h"
#include "model/stack.h"

enum timer_kind { TIMER_TIMER, TIMER_TICKER, TIMER_AFTERFUNC, TIMER_DEADLINE, TIMER_OTHER, TIMER_KIND_MAX_ };

extern const char *const timer_kind_names[TIMER_KIND_MAX_]; /* "timer", "ticker", "afterfunc", "deadline", "other" */

/* Timers that have everything here in common. */
struct timer_group {
	uint32_t callback; /* a stack of one frame: the function that runs; 0: unknown */
	enum timer_kind kind;
	uint64_t count;
	const char *holder; /* who holds or made it, where it is known; else NULL */
	bool collectable;   /* the GC may take it when nothing else refers to it (1.23 semantics) */
	int64_t period_ns;  /* 0: once */
	int64_t next_ns;    /* until the earliest fires, from when it was read; INT64_MAX unknown */
	uint64_t bytes;	    /* of the timers themselves, as far as known */
};

VEC_TYPE(timer_group_vec, struct timer_group);

struct timers {
	struct stacks stacks;
	struct timer_group_vec groups; /* by count */
	uint64_t total;	    /* in the heaps of all Ps; since 1.23 channel timers nobody waits on are in none */
	bool semantics_123; /* unreferenced timers are collectable (asynctimerchan=0) */
	const char *
		semantics_from; /* where that was read: "build default", "GODEBUG of the environment", "the runtime's variable" */
	bool complete; /* every heap could be read */
};

void timers_init(struct timers *t);
void timers_deinit(struct timers *t);
