/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast/forecast.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/num.h"
#include "forecast/shape.h"
#include "forecast/window.h"

enum { USUAL_STEPS = 36, USUAL_MIN = 6 };

static const double NS = 1e-9;
static const double LOW = 0.2;		 /* of the limit: below it nothing is foretold */
static const double HIGH = 0.78;	 /* of the limit: from it on a warning need not wait for the last moment */
static const double EVIDENCE = 0.75;	 /* of the time left a growth must have lasted */
static const double EVIDENCE_HIGH = 0.3; /* the same from HIGH on, */
static const double EVIDENCE_MIN_S = 3, EVIDENCE_MAX_S = 60;
static const double LIFE_MIN_S = 17.5;	 /* what would live shorter is as often a program that fills and stops */
static const double FIRST_LOOK_S = 1.5;	 /* a process may have grown so long before the first look at it */
static const double KEPT = 0.5;		 /* of what was allocated: less is garbage */
static const double LOOK_S = 0.2;	 /* between two judgements */
static const double GAP_S = 60;		 /* without a look: nothing is known of before it */
static const double WITHDRAW_S = 2;	 /* so long the grounds of a warning must be gone */
static const double USUAL_S = 5;	 /* growth is compared in such steps */
static const double USUAL_FLOOR = 65536; /* bytes a step: smaller growth is no deviation */

/* What collections say of a growth. */
enum kept {
	KEPT_UNKNOWN,	/* no figures, or it is not the heap that grows */
	KEPT_MOST,	/* what was allocated stayed */
	KEPT_LITTLE,	/* most of it was garbage */
	KEPT_UNDECIDED, /* no collection yet since it began to grow, and the next comes before the limit */
};

struct forecast {
	struct forecast_options opt;
	struct window w;
	double first, now, looked; /* seconds */
	double value, limit;	   /* of the latest sample; limit NAN */
	double gc_count, alloc, goal, marked;
	double step_from, step_value;	      /* of the growth that is measured now */
	double usual_n, usual_mean, usual_sq; /* Welford's, of growth in a step */
	double z;
	struct shape shape;
	enum kept kept;
	unsigned collections; /* in this growth */
	double eta, confidence;
	double doubtful_since; /* NAN: not */
	bool warning, begun;
};

void forecast_sample_init(struct forecast_sample *s)
{
	*s = (struct forecast_sample){
		0, 0, WATCH_UNKNOWN, WATCH_UNKNOWN, WATCH_UNKNOWN, WATCH_UNKNOWN, WATCH_UNKNOWN, WATCH_UNKNOWN
	};
}

struct forecast *forecast_new(const struct forecast_options *opt)
{
	struct forecast *f = xcalloc(1, sizeof(*f));
	f->opt = *opt;
	forecast_reset(f);
	return f;
}

void forecast_free(struct forecast *f)
{
	free(f);
}

size_t forecast_size(void)
{
	return sizeof(struct forecast);
}

void forecast_reset(struct forecast *f)
{
	*f = (struct forecast){ .opt = f->opt,
				.looked = -INFINITY,
				.value = NAN,
				.limit = NAN,
				.gc_count = NAN,
				.alloc = NAN,
				.goal = NAN,
				.marked = NAN,
				.z = NAN,
				.eta = NAN,
				.doubtful_since = NAN };
	f->shape = (struct shape){ .eta = NAN, .levels = NAN };
	window_clear(&f->w);
}

/* ---- what growth is usual ----------------------------------------------------------------- */

/* An outlier counts as the largest that is none: it shall be unusual the next time too, for a while. */
static void compare_usual(struct forecast *f)
{
	double lasted = f->now - f->step_from, growth = (f->value - f->step_value) * USUAL_S / lasted;
	double sd = fmax(sqrt(f->usual_n > 1 ? f->usual_sq / (f->usual_n - 1) : 0), USUAL_FLOOR);
	double off = growth - f->usual_mean;
	f->step_from = f->now;
	f->step_value = f->value;
	if (f->usual_n >= USUAL_MIN) {
		f->z = off / sd;
		double most = f->opt.z_alarm * sd;
		off = fmin(fmax(off, -most), most);
	}
	if (f->usual_n >= USUAL_STEPS) { /* the oldest fade */
		f->usual_sq *= (USUAL_STEPS - 1.0) / USUAL_STEPS;
		f->usual_n = USUAL_STEPS - 1;
	}
	f->usual_n++;
	double mean = f->usual_mean + off / f->usual_n;
	f->usual_sq += off * (f->usual_mean + off - mean);
	f->usual_mean = mean;
}

/* ---- what collections say ----------------------------------------------------------------- */

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

