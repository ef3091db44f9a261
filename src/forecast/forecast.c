/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast/forecast.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/num.h"
#include "forecast/heap.h"
#include "forecast/shape.h"
#include "forecast/window.h"

enum { USUAL_STEPS = 36, USUAL_MIN = 6 };

static const double NS = 1e-9;
static const double LOW = 0.2;		 /* of the limit: below it nothing is foretold */
static const double HIGH = 0.78;	 /* of the limit: from it on a warning need not wait for the last moment */
static const double EVIDENCE = 0.7;	 /* of the time left a growth must have lasted */
static const double EVIDENCE_HIGH = 0.3; /* the same from HIGH on, */
static const double EVIDENCE_MIN_S = 3, EVIDENCE_MAX_S = 60;
static const double FRESH = 0.4;	 /* of the rate: slower lately, and it waits */
static const double GROWN = 0.3;	 /* of what is left to the limit */
static const double LIFE_MIN_S = 19;	 /* what would live shorter is as often a program that fills and stops */
static const double LIFE_SLOWING_S = 30; /* the same of what slows already */
static const double FIRST_LOOK_S = 2.5;	 /* a process may have grown so long before the first look at it */
static const double LOOK_S = 0.2;	 /* between two judgements */
static const double PACE_S = 3;		 /* over which the pace of allocation is averaged */
static const double IDLE = 1.05;	 /* of what the last collection kept: so much is as good as another one */
static const double GAP_S = 60;		 /* without a look: nothing is known of before it */
static const double WITHDRAW_S = 2;	 /* so long the grounds of a warning must be gone */
static const double USUAL_S = 5;	 /* growth is compared in such steps */
static const double USUAL_FLOOR = 65536; /* bytes a step: smaller growth is no deviation */

struct forecast {
	struct forecast_options opt;
	struct window w;
	double first, now, looked; /* seconds */
	double value, limit;	   /* of the latest sample; limit NAN */
	double gc_count;
	struct heap_now heap;
	double step_from, step_value;	      /* of the growth that is measured now */
	double usual_n, usual_mean, usual_sq; /* Welford's, of growth in a step */
	double z;
	struct shape shape;
	struct heap_outlook heap_says;
	double eta, confidence;
	double doubtful_since; /* NAN: not */
	bool warning, begun;
	bool collecting; /* a collection ended before the latest look, too */
};

