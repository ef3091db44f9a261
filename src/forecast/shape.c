/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast/shape.h"

#include <math.h>

#include "base/num.h"

enum {
	PAIRED = 16,	  /* points of which all pairs are compared */
	TURNS = 64,	  /* peaks and troughs that are kept */
	TEETH_MIN = 4,	  /* troughs that make a line */
	STEPS_MIN = 2,	  /* steps that make a row */
	STEPS_AHEAD = 64, /* steps to look ahead */
	RATIOS = 4,	  /* of steps, that tell how the next one will be */
	POINTS_MIN = 6,
	MARKS_MIN = 3
};

static const double FALL = 0.02;      /* of the limit: a smaller fall is no turn */
static const double FALL_RISE = 0.1;  /* of what it rose before */
static const double FLAT = 0.2;	      /* of the rate: below it a stretch does not grow */
static const double FLAT_MIN_S = 5;   /* a stretch that says so lasts that long, */
static const double FLAT_SHARE = 0.3; /* and that share of what followed it */
static const double STOP_MIN_S = 3, STOP_MAX_S = 8, STOP_SHARE = 0.25;
static const double EVEN = 0.15;		    /* a pace within exp(+-that) is steady */
static const double STEP = 0.015;		    /* of the limit from one point to the next is a step, */
static const double STEP_PACE = 2;		    /* if it is so much faster than the whole, */
static const double STEP_SHARE = 0.6;		    /* and steps are so much of a growth */
static const double FULL = 0.97, FULL_EVEN = 0.985; /* of the limit: a step to there may be the last one */
static const double GROWING = 1.15;		    /* times the one before */
static const double STEP_BESIDE = 0.5;		    /* of a step, before and after it */
static const double STEP_PARTS_S = 1.2;
static const double STEP_MAX_S = 2.6; /* what rises for longer is no step */
static const double FRESH_S = 1.5;
static const double CLEAR = 6;	  /* times the noise: more is no noise */
static const double RISING = 0.8; /* of pairs of troughs */

/* Points of a window, or of a part of it, in plain numbers. */
struct line {
	size_t n;
	double t[WINDOW_POINTS], y[WINDOW_POINTS];
};

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
	return k ? num_median(slopes, k) : 0;
}

/* The median distance from the line of that slope that is in the middle of them. */
static double distance(const double *t, const double *y, size_t n, double rate)
{
	double off[WINDOW_POINTS];
	for (size_t i = 0; i < n; i++)
		off[i] = y[i] - rate * t[i];
	double middle = num_median(off, n);
	for (size_t i = 0; i < n; i++)
		off[i] = fabs(y[i] - rate * t[i] - middle);
	return num_median(off, n);
}

/* The share of pairs of which the later one is higher. */
static double rising(const double *y, size_t n)
{
	size_t up = 0;
	for (size_t i = 0; i < n; i++) {
		for (size_t j = i + 1; j < n; j++)
			up += y[j] > y[i];
	}
	return (double)up / ((double)n * (double)(n - 1) / 2);
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

/* On the line between the points before and after. */
static double value_at(const struct line *l, double t)
{
	size_t i = at(l, t);
	if (i == 0 || i == l->n)
		return l->y[i ? l->n - 1 : 0];
	return l->y[i - 1] + (l->y[i] - l->y[i - 1]) * (t - l->t[i - 1]) / (l->t[i] - l->t[i - 1]);
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
	return n > 2 ? median_slope(t, y, n) : (value_at(l, to) - value_at(l, from)) / (to - from);
}

static void part_of(const struct line *l, size_t from, struct line *ret)
{
	ret->n = l->n - from;
	for (size_t i = from; i < l->n; i++) {
		ret->t[i - from] = l->t[i];
		ret->y[i - from] = l->y[i];
	}
}

/* How far points are off the line between their neighbours, as a standard deviation of each. */
static double noise_of(const struct line *l)
{
	double off[WINDOW_POINTS];
	size_t n = 0;
	for (size_t i = 1; i + 1 < l->n; i++) {
		double part = (l->t[i] - l->t[i - 1]) / (l->t[i + 1] - l->t[i - 1]);
		off[n++] = fabs(l->y[i] - l->y[i - 1] - part * (l->y[i + 1] - l->y[i - 1]));
	}
	return n ? num_median(off, n) / 0.6745 / sqrt(1.5) : 0;
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
				high = i; /* in which order a point had its lowest and its highest is not known */
			if (i == high || (double)w->p[high].hi - (double)w->p[i].lo <= fall)
				continue;
			turn(ts, w->p[low].t, (double)w->p[low].lo);
			turn(ts, w->p[high].t, (double)w->p[high].hi);
			up = false;
			low = i;
			continue;
		}
		if (w->p[i].lo <= w->p[low].lo)
			low = i;
		if (i == low || (double)w->p[i].hi - (double)w->p[low].lo <= fall)
			continue;
		up = true;
		high = i;
	}
	if (up)
		turn(ts, w->p[low].t, (double)w->p[low].lo);
}

