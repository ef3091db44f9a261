/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * forecast/stairs - a series that is alike whenever it has doubled: a map or a buffer that is copied into one twice as large.
 *
 * Pure. Kept are the moments at which it first came to each level, eight of them from one doubling to the next, since it began:
 * in bounded space, however long that takes. A container that doubles when it is full takes twice as long to come twice as high,
 * and stands still for a part of that time. Go's maps do so (until 1.23 at once, since then in many small steps), and so do
 * buffers and the tables of many libraries.
 * Units: seconds and bytes.
 */

#include <stddef.h>

enum { STAIRS_OCTAVE = 8, STAIRS_LEVELS = 6 * STAIRS_OCTAVE };

struct stairs {
	double begin, base, limit;
	double t, value; /* of the last look */
	size_t reached;	 /* levels, from the lowest */
	float when[STAIRS_LEVELS];
};

void stairs_clear(struct stairs *s);
void stairs_add(struct stairs *s, double t, double value, double limit);
/* Seconds until the limit; NAN: it is not like that. */
double stairs_eta(const struct stairs *s, double now);
/* How often it stood still, and then rose at once. */
size_t stairs_steps(const struct stairs *s);
