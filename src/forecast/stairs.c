/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast/stairs.h"

#include <math.h>
#include <stdbool.h>

enum {
	ALIKE = 2 * STAIRS_OCTAVE, /* levels that were reached like those an octave below them, */
	OTHERS = 1		   /* but for so many */
};

static const double SIMILAR = 1.15; /* twice the time, within that factor */
static const double STILL = 1.35;   /* times as late as the level before: it stood still in between */
static const double FULL =
	0.985; /* of the limit: buffers and limits are powers of two, and just half of it is half of it */
static const double FALL = 0.9;	   /* of a level: it was left again */
static const double OVERDUE = 1.1; /* times as late as it was expected, */
static const double LOOKS_S = 2;   /* and so much: it does not go on */

void stairs_clear(struct stairs *s)
{
	*s = (struct stairs){ .begin = NAN };
}

/* The lowest is a 64th of the way to the limit. */
static double level(const struct stairs *s, size_t k)
{
	return s->base + (FULL * s->limit - s->base) * exp2(((double)k + 1) / STAIRS_OCTAVE - 6);
}

void stairs_add(struct stairs *s, double t, double value, double limit)
{
	if (isnan(limit) || limit != s->limit) {
		stairs_clear(s);
		s->limit = limit;
	}
	if (isnan(s->begin)) {
		s->begin = s->t = t;
		s->base = value;
	}
	while (s->reached && value - s->base < FALL * (level(s, s->reached - 1) - s->base))
		s->reached--;
	for (; s->reached < STAIRS_LEVELS && value >= level(s, s->reached); s->reached++) {
		double part = value > s->value ? (level(s, s->reached) - s->value) / (value - s->value) : 1;
		s->when[s->reached] = (float)(s->t + fmin(fmax(part, 0), 1) * (t - s->t) - s->begin);
	}
	s->t = t;
	s->value = value;
}

/* How many times as late as the level below it; an octave below it. */
static double later(const struct stairs *s, size_t k, size_t below)
{
	return (double)s->when[k] / (double)s->when[k - below];
}

static size_t steps_from(const struct stairs *s, size_t from)
{
	size_t n = 0;
	for (size_t k = from; k < s->reached; k++)
		n += later(s, k, 1) > STILL;
	return n;
}

size_t stairs_steps(const struct stairs *s)
{
	return steps_from(s, 1);
}

/* A level at the edge of a step may be on this side of it once, and on that side the next time. */
static bool alike(const struct stairs *s, size_t from, size_t to)
{
	size_t others = 0;
	for (size_t k = from; k < to; k++) {
		double lower = (double)s->when[k - STAIRS_OCTAVE - 1], higher = (double)s->when[k - STAIRS_OCTAVE + 1];
		double t = (double)s->when[k];
		others += !(t > 2 / SIMILAR * lower && t < 2 * SIMILAR * higher);
	}
	return others <= OTHERS;
}

double stairs_eta(const struct stairs *s, double now)
{
	size_t n = s->reached, k = STAIRS_LEVELS - 1;
	if (n <= ALIKE + STAIRS_OCTAVE || !alike(s, n - ALIKE, n) || steps_from(s, n - ALIKE - 1) < 2)
		return NAN;
	/* the next level may be at an edge, the one after it is not */
	if (now - s->begin > OVERDUE * 2 * (double)s->when[n + 1 - STAIRS_OCTAVE] + LOOKS_S)
		return NAN;
	double times = 1;
	for (; k >= n; k -= STAIRS_OCTAVE)
		times *= 2;
	return fmax(s->begin + times * (double)s->when[k] - now, 0);
}
