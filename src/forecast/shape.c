/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast/shape.h"

#include <math.h>
#include <stdlib.h>

enum {
	PAIRED = 16,	  /* points of which all pairs are compared */
	TURNS = 64,	  /* peaks and troughs that are kept */
	TEETH_MIN = 3,	  /* troughs that make a line */
	STEPS_MIN = 3,	  /* steps that make a row */
	STEPS_AHEAD = 64, /* steps to look ahead */
	POINTS_MIN = 6
};

static const double FALL = 0.02;      /* of the limit: a smaller fall is no turn */
static const double FALL_RISE = 0.1;  /* of what it rose before */
static const double FLAT = 0.2;	      /* of the rate: below it a stretch does not grow */
static const double FLAT_MIN_S = 5;   /* a stretch that says so lasts that long, */
static const double FLAT_SHARE = 0.3; /* and that share of what followed it */
static const double STOP_MIN_S = 3, STOP_MAX_S = 8, STOP_SHARE = 0.25;
static const double EVEN = 0.15;      /* a pace within exp(+-that) is steady */
static const double STEP = 0.04;      /* of the limit from one point to the next is a step, */
static const double STEP_SHARE = 0.6; /* if steps are so much of a growth */

/* Points of a window, or of a part of it, in plain numbers. */
struct line {
	size_t n;
	double t[WINDOW_POINTS], y[WINDOW_POINTS];
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double median_slope(const double *t, const double *y, size_t n)
{
	double slopes[PAIRED * (PAIRED - 1) / 2];
	size_t k = 0;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = i + 1; j < n; j++) {
			if (t[j] > t[i])
				slopes[k++] = (y[j] - y[i]) / (t[j] - t[i]);
		}
	}
	return k ? median(slopes, k) : 0;
}

