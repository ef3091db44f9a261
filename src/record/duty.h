/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/duty - when the probes of an allocator are on, so that they cost no more than a share of the target's CPU time.
 *
 * An account in nanoseconds of CPU: the target earns `budget` of what it uses, the probes spend. Probes
 * stay on as long as the account covers it: a target that allocates slowly is watched without a pause. Otherwise a phase
 * ends when nothing is left, and the next begins when an allowance, or between half and half as much again by chance, is
 * earned. A
 * target that hardly runs earns as if it used RECORD_DUTY_IDLE of one CPU: what it can be charged then is not noticed.
 * Pure: time and counts come from the caller. Times are CLOCK_MONOTONIC.
 */

#include <stdbool.h>
#include <stdint.h>

#define RECORD_DUTY_IDLE 0.1 /* CPUs */

struct record_duty {
	double budget;	/* share of the target's CPU time */
	int64_t window; /* length of all, for how many phases there should be */
	uint64_t random;
	/* the rest is its own */
	bool on;
	int64_t last_time, phase_began;
	double share; /* of an allowance that the next phase begins with */
	uint64_t last_cpu, last_spent;
	double account, rate; /* earned and not spent, ns; CPUs in use, smoothed */
};

struct record_duty_step {
	int64_t now;
	uint64_t cpu_ns;   /* of the target, so far */
	uint64_t spent_ns; /* by the probes, so far */
};

/* On from now on. */
void record_duty_begin(struct record_duty *d, const struct record_duty_step *s);

/* Should the probes be on now? Ask every few milliseconds. */
bool record_duty_want(struct record_duty *d, const struct record_duty_step *s);
