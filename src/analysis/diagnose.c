/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/diagnose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/causes.h"
#include "analysis/rules.h"
#include "base/hash.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

const char *const diagnosis_levels[] = { "info", "warning", "critical" };
const char *const diagnosis_verdicts[] = { "no-leak", "leak", "inconclusive" };

/* A verdict of "leak" needs at least this: a false one costs more than a second look. */
static const double SURE = 0.55;
/* A leak that fills the limit sooner is critical. */
static const double SOON = 3600;

/* The families, in the order they run: leaks first, and what explains looks at what was found. Causes are merged after. */
static const struct rule *const families[] = { rules_count,   rules_heap,   rules_held,
					       rules_offheap, rules_cgroup, rules_kept };

void diagnosis_sample_init(struct diagnosis_sample *s)
{
	_Static_assert(ACCOUNT_UNKNOWN == UINT64_MAX, "all its bits are set");
	memset(s, 0xff, sizeof(*s));
	s->time_ns = s->last_gc_ns = 0;
	s->gc_cpu = (double)NAN;
}

const char *diagnosis_file(const char *file)
{
	const char *slash = strrchr(file, '/');
	while (slash && slash > file && slash[-1] != '/')
		slash--;
	return slash && slash > file ? slash : file;
}

/* ---- the context ---- */

/* A point for each collection whose marked size was seen, at the time it ended. */
static void collect_gc(struct rule_context *c)
{
	uint64_t count = 0;
	for (size_t i = 0; i < c->in->n; i++) {
		const struct diagnosis_sample *s = &c->in->samples[i];
		if (!KNOWN(s->gc_count) || !KNOWN(s->heap_marked) || s->gc_count == count || s->last_gc_ns <= 0)
			continue;
		count = s->gc_count;
		series_add(&c->gc, (double)(s->last_gc_ns - c->in->samples[0].time_ns) / 1e9, (double)s->heap_marked);
	}
	c->marked = trend_of(&c->gc);
	c->d->gc_points = c->gc.n;
}

/* A point for each walk that can be believed. */
static void collect_reach(struct rule_context *c)
{
	for (size_t i = 0; i < c->in->n; i++) {
		const struct diagnosis_sample *s = &c->in->samples[i];
		if (KNOWN(s->reachable) && held_believable(s->reachable, s->heap_marked))
			series_add(&c->reach, (double)(s->time_ns - c->in->samples[0].time_ns) / 1e9,
				   (double)s->reachable);
	}
	c->reachable = trend_of(&c->reach);
}

static void add_profile(struct rule_context *c, const struct profile *p, int sign, struct hash_map *index)
{
	for (size_t i = 0; i < p->samples.n; i++) {
		const int64_t *v = profile_values(p, i);
		uint32_t stack = stacks_copy(&c->stacks, &p->stacks, p->samples.v[i].stack, false);
		const struct frame *site = rule_own_frame(&c->stacks, stack, c->in->module);
		struct frame key = site ? *site : (struct frame){ .function = "" };
		uint32_t place = stacks_place(&c->stacks, key.function, key.file, key.line);
		bool fresh = false;
		uint64_t *at = hash_map_at(index, place, &fresh);
		if (fresh) {
			*at = c->growth.n;
			*vec_push(&c->growth) = (struct heap_growth){ .stack = stack };
		}
		struct heap_growth *g = &c->growth.v[*at];
		g->bytes += sign * (double)v[HEAP_INUSE_SPACE];
		g->objects += sign * (double)v[HEAP_INUSE_OBJECTS];
		if (sign > 0) {
			g->stack = g->now > (double)v[HEAP_INUSE_SPACE] ? g->stack : stack;
			g->now += (double)v[HEAP_INUSE_SPACE];
			g->objects_now += (double)v[HEAP_INUSE_OBJECTS];
		}
	}
}

