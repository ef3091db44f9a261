/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast/lumps.h"

#include <math.h>
#include <string.h>

#include "base/num.h"

enum { KNOWN = 2 }; /* sizes */

static const double LUMP = 0.015;  /* of the limit: less is none */
static const double REST_S = 2;	   /* between two of them; what comes sooner is a part of the one before */
static const double LONGEST_S = 3; /* what lasts longer is none, and nothing before it counts */
static const double ALIKE = 0.25;  /* off their median by so much of it */
static const double BESIDE = 0.25; /* of a lump, allocated between two */
static const double LATE = 1.5;	   /* times as far apart as they were: no more come */

static void next_lump(struct lumps *l, double t)
{
	if (l->n == LUMPS_KEPT) { /* the oldest goes */
		memmove(l->began, l->began + 1, sizeof(l->began) - sizeof(*l->began));
		memmove(l->size, l->size + 1, sizeof(l->size) - sizeof(*l->size));
		l->beside *= 1 - 1.0 / LUMPS_KEPT;
	} else {
		l->n++;
	}
	l->began[l->n - 1] = t;
	l->size[l->n - 1] = 0;
}

void lumps_add(struct lumps *l, double t, double taken, double limit)
{
	if (taken < LUMP * limit) {
		l->beside += fmax(taken, 0);
		return;
	}
	if (l->n && t - l->ended < REST_S && t - l->began[l->n - 1] > LONGEST_S)
		*l = (struct lumps){ 0 };
	if (!l->n || t - l->ended >= REST_S)
		next_lump(l, t);
	l->size[l->n - 1] += taken;
	l->ended = t;
}

static bool alike(const double *v, size_t n, double middle)
{
	for (size_t i = 0; i < n; i++) {
		if (fabs(v[i] - middle) > ALIKE * middle)
			return false;
	}
	return true;
}

/* The median, of which none is far off; NAN: some are. */
static double usual(const double *v, size_t n)
{
	double sorted[LUMPS_KEPT];
	memcpy(sorted, v, n * sizeof(*v));
	double middle = num_median(sorted, n);
	return alike(v, n, middle) ? middle : (double)NAN;
}

/* Of each, as far as it is known. */
static double usual_size(const struct lumps *l)
{
	double known[LUMPS_KEPT];
	size_t n = 0;
	for (size_t i = 0; i < LUMPS_KEPT; i++) {
		if (!isnan(l->size[i]))
			known[n++] = l->size[i];
	}
	return n >= KNOWN ? usual(known, n) : (double)NAN;
}

double lumps_eta(const struct lumps *l, double now, double room)
{
	double between[LUMPS_KEPT - 1], began = l->began[LUMPS_KEPT - 1], size = usual_size(l);
	if (l->n < LUMPS_KEPT || !(l->beside <= BESIDE * LUMPS_KEPT * size))
		return NAN;
	for (size_t i = 0; i + 1 < LUMPS_KEPT; i++)
		between[i] = l->began[i + 1] - l->began[i];
	double apart = usual(between, LUMPS_KEPT - 1);
	if (!(now - began <= LATE * apart))
		return NAN;
	return fmax(began + apart - now, 0) + fmax(ceil(room / size) - 1, 0) * apart;
}