void forecast_sample_init(struct forecast_sample *s)
{
	*s = (struct forecast_sample){ .limit = WATCH_UNKNOWN,
				       .anon = WATCH_UNKNOWN,
				       .gc_count = WATCH_UNKNOWN,
				       .heap_marked = WATCH_UNKNOWN,
				       .heap_alloc = WATCH_UNKNOWN,
				       .heap_goal = WATCH_UNKNOWN,
				       .memory_limit = WATCH_UNKNOWN };
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
				.heap = { NAN, NAN, NAN, NAN, NAN, NAN },
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

/* ---- the judgement ------------------------------------------------------------------------ */

static double evidence(const struct forecast *f)
{
	/* what grew when the window began may have begun before it */
	double before = f->shape.from_start && f->shape.rate > 0 ? f->value / f->shape.rate - f->shape.since : 0;
	return f->shape.since + fmin(fmax(before, 0), FIRST_LOOK_S);
}

/* It has not just stopped to grow, or may grow again soon. */
static bool grows(const struct forecast *f)
{
	return f->heap_says.kept > HEAP_UNDECIDED || f->shape.kind == SHAPE_STEPS || f->shape.kind == SHAPE_TEETH ||
	       f->shape.fresh >= FRESH * f->shape.rate;
}

static bool grounds(const struct forecast *f)
{
	double share = f->value / f->limit, age = evidence(f);
	if (isnan(f->eta) || f->heap_says.kept == HEAP_UNDECIDED || !grows(f))
		return false;
	if (share >= HIGH)
		return f->eta <= f->opt.horizon_s &&
		       age >= fmin(fmax(EVIDENCE_HIGH * f->eta, EVIDENCE_MIN_S), EVIDENCE_MAX_S);
	/* a pace that rises may as well stop rising */
	double left = f->shape.kind == SHAPE_FASTER ? fmax((f->limit - f->value) / f->shape.rate, f->eta) : f->eta;
	double life = f->shape.kind == SHAPE_SLOWING ? LIFE_SLOWING_S : LIFE_MIN_S;
	return left <= fmin(f->opt.horizon_s, FORECAST_LEAD_S) && age >= EVIDENCE * left && age + left >= life &&
	       f->shape.growth >= GROWN * (f->limit - f->value);
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
	if (f->heap_says.kept == HEAP_MOST || f->z >= f->opt.z_alarm)
		c = 1 - (1 - c) * 0.7;
	return f->heap_says.kept == HEAP_UNDECIDED ? c / 4 : c;
}

/* The heap's own figures say more than the shape of what it takes: where they are there, they are believed. */
static void ask_heap(struct forecast *f)
{
	struct heap_outlook *says = &f->heap_says;
	heap_outlook(&f->w, &f->heap, f->limit, &f->shape, says);
	if (says->kept == HEAP_UNKNOWN || says->kept == HEAP_UNDECIDED)
		return;
	struct shape of_value = f->shape;
	f->eta = says->eta;
	if (says->live.kind != SHAPE_NONE)
		f->shape = says->live;
	f->shape.growth = fmax(of_value.growth, f->value - (double)f->w.p[0].lo);
}

static void look(struct forecast *f)
{
	f->looked = f->now;
	f->eta = NAN;
	f->heap_says = (struct heap_outlook){ .eta = NAN };
	f->shape = (struct shape){ .eta = NAN, .levels = NAN };
	if (f->limit > 0 && (f->value >= LOW * f->limit || f->warning)) {
		shape_of(&f->w, f->limit, isnan(f->heap.pace) ? 0 : f->heap.pace, &f->shape);
		f->eta = f->shape.eta;
		if (f->shape.kind != SHAPE_STEPS)
			ask_heap(f);
	}
	f->confidence = confidence(f);
	decide(f);
}

/* ---- samples ------------------------------------------------------------------------------ */

static double known(uint64_t v)
{
	return v == WATCH_UNKNOWN ? (double)NAN : (double)v;
}

/* True when a collection ended since the look before, at `before`. */
static bool add_heap(struct forecast *f, const struct forecast_sample *s, double before)
{
	struct heap_now *h = &f->heap;
	double gc = known(s->gc_count), alloc = known(s->heap_alloc), lasted = f->now - before;
	double ended = gc - f->gc_count, taken = alloc - h->alloc;
	double marked = known(s->heap_marked);
	if (isnan(marked))
		marked = ended > 0 ? alloc : h->marked; /* a little more than it kept */
	if (ended ==
	    1) { /* it began near the goal: how near is not known, so that counts only where there is nothing else */
		h->most = fmax(h->most, h->goal);
		taken = f->collecting ? fmax(h->goal, h->alloc) - h->alloc + fmax(alloc - marked, 0) : (double)NAN;
	}
	f->collecting = ended > 0;
	h->most = fmax(h->most, alloc);
	if (lasted > 0 && taken >= 0 && (ended == 0 || ended == 1)) {
		double part = isnan(h->pace) ? 1 : -expm1(-lasted / PACE_S), pace = taken / lasted;
		h->pace = isnan(h->pace) ? pace : h->pace + part * (pace - h->pace);
	}
	f->gc_count = gc;
	h->alloc = alloc;
	h->ceiling =
		s->memory_limit >= INT64_MAX ? (double)INFINITY : (double)s->memory_limit - fmax(f->value - h->most, 0);
	h->goal = fmin(known(s->heap_goal), h->ceiling); /* of a number and NAN: the number */
	if (isinf(h->goal))
		h->goal = NAN;
	h->marked = marked;
	if (ended > 0)
		return !isnan(marked);
	/* nothing was allocated for a while: no more than that is live */
	bool idle = f->w.n_marks && alloc < IDLE * marked && f->now - f->w.marks[f->w.n_marks - 1].t >= USUAL_S;
	if (idle)
		h->marked = alloc;
	return idle;
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
	double before = f->begun ? f->now : now;
	f->begun = true;
	f->now = now;
	double when = (double)s->gc_last_ns * NS;
	bool collected = add_heap(f, s, before);
	window_add(&f->w, now, value, f->heap.alloc);
	if (collected)
		window_mark(&f->w, when > before && when < now ? when : now, f->heap.marked, f->heap.pace);
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
	enum heap_kept kept = f->heap_says.kept;
	buf[0] = 0;
	if (kept == HEAP_FULL)
		snprintf(buf, len, ", the next collection comes too late");
	else if (kept == HEAP_MOST || kept == HEAP_LITTLE)
		snprintf(buf, len,
			 kept == HEAP_MOST ? ", kept by each of %u collections"
					   : ", besides garbage, by %u collections",
			 f->heap_says.collections);
	else if (kept == HEAP_UNDECIDED)
		snprintf(buf, len, ", the next collection will tell");
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
