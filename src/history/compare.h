/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * history/compare - a program in two spans of time, by build: how fast it grows, how much memory it has and how that swings,
 * how often it was killed for it, how long its collections pause it.
 *
 * Growth is the median of slopes (analysis/trend) of each life in the span; of several lives, the median, each counting as
 * long as it was looked at. Means are over time: a look counts until the next one. Swing is from the 5th to the 95th
 * percentile of looks.
 */

#include "store/read.h"

enum { COMPARE_SPAN_MIN_S = 10 }; /* of a life in a span, for its growth to be told */

struct compare_options {
	const char *directory;
	const char *any; /* as in struct history_options */
	int64_t from_ns[2], to_ns[2];
};

struct compare_row {
	unsigned span;	      /* 0 before, 1 after */
	const char *build_id; /* NULL unknown, and in the sum of all builds */
	const char *go_version;
	bool all; /* of all builds of that span */
	size_t lives, looks;
	double seconds;				     /* that were looked at, of all lives together */
	double growth_per_hour;			     /* bytes of Rss; NAN: nobody looked, or for too short a time */
	double rss_mean, rss_low, rss_high, rss_max; /* bytes; NAN */
	double working_set_mean;
	uint64_t oom_kills;
	uint64_t gcs;
	double gc_pause_mean, gc_pause_max; /* seconds; the max is the longest of those that a look happened to see */
	double gc_pause_share;		    /* of the time, 0..1 */
};

struct compare {
	struct arena arena;
	int64_t from_ns[2], to_ns[2];
	const char *any;
	const char *note;	      /* what is missing and why, or NULL */
	VEC(struct compare_row) rows; /* the sum of each span first, then its builds */
};

/* NOT_FOUND: nothing of that name in either span. To be given back with compare_deinit() whatever happens. */
MUST_CHECK struct err *compare_read(const struct compare_options *opt, struct compare *ret);
void compare_deinit(struct compare *c);
