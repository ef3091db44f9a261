/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * alarm - the signals of one target, its state, its breaker, and what is worth telling.
 *
 * Pure: no clock, no file; the time is in the samples. Signals are rows of one table (alarm/table.c): name, source, window,
 * threshold, why, a function that judges and says the sentence of evidence. Pressure is the working set against the limit
 * that binds, and only as far as it is memory that cannot be taken back: page cache alone raises nothing.
 *
 * A signal comes on when its condition has held for as long as its row says, and goes off when it has not held for a
 * while, which doubles each time it comes back within minutes. The state is the gravest of what is on. An episode is one
 * cause: it begins when the state leaves "ok" and ends when it is back; the same signals within EPISODE_GAP_S continue it.
 * Unknown figures raise nothing. Memory: alarm_size() for each target, whatever is fed.
 */

#include "base/arena.h"
#include "forecast/forecast.h"
#include "model/signal.h"

enum { ALARM_EPISODE_GAP_S = 300 };

/* The table, for metrics, the manual and the configuration: a row for each enum signal_name, the gravest first. */
struct alarm_look; /* what a condition may look at: private */
struct alarm_verdict;

struct alarm_row {
	const char *name, *source;
	double window_s, threshold; /* window 0: the latest figures alone; threshold: in its signal_units[] */
	enum watch_state state;	    /* the target's while it is on; WATCH_OK: information, which no event tells of */
	double sustain_s, quiet_s;  /* on when it has held so long; off when it has not held so long */
	bool (*holds)(const struct alarm_look *l, struct alarm_verdict *v); /* true: *v is filled, with the evidence */
	const char *why;						    /* what it means, and why that threshold */
};
const struct alarm_row *alarm_table(size_t *n);
/* The row of that name, or NULL. */
const struct alarm_row *alarm_row(const char *name);

struct alarm_policy {
	double warn, open, close; /* shares of the limit */
	int64_t close_after_ns, cooldown_ns;
	uint64_t limit; /* bytes, instead of the cgroup's; 0: the one that binds */
	bool canary;
	struct forecast_options forecast;
	/* of each row of the table; NULL, and NAN: as it is there */
	const double *threshold, *window_s;
	const bool *off;
};

struct alarm;

NEVER_NULL struct alarm *alarm_new(const struct alarm_policy *policy); /* copies, what it points to as well */
void alarm_free(struct alarm *a);				       /* NULL is fine */
void alarm_policy(struct alarm *a, const struct alarm_policy *policy); /* another one from now on */
/* It became another program, or moved to another cgroup: all medians, counters and baselines begin anew; the breaker stays. */
void alarm_reset(struct alarm *a);
size_t alarm_size(void); /* bytes that one takes at most, its forecast included */

/* What the kernel told beside samples. */
struct alarm_news {
	bool oom_kill; /* of this process or in its cgroup */
};

/* A look: what was not looked at is NULL. A sample that is not newer than the last one adds nothing. */
struct alarm_seen {
	const struct watch_process_sample *p;
	const struct watch_cgroup_sample *g;
	const struct alarm_news *news;
	int64_t wall_ns;
	const char *beside; /* whose growth it is below that limit, if not this process's: a part of a sentence */
};

VEC_TYPE(watch_event_vec, struct watch_event);

/*
 * Fills state, reason, signals, forecast and canary of `t`; its other members are read only. Events that follow (alarm,
 * clear, state, open, close) are appended, each once: with strings that are static or `t`'s, and texts in the arena `texts`,
 * which the caller resets once they were handed on.
 */
void alarm_feed(struct alarm *a, const struct alarm_seen *seen, struct watch_target *t, struct arena *texts,
		struct watch_event_vec *events);

/* The number of the episode that goes on, from 1; 0 none: one snapshot, one incident for each. */
uint32_t alarm_episode(const struct alarm *a);

/*
 * The share of the limit that is in use: the working set's, as far as it is not only page cache; of what is left to the
 * machine where nothing limits. For the caller's table of intervals. NAN unknown. `limit` as in the policy.
 */
double alarm_share(const struct watch_cgroup_sample *g, uint64_t limit);
