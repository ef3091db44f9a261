/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast/forecast.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/num.h"
#include "forecast/heap.h"
#include "forecast/lumps.h"
#include "forecast/shape.h"
#include "forecast/stairs.h"
#include "forecast/window.h"

enum { USUAL_STEPS = 36, USUAL_MIN = 6 };

static const double NS = 1e-9;
static const double LOW = 0.2; /* of the limit: below it nothing is foretold */
static const double DUE_S = 1; /* so much earlier than need be, and by as much as it may be off, a warning comes */
static const double EVIDENCE_HIGH = 0.3; /* of the time left a growth must have lasted, from FORECAST_HIGH on, */
static const double EVIDENCE_MIN_S = 3, EVIDENCE_MAX_S = 60;
static const double FRESH = 0.4;	 /* of the rate: slower lately, and it waits */
static const double GROWN = 0.3;	 /* of what is left to the limit; */
static const double GROWN_HIGH = 0.15;	 /* from FORECAST_HIGH on */
static const double LIFE_MIN_S = 19;	 /* what would live shorter is as often a program that fills and stops */
static const double LIFE_SLOWING_S = 30; /* the same of what slows already */
static const double FIRST_LOOK_S = 2.5;	 /* a process may have grown so long before the first look at it */
static const double LOOK_S = 0.2;	 /* between two judgements */
static const double ANEW_S = 2;		 /* within that Go's figures are read anew */
static const double PACE_S = 3;		 /* over which the pace of allocation is averaged; */
static const double PACE_LUMPS_S = 15;	 /* and where it is as a rule off its mean */
static const double LUMPS = 0.6;	 /* by so much of it */
static const double GREW = 0.2;		 /* of a peak: one that is higher by less teaches nothing */
static const double CREEP_MAX = 0.15;	 /* of them: it grows by so much at most */
static const double IDLE = 1.05;	 /* of what the last collection kept: so much is as good as another one */
static const double TRIGGER_MIN = 0.7;	 /* of the way from what was kept to the goal */
static const double GAP_S = 60;		 /* without a look: nothing is known of before it */
static const double WITHDRAW_S = 2;	 /* so long the grounds of a warning must be gone */
static const double HELD_S = 120;	 /* in which a heap gives back half of what it no longer needs */
static const double SPREAD = 1.25;	 /* times its goal: objects do not fill their pages */
static const double NOISY = 0.06;	 /* of a growth: what collections kept is about a line, not on one */
static const double USUAL_S = 5;	 /* growth is compared in such steps */
static const double USUAL_FLOOR = 65536; /* bytes a step: smaller growth is no deviation */

/* Bytes allocated per second; NAN unknown. */
struct pace {
	double lately, mean, off; /* off: how far from the mean a look finds it */
};

