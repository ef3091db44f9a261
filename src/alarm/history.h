/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * alarm/history - what is kept of a target's samples for its signals.
 *
 * The latest known figures (a fast look leaves most of them unknown), thinned-out series, and when counters last rose.
 * A counter that is lower than before was made anew with its cgroup: that is a start, not a rise.
 */

#include "alarm/ring.h"
#include "model/watch.h"

enum { GC_CYCLES = 15, PAUSES = 12, CACHE_SAMPLES = 12 };

/* A counter of the kernel: a streak is rises with less than the row's window between them. */
struct counter {
	uint64_t last;	   /* WATCH_UNKNOWN: not seen yet */
	int64_t rose_ns;   /* 0: never */
	int64_t streak_ns; /* when the streak began */
	uint64_t streak;   /* how many in it */
};

struct history {
	int64_t now_ns, p_ns, g_ns;    /* latest look; of the process; of its cgroup: 0 none */
	struct watch_process_sample p; /* each figure as it was last known */
	struct watch_cgroup_sample g;
	struct ring rss;	/* private bytes, objects of the heap, the most that the heap may have had */
	struct ring goroutines; /* their number */
	struct ring swap;	/* bytes in swap, of the cgroup or the process */
	struct ring gc_cpu; /* at ends of collections: CPU seconds in GC as a share of all processors, age in seconds */
	double gc_intervals[GC_CYCLES]; /* seconds from collection to collection */
	double gc_ratio;		/* the most that the goal was over what was kept: how far it is let grow */
	unsigned n_intervals, next_interval;
	int64_t gc_seen_ns; /* when the number of collections last rose, as told or as seen */
	uint64_t gc_count;
	struct {
		int64_t ended_ns;
		double seconds;
	} pauses[PAUSES]; /* over the threshold */
	unsigned n_pauses, next_pause;
	double cache[CACHE_SAMPLES];
	unsigned n_cache, high_cache; /* samples; how many of the last were high one after the other */
	int64_t cache_ns;
	struct counter high, max, oom, oom_kill, failcnt;
};

/* Windows and thresholds that decide what is kept. */
struct history_tuning {
	double rss_s, goroutines_s, swap_s, gc_cpu_s, cache_s; /* windows */
	double pause_s, cache_times;			       /* thresholds */
	double event_s[5];				       /* of the counters, in their order */
};

void history_init(struct history *h);
void history_reset(struct history *h); /* nothing is known; time goes on */
/* The cgroup's figures are those of another level of the hierarchy from now on: what is compared with earlier ones begins anew. */
void history_other_level(struct history *h);
void history_add(struct history *h, const struct history_tuning *tuning, const struct watch_process_sample *p,
		 const struct watch_cgroup_sample *g, double age_s);
