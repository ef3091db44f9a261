/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_forecast [-v] [-t] [SEED [KIND] | FILE...] - what `forecast` says of many series of known ends: generated ones, and recorded ones
 * (files as tests/targets/climb's recorder writes them). One line a kind:
 *
 *	leaking		how many were warned of in time (60 s before the end, or before half of a shorter life), the least lead as a
 *			share of what is asked, the error of the time left in the last minute (median, 90 %, worst of the runs'
 *			medians)
 *	harmless	how many raised a warning in 10 minutes
 *	near		those that level off near the limit: the longest time until a warning was withdrawn
 *
 * A model of Go's heap stands behind those that allocate: live bytes and garbage, a collection at twice what the last one
 * kept, memory that goes back to the system slowly. -v shows each run that is not good, -t each warning, -t -t each look.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/num.h"
#include "fixture/recording.h"
#include "forecast/forecast.h"

enum { RUNS = 60, HARMLESS_S = 600, LEAK_S = 900, ERRORS = 4096 };

static const double MIB = 1 << 20, TICK = 0.01;

static uint64_t seed = 1;
static int trace;

static double uniform(double from, double to)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return from + (to - from) * (double)(seed >> 11) / 9007199254740992.0;
}

/* As likely between 1 and 2 as between 10 and 20. */
static double spread(double from, double to)
{
	return exp(uniform(log(from), log(to)));
}

enum sort { LEAKING, HARMLESS, NEAR };

struct run {
	double limit, base, life, plateau, period, noise; /* bytes and seconds */
	double share, start;
	/* a heap */
	double live, garbage, alloc, goal, marked, held, gcs;
	bool go;
};

struct now {
	double bytes, anon;
	bool still; /* it levelled off */
};

struct kind {
	const char *name;
	enum sort sort;
	bool go; /* gives figures of a heap */
	void (*begin)(struct run *r);
	void (*step)(struct run *r, double t, struct now *ret);
};

static void heap(struct run *r, double live, double garbage)
{
	double new_live = fmax(live - r->live, 0);
	r->live = live;
	r->alloc += new_live + garbage;
	r->garbage += garbage;
	if (r->alloc >= r->goal) {
		r->alloc = r->marked = r->live;
		r->goal = fmax(2 * r->marked, 4 * MIB);
		r->gcs++;
	}
	r->held = fmax(r->held, r->alloc);
	double keep = fmax(r->alloc, 1.1 * r->goal);
	if (r->held > keep)
		r->held -= fmin(r->held - keep, r->held * 0.01 * TICK * 3);
}

static void begin_any(struct run *r)
{
	r->life = spread(20, 600);
	r->base = uniform(0.01, 0.2) * r->limit;
	r->noise = uniform(0, 0.004) * r->limit;
}

static void line(struct run *r, double t, struct now *n)
{
	n->anon = r->base + (r->limit - r->base) * t / r->life;
}

static void begin_late(struct run *r)
{
	begin_any(r);
	r->start = uniform(20, 200);
	r->life = spread(20, 300);
}

static void late_line(struct run *r, double t, struct now *n)
{
	n->anon = r->base + (r->limit - r->base) * fmax(t - r->start, 0) / r->life;
}

static void faster(struct run *r, double t, struct now *n)
{
	n->anon = r->base + (r->limit - r->base) * pow(t / r->life, 1 + r->share);
}

static void begin_faster(struct run *r)
{
	begin_any(r);
	r->share = uniform(0.1, 1);
}

/* A slice to which elements are appended: each growth copies it into one that is larger by a quarter. */
static void begin_slice(struct run *r)
{
	begin_any(r);
	r->period = 0;
	r->share = 0;
	r->plateau = uniform(1.25, 2); /* by which it grows */
}

