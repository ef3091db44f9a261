/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/trend - does a series grow, how fast, and does it still at its end.
 *
 * Pure. Robust: the slope is the median of the slopes of all pairs (Theil and Sen), the test of monotony counts pairs
 * that rise and pairs that fall (Mann and Kendall), so that a few outliers move neither.
 * Units: seconds, and whatever the values are. Cost: the square of the number of points, at most TREND_POINTS.
 */

#include <stdbool.h>
#include <stddef.h>

enum { TREND_POINTS = 256 };

struct series {
	double t[TREND_POINTS], y[TREND_POINTS]; /* t rises strictly */
	size_t n;
};

struct trend {
	size_t n;
	double first, last; /* values */
	double span;	    /* seconds from first to last */
	double growth;	    /* last - first */
	double slope;	    /* per second */
	double noise;	    /* median distance from the line */
	double score;	    /* (pairs that rise - pairs that fall) / pairs: 1 is strictly rising */
	double p;	    /* how likely chance alone orders the points so well: 0..1 */
	double step;	    /* the largest rise from one point to the next, as a share of all rises */
	size_t step_at;	    /* index of the point after it */
	double tail;	    /* rate over the last third, as a share of the mean rate; 1 where that is not above 0 */
	bool levelled;	    /* it grew, and no longer does at the end */
};

/* A point; one that is not later than the last, or finds no room, is left out. */
void series_add(struct series *s, double t, double y);

struct trend trend_of(const struct series *s);
