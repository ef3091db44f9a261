/* SPDX-License-Identifier: Apache-2.0 */
#include "history/compare.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/trend.h"

enum {
	LOOKS_MAX = 4000, /* of a life in a span; more are thinned to their peaks */
	GAP_MAX_S = 20,	  /* a look counts no longer than that: nobody looked then */
	KILLS_MAX = 10000,
};

struct value {
	double v, weight;
};

/* What is added up for one row. */
struct sum {
	struct compare_row *row;
	VEC(struct value) slopes; /* weighted by seconds */
	VEC(struct value) rss;
	double ws, ws_weight, pause_ns;
};

static int by_value(const void *a, const void *b)
{
	const struct value *x = a, *y = b;
	return (x->v > y->v) - (x->v < y->v);
}

/* The value below which a share of all weight is. */
static double quantile(const struct value *v, size_t n, double q)
{
	double all = 0, sum = 0;
	for (size_t i = 0; i < n; i++)
		all += v[i].weight;
	for (size_t i = 0; i < n; i++) {
		sum += v[i].weight;
		if (sum >= q * all)
			return v[i].v;
	}
	return n ? v[n - 1].v : (double)NAN;
}

/*
 * Evenly in time, at most one a second: looks without a change were left out, so what stands still has few of them, and by
 * their number a short rise would outweigh it. Where nobody looked there is no point.
 */
static void add_slope(struct sum *s, const struct store_point_vec *points)
{
	struct series series = { 0 };
	int64_t first = points->v[0].boot_ns, span = points->v[points->n - 1].boot_ns - first;
	size_t n = (size_t)(span / 1000000000) + 1, i = 0;
	if (span < (int64_t)COMPARE_SPAN_MIN_S * 1000000000)
		return;
	n = n < TREND_POINTS ? n : TREND_POINTS;
	for (size_t k = 0; k < n; k++) {
		int64_t at = first + (int64_t)((double)span * (double)k / (double)(n - 1));
		while (i + 1 < points->n && points->v[i + 1].boot_ns <= at)
			i++;
		if (points->v[i].process.rss != WATCH_UNKNOWN &&
		    at - points->v[i].boot_ns <= GAP_MAX_S * INT64_C(1000000000))
			series_add(&series, (double)(at - first) / 1e9, (double)points->v[i].process.rss);
	}
	struct trend t = trend_of(&series);
	if (t.span >= COMPARE_SPAN_MIN_S)
		*vec_push(&s->slopes) = (struct value){ t.slope * 3600, t.span };
}

static void add_pauses(struct sum *s, const struct store_point *a, const struct store_point *b)
{
	if (a->process.gc_count == WATCH_UNKNOWN || b->process.gc_count == WATCH_UNKNOWN ||
	    b->process.gc_count < a->process.gc_count)
		return;
	if (a->process.gc_pause_total_ns == WATCH_UNKNOWN || b->process.gc_pause_total_ns == WATCH_UNKNOWN ||
	    b->process.gc_pause_total_ns < a->process.gc_pause_total_ns)
		return;
	s->row->gcs += b->process.gc_count - a->process.gc_count;
	s->pause_ns += (double)(b->process.gc_pause_total_ns - a->process.gc_pause_total_ns);
	double last = (double)b->process.gc_pause_last_ns / 1e9;
	if (b->process.gc_count > a->process.gc_count && b->process.gc_pause_last_ns != WATCH_UNKNOWN &&
	    (isnan(s->row->gc_pause_max) || last > s->row->gc_pause_max))
		s->row->gc_pause_max = last;
}

static void add_life(struct sum *s, const struct store_point_vec *points)
{
	s->row->lives++;
	s->row->looks += points->n;
	for (size_t i = 0; i < points->n; i++) {
		const struct store_point *p = &points->v[i];
		double weight = 1;
		if (i + 1 < points->n)
			weight = (double)(points->v[i + 1].boot_ns - p->boot_ns) / 1e9;
		s->row->seconds += i + 1 < points->n ? fmin(weight, GAP_MAX_S) : 0;
		weight = fmin(fmax(weight, 1e-3), GAP_MAX_S);
		if (p->process.rss != WATCH_UNKNOWN)
			*vec_push(&s->rss) = (struct value){ (double)p->process.rss, weight };
		if (p->cgroup.working_set != WATCH_UNKNOWN) {
			s->ws += (double)p->cgroup.working_set * weight;
			s->ws_weight += weight;
		}
		if (i + 1 < points->n)
			add_pauses(s, p, &points->v[i + 1]);
	}
	add_slope(s, points);
}

static void finish(struct sum *s)
{
	struct compare_row *r = s->row;
	double sum = 0, weight = 0;
	for (size_t i = 0; i < s->rss.n; i++) {
		sum += s->rss.v[i].v * s->rss.v[i].weight;
		weight += s->rss.v[i].weight;
	}
	vec_sort(&s->rss, by_value);
	r->rss_mean = weight > 0 ? sum / weight : (double)NAN;
	r->rss_low = quantile(s->rss.v, s->rss.n, 0.05);
	r->rss_high = quantile(s->rss.v, s->rss.n, 0.95);
	r->rss_max = s->rss.n ? s->rss.v[s->rss.n - 1].v : (double)NAN;
	r->working_set_mean = s->ws_weight > 0 ? s->ws / s->ws_weight : (double)NAN;
	r->gc_pause_mean = r->gcs ? s->pause_ns / 1e9 / (double)r->gcs : (double)NAN;
	r->gc_pause_share = r->seconds > 0 && r->gcs ? s->pause_ns / 1e9 / r->seconds : (double)NAN;
	vec_sort(&s->slopes, by_value);
	r->growth_per_hour = quantile(s->slopes.v, s->slopes.n, 0.5);
	vec_deinit(&s->rss);
	vec_deinit(&s->slopes);
}