static void slice(struct run *r, double t, struct now *n)
{
	/* elements come at an even pace; `share` is the capacity, `period` what old copies hold */
	double filled = (r->limit - r->base) / 1.6 * t / r->life;
	if (r->share == 0)
		r->share = r->limit / 64;
	while (filled > r->share) {
		r->period = r->share;
		r->share *= r->plateau;
	}
	n->anon = r->base + filled + r->period * 0.5;
}

static void begin_doubling(struct run *r)
{
	begin_any(r);
	r->share = r->limit / 64;
}

static void doubling(struct run *r, double t, struct now *n)
{
	double filled = r->limit * 1.1 * t / r->life / 2;
	while (filled > r->share)
		r->share *= 2;
	n->anon = r->base + r->share;
}

/* A map whose tables double one after the other, within a tenth of the time since it began, and then rest. */
static void begin_map(struct run *r)
{
	begin_any(r);
	r->base = uniform(0.01, 0.05) * r->limit;
	r->share = uniform(0.5, 1); /* of the limit where it rests last */
}

static void map(struct run *r, double t, struct now *n)
{
	double octave = log2(fmax(t, 0.1) / r->life), part = octave - floor(octave);
	n->anon = r->base + (r->limit - r->base) * r->share * exp2(floor(octave) + fmin(part / 0.14, 1));
}

static void begin_lumps(struct run *r)
{
	begin_any(r);
	r->life = spread(30, 600);
	r->period = uniform(1, r->life / 10);
}

static void lumps(struct run *r, double t, struct now *n)
{
	n->anon = r->base + (r->limit - r->base) * floor(t / r->period) * r->period / r->life;
}

static void begin_go(struct run *r)
{
	begin_any(r);
	r->go = true;
	r->share = uniform(0, 4); /* garbage for each byte that stays */
	r->goal = 4 * MIB;
}

static void go_leak(struct run *r, double t, struct now *n)
{
	double rate = (r->limit - r->base) / r->life / 1.5;
	heap(r, rate * t, rate * r->share * TICK);
	n->anon = r->base + r->held;
}

static void begin_go_late(struct run *r)
{
	begin_go(r);
	r->start = uniform(20, 100);
	r->plateau = uniform(0.05, 0.2) * r->limit;
	r->life = spread(20, 300);
}

static void go_leak_late(struct run *r, double t, struct now *n)
{
	double rate = (r->limit - r->base) / r->life / 1.5;
	heap(r, fmin(t * 0.05 * r->limit, r->plateau) + rate * fmax(t - r->start, 0), rate * (1 + r->share) * TICK);
	n->anon = r->base + r->held;
}

/* Teeth whose memory goes back at once, about a line. */
static void begin_teeth(struct run *r)
{
	begin_any(r);
	r->life = spread(60, 600);
	r->period = r->life / uniform(12, 60);
	r->share = uniform(0.05, 0.25);
}

static void teeth_leak(struct run *r, double t, struct now *n)
{
	double tooth = r->share * r->limit * fmod(t, r->period) / r->period;
	n->anon = r->base + (r->limit * (1 - r->share / 2) - r->base) * t / r->life + tooth;
}

static void begin_warm(struct run *r)
{
	begin_any(r);
	r->plateau = uniform(0.4, 0.74) * r->limit;
	r->base = uniform(0.01, 0.1) * r->limit;
	r->life = spread(2, 120); /* of the curve */
}

static void warm_exp(struct run *r, double t, struct now *n)
{
	n->anon = r->base + (r->plateau - r->base) * (1 - exp(-t / r->life));
}

static void warm_hyperbolic(struct run *r, double t, struct now *n)
{
	n->anon = r->base + (r->plateau - r->base) * t / (t + r->life / 3);
}

static void warm_s(struct run *r, double t, struct now *n)
{
	double scale = r->life / 3;
	n->anon = r->base + (r->plateau - r->base) / (1 + exp(-(t - 3 * scale) / scale));
}

static void begin_fill_fast(struct run *r)
{
	begin_warm(r);
	r->life = spread(0.5, 16 * (r->plateau - r->base) / r->limit);
}