/* The first point at or after `t`. */
static size_t at(const struct line *l, double t)
{
	size_t lo = 0, hi = l->n;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		if (l->t[mid] < t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Of points from one time to another, evenly chosen by time. */
static double slope(const struct line *l, double from, double to)
{
	double t[PAIRED], y[PAIRED];
	size_t n = 0, last = l->n;
	for (size_t k = 0; k < PAIRED; k++) {
		size_t i = at(l, from + (to - from) * (double)k / (PAIRED - 1));
		if (i >= l->n || l->t[i] > to)
			i = l->n - 1;
		if (i == last || l->t[i] > to)
			continue;
		last = i;
		t[n] = l->t[i];
		y[n++] = l->y[i];
	}
	return median_slope(t, y, n);
}

static double value_at(const struct line *l, double t)
{
	size_t i = at(l, t);
	return l->y[i < l->n ? i : l->n - 1];
}

/* ---- peaks and troughs -------------------------------------------------------------------- */

struct turns {
	size_t n;
	double t[TURNS], y[TURNS]; /* trough, peak, trough ...: the first is a trough */
};

static void turn(struct turns *ts, double t, double y)
{
	if (ts->n == TURNS) { /* the oldest pair goes */
		for (size_t i = 2; i < TURNS; i++) {
			ts->t[i - 2] = ts->t[i];
			ts->y[i - 2] = ts->y[i];
		}
		ts->n -= 2;
	}
	ts->t[ts->n] = t;
	ts->y[ts->n++] = y;
}

/* Ends with a trough if the series rises after it, else with a peak. */
static void find_turns(const struct window *w, double limit, struct turns *ts)
{
	ts->n = 0;
	size_t low = 0, high = 0;
	bool up = true;
	for (size_t i = 0; i < w->n; i++) {
		double rise = (double)w->p[high].hi - (double)w->p[low].lo, fall = fmax(FALL * limit, FALL_RISE * rise);
		if (up) {
			if (w->p[i].hi >= w->p[high].hi)
				high = i;
			if ((double)w->p[high].hi - (double)w->p[i].lo <= fall)
				continue;
			turn(ts, w->p[low].t, (double)w->p[low].lo);
			turn(ts, w->p[high].t, (double)w->p[high].hi);
			up = false;
			low = i;
			continue;
		}
		if (w->p[i].lo <= w->p[low].lo)
			low = i;
		if ((double)w->p[i].hi - (double)w->p[low].lo <= fall)
			continue;
		up = true;
		high = i;
	}
	if (up)
		turn(ts, w->p[low].t, (double)w->p[low].lo);
}

/* It goes up and down: the line of troughs rises, and one above it of the same slope passes the peaks. False: no such line. */
static bool teeth(const struct turns *ts, double now, double limit, struct shape *s)
{
	double t[TURNS / 2], y[TURNS / 2], over[TURNS / 2];
	size_t n = 0, from = ts->n > 2 * PAIRED ? (ts->n - 2 * PAIRED + 1) / 2 * 2 : 0;
	for (size_t i = from; i < ts->n && n < PAIRED; i += 2) {
		if (i == 0)
			continue; /* where the window begins is no trough */
		t[n] = ts->t[i];
		y[n++] = ts->y[i];
	}
	if (n < TEETH_MIN)
		return false;
	double rate = median_slope(t, y, n), rise = rate * (t[n - 1] - t[0]);
	size_t peaks = 0;
	for (size_t i = from + 1; i < ts->n && peaks < PAIRED; i += 2)
		over[peaks++] = ts->y[i] + rate * (now - ts->t[i]);
	double off[PAIRED], middle = 0;
	for (size_t i = 0; i < n; i++)
		off[i] = y[i] - rate * t[i];
	middle = median(off, n);
	for (size_t i = 0; i < n; i++)
		off[i] = fabs(y[i] - rate * t[i] - middle);
	s->kind = SHAPE_TEETH;
	s->parts = (unsigned)n;
	s->rate = fmax(rate, 0);
	s->growth = fmax(rise, 0);
	s->since = now - t[0];
	s->noise = rise > 0 ? median(off, n) / rise : 1;
	s->stopped = y[n - 1] - y[n - 2] < FLAT * rate * (t[n - 1] - t[n - 2]);
	if (rise > FALL * limit && s->noise < FLAT)
		s->eta = fmax(limit - median(over, peaks), 0) / rate;
	return true;
}

/* ---- one growth --------------------------------------------------------------------------- */

/* The point from which on it grows: before it there was a flat stretch, or nothing. */
static size_t began(const struct line *l)
{
	double now = l->t[l->n - 1], y = l->y[l->n - 1];
	for (size_t i = l->n - 1; i-- > 0;) {
		double after = now - l->t[i], rate = (y - l->y[i]) / after;
		double stretch = fmax(FLAT_MIN_S, FLAT_SHARE * after);
		if (l->t[i] - l->t[0] < stretch)
			break;
		if (after >= FLAT_MIN_S / 2 && l->y[i] - value_at(l, l->t[i] - stretch) < FLAT * rate * stretch)
			return i;
	}
	return 0;
}

static double distance(const struct line *l, double rate)
{
	double off[WINDOW_POINTS];
	for (size_t i = 0; i < l->n; i++)
		off[i] = l->y[i] - rate * l->t[i];
	double middle = median(off, l->n);
	for (size_t i = 0; i < l->n; i++)
		off[i] = fabs(l->y[i] - rate * l->t[i] - middle);
	return median(off, l->n);
}

/* The pace goes on changing by `pace` in each `half`. */
static void arrive(struct shape *s, double half, double pace, double head)
{
	double k = log(pace) / half, arg = 1 + head * k / s->rate;
	if (fabs(log(pace)) < 1e-3)
		s->eta = head / s->rate;
	else if (arg > 0)
		s->eta = log(arg) / k;
}

static void grow(const struct line *l, double limit, struct shape *s)
{
	double first = l->t[0], now = l->t[l->n - 1], head = limit - l->y[l->n - 1];
	s->since = now - first;
	s->growth = l->y[l->n - 1] - l->y[0];
	if (l->n < POINTS_MIN || s->growth <= 0)
		return;
	double half = s->since / 2, a = slope(l, first, first + half), b = slope(l, first + half, now);
	double all = slope(l, first, now);
	s->noise = distance(l, all) / s->growth;
	s->pace = a > 0 ? fmin(fmax(b / a, 0.02), 4) : 4;
	double lately = fmin(fmax(STOP_SHARE * s->since, STOP_MIN_S), STOP_MAX_S);
	if (b <= 0 || (l->y[l->n - 1] - value_at(l, now - lately)) < FLAT * b * lately) {
		s->stopped = true;
		s->rate = fmax(slope(l, now - lately, now), 0);
		return;
	}
	if (fabs(log(s->pace)) < EVEN) {
		s->kind = SHAPE_LINE;
		s->rate = slope(l, first + s->since / 3, now);
		s->eta = s->rate > 0 ? head / s->rate : (double)NAN;
		return;
	}
	s->kind = s->pace < 1 ? SHAPE_SLOWING : SHAPE_FASTER;
	s->rate = b * sqrt(s->pace);
	if (s->pace < 1)
		s->levels = l->y[l->n - 1] - s->rate * half / log(s->pace);
	arrive(s, half, s->pace, head);
}

/* ---- steps -------------------------------------------------------------------------------- */

static bool steps(const struct line *l, double limit, struct shape *s)
{
	double t[WINDOW_POINTS], size[WINDOW_POINTS], sum = 0;
	size_t n = 0, last = l->n;
	for (size_t i = 1; i < l->n; i++) {
		double rise = l->y[i] - l->y[i - 1];
		if (rise < STEP * limit)
			continue;
		sum += rise;
		if (n && i == last + 1) { /* one that a point parts in two */
			size[n - 1] += rise;
			last = i;
			continue;
		}
		last = i;
		t[n] = l->t[i];
		size[n++] = rise;
	}
	double now = l->t[l->n - 1], growth = l->y[l->n - 1] - l->y[0];
	if (n < STEPS_MIN || sum < STEP_SHARE * growth)
		return false;
	double gap = t[n - 1] - t[n - 2], before = t[n - 2] - t[n - 3], more = fmin(fmax(gap / before, 0.25), 4);
	double larger = fmin(fmax(size[n - 1] / size[n - 2], 0.5), 4);
	double slow = fmax(growth - sum, 0) / (now - l->t[0]), when = t[n - 1], y = l->y[l->n - 1], add = size[n - 1];
	s->kind = SHAPE_STEPS;
	s->parts = (unsigned)n;
	s->since = now - t[0];
	s->growth = growth;
	s->pace = 1;
	s->rate = growth / (now - l->t[0]);
	s->noise = fabs(log(more)) + fabs(log(larger)) > 1.5 ? 0.3 : 0.05;
	s->stopped = now - when > 1.5 * gap * fmax(more, 1) + 2;
	for (size_t k = 0; !s->stopped && k < STEPS_AHEAD; k++) {
		gap *= more;
		add *= larger;
		when += gap;
		y += add + slow * gap;
		if (y >= limit) {
			s->eta = fmax(when - now, 0);
			break;
		}
	}
	return true;
}

static void part(const struct window *w, double from, struct line *l)
{
	l->n = 0;
	for (size_t i = 0; i < w->n; i++) {
		if (w->p[i].t < from)
			continue;
		l->t[l->n] = w->p[i].t;
		l->y[l->n++] = (double)w->p[i].last;
	}
}

/* The last rise is like those before it: neither longer nor higher by half. */
static bool usual(const struct turns *ts, double now, double value)
{
	double longest = 0, highest = 0;
	for (size_t i = 0; i + 1 < ts->n; i += 2) {
		longest = fmax(longest, ts->t[i + 1] - ts->t[i]);
		highest = fmax(highest, ts->y[i + 1] - ts->y[i]);
	}
	size_t trough = ts->n - 1;
	double lasts = now - ts->t[trough], rise = value - ts->y[trough];
	return (lasts < 1.5 * longest || rise < 1.5 * highest) && lasts < 3 * longest;
}

void shape_of(const struct window *w, double limit, struct shape *ret)
{
	*ret = (struct shape){ .pace = 1, .eta = NAN, .levels = NAN };
	if (w->n < 2)
		return;
	struct turns ts;
	struct line l;
	double now = w->p[w->n - 1].t, value = (double)w->p[w->n - 1].last;
	find_turns(w, limit, &ts);
	if (ts.n > 1 && (ts.n % 2 == 0 || usual(&ts, now, value))) {
		if (!teeth(&ts, now, limit, ret))
			ret->stopped = true;
		return;
	}
	part(w, ts.n > 1 ? ts.t[ts.n - 1] : -(double)INFINITY, &l);
	if (l.n < 2 || steps(&l, limit, ret))
		return;
	size_t from = began(&l);
	ret->from_start = from == 0 && ts.n == 1;
	for (size_t i = from; i < l.n; i++) {
		l.t[i - from] = l.t[i];
		l.y[i - from] = l.y[i];
	}
	l.n -= from;
	bool from_start = ret->from_start;
	grow(&l, limit, ret);
	ret->from_start = from_start;
}
