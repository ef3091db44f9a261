/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * alarm/look - what a signal's function is given, and what it says.
 */

#include "alarm/alarm.h"
#include "alarm/history.h"

struct alarm_look {
	const struct history *h;
	const struct watch_process_sample *p; /* the latest known figures; all unknown when they are stale */
	const struct watch_cgroup_sample *g;
	const struct watch_target *t;
	const struct watch_forecast *forecast;
	const struct alarm_policy *policy;
	double now;		  /* seconds */
	double threshold, window; /* of the row that is judged */
	uint64_t limit, used;	  /* bytes that bind, WATCH_UNKNOWN none; of these in use: the working set */
	double share, hard;	  /* used / limit; the part that cannot be taken back / limit; NAN unknown */
	double pressure;	  /* the share, as far as it is not only page cache: what signals and the breaker ask */
	bool machine;		  /* nothing limits: what the machine has left counts */
	const char *beside;	  /* who else grows, or NULL */
	int64_t kill_ns;	  /* a kill was told beside samples; 0 never */
};

struct alarm_verdict {
	double value;
	enum watch_state state; /* the row's; a function may make it graver or less */
	char evidence[sizeof(((struct watch_signal *)NULL)->evidence)];
};

/* The sentence. */
void alarm_say(struct alarm_verdict *v, const char *fmt, ...) ERR_PRINTF(2, 3);

/* Used, limit, shares and `machine` of *l, of its p, g and policy. */
void look_pressure(struct alarm_look *l);
/* "184 MiB of 200 MiB (92%, cgroup /a memory.max)" */
void look_say_use(const struct alarm_look *l, char *buf, size_t len);
/* Is memory short, by what cannot be taken back? Page cache alone fills any limit, and means nothing. */
bool look_pressed(const struct alarm_look *l);
/* Some sentences need a limit to mean anything: is there one, and memory not short below it? */
bool look_at_ease(const struct alarm_look *l);