static void begin_fill_slow(struct run *r)
{
	begin_warm(r);
	r->life = uniform(250, 500);
}

static void fill(struct run *r, double t, struct now *n)
{
	n->anon = r->base + (r->plateau - r->base) * fmin(t / r->life, 1);
}

static void begin_go_warm(struct run *r)
{
	begin_go(r);
	r->plateau = uniform(0.2, 0.33) * r->limit; /* the peaks are twice that */
	r->base = uniform(0.01, 0.06) * r->limit;
	r->life = spread(1, 30);
	r->share = r->limit * spread(0.01, 1); /* garbage a second */
}

static void go_warm(struct run *r, double t, struct now *n)
{
	heap(r, r->plateau * (1 - exp(-t / r->life)), r->share * TICK);
	n->anon = r->base + r->held;
}

static void begin_go_fill(struct run *r)
{
	begin_go_warm(r);
	r->life = spread(1, 9);
}

static void go_fill(struct run *r, double t, struct now *n)
{
	heap(r, r->plateau * fmin(t / r->life, 1), r->share * TICK);
	n->anon = r->base + r->held;
}

static void begin_sawtooth(struct run *r)
{
	begin_any(r);
	r->share = uniform(0.2, 0.5);
	r->period = spread(1, 18 * r->share);
	r->base = uniform(0.05, 0.24) * r->limit;
	r->start = 1;
}

static void sawtooth(struct run *r, double t, struct now *n)
{
	double at = fmod(t, r->period * r->start) / (r->period * r->start);
	n->anon = r->base + r->share * r->limit * at;
}

static void begin_burst(struct run *r)
{
	begin_any(r);
	r->base = uniform(0.1, 0.4) * r->limit;
	r->plateau = uniform(0.5, 0.74) * r->limit;
	r->start = uniform(5, 100);
	r->life = spread(0.5, 10);	     /* it rises so long, */
	r->period = r->life + spread(1, 30); /* ends after */
}

static void burst(struct run *r, double t, struct now *n)
{
	double at = fmod(t, r->start + 3 * r->period) - r->start;
	double up = at < 0 ? 0 : fmin(at / r->life, 1);
	if (at > r->period)
		up = fmax(0, 1 - (at - r->period) / r->life);
	n->anon = r->base + (r->plateau - r->base) * up;
}

static void cache(struct run *r, double t, struct now *n)
{
	n->anon = r->base;
	n->bytes = r->base + fmin(r->limit * t / r->life, r->limit - r->base);
}

static void idle(struct run *r, double t, struct now *n)
{
	n->anon = r->base + r->share;
	r->share += uniform(-1, 1) * 0.001 * r->limit;
	r->share = fmin(fmax(r->share, -0.1 * r->base), 0.3 * r->limit);
}

static void begin_near(struct run *r)
{
	begin_any(r);
	r->plateau = uniform(0.79, 0.95) * r->limit;
	r->life = spread(20, 200);
}

static void near_line(struct run *r, double t, struct now *n)
{
	fill(r, t, n);
	n->still = t >= r->life;
}

static void near_exp(struct run *r, double t, struct now *n)
{
	n->anon = r->base + (r->plateau - r->base) * (1 - exp(-t / (r->life / 4)));
	n->still = t >= r->life;
}

