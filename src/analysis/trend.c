/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/trend.h"

#include <math.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/num.h"

enum {
	EXACT = 20,   /* points up to which the distribution of the score is counted out */
	STEPS_WAY = 2 /* how many rises the last look at "does it still grow" spans */
};

static const double FLAT = 0.25;  /* of the mean rate: below it a stretch does not grow */
static const double STEADY = 0.8; /* of the stretches before: so many must grow for a flat end to mean something */
static const double TAIL_FROM = 2.0 / 3;

void series_add(struct series *s, double t, double y)
{
	if (s->n == TREND_POINTS || (s->n && t <= s->t[s->n - 1]) || !isfinite(y))
		return;
	s->t[s->n] = t;
	s->y[s->n++] = y;
}

/* The share of all orders of n points that have at most `falls` falling pairs. */
static double chance_exact(size_t n, size_t falls)
{
	double ways[EXACT * EXACT / 2 + 1] = { 1 };
	for (size_t k = 2; k <= n; k++) { /* the k-th point falls behind 0 to k - 1 of those before */
		double next[EXACT * EXACT / 2 + 1] = { 0 };
		for (size_t f = 0; f <= n * (n - 1) / 2; f++) {
			for (size_t d = 0; d < k && d <= f; d++)
				next[f] += ways[f - d] / (double)k;
		}
		for (size_t f = 0; f <= n * (n - 1) / 2; f++)
			ways[f] = next[f];
	}
	double sum = 0;
	for (size_t f = 0; f <= falls; f++)
		sum += ways[f];
	return fmin(sum, 1);
}

static double chance(size_t n, double balance)
{
	double pairs = (double)n * (double)(n - 1) / 2;
	if (n < 2)
		return 1;
	if (n <= EXACT)
		return chance_exact(n, (size_t)floor((pairs - balance) / 2));
	double sd = sqrt((double)n * (double)(n - 1) * (2 * (double)n + 5) / 18);
	return 0.5 * erfc((balance - 1) / sd / sqrt(2));
}

static void compare_pairs(const struct series *s, struct trend *t)
{
	AUTO_FREE double *slopes = xcalloc(s->n * (s->n - 1) / 2, sizeof(*slopes));
	size_t n = 0;
	double balance = 0;
	for (size_t i = 0; i < s->n; i++) {
		for (size_t k = i + 1; k < s->n; k++) {
			double rise = s->y[k] - s->y[i];
			slopes[n++] = rise / (s->t[k] - s->t[i]);
			balance += (rise > 0) - (rise < 0);
		}
	}
	t->slope = num_median(slopes, n);
	t->score = balance / (double)n;
	t->p = chance(s->n, balance);
}

static void measure_noise(const struct series *s, struct trend *t)
{
	double off[TREND_POINTS];
	for (size_t i = 0; i < s->n; i++)
		off[i] = s->y[i] - t->slope * s->t[i];
	double middle = num_median(off, s->n);
	for (size_t i = 0; i < s->n; i++)
		off[i] = fabs(s->y[i] - t->slope * s->t[i] - middle);
	t->noise = num_median(off, s->n);
}

static void find_step(const struct series *s, struct trend *t)
{
	double rises = 0, largest = 0;
	for (size_t i = 1; i < s->n; i++) {
		double rise = s->y[i] - s->y[i - 1];
		rises += fmax(rise, 0);
		if (rise > largest) {
			largest = rise;
			t->step_at = i;
		}
	}
	t->step = rises > 0 ? largest / rises : 0;
}

static double rate(const struct series *s, size_t from, size_t to)
{
	return (s->y[to] - s->y[from]) / (s->t[to] - s->t[from]);
}

/* The last third is flat, or the last rises are where nearly all before were not. */
static void look_at_end(const struct series *s, struct trend *t)
{
	double mean = rate(s, 0, s->n - 1), from = s->t[0] + t->span * TAIL_FROM;
	t->tail = 1;
	if (mean <= 0 || s->n < 3)
		return;
	size_t third = s->n - 2;
	while (third > 1 && s->t[third] > from)
		third--;
	t->tail = rate(s, third, s->n - 1) / mean;
	t->levelled = t->tail < FLAT;
	size_t grow = 0, all = 0;
	for (size_t i = STEPS_WAY; i + STEPS_WAY < s->n; i++, all++)
		grow += rate(s, i - STEPS_WAY, i) >= FLAT * mean;
	if (all && (double)grow >= STEADY * (double)all && rate(s, s->n - 1 - STEPS_WAY, s->n - 1) < FLAT * mean)
		t->levelled = true;
}

struct trend trend_of(const struct series *s)
{
	struct trend t = { .n = s->n, .p = 1, .tail = 1 };
	if (!s->n)
		return t;
	t.first = s->y[0];
	t.last = s->y[s->n - 1];
	t.span = s->t[s->n - 1] - s->t[0];
	t.growth = t.last - t.first;
	if (s->n < 2)
		return t;
	compare_pairs(s, &t);
	measure_noise(s, &t);
	find_step(s, &t);
	look_at_end(s, &t);
	return t;
}
