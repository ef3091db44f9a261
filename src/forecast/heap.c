/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast/heap.h"

#include <math.h>

enum { CYCLES = 256, MARKS_MIN = 3 };

static const double HEAP_SHARE = 0.5; /* of a growth: less, and it is not the heap */
static const double KEPT = 0.5;	      /* of what was allocated */
static const double ALL = 0.8;	      /* of what was allocated, as good as all */
static const double CHANGED = 0.6;    /* of the pace of allocation: it is another one */
static const double FITS = 0.97;      /* of the limit */
static const double CROWDED = 1.03;   /* of what was kept: no room for garbage */
static const double RATIO_MAX = 8;    /* of goal to kept: more is a goal that was set, not one that follows */

/* How much the most that objects took grew from then on; NAN unknown. */
static double heap_growth(const struct window *w, double from)
{
	double before = NAN, most = NAN;
	for (size_t i = 0; i < w->n; i++) {
		if (w->p[i].t < from)
			continue;
		if (isnan(before))
			before = (double)w->p[i].heap;
		most = fmax(most, (double)w->p[i].heap);
	}
	return most - before;
}

static unsigned marks_since(const struct window *w, double from)
{
	size_t first = 0;
	while (first < w->n_marks && w->marks[first].t < from)
		first++;
	return (unsigned)(w->n_marks - first);
}

/* What will be live so many seconds from now on. */
static double live_at(const struct shape *live, double now, double t)
{
	if (live->kind != SHAPE_SLOWING) /* a pace that rises between few points is taken as it is */
		return now + live->rate * t;
	double k = log(live->pace) / live->half;
	return now + live->rate * expm1(k * t) / k;
}

/*
 * Cycle by cycle. `over`: what the value is above the most that objects took, which stays. `live` is what is live now, as far
 * as the line of marks says.
 */
static double cycles(const struct heap_now *h, const struct shape *live, double now_live, double over, double limit)
{
	double ratio = fmin(fmax(h->goal / fmax(h->marked, 1), 1.05), RATIO_MAX);
	double t = 0, alloc = h->alloc, goal = fmax(h->goal, alloc), top = fmax(limit - over, alloc);
	for (size_t k = 0; k < CYCLES; k++) {
		if (goal >= top)
			return t + (top - alloc) / h->pace;
		t += (goal - alloc) / h->pace;
		double kept = fmin(live_at(live, now_live, t), goal);
		if (live->kind == SHAPE_SLOWING && k > CYCLES / 2)
			break;
		alloc = kept;
		double next = fmin(kept * ratio, h->ceiling);
		if (next < kept * CROWDED) /* one collection follows the other: what is live grows on */
			return live->rate > 0 ? t + (top - kept) / live->rate : (double)NAN;
		if (next <= goal * (1 + 1e-9) && live->rate <= 0)
			return NAN;
		goal = next;
	}
	return NAN;
}

/* The pace of allocation is no longer what it was when collections said how much of it stays. */
static bool changed(const struct window *w, double pace)
{
	size_t n = w->n_marks;
	double was = fmax((double)w->marks[n - 1].pace, (double)w->marks[n - 2].pace);
	return pace < CHANGED * was;
}

static void model(const struct window *w, const struct heap_now *h, double limit, struct heap_outlook *ret)
{
	const struct window_point *p = &w->p[w->n - 1];
	double over = fmax((double)p->last - h->most, 0);
	struct shape *live = &ret->live;
	shape_of_marks(w, limit, live);
	if (live->kind == SHAPE_NONE) {
		live->rate = 0;
		live->pace = 1;
	}
	if (h->goal + over >= FITS * limit) { /* it is full before the next collection */
		ret->kept = HEAP_FULL;
		ret->eta = fmax(limit - over - h->alloc, 0) / h->pace;
		return;
	}
	if (w->n_marks < MARKS_MIN || changed(w, h->pace)) {
		ret->kept = HEAP_UNDECIDED;
		return;
	}
	const struct window_mark *last = &w->marks[w->n_marks - 1];
	double now_live = live_at(live, (double)last->marked, p->t - last->t);
	if (live->kind == SHAPE_SLOWING) /* its pace went on falling since then */
		live->rate *= exp(log(live->pace) / live->half * (p->t - last->t));
	if (live->rate > ALL * h->pace && live->kind != SHAPE_SLOWING)
		live->rate = h->pace; /* all of it; collections are seen late, and are few */
	now_live = fmin(now_live, h->alloc);
	ret->kept = live->rate >= KEPT * h->pace ? HEAP_MOST : HEAP_LITTLE;
	ret->eta = cycles(h, live, now_live, over, limit);
}

void heap_outlook(const struct window *w, const struct heap_now *h, double limit, const struct shape *of_value,
		  struct heap_outlook *ret)
{
	*ret = (struct heap_outlook){ .eta = NAN, .live = { .pace = 1, .eta = NAN, .levels = NAN } };
	if (!w->n || isnan(h->goal) || isnan(h->alloc) || isnan(h->most) || !(h->pace > 0))
		return;
	double now = w->p[w->n - 1].t;
	if (of_value->growth > 0 && !(heap_growth(w, now - of_value->since - 0.5) >= HEAP_SHARE * of_value->growth))
		return;
	model(w, h, limit, ret);
	ret->collections = marks_since(w, now - fmax(ret->live.since, of_value->since));
}
