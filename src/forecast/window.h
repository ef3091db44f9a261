/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * forecast/window - the last three minutes of a series in bounded space, whatever the intervals of its samples.
 *
 * A point is what the samples within `width` had: their lowest, highest and last value. The width begins at an eighth of a
 * second and doubles when there is no room, up to one second; then the oldest points go. So the first seconds of a process are
 * known as finely as it was looked at, and three minutes are never more than WINDOW_POINTS points.
 * Units: seconds and bytes.
 */

#include <stdbool.h>
#include <stddef.h>

enum { WINDOW_POINTS = 192, WINDOW_MARKS = 48, WINDOW_SECONDS = 180 };

struct window_point {
	double t;	    /* of the last sample in it */
	float lo, hi, last; /* bytes */
	float heap;	    /* the most that the objects of the heap took; NAN unknown */
};

/* The end of a garbage collection, as the first look after it saw it. */
struct window_mark {
	double t;
	float marked; /* bytes that it kept */
	float pace;   /* bytes allocated per second then; NAN unknown */
};

struct window {
	double width;
	size_t n, n_marks;
	struct window_point p[WINDOW_POINTS];
	struct window_mark marks[WINDOW_MARKS];
};

void window_clear(struct window *w);
/* True when this began a point. `heap` NAN: unknown. The time rises. */
bool window_add(struct window *w, double t, double value, double heap);
void window_mark(struct window *w, double t, double marked, double pace);
