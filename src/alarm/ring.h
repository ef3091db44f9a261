/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * alarm/ring - the last samples of a series, thinned out to a fixed number over a window.
 *
 * Points stand at least window / RING_POINTS apart: what comes between is left out. Times in seconds, rising.
 */

#include <stdbool.h>
#include <stddef.h>

enum { RING_POINTS = 24, RING_VALUES = 3 };

struct ring_point {
	double t, v[RING_VALUES];
};

struct ring {
	struct ring_point p[RING_POINTS];
	unsigned first, n;
};

/* True when the point was kept. */
bool ring_add(struct ring *r, double window, const struct ring_point *p);
/* Points that are not older than `window` before `now`: from which index on, with ring_at(). */
size_t ring_since(const struct ring *r, double now, double window);
const struct ring_point *ring_at(const struct ring *r, size_t i);
/* The median of value `k` of points [from, to); NAN for none. */
double ring_median(const struct ring *r, size_t from, size_t to, unsigned k);