/* ---- one growth --------------------------------------------------------------------------- */

/* The point from which on it grows: before it there was a flat stretch, or nothing. */
static size_t began(const struct line *l, double noise)
{
	double now = l->t[l->n - 1], y = l->y[l->n - 1];
	for (size_t i = l->n - 1; i-- > 0;) {
		double after = now - l->t[i], rate = (y - l->y[i]) / after;
		double stretch = fmax(FLAT_MIN_S, FLAT_SHARE * after);
		if (rate > 0)
			stretch = fmax(stretch, CLEAR * noise / rate);
		if (l->t[i] - l->t[0] < stretch)
			continue;
		if (after >= FLAT_MIN_S / 2 && l->y[i] - value_at(l, l->t[i] - stretch) < FLAT * rate * stretch)
			return i;
	}
	return 0;
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

/* So long a look back tells whether it still grows. */
static double lately(double since, double rate, double noise)
{
	return fmax(fmin(fmax(STOP_SHARE * since, STOP_MIN_S), STOP_MAX_S), CLEAR * noise / rate);
}

/* Bytes per second in the last moments. */
static double fresh(const struct line *l)
{
	size_t i = l->n - 1;
	while (i > 0 && l->t[l->n - 1] - l->t[i] < FRESH_S)
		i--;
	return i + 1 < l->n ? (l->y[l->n - 1] - l->y[i]) / (l->t[l->n - 1] - l->t[i]) : 0;
}

static void grow(const struct line *l, double limit, double noise, struct shape *s);

/* It was ever faster, but in its second half it no longer is: that half is the growth that goes on. */
static bool settled(const struct line *l, double limit, double noise, struct shape *s)
{
	struct line half;
	struct shape of_half = { .pace = 1, .eta = NAN, .levels = NAN };
	size_t from = at(l, l->t[0] + s->since / 2);
	part_of(l, from, &half);
	if (half.n < POINTS_MIN)
		return false;
	grow(&half, limit, noise, &of_half);
	if (of_half.kind == SHAPE_NONE || of_half.kind == SHAPE_FASTER)
		return false;
	*s = of_half;
	return true;
}

static void grow(const struct line *l, double limit, double noise, struct shape *s)
{
	double first = l->t[0], now = l->t[l->n - 1], head = limit - l->y[l->n - 1];
	s->since = now - first;
	s->growth = l->y[l->n - 1] - l->y[0];
	if (l->n < MARKS_MIN || s->growth <= CLEAR * noise)
		return;
	double half = s->half = s->since / 2, a = slope(l, first, first + half), b = slope(l, first + half, now);
	double all = slope(l, first, now);
	s->noise = distance(l->t, l->y, l->n, all) / s->growth;
	s->pace = a > 0 ? fmin(fmax(b / a, 0.02), 4) : 4;
	double back = b > 0 ? lately(s->since, b, noise) : s->since;
	if (b <= 0 || (l->y[l->n - 1] - value_at(l, now - back)) < FLAT * b * back) {
		s->stopped = true;
		s->rate = fmax(slope(l, now - back, now), 0);
		return;
	}
	double even = fmax(EVEN, 4 * noise / s->growth);
	if (fabs(log(s->pace)) < even) {
		s->kind = SHAPE_LINE;
		s->rate = slope(l, first + s->since / 3, now);
		if (s->rate > 0)
			s->eta = head / s->rate;
		return;
	}
	s->kind = s->pace < 1 ? SHAPE_SLOWING : SHAPE_FASTER;
	if (s->kind == SHAPE_FASTER && settled(l, limit, noise, s))
		return;
	s->rate = b * sqrt(s->pace);
	if (s->pace < 1)
		s->levels = l->y[l->n - 1] - s->rate * half / log(s->pace);
	/* what grew little has said nothing yet of how its pace goes on rising */
	arrive(s, half, s->growth < FALL * limit ? fmin(s->pace, 1) : s->pace, head);
}

/* ---- teeth -------------------------------------------------------------------------------- */

/* How far peaks are above the line of troughs. */
static double height(const struct turns *ts, const struct line *troughs)
{
	double over[TURNS];
	size_t n = 0;
	for (size_t i = 1; i < ts->n; i += 2)
		over[n++] = ts->y[i] - value_at(troughs, ts->t[i]);
	return num_median(over, n);
}

/* It goes up and down: the troughs grow, and peaks are as high above them as they were. False: too few. */
static bool teeth(const struct turns *ts, double now, double limit, struct shape *s)
{
	struct line troughs = { .n = 0 };
	for (size_t i = 2; i < ts->n; i += 2) { /* where the window begins is no trough */
		troughs.t[troughs.n] = ts->t[i];
		troughs.y[troughs.n++] = ts->y[i];
	}
	if (troughs.n < TEETH_MIN)
		return false;
	double last = troughs.t[troughs.n - 1];
	grow(&troughs, limit - height(ts, &troughs), noise_of(&troughs), s);
	if (rising(troughs.y, troughs.n) < RISING || s->growth < FALL * limit)
		s->eta = NAN;
	s->eta = fmax(s->eta - (now - last), isnan(s->eta) ? s->eta : 0);
	s->kind = SHAPE_TEETH;
	s->parts = (unsigned)troughs.n;
	s->since += now - last;
	return true;
}

/* ---- steps -------------------------------------------------------------------------------- */

struct stair {
	size_t n;
	double sum;									     /* of sizes */
	double from[WINDOW_POINTS], t[WINDOW_POINTS], y[WINDOW_POINTS], size[WINDOW_POINTS]; /* y: after the step */
};

/* A step stands alone: what rises before it and after it as well is no step, and what takes long needs longer rests. */
static void end_step(const struct line *l, struct stair *st)
{
	if (!st->n)
		return;
	size_t k = st->n - 1;
	double from = st->from[k], to = st->t[k], size = st->size[k], rest = fmax(STEP_PARTS_S, (to - from) / 2);
	double beside = value_at(l, to + rest) - st->y[k] + value_at(l, from) - value_at(l, from - rest);
	bool wide = to - from > STEP_MAX_S;
	if (beside > (wide ? STEP_BESIDE / 2 : STEP_BESIDE) * size || (wide && l->t[l->n - 1] - to < rest))
		st->n--;
	else
		st->sum += size;
}

static void find_steps(const struct line *l, double limit, double even, struct stair *st)
{
	double growth = l->y[l->n - 1] - l->y[0], pace = growth / (l->t[l->n - 1] - l->t[0]);
	st->n = 0;
	st->sum = 0;
	for (size_t i = 1; i < l->n; i++) {
		double rise = l->y[i] - l->y[i - 1];
		if (rise < STEP * limit || rise < STEP_PACE * fmax(pace, even) * (l->t[i] - l->t[i - 1]))
			continue;
		if (st->n && l->t[i] - st->t[st->n - 1] < STEP_PARTS_S) { /* one that a look parts in two */
			st->size[st->n - 1] += rise;
		} else {
			end_step(l, st);
			st->from[st->n] = l->t[i - 1];
			st->size[st->n++] = rise;
		}
		st->t[st->n - 1] = l->t[i];
		st->y[st->n - 1] = l->y[i];
	}
	end_step(l, st);
}

/* By how much the last few are as a rule more than the one before them. */
static double ratio(const double *v, size_t n)
{
	double by[RATIOS];
	size_t k = 0;
	for (size_t i = n > RATIOS ? n - RATIOS : 1; i < n; i++)
		by[k++] = v[i] / v[i - 1];
	return k ? num_median(by, k) : 1;
}

/* Steps that are larger and come later by a factor, and how much later the next one comes. */
static void row(const struct stair *st, double *larger, double *apart)
{
	double between[WINDOW_POINTS];
	size_t n = st->n - 1;
	for (size_t i = 0; i < n; i++)
		between[i] = st->t[i + 1] - st->t[i];
	double sizes = ratio(st->size, st->n), times = n > 1 ? ratio(between, n) : sizes;
	*larger = sizes < GROWING || times < GROWING ? 1 : fmin(sqrt(sizes * times), 4);
	*apart = *larger > 1 ? between[n - 1] : num_median(between, n);
}

/*
 * A container that is full is copied into one that is larger by a factor, or a pool takes another chunk. What fills it comes at
 * an even pace: so the value after a step is on a line; and from one step to the next it takes as much longer as steps are larger.
 */
static bool steps(const struct line *l, double limit, double even, struct shape *s)
{
	struct stair st;
	find_steps(l, limit, even, &st);
	double now = l->t[l->n - 1], growth = l->y[l->n - 1] - l->y[0];
	if (st.n < STEPS_MIN || st.sum < STEP_SHARE * growth)
		return false;
	size_t last = st.n - 1, from = st.n > PAIRED ? st.n - PAIRED : 0;
	double larger, apart, pace = median_slope(&st.t[from], &st.y[from], st.n - from);
	row(&st, &larger, &apart);
	s->pace = larger;
	s->kind = SHAPE_STEPS;
	s->parts = (unsigned)st.n;
	s->growth = growth;
	s->rate = fmax(pace, 0);
	if (pace <= 0)
		return true;
	s->since = fmin(now - st.t[0] + fmax(st.y[0] - l->y[0], 0) / pace, now - l->t[0]);
	s->noise = fmin(distance(&st.t[from], &st.y[from], st.n - from, pace) / growth, 1);
	s->stopped = now - st.t[last] > 1.5 * fmax(apart * larger, st.size[last] * larger / pace) + 2;
	double next = st.t[last], y = st.y[last], add = larger > 1 ? st.size[last] : pace * apart;
	double full = limit * (larger > 1 ? FULL : FULL_EVEN);
	size_t k = 0;
	do { /* one at least: it lives still */
		y += add *= larger;
		next += apart *= larger;
	} while (y < full && k++ < STEPS_AHEAD);
	if (!s->stopped && y >= full)
		s->eta = fmax(next - now, 0);
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

void shape_of(const struct window *w, double limit, double even, struct shape *ret)
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
	if (l.n < 2 || steps(&l, limit, even, ret))
		return;
	double noise = noise_of(&l);
	size_t from = began(&l, noise);
	struct line growth;
	part_of(&l, from, &growth);
	if (growth.n < POINTS_MIN)
		return;
	grow(&growth, limit, noise, ret);
	ret->from_start = from == 0 && ts.n == 1;
	ret->fresh = fresh(&growth);
}

/* The first point after which none falls so far below one before it. */
static size_t last_fall(const struct line *l, double fall)
{
	size_t from = 0;
	double high = -INFINITY;
	for (size_t i = 0; i < l->n; i++) {
		if (l->y[i] < high - fall)
			from = i;
		high = l->y[i] < high - fall ? l->y[i] : fmax(high, l->y[i]);
	}
	return from;
}

void shape_of_marks(const struct window *w, double limit, struct shape *ret)
{
	*ret = (struct shape){ .pace = 1, .eta = NAN, .levels = NAN };
	struct line all, growth;
	all.n = w->n_marks;
	for (size_t i = 0; i < all.n; i++) {
		all.t[i] = w->marks[i].t;
		all.y[i] = (double)w->marks[i].marked;
	}
	part_of(&all, last_fall(&all, FALL * limit), &growth);
	all = growth;
	if (all.n < MARKS_MIN)
		return;
	size_t from = began(&all, 0);
	if (all.n - from < MARKS_MIN)
		return;
	part_of(&all, from, &growth);
	grow(&growth, limit, 0, ret);
	if (ret->growth < FALL * limit)
		ret->kind = SHAPE_NONE;
	if (ret->kind == SHAPE_FASTER)
		ret->rate /= sqrt(ret->pace); /* they are few: as fast as in the second half, no faster */
	double now = w->p[w->n - 1].t, before = ret->rate > 0 ? growth.y[0] / ret->rate : 0;
	ret->from_start = from == 0;
	ret->since = now - (from ? growth.t[0] : fmax(growth.t[0] - before, w->p[0].t));
}