struct forecast {
	struct forecast_options opt;
	struct window w;
	struct stairs stairs;
	double first, now, looked; /* seconds */
	double value, limit;	   /* of the latest sample; limit NAN */
	double gc_count, figured;  /* when Go's figures were last seen to be other ones */
	struct heap_now heap;
	struct pace pace;
	struct lumps lumps;
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

static const struct heap_now no_heap = { .alloc = NAN,
					 .goal = NAN,
					 .marked = NAN,
					 .ceiling = NAN,
					 .pace = NAN,
					 .most = NAN,
					 .over = NAN,
					 .over_now = NAN,
					 .collected = NAN,
					 .trigger = NAN,
					 .over_at = NAN,
					 .stayed = { NAN, NAN } };

void forecast_reset(struct forecast *f)
{
	*f = (struct forecast){ .opt = f->opt,
				.looked = -INFINITY,
				.value = NAN,
				.limit = NAN,
				.gc_count = NAN,
				.heap = no_heap,
				.pace = { NAN, NAN, NAN },
				.z = NAN,
				.eta = NAN,
				.doubtful_since = NAN };
	f->shape = (struct shape){ .eta = NAN, .levels = NAN };
	window_clear(&f->w);
	stairs_clear(&f->stairs);
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

/* As late as a warning may come, before half of a life or FORECAST_LEAD_S before its end, and as much earlier as it may be off. */
static bool due(const struct forecast *f, double left, double age)
{
	static const double share[SHAPE_KINDS] = { [SHAPE_LINE] = 0.06,
						   [SHAPE_FASTER] = 0.06,
						   [SHAPE_SLOWING] = 0,
						   [SHAPE_STEPS] = 0.12,
						   [SHAPE_TEETH] = 0.12 };
	double off = f->heap_says.kept == HEAP_LITTLE ? fmax(share[f->shape.kind], 0.1) : share[f->shape.kind];
	return left * (1 - off) - DUE_S <= fmin(FORECAST_LEAD_S, (age + left) / 2);
}

/* All of it fits into a heap that is not larger than it was: one that comes and goes rises in steps as well, as free memory is kept. */
static bool fits_heap(const struct heap_now *h, double value)
{
	double over = isnan(h->over) ? h->over_now : fmin(h->over, h->over_now);
	return h->held > 0 && value - fmax(over, 0) <= SPREAD * h->held;
}

/* What collections say of a growth: will it stay? Of what doubles they are not asked, as they take each copy for garbage. */
static bool stays(const struct forecast *f)
{
	enum heap_kept kept = f->heap_says.kept;
	if (f->shape.kind != SHAPE_STEPS)
		return kept != HEAP_UNDECIDED;
	if (f->shape.pace > 1)
		return true;
	return kept == HEAP_UNKNOWN ? !fits_heap(&f->heap, f->value) : kept > HEAP_LITTLE;
}

static bool grounds(const struct forecast *f)
{
	double share = f->value / f->limit, age = evidence(f);
	if (isnan(f->eta) || !stays(f) || !grows(f))
		return false;
	if (share >= FORECAST_HIGH)
		return f->eta <= f->opt.horizon_s && f->shape.growth >= GROWN_HIGH * (f->limit - f->value) &&
		       age >= fmin(fmax(EVIDENCE_HIGH * f->eta, EVIDENCE_MIN_S), EVIDENCE_MAX_S);
	/* a pace that rises may as well stop rising */
	double left = f->eta;
	bool noisy = f->heap_says.kept == HEAP_LITTLE && f->shape.noise > NOISY;
	if (f->shape.kind == SHAPE_FASTER && (f->heap_says.kept == HEAP_UNKNOWN || noisy))
		left = fmax(left, (f->limit - f->value) / f->shape.rate);
	double life = f->shape.kind == SHAPE_SLOWING ? LIFE_SLOWING_S : LIFE_MIN_S;
	return left <= f->opt.horizon_s && due(f, left, age) && age + left >= life &&
	       f->shape.growth >= GROWN * (f->limit - f->value);
}

static bool still(const struct forecast *f)
{
	return !isnan(f->eta) && f->eta <= 2 * f->opt.horizon_s &&
	       (f->eta <= 4 * FORECAST_LEAD_S || f->value / f->limit >= FORECAST_HIGH);
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

/*
 * The heap's own figures say more than the shape of what it takes: where they are there, they are believed. Of `steps` they say only
 * whether what came with them stays: when the next one comes is in the steps, or in the lumps in which the heap is filled.
 */
static void ask_heap(struct forecast *f, bool steps)
{
	struct heap_outlook *says = &f->heap_says;
	heap_outlook(&f->w, &f->heap, f->limit, &f->shape, says);
	double full = says->kept == HEAP_FULL ? lumps_eta(&f->lumps, f->now, says->room) : (double)NAN;
	if (!isnan(full))
		f->eta = says->eta = full;
	if (says->kept == HEAP_UNKNOWN || says->kept == HEAP_UNDECIDED || steps)
		return;
	struct shape of_value = f->shape;
	f->eta = says->eta;
	if (says->live.kind != SHAPE_NONE)
		f->shape = says->live;
	f->shape.growth = fmax(of_value.growth, f->value - (double)f->w.p[0].lo);
}

/* What doubles stands still for long, and then goes on: that is known from the times before, and from nothing else. */
static bool doubles(struct forecast *f)
{
	double eta = stairs_eta(&f->stairs, f->now);
	if (isnan(eta))
		return false;
	f->eta = eta;
	f->shape.kind = SHAPE_STEPS;
	f->shape.pace = 2;
	f->shape.stopped = false;
	f->shape.parts = (unsigned)stairs_steps(&f->stairs);
	f->shape.growth = f->value;
	f->shape.since = f->now - f->first;
	f->shape.rate = f->value / f->shape.since;
	return true;
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
		bool steps =
			doubles(f) || (f->shape.kind == SHAPE_STEPS && f->eta > 0); /* else the next one is overdue */
		if (!steps || !(f->shape.pace > 1))
			ask_heap(f, steps);
		f->eta = isnan(f->eta) ? f->eta : fmax(f->eta, 0);
	}
	f->confidence = confidence(f);
	decide(f);
}

/* ---- samples ------------------------------------------------------------------------------ */

static double known(uint64_t v)
{
	return v == WATCH_UNKNOWN ? (double)NAN : (double)v;
}

static double blend(double was, double is, double lasted, double over)
{
	return isnan(was) ? is : was - expm1(-lasted / over) * (is - was);
}

/* What is allocated in lumps needs a longer mean than what comes evenly. */
static double pace_of(struct pace *p, double pace, double lasted)
{
	p->lately = blend(p->lately, pace, lasted, PACE_S);
	p->mean = blend(p->mean, pace, lasted, PACE_LUMPS_S);
	p->off = blend(p->off, fabs(pace - p->mean), lasted, PACE_LUMPS_S);
	return p->off > LUMPS * p->mean ? p->mean : p->lately;
}

/*
 * The value is at its highest when a collection begins, and still there when it ended. What it was above the objects then is
 * known as the least of the looks before, and as a collection begins within the last third of the way to its goal (Go's pacer).
 * `one`: a single one ended since the look before; else all that is known is the goal.
 */
static void learn_peak(struct heap_now *h, double value, bool one, double goal)
{
	double way = h->goal - h->marked, most = value - h->over_now;
	if (!one || !(way > 0)) {
		h->over = value - goal;
		h->over_at = NAN;
		return;
	}
	h->trigger = fmin(fmax((most - h->marked) / way, TRIGGER_MIN), 1); /* of a number and NAN: the number */
	double over = value - h->marked - h->trigger * way, more = h->now_at - h->over_at;
	if (more > GREW * h->over_at)
		h->creep = fmin(fmax((over - h->over) / more, 0), CREEP_MAX);
	h->over = over;
	h->over_at = h->now_at;
}

/* Of what was allocated since the collection before; as much as the goal allowed, as the peak is not known. */
static void learn_stayed(struct heap_now *h, double marked, bool one)
{
	h->stayed[0] = one ? h->stayed[1] : (double)NAN;
	h->stayed[1] = one ? (marked - h->marked) / (fmax(h->goal, h->alloc) - h->marked) : (double)NAN;
}

/* `taken`: bytes allocated since the look before, NAN unknown; `ended`: collections. */
static void learn_pace(struct forecast *f, double taken, double ended)
{
	double since = f->now - f->figured;
	if (ended == 0 && taken == 0 && since < ANEW_S)
		return; /* they may be those of an earlier look */
	f->figured = f->now;
	if (since > 0 && taken >= 0 && (ended == 0 || ended == 1))
		f->heap.pace = pace_of(&f->pace, taken / since, since);
	if (f->limit > 0 && (ended > 0 || !isnan(taken)))
		lumps_add(&f->lumps, f->now, ended > 0 ? (double)NAN : taken, f->limit);
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
	if (ended > 0) {
		h->collected = f->now;
		learn_stayed(h, marked, ended == 1);
		learn_peak(h, f->value, ended == 1, known(s->heap_goal));
	}
	if (ended > 0 || !(f->value - alloc >= h->over_now)) {
		h->over_now = f->value - alloc;
		h->now_at = alloc;
	}
	f->collecting = ended > 0;
	h->most = fmax(h->most, alloc);
	learn_pace(f, taken, ended);
	h->rests = !isnan(lumps_eta(&f->lumps, f->now, 0));
	bool first = isnan(f->gc_count);
	f->gc_count = gc;
	h->alloc = alloc;
	h->ceiling =
		s->memory_limit >= INT64_MAX ? (double)INFINITY : (double)s->memory_limit - fmax(f->value - h->most, 0);
	h->goal = fmin(known(s->heap_goal), h->ceiling); /* of a number and NAN: the number */
	if (isinf(h->goal))
		h->goal = NAN;
	if (!isnan(h->goal))
		h->held = fmax(h->goal, h->held * exp2(-lasted / HELD_S));
	h->marked = marked;
	if (ended > 0)
		return !isnan(marked);
	/* nothing was allocated for a while: no more than that is live */
	if (first)
		return gc > 0 && s->gc_last_ns && s->heap_marked != WATCH_UNKNOWN; /* what the last one kept is known */
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
		f->first = f->step_from = f->figured = now;
		f->step_value = value;
	}
	double before = f->begun ? f->now : now;
	f->begun = true;
	f->now = now;
	double when = (double)s->gc_last_ns * NS;
	bool collected = add_heap(f, s, before);
	window_add(&f->w, now, value, f->heap.alloc);
	stairs_add(&f->stairs, now, value, f->limit);
	if (collected)
		window_mark(&f->w, (when > before || f->first == now) && when < now ? when : now, f->heap.marked,
			    f->heap.pace);
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
	return v > 0 ? (uint64_t)fmin(v, 0x1p62) : 0;
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
	case SHAPE_NONE: /* the heap alone says where it goes */
		snprintf(buf, len, "grew by %s", w->growth);
		return;
	case SHAPE_LINE:
	case SHAPE_KINDS:
		break;
	}
	if (s->rate < 1) /* it stands, and what was told of it holds by the heap's figures */
		snprintf(buf, len, "grew by %s over %u s", w->growth, seconds(s->since));
	else
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