/* Marks from `from` on: bytes per second that they keep, recently, and from when on. False: there are not two. */
static bool marks_rate(const struct window *w, double from, double *rate, const struct window_mark **since, unsigned *n)
{
	size_t first = 0;
	while (first < w->n_marks && w->marks[first].t < from)
		first++;
	*n = (unsigned)(w->n_marks - first);
	if (w->n_marks - first < 2)
		return false;
	const struct window_mark *last = &w->marks[w->n_marks - 1], *m = last - 1;
	while (m > &w->marks[first] && m->t > last->t - 0.3 * (last->t - from))
		m--;
	*since = m;
	*rate = ((double)last->marked - (double)m->marked) / (last->t - m->t);
	return last->t > m->t;
}

static void ask_collections(struct forecast *f)
{
	double from = f->now - f->shape.since, rate = 0;
	const struct window_mark *since = NULL;
	f->kept = KEPT_UNKNOWN;
	f->collections = 0;
	double grew = heap_growth(&f->w, from - 0.5);
	if (isnan(grew) || grew < KEPT * f->shape.growth)
		return;
	bool two = marks_rate(&f->w, from, &rate, &since, &f->collections);
	double room = fmax(f->goal - f->alloc, 0);
	if (!two) {
		if (f->value + room < 0.97 * f->limit) /* false where the goal is not known */
			f->kept = KEPT_UNDECIDED;
		return;
	}
	double ratio = isnan(f->goal) || !(f->marked > 0) ? 2 : fmin(fmax(f->goal / f->marked, 1), 8);
	double pace = (f->value - (double)since->value) / (f->now - since->t);
	f->kept = rate * ratio >= KEPT * pace ? KEPT_MOST : KEPT_LITTLE;
	if (f->kept == KEPT_LITTLE) {
		f->eta = rate > 0 ? fmax(f->limit - f->value - room, 0) / (rate * ratio) : (double)NAN;
		f->shape.rate = fmax(rate * ratio, 0);
	}
}

/* ---- the judgement ------------------------------------------------------------------------ */

static double evidence(const struct forecast *f)
{
	/* what grew when the window began may have begun before it */
	double before = f->shape.from_start && f->shape.rate > 0 ? f->value / f->shape.rate - f->shape.since : 0;
	return f->shape.since + fmin(fmax(before, 0), FIRST_LOOK_S);
}

static bool grounds(const struct forecast *f)
{
	double share = f->value / f->limit, age = evidence(f);
	if (isnan(f->eta) || f->kept == KEPT_UNDECIDED || f->kept == KEPT_LITTLE)
		return !isnan(f->eta) && f->kept != KEPT_UNDECIDED && share >= HIGH && f->eta < FORECAST_LEAD_S;
	if (share >= HIGH)
		return f->eta <= f->opt.horizon_s &&
		       age >= fmin(fmax(EVIDENCE_HIGH * f->eta, EVIDENCE_MIN_S), EVIDENCE_MAX_S);
	return f->eta <= fmin(f->opt.horizon_s, FORECAST_LEAD_S) && age >= EVIDENCE * f->eta &&
	       age + f->eta >= LIFE_MIN_S;
}

static bool still(const struct forecast *f)
{
	return !isnan(f->eta) && f->eta <= 2 * f->opt.horizon_s &&
	       (f->eta <= 3 * FORECAST_LEAD_S || f->value / f->limit >= HIGH);
}

static void decide(struct forecast *f)
{
	if (!f->warning) {
		f->warning = grounds(f);
		f->doubtful_since = NAN;
	} else if (still(f)) {
		f->doubtful_since = NAN;
	} else if (isnan(f->doubtful_since)) {
		f->doubtful_since = f->now;
	} else if (f->now - f->doubtful_since >= WITHDRAW_S) {
		f->warning = false;
	}
}

static double confidence(const struct forecast *f)
{
	if (isnan(f->eta))
		return 0;
	double c = fmin(evidence(f) / fmax(f->eta, 1), 1) * (1 - fmin(2 * f->shape.noise, 0.8));
	if (f->kept == KEPT_MOST || f->z >= f->opt.z_alarm)
		c = 1 - (1 - c) * 0.7;
	return f->kept == KEPT_LITTLE || f->kept == KEPT_UNDECIDED ? c / 4 : c;
}

static void look(struct forecast *f)
{
	f->looked = f->now;
	f->eta = NAN;
	f->kept = KEPT_UNKNOWN;
	f->shape = (struct shape){ .eta = NAN, .levels = NAN };
	if (f->limit > 0 && (f->value >= LOW * f->limit || f->warning)) {
		shape_of(&f->w, f->limit, &f->shape);
		f->eta = f->shape.eta;
		if (f->shape.growth > 0 && f->shape.kind != SHAPE_TEETH)
			ask_collections(f);
	}
	f->confidence = confidence(f);
	decide(f);
}

