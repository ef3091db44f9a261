/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast/heap.h"

#include <math.h>

enum { CYCLES = 256, MARKS_MIN = 3 };

static const double HEAP_SHARE = 0.5; /* of a growth: less, and it is not the heap */
static const double KEPT = 0.5;	      /* of what was allocated */
static const double ALL = 0.8;	      /* of what was allocated, as good as all */
static const double CHANGED = 0.6;    /* of the pace of allocation: it is another one */
static const double FITS = 0.98;      /* of the limit */
static const double ROOM = 0.96;      /* of the limit: so much will find room in a later cycle, */
static const double NO_ROOM = 1.02;   /* and so much will not */
static const double UNLIKELY = 0.05;
static const double CREEP_PEAK = 0.3; /* of the limit: a smaller heap says little of a full one */
static const double CROWDED = 1.03;   /* of what was kept: no room for garbage */
static const double TRIGGER = 0.95;   /* where it is not known yet */
static const double QUIET_S = 8;      /* a heap that hardly grew for so long has stopped, as a series that did not; */
static const double QUIET = 0.2;      /* hardly: of what its pace says */
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

/* Nothing is allocated any more. The pace forgets that too slowly: what is allocated in lumps has rests as well. */
static bool quiet(const struct window *w, const struct heap_now *h)
{
	double from = w->p[w->n - 1].t - QUIET_S;
	return !h->rests && w->p[0].t <= from && !(h->collected > from) &&
	       !(heap_growth(w, from) >= QUIET * QUIET_S * h->pace);
}

/* What will be live so many seconds from now on. */
static double live_at(const struct shape *live, double now, double t)
{
	if (live->kind != SHAPE_SLOWING) /* a pace that rises between few points is taken as it is */
		return now + live->rate * t;
	double k = log(live->pace) / live->half;
	return now + live->rate * expm1(k * t) / k;
}

/* Objects when the next collection begins. */
static double peak(const struct heap_now *h, double kept, double goal)
{
	return kept + fmax(goal - kept, 0) * (isnan(h->trigger) ? TRIGGER : h->trigger);
}

/* The chance that there is no room for so many objects. */
static double too_many(double objects, double over, double limit)
{
	return fmin(fmax(((objects + over) / limit - ROOM) / (NO_ROOM - ROOM), 0), 1);
}

/*
 * Cycle by cycle. `over`: what the value is above the most that objects took, which stays. `live` is what is live now, as far
 * as the line of marks says. Whether a collection that would begin close below the limit comes in time nobody knows, and much
 * depends on it, as it gives another cycle to live: what is told is the mean of both, each as likely as it is.
 */
static double cycles(const struct heap_now *h, const struct shape *live, double now_live, double over, double limit)
{
	double ratio = fmin(fmax(h->goal / fmax(h->marked, 1), 1.05), RATIO_MAX);
	double t = 0, alloc = h->alloc, goal = fmax(h->goal, alloc), top = fmax(limit - over, alloc);
	double most = fmax(peak(h, h->marked, goal), alloc);
	double eta = 0, ended = 0; /* the sum over those ways that have ended, and how likely they are */
	for (size_t k = 0; k < CYCLES; k++) {
		double ends = fmax((k ? too_many(most, over, limit) : most >= top) - ended, 0);
		eta += ends * (t + (top - alloc) / h->pace);
		ended += ends;
		if (ended > 1 - UNLIKELY)
			return eta / ended;
		t += (most - alloc) / h->pace;
		double kept = fmin(live_at(live, now_live, t), goal);
		if (live->kind == SHAPE_SLOWING && k > CYCLES / 2)
			break;
		alloc = kept;
		double next = fmin(kept * ratio, h->ceiling);
		if (next < kept * CROWDED) /* one collection follows the other: what is live grows on */
			return live->rate > 0 ? eta + (1 - ended) * (t + (top - kept) / live->rate) : (double)NAN;
		if (next <= goal * (1 + 1e-9) && live->rate <= 0)
			break;
		goal = next;
		most = peak(h, kept, goal);
	}
	return ended > 0.5 ? eta / ended : (double)NAN;
}

/* The pace of allocation is no longer what it was when collections said how much of it stays. */
static bool changed(const struct window *w, double pace)
{
	size_t n = w->n_marks;
	double was = fmax((double)w->marks[n - 1].pace, (double)w->marks[n - 2].pace);
	return pace < CHANGED * was;
}

/* What the value will be above objects at the limit, if it is `over` above `objects`. */
static double beside(const struct heap_now *h, double over, double objects, double limit)
{
	return fmax(over, 0) + h->creep * fmax(limit - over - objects, 0) / (1 + h->creep);
}

static void model(const struct window *w, const struct heap_now *h, double limit, const struct shape *of_value,
		  struct heap_outlook *ret)
{
	const struct window_point *p = &w->p[w->n - 1];
	double over = isnan(h->over) ? (double)p->last - h->most : fmin(h->over, h->over_now);
	struct shape *live = &ret->live;
	if (over < 0) /* not all of the objects was ever touched, and as little will be of those to come */
		limit *= fmax(h->most / (double)p->last, 1);
	over = fmax(over, 0);
	if (h->over_at >= CREEP_PEAK * limit)
		over = fmin(beside(h, h->over, h->over_at, limit), beside(h, h->over_now, h->now_at, limit));
	shape_of_marks(w, limit, live);
	if (live->kind == SHAPE_NONE) {
		live->rate = 0;
		live->pace = 1;
	}
	bool all = live->kind != SHAPE_NONE && live->kind != SHAPE_SLOWING && live->rate > ALL * h->pace;
	bool full = peak(h, h->marked, h->goal) + over >= FITS * limit; /* before the next collection */
	if (full && !quiet(w, h)) {
		ret->kept = HEAP_FULL;
		ret->room = fmax(limit - over - h->alloc, 0);
		ret->eta = all && of_value->kind == SHAPE_LINE ? of_value->eta : ret->room / h->pace;
		return;
	}
	if (full || w->n_marks < MARKS_MIN || changed(w, h->pace)) {
		ret->kept = HEAP_UNDECIDED;
		return;
	}
	const struct window_mark *last = &w->marks[w->n_marks - 1];
	double now_live = live_at(live, (double)last->marked, p->t - last->t);
	if (live->kind == SHAPE_SLOWING) /* its pace went on falling since then */
		live->rate *= exp(log(live->pace) / live->half * (p->t - last->t));
	if (all) { /* collections are seen late, and are few: the series itself says more */
		live->rate = h->pace;
		now_live = h->alloc;
	}
	now_live = fmin(now_live, h->alloc);
	bool stayed = h->stayed[0] >= ALL && h->stayed[1] >= ALL;
	ret->kept = stayed || live->rate >= KEPT * h->pace ? HEAP_MOST : HEAP_LITTLE;
	ret->eta = all && of_value->kind == SHAPE_LINE ? of_value->eta : cycles(h, live, now_live, over, limit);
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
	model(w, h, limit, of_value, ret);
	ret->collections = marks_since(w, now - fmax(ret->live.since, of_value->since));
}