static const struct kind kinds[] = {
	{ "line", LEAKING, false, begin_any, line },
	{ "line after idleness", LEAKING, false, begin_late, late_line },
	{ "ever faster", LEAKING, false, begin_faster, faster },
	{ "slice that grows", LEAKING, false, begin_slice, slice },
	{ "steps that double", LEAKING, false, begin_doubling, doubling },
	{ "map that doubles", LEAKING, false, begin_map, map },
	{ "lumps", LEAKING, false, begin_lumps, lumps },
	{ "teeth on a line", LEAKING, false, begin_teeth, teeth_leak },
	{ "heap and garbage", LEAKING, true, begin_go, go_leak },
	{ "... without figures", LEAKING, false, begin_go, go_leak },
	{ "heap after idleness", LEAKING, true, begin_go_late, go_leak_late },
	{ "... without figures", LEAKING, false, begin_go_late, go_leak_late },
	{ "warm-up exponential", HARMLESS, false, begin_warm, warm_exp },
	{ "warm-up hyperbolic", HARMLESS, false, begin_warm, warm_hyperbolic },
	{ "warm-up s-curve", HARMLESS, false, begin_warm, warm_s },
	{ "fast fill", HARMLESS, false, begin_fill_fast, fill },
	{ "slow fill", HARMLESS, false, begin_fill_slow, fill },
	{ "heap warm-up", HARMLESS, true, begin_go_warm, go_warm },
	{ "heap fill", HARMLESS, true, begin_go_fill, go_fill },
	{ "... without figures", HARMLESS, false, begin_go_fill, go_fill },
	{ "sawtooth", HARMLESS, false, begin_sawtooth, sawtooth },
	{ "burst", HARMLESS, false, begin_burst, burst },
	{ "page cache", HARMLESS, false, begin_any, cache },
	{ "idle, noise", HARMLESS, false, begin_any, idle },
	{ "stops near", NEAR, false, begin_near, near_line },
	{ "slows near", NEAR, false, begin_near, near_exp },
};