static int by_growth(const void *a, const void *b)
{
	const struct heap_growth *x = a, *y = b;
	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

/* What grew in the heap profile, by the program's own frame that allocated. */
static void collect_growth(struct rule_context *c)
{
	const struct snapshot *a = c->in->first, *b = c->in->last;
	if (!a || !b || !(a->parts & b->parts & SNAPSHOT_HEAP) || a->heap.profile.n_types != HEAP_VALUES ||
	    b->heap.profile.n_types != HEAP_VALUES)
		return;
	c->profiled = b->heap.enabled;
	struct hash_map index = { 0 };
	add_profile(c, &a->heap.profile, -1, &index);
	add_profile(c, &b->heap.profile, 1, &index);
	hash_map_deinit(&index);
	for (size_t i = 0; i < c->growth.n; i++) {
		struct heap_growth *g = &c->growth.v[i];
		g->site = rule_own_frame(&c->stacks, g->stack, c->in->module); /* frames move while stacks are added */
		c->growth_sum += fmax(g->bytes, 0);
	}
	vec_sort(&c->growth, by_growth);
}

/* By how much a series grew in the window of the record, which ends with the samples. */
static double grown_in_record(const struct rule_context *c, const struct series *s)
{
	static const double CLOSE = 0.5; /* seconds: the look that made it begin stands before it */
	size_t from = s->n;
	while (from && s->t[from - 1] >= c->seconds - (double)c->in->record->window_ns / 1e9 - CLOSE)
		from--;
	return from + 1 < s->n ? s->y[s->n - 1] - s->y[from] : (double)NAN;
}

static void collect_offheap(struct rule_context *c)
{
	struct offheap_looks looks = { (double)NAN, (double)NAN };
	struct series s;
	if (c->in->record) {
		rule_outside_series(c, &s);
		looks.resident = grown_in_record(c, &s);
		rule_series(c, SAMPLE(virtual_size), &s);
		looks.space = grown_in_record(c, &s);
	}
	offheap_collect(c->in->record, c->in->module, &looks, &c->off);
}

static const struct account *account_of(const struct snapshot *s)
{
	return s && s->parts & SNAPSHOT_ACCOUNT ? &s->account : NULL;
}

static void prepare(struct rule_context *c)
{
	const struct diagnosis_input *in = c->in;
	c->first = &in->samples[0];
	c->last = &in->samples[in->n - 1];
	c->seconds = (double)(c->last->time_ns - c->first->time_ns) / 1e9;
	c->before = account_of(in->first);
	c->after = account_of(in->last);
	if (!c->after)
		c->after = c->before;
	c->d->seconds = c->seconds;
	collect_gc(c);
	collect_growth(c);
	collect_reach(c);
	held_compare(in->first, in->last, &c->held);
	collect_offheap(c);
}

/* ---- the verdict ---- */

static void judge(struct rule_context *c)
{
	struct diagnosis *d = c->d;
	bool leak = false;
	for (size_t i = 0; i < d->findings.n; i++) {
		struct finding *f = &d->findings.v[i];
		f->confidence = fmin(fmax(f->confidence, 0), 0.99);
		if (f->leak && f->confidence >= SURE) {
			leak = true;
		} else if (f->leak) {
			f->level = DIAGNOSIS_INFO;
			rule_open(c, &(struct diagnosis_open){
					     f->class, f->bytes, f->rate,
					     f->unsure ? f->unsure
						       : "It grows like a leak, but too little was seen to be sure.",
					     f->settle ? f->settle : "A longer window." });
		}
	}
	rules_open(c);
	d->verdict = leak ? DIAGNOSIS_LEAK : d->open.n ? DIAGNOSIS_INCONCLUSIVE : DIAGNOSIS_NO_LEAK;
}

static int by_weight(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	if (x->leak != y->leak)
		return x->leak ? -1 : 1;
	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	double rx = isfinite(x->rate) ? x->rate : 0, ry = isfinite(y->rate) ? y->rate : 0;
	if (x->leak && rx < ry)
		return 1;
	if (x->leak && rx > ry)
		return -1;
	uint64_t bx = KNOWN(x->bytes) ? x->bytes : 0, by = KNOWN(y->bytes) ? y->bytes : 0;
	return bx < by ? 1 : bx > by ? -1 : 0;
}

static void raise_levels(struct diagnosis *d)
{
	for (size_t i = 0; i < d->findings.n; i++) {
		struct finding *f = &d->findings.v[i];
		if (f->leak && d->verdict == DIAGNOSIS_LEAK && d->oom.eta < SOON)
			f->level = DIAGNOSIS_CRITICAL;
	}
}

/* An iteration of both ends, which lasts for so long that somebody seems to have forgotten it. */
static bool lasts(const struct rule_context *c, const struct owners_iterator *it)
{
	const struct owners_iterator_vec *then = &c->in->first->owners.iterators;
	for (size_t i = 0; i < then->n; i++) {
		const struct owners_iterator *t = &then->v[i];
		if (t->goroutine == it->goroutine && t->depth == it->depth && t->map == it->map && t->mark == it->mark)
			return true;
	}
	return false;
}

static void note_iterators(struct rule_context *c)
{
	static const double LONG = 10; /* seconds: no loop body takes so long that is not meant to wait */
	enum { NAMED = 3 };
	const struct snapshot *a = c->in->first, *b = c->in->last;
	if (!a || !b || !(a->parts & b->parts & SNAPSHOT_OWNERS))
		return;
	double seconds = (double)(b->clock.monotonic - a->clock.monotonic) / 1e9;
	unsigned long long n = 0;
	for (size_t i = 0; i < b->owners.iterators.n && seconds >= LONG; i++) {
		const struct owners_iterator *it = &b->owners.iterators.v[i];
		if (!lasts(c, it) || n++ >= NAMED)
			continue;
		*vec_push(&c->d->notes) =
			rule_text(c,
				  "an iteration by goroutine %llu over %s%s%s%s has been under way for %.0f s or more: "
				  "until it ends, what it goes through cannot be freed",
				  (unsigned long long)it->goroutine, it->type, it->owner ? " (" : "",
				  it->owner ? it->owner : "", it->owner ? ")" : "", seconds);
	}
	if (n > NAMED)
		*vec_push(&c->d->notes) =
			rule_text(c, "%llu more iterations have been under way for so long", n - NAMED);
}

static void note_missing(struct rule_context *c)
{
	const struct diagnosis_input *in = c->in;
	if (in->unwalked)
		*vec_push(&c->d->notes) = rule_text(c, "%s", in->unwalked);
	if (in->cut)
		*vec_push(&c->d->notes) = "the window was cut short: the verdict is over what was seen";
	if (!in->first || !in->last)
		*vec_push(&c->d->notes) =
			"without a whole reading at both ends of the window, places in code and classes are unknown";
	else if (in->last->parts & SNAPSHOT_ACCOUNT && !in->last->account.go.is_go)
		*vec_push(&c->d->notes) =
			"not a Go process: only its mappings, threads, descriptors and cgroup were judged";
}

void diagnose(const struct diagnosis_input *in, struct diagnosis *ret)
{
	*ret = (struct diagnosis){ .oom = { ACCOUNT_UNKNOWN, NULL, ACCOUNT_UNKNOWN, (double)NAN, (double)NAN } };
	arena_init(&ret->arena);
	struct rule_context c = { .in = in, .d = ret };
	if (!in->n) {
		ret->verdict = DIAGNOSIS_INCONCLUSIVE;
		*vec_push(&ret->notes) = "nothing was seen";
		return;
	}
	stacks_init(&c.stacks);
	prepare(&c);
	for (size_t i = 0; i < LEN(families); i++) {
		for (const struct rule *r = families[i]; r->kind; r++)
			r->fn(&c, r);
	}
	causes_merge(&c);
	judge(&c);
	rules_oom(&c);
	raise_levels(ret);
	vec_sort(&ret->findings, by_weight);
	note_missing(&c);
	note_iterators(&c);
	vec_deinit(&c.growth);
	offheap_deinit(&c.off);
	stacks_deinit(&c.stacks);
}

void diagnosis_deinit(struct diagnosis *d)
{
	for (size_t i = 0; i < d->findings.n; i++)
		vec_deinit(&d->findings.v[i].evidence);
	vec_deinit(&d->findings);
	vec_deinit(&d->open);
	vec_deinit(&d->notes);
	arena_deinit(&d->arena);
}
