/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * forecast - from a few minutes of samples of one series to "the limit is reached in so many seconds", or nothing.
 *
 * Pure: no clock, no file; the time is in the samples. One struct forecast follows one series: the memory of a cgroup
 * against its limit, or the anonymous memory of a process against what is left to it.
 *
 * What is foretold is the moment when `anon` reaches the limit, where it is known, as the kernel takes back all page cache
 * before it kills; else when `bytes` does. Where Go's figures are given, growth up to the next collection is only believed as
 * far as earlier collections kept what was allocated before them.
 *
 * The rate and the time left are told as soon as there is growth. A warning of a growth that is below FORECAST_HIGH of the limit
 * waits as long as it can: programs that warm up and then stay at three quarters of their limit are common, and cannot be told
 * from one that leaks as long as they grow alike. So there it comes FORECAST_LEAD_S before the end, or before half of a shorter
 * life, and earlier only by what the time left may be off: 6 % of an even growth, 12 % of steps and teeth. What fills its limit
 * to three quarters in more than some 200 s raises none, whatever its shape; what takes less does if it grows evenly until it stops.
 * From FORECAST_HIGH on nothing harmless is left, and the warning comes at the horizon: 600 s before the end of a leak of hours.
 * What would live for less than 20 s from its first byte to its last is not told: as often as not it is a program that fills.
 * Cost: below a fifth of the limit nothing but the keeping of a point; else a judgement of the whole window, five times a second at most.
 */

#include "model/watch.h"

enum { FORECAST_LEAD_S = 60 };
#define FORECAST_HIGH 0.78 /* of the limit */

struct forecast;

struct forecast_options {
	double z_alarm;	  /* of growth against what was usual: 3.5 */
	double horizon_s; /* warn of a limit nearer than this: 600 */
};

struct forecast_sample {
	int64_t time_ns; /* rises; a sample that is not later than the one before is left out */
	uint64_t bytes;	 /* what counts against the limit */
	uint64_t limit;	 /* WATCH_UNKNOWN: none */
	/* The part that nobody can take back: anonymous and shared memory and what the kernel took, that is usage - (file -
	 * shmem) of a cgroup. WATCH_UNKNOWN */
	uint64_t anon;
	uint64_t gc_count;     /* a collection ended when it rises; WATCH_UNKNOWN: told by the series' own shape */
	int64_t gc_last_ns;    /* when the last one ended; 0: when it is first seen */
	uint64_t heap_marked;  /* what the last collection kept: the trough itself; WATCH_UNKNOWN */
	uint64_t heap_alloc;   /* bytes of objects now; WATCH_UNKNOWN */
	uint64_t heap_goal;    /* at which the next collection begins by GOGC; WATCH_UNKNOWN: none, or not known */
	uint64_t memory_limit; /* GOMEMLIMIT: a collection begins before; WATCH_UNKNOWN, or math.MaxInt64: none */
};

void forecast_sample_init(struct forecast_sample *s); /* all unknown, at no time */

struct forecast *forecast_new(const struct forecast_options *opt);
void forecast_free(struct forecast *f);
/* A new baseline: the process became another one. */
void forecast_reset(struct forecast *f);
void forecast_add(struct forecast *f, const struct forecast_sample *s);
/* As of the latest sample. */
void forecast_now(const struct forecast *f, struct watch_forecast *ret);
/* Bytes that one takes; bounded whatever is added. */
size_t forecast_size(void);