/* What came of one run. */
struct outcome {
	double end, warned, withdrawn, still; /* NAN: did not happen */
	double error, worst;		      /* of the last minute: the median, and what nine of ten stay below */
	unsigned alarms;
	char why[200];
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double quantile(double *v, size_t n, double q)
{
	if (!n)
		return NAN;
	qsort(v, n, sizeof(*v), by_value);
	return v[(size_t)fmin(q * (double)n, (double)n - 1)];
}

struct told {
	double t, eta;
};

static void last_minute(const struct told *told, size_t n, double start, struct outcome *o)
{
	double end = o->end;
	double errors[ERRORS];
	size_t k = 0;
	for (size_t i = 0; i < n && k < ERRORS; i++) {
		double left = end - told[i].t;
		if (left > 60 || left < 2 || left > 0.5 * (end - start))
			continue;
		errors[k++] = isnan(told[i].eta) ? 9.99 : fabs(told[i].eta - left) / left;
	}
	o->error = quantile(errors, k, 0.5);
	o->worst = quantile(errors, k, 0.9);
}

/* A run that is being watched. */
struct watching {
	struct forecast *f;
	struct told told[ERRORS * 4];
	size_t n;
	bool was;
	struct outcome o;
};

static void watching_init(struct watching *w, const struct forecast_options *opt)
{
	memset(w, 0, sizeof(*w));
	w->f = forecast_new(opt);
	w->o = (struct outcome){ NAN, NAN, NAN, NAN, NAN, NAN, 0, "" };
}

static void watch(struct watching *w, const struct run *r, double t, const struct forecast_sample *s)
{
	struct watch_forecast now;
	forecast_add(w->f, s);
	forecast_now(w->f, &now);
	if (w->n < ERRORS * 4)
		w->told[w->n++] = (struct told){ t, now.eta };
	if (trace && (now.warning != w->was || trace > 1))
		printf("    %.1f %.4f eta %.1f rate %.3f conf %.2f z %.1f %s %s\n", t, (double)s->anon / r->limit,
		       now.eta, now.rate / MIB, now.confidence, now.z, now.warning ? "WARN" : "-", now.why);
	if (now.warning && !w->was) {
		w->o.alarms++;
		if (isnan(w->o.warned)) {
			w->o.warned = t;
			snprintf(w->o.why, sizeof(w->o.why), "%s", now.why);
		}
	}
	if (w->was && !now.warning)
		w->o.withdrawn = t;
	w->was = now.warning;
}

static void finish(struct watching *w, const struct run *r)
{
	last_minute(w->told, w->n, r->start, &w->o);
	if (w->was && !isnan(w->o.still))
		w->o.withdrawn = INFINITY;
	forecast_free(w->f);
}

static void sample(const struct kind *k, const struct run *r, double t, const struct now *n, struct watching *w)
{
	struct forecast_sample s;
	forecast_sample_init(&s);
	s.time_ns = (int64_t)((t + 1000) * 1e9);
	s.bytes = (uint64_t)fmax(n->bytes, n->anon);
	s.anon = (uint64_t)n->anon;
	s.limit = (uint64_t)r->limit;
	if (k->go) {
		s.gc_count = (uint64_t)r->gcs;
		s.heap_marked = (uint64_t)r->marked;
		s.heap_alloc = (uint64_t)r->alloc;
		s.heap_goal = (uint64_t)r->goal;
	}
	watch(w, r, t, &s);
}

/* The daemon's table of intervals. */
static double interval(double share)
{
	return share < 0.7 ? 1 : share < 0.9 ? 0.2 : 0.05;
}

static void follow(const struct kind *k, struct run *r, const struct forecast_options *opt, struct outcome *ret)
{
	struct watching w;
	watching_init(&w, opt);
	double next = uniform(0.05, 1);
	if (trace)
		printf("  %s limit %.0f\n", k->name, r->limit / MIB);
	for (double t = 0; t < (k->sort == LEAKING ? LEAK_S : HARMLESS_S); t += TICK) {
		struct now n = { 0 };
		k->step(r, t, &n);
		if (n.anon >= r->limit) {
			w.o.end = t;
			break;
		}
		if (n.still && isnan(w.o.still))
			w.o.still = t;
		if (t < next)
			continue;
		n.anon += uniform(-1, 1) * r->noise;
		next = t + interval(fmax(n.anon, n.bytes) / r->limit) * uniform(1, 1.1);
		sample(k, r, t, &n, &w);
	}
	finish(&w, r);
	*ret = w.o;
}

static double asked(const struct run *r, const struct outcome *o)
{
	double life = o->end - r->start; /* it leaks since then */
	return fmin(60, life / 2);
}

struct totals {
	size_t n, good;
	double leads[RUNS], errors[RUNS], withdrawals[RUNS];
	size_t n_leads, n_errors, n_withdrawals;
};

static void add_up(const struct kind *k, const struct run *r, const struct outcome *o, bool verbose, struct totals *t)
{
	bool good = true;
	t->n++;
	if (k->sort == LEAKING) {
		double lead = isnan(o->warned) ? 0 : (o->end - o->warned) / asked(r, o);
		t->leads[t->n_leads++] = lead;
		if (!isnan(o->error))
			t->errors[t->n_errors++] = o->error;
		good = lead >= 1 && o->error < 0.2;
		t->good += lead >= 1;
	} else if (k->sort == HARMLESS) {
		good = !o->alarms;
		t->good += good;
	} else {
		double took = isnan(o->warned) ? 0 : fmax(o->withdrawn - o->still, 0);
		t->withdrawals[t->n_withdrawals++] = took;
		good = took <= 15;
		t->good += good;
	}
	if (verbose && !good)
		printf("  %s: limit %.0f MiB life %.1f base %.2f plateau %.2f period %.1f share %.3g start %.0f noise "
		       "%.4f: "
		       "end %.1f warned %.1f still %.1f withdrawn %.1f error %.2f alarms %u\n    %s\n",
		       k->name, r->limit / MIB, r->life, r->base / r->limit, r->plateau / r->limit, r->period, r->share,
		       r->start, r->noise / r->limit, o->end, o->warned, o->still, o->withdrawn, o->error, o->alarms,
		       o->why);
}

static void print(const struct kind *k, struct totals *t)
{
	static const char *const sorts[] = { "leaking", "harmless", "near" };
	printf("%-9s %-22s %4zu %5zu", sorts[k->sort], k->name, t->n, t->good);
	if (k->sort == LEAKING)
		printf("   %5.2f %5.2f   %5.2f %5.2f %5.2f\n", quantile(t->leads, t->n_leads, 0),
		       quantile(t->leads, t->n_leads, 0.5), quantile(t->errors, t->n_errors, 0.5),
		       quantile(t->errors, t->n_errors, 0.9), quantile(t->errors, t->n_errors, 1));
	else if (k->sort == HARMLESS)
		printf("\n");
	else
		printf("   withdrawn after %.1f s, at most %.1f\n", quantile(t->withdrawals, t->n_withdrawals, 0.5),
		       quantile(t->withdrawals, t->n_withdrawals, 1));
}

/* ---- recordings --------------------------------------------------------------------------- */

/* Follows one file; false when it is none. */
static bool replay(const char *path, const struct forecast_options *opt)
{
	struct recording rec;
	struct forecast_sample s;
	double t = 0;
	if (!recording_open(path, &rec))
		return false;
	struct run r = { .limit = (double)rec.limit, .start = rec.start };
	struct watching w;
	watching_init(&w, opt);
	w.o.end = rec.end;
	w.o.still = rec.still;
	while (recording_next(&rec, &t, &s))
		watch(&w, &r, t, &s);
	recording_close(&rec);
	finish(&w, &r);
	double life = w.o.end - r.start, lead = w.o.end - w.o.warned;
	printf("%-24s %5.0f MiB  %-8s", rec.name, r.limit / MIB, rec.sort);
	if (strcmp(rec.sort, "leaks") == 0)
		printf(" life %5.1f  lead %5.1f of %5.1f  eta error %4.2f, %4.2f %s%s\n", life, lead, asked(&r, &w.o),
		       w.o.error, w.o.worst, lead >= asked(&r, &w.o) ? "" : "LATE ", w.o.error < 0.2 ? "" : "INEXACT");
	else if (strcmp(rec.sort, "near") == 0)
		printf(" warned %.1f withdrawn %.1f\n", w.o.warned, w.o.withdrawn);
	else
		printf(" alarms %u%s\n", w.o.alarms, w.o.alarms ? " FALSE" : "");
	if (w.o.why[0])
		printf("    %s\n", w.o.why);
	return true;
}

static void generate(size_t i, uint64_t first, const struct forecast_options *opt, bool verbose)
{
	struct totals t = { 0 };
	seed = first * 1000 + i;
	for (size_t k = 0; k < RUNS; k++) {
		struct run r = { .limit = spread(64, 1024) * MIB };
		struct outcome o;
		kinds[i].begin(&r);
		follow(&kinds[i], &r, opt, &o);
		add_up(&kinds[i], &r, &o, verbose, &t);
	}
	print(&kinds[i], &t);
}

int main(int argc, char **argv)
{
	const struct forecast_options opt = { 3.5, 600 };
	bool verbose = false;
	int at = 1;
	for (; at < argc && argv[at][0] == '-'; at++) {
		verbose |= argv[at][1] == 'v';
		trace += argv[at][1] == 't';
	}
	uint64_t first = 1;
	if (at < argc && !num_str(argv[at], &first)) {
		for (; at < argc; at++) {
			if (!replay(argv[at], &opt)) {
				fprintf(stderr, "bench_forecast: %s is no recording\n", argv[at]);
				return 1;
			}
		}
		return 0;
	}
	const char *only = at + 1 < argc ? argv[at + 1] : NULL;
	printf("one series takes %zu bytes\n", forecast_size());
	printf("%-9s %-22s %4s %5s   %11s   %17s\n", "", "kind", "runs", "good", "lead/asked", "eta error of runs");
	printf("%-9s %-22s %4s %5s   %5s %5s   %5s %5s %5s\n", "", "", "", "", "least", "mid", "mid", "90 %", "worst");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!only || strstr(kinds[i].name, only))
			generate(i, first, &opt, verbose);
	}
	return 0;
}