/* ---- samples ------------------------------------------------------------------------------ */

static double known(uint64_t v)
{
	return v == WATCH_UNKNOWN ? (double)NAN : (double)v;
}

void forecast_add(struct forecast *f, const struct forecast_sample *s)
{
	double now = (double)s->time_ns * NS, value = known(s->anon == WATCH_UNKNOWN ? s->bytes : s->anon);
	if (isnan(value) || (f->begun && now <= f->now))
		return;
	if (f->begun && now - f->now > GAP_S)
		forecast_reset(f);
	f->value = value;
	f->limit = known(s->limit);
	if (!f->begun) {
		f->first = f->step_from = now;
		f->step_value = value;
	}
	f->begun = true;
	f->now = now;
	double gc = known(s->gc_count);
	f->alloc = known(s->heap_alloc);
	f->goal = known(s->heap_goal);
	f->marked = known(s->heap_marked);
	bool collected = gc > f->gc_count && !isnan(f->marked);
	f->gc_count = gc;
	window_add(&f->w, now, value, f->alloc);
	if (collected)
		window_mark(&f->w, now, f->marked);
	if (now - f->step_from >= USUAL_S)
		compare_usual(f);
	if (now - f->looked >= LOOK_S)
		look(f);
}

/* ---- words -------------------------------------------------------------------------------- */

struct words {
	char rate[NUM_SIZE_LEN], growth[NUM_SIZE_LEN], value[NUM_SIZE_LEN], limit[NUM_SIZE_LEN], levels[NUM_SIZE_LEN];
};

static uint64_t whole(double v)
{
	return v > 0 ? (uint64_t)v : 0;
}

static unsigned seconds(double v)
{
	return (unsigned)fmin(fmax(round(v), 0), 999999);
}

static void say_growth(const struct forecast *f, const struct words *w, char *buf, size_t len)
{
	const struct shape *s = &f->shape;
	switch (s->kind) {
	case SHAPE_STEPS:
		snprintf(buf, len, "grew by %s in %u steps over %u s", w->growth, s->parts, seconds(s->since));
		return;
	case SHAPE_TEETH:
		snprintf(buf, len, "troughs rose by %s/s over %u s, %u of them", w->rate, seconds(s->since), s->parts);
		return;
	case SHAPE_SLOWING:
		snprintf(buf, len, "grew by %s over %u s, now by %s/s, slowing", w->growth, seconds(s->since), w->rate);
		return;
	case SHAPE_FASTER:
		snprintf(buf, len, "grew by %s over %u s, now by %s/s, ever faster", w->growth, seconds(s->since),
			 w->rate);
		return;
	case SHAPE_NONE:
	case SHAPE_LINE:
	case SHAPE_KINDS:
		break;
	}
	snprintf(buf, len, "grew by %s/s over %u s, no slowing", w->rate, seconds(s->since));
}

static void say_collections(const struct forecast *f, char *buf, size_t len)
{
	buf[0] = 0;
	if (f->kept == KEPT_MOST)
		snprintf(buf, len, ", kept by each of %u collections", f->collections);
	else if (f->kept == KEPT_LITTLE)
		snprintf(buf, len, ", mostly garbage by %u collections", f->collections);
	else if (f->kept == KEPT_UNDECIDED)
		snprintf(buf, len, ", no collection yet");
}

static void say(const struct forecast *f, char *buf, size_t len)
{
	struct words w;
	char growth[120], collections[48];
	buf[0] = 0;
	num_size(whole(f->shape.rate), w.rate);
	num_size(whole(f->shape.growth), w.growth);
	num_size(whole(f->value), w.value);
	num_size(whole(f->limit), w.limit);
	num_size(whole(f->shape.levels), w.levels);
	if (isnan(f->limit) || f->shape.growth <= 0)
		return;
	if (f->shape.stopped) {
		if (f->warning)
			snprintf(buf, len, "grew by %s, but has just stopped at %s", w.growth, w.value);
		return;
	}
	say_growth(f, &w, growth, sizeof(growth));
	say_collections(f, collections, sizeof(collections));
	if (!isnan(f->eta))
		snprintf(buf, len, "%s%s: %s reached in %u s", growth, collections, w.limit, seconds(f->eta));
	else if (!isnan(f->shape.levels))
		snprintf(buf, len, "%s%s: levels off near %s", growth, collections, w.levels);
}

void forecast_now(const struct forecast *f, struct watch_forecast *ret)
{
	*ret = (struct watch_forecast){ .rate = f->begun && f->looked > f->first ? f->shape.rate : (double)NAN,
					.eta = f->eta,
					.confidence = f->confidence,
					.z = f->z,
					.warning = f->warning };
	say(f, ret->why, sizeof(ret->why));
}