static bool same_build(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* The sum of a build in this span, where the rows of the span begin with that of all builds. */
static struct sum *sum_of(struct sum *sums, size_t *n, size_t max, const struct store_life *l)
{
	for (size_t i = 1; i < *n; i++)
		if (same_build(sums[i].row->build_id, l->build_id))
			return &sums[i];
	if (*n == max)
		return NULL;
	struct sum *s = &sums[(*n)++];
	s->row->build_id = l->build_id;
	s->row->go_version = l->go_version;
	return s;
}

/* Kills of these lives in the span. */
static uint64_t kills_of(const struct store_event_vec *kills, const struct store_life *l)
{
	uint64_t n = 0;
	for (size_t i = 0; i < kills->n; i++)
		n += kills->v[i].e.target && strcmp(kills->v[i].e.target, l->key) == 0 && l->boot && kills->v[i].boot &&
		     strcmp(kills->v[i].boot, l->boot) == 0 && l->last_boot_ns <= kills->v[i].boot_ns + 2000000000;
	return n;
}

enum { BUILDS_MAX = 16 };

static struct err *read_span(struct store_reader *r, struct compare *c, unsigned span, struct sum *sums, size_t *n)
{
	struct store_life_vec lives = { 0 };
	struct store_event_vec kills = { 0 };
	const struct store_which which = { .any = c->any,
					   .from_wall_ns = c->from_ns[span],
					   .to_wall_ns = c->to_ns[span] };
	const struct store_event_which oom = {
		.kinds = 1u << WATCH_EVENT_OOM_KILL,
		.from_wall_ns = c->from_ns[span],
		.to_wall_ns = c->to_ns[span],
		.limit = KILLS_MAX,
	};
	struct err *err = store_lives(r, &which, &c->arena, &lives);
	if (!err)
		err = store_events(r, &oom, &c->arena, &kills);
	for (size_t i = lives.n; !err && i-- > 0;) { /* the oldest build first */
		struct store_point_vec points = { 0 };
		err = store_series(r, &lives.v[i], c->from_ns[span], c->to_ns[span], LOOKS_MAX, &points);
		uint64_t killed = kills_of(&kills, &lives.v[i]);
		struct sum *s = !err && (points.n || killed) ? sum_of(sums, n, BUILDS_MAX, &lives.v[i]) : NULL;
		for (unsigned both = 0; s && both < 2; both++) {
			struct sum *to = both ? s : &sums[0];
			to->row->oom_kills += killed;
			if (points.n)
				add_life(to, &points);
		}
		vec_deinit(&points);
	}
	vec_deinit(&lives);
	vec_deinit(&kills);
	return err;
}

static struct err *compare_span(struct store_reader *r, struct compare *c, unsigned span)
{
	struct compare_row rows[BUILDS_MAX] = { 0 };
	struct sum sums[BUILDS_MAX] = { 0 };
	size_t n = 1;
	for (size_t i = 0; i < BUILDS_MAX; i++) {
		sums[i].row = &rows[i];
		rows[i].span = span;
		rows[i].gc_pause_max = NAN;
	}
	rows[0].all = true;
	struct err *err = read_span(r, c, span, sums, &n);
	for (size_t i = 0; i < n; i++) {
		finish(&sums[i]);
		if (!err)
			*vec_push(&c->rows) = rows[i];
	}
	return err;
}

static struct err *read_spans(struct store_reader *r, struct compare *c)
{
	struct err *err = NULL;
	c->rows.n = 0;
	for (unsigned span = 0; !err && span < 2; span++)
		err = compare_span(r, c, span);
	return err;
}

struct err *compare_read(const struct compare_options *opt, struct compare *ret)
{
	struct store_reader *r;
	*ret = (struct compare){ .any = opt->any };
	arena_init(&ret->arena);
	memcpy(ret->from_ns, opt->from_ns, sizeof(ret->from_ns));
	memcpy(ret->to_ns, opt->to_ns, sizeof(ret->to_ns));
	TRY(store_reader_open(opt->directory, false, &r));
	struct err *err = read_spans(r, ret);
	size_t lives = 0;
	if (store_reader_mend(r, err))
		err = read_spans(r, ret);
	if (store_reader_damage(r))
		ret->note = arena_strdup(&ret->arena, store_reader_damage(r));
	for (size_t i = 0; i < ret->rows.n; i++)
		lives += ret->rows.v[i].lives;
	if (!err && !lives)
		err = err_new(ERR_NOT_FOUND, "nothing is known of %s in either span", opt->any);
	err = store_reader_blame(r, err);
	store_reader_close(r);
	return err;
}

void compare_deinit(struct compare *c)
{
	vec_deinit(&c->rows);
	arena_deinit(&c->arena);
}
