/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/timer - the timers in the heaps of all Ps, with what they call and who waits for them.
 *
 * Source: runtime/time.go, time/sleep.go, netpoll.go. To 1.22 a heap has every timer that was started and not stopped;
 * since 1.23 a timer with a channel is in a heap only while a goroutine waits for that channel.
 * Stopped timers that still lie in a heap do not count.
 * Cost:   bulk reads of 4096 timers; two more for those with channels. Memory: 80 bytes a timer.
 */

#include "gort/gort.h"
#include "model/timer.h"

struct gort_timer {
	uint64_t addr;
	uint64_t func;	 /* pc of the function that runs in the end: the user's for an AfterFunc; 0 unknown */
	uint64_t holder; /* the g that sleeps, or waits for the channel: the first of them; 0: none is known */
	int64_t when;	 /* CLOCK_MONOTONIC, ns */
	int64_t period;	 /* ns, 0: once */
	enum timer_kind kind;
	bool channel; /* of a kind that the GC may take: the runtime knows its channel, 1.23 on */
};

VEC_TYPE(gort_timer_vec, struct gort_timer);

/* By P, as the heaps have them. *complete: no heap changed while it was read. FAULT or FORMAT when there is no list of Ps. */
MUST_CHECK struct err *gort_timers_read(const struct gort *g, struct gort_timer_vec *ret, bool *complete);

/* The value of a variable that GODEBUG sets and that may change at run time, "asynctimerchan"; false where there is none. */
bool gort_debug_value(const struct gort *g, const char *name, uint32_t *ret);
