/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * forecast/shape - how a series grows toward a limit: on a line, ever slower, ever faster, in steps, or in teeth.
 *
 * Pure. A growth is what followed the last stretch that was flat, or the last fall. Slopes are medians of the slopes of all
 * pairs of points (Theil and Sen), so that a few outliers move nothing. The second half of a growth against the first says
 * whether it slows: each half as long, and the pace goes on changing by the same ratio; a pace that falls may never arrive.
 */

#include <stdbool.h>
#include <stddef.h>

#include "forecast/window.h"

enum shape_kind {
	SHAPE_NONE,    /* too little, or no growth */
	SHAPE_LINE,    /* about as fast in both halves */
	SHAPE_SLOWING, /* slower */
	SHAPE_FASTER,
	SHAPE_STEPS, /* nearly all of it in a few steps */
	SHAPE_TEETH, /* up and down, about a line that rises */
	SHAPE_KINDS
};

struct shape {
	enum shape_kind kind;
	double since;	 /* seconds for which it grows */
	double growth;	 /* bytes in that time */
	double rate;	 /* bytes per second, now */
	double fresh;	 /* bytes per second in the last moments */
	double half;	 /* seconds in which the pace changes by `pace` */
	double pace;	 /* of the second half, as a share of the first; of a step, of the one before it */
	double noise;	 /* median distance from the line, as a share of the growth */
	double eta;	 /* seconds until the limit; NAN: it is not reached like that */
	double levels;	 /* bytes at which a pace that falls will end; NAN */
	bool from_start; /* it grows since the window began */
	bool stopped;	 /* it grew, and no longer does */
	unsigned parts;	 /* steps or teeth */
};

/* `even`: bytes per second at which memory is taken where nothing is a step, 0 unknown. */
void shape_of(const struct window *w, double limit, double even, struct shape *ret);
/* Of what collections kept. The eta is that of the line itself, and no step or tooth is looked for. */
void shape_of_marks(const struct window *w, double limit, struct shape *ret);
