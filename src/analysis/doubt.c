/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/doubt.h"

#include <math.h>
#include <string.h>

static const double MIB = 1 << 20;

/* ---- who it is ---- */

/* Objects that a function must have made more of: fewer are made once, and the profile shows them late. */
enum { SEVERAL = 4 };

static bool same_function(const struct frame *a, const struct frame *b)
{
	return a && b && strcmp(a->function, b->function) == 0;
}

/* What grew of the function that a row is of. */
static struct heap_growth grown_by(const struct rule_context *c, size_t row)
{
	struct heap_growth sum = { .site = c->growth.v[row].site };
	for (size_t i = 0; i < c->growth.n; i++) {
		const struct heap_growth *g = &c->growth.v[i];
		if (i != row && !same_function(g->site, sum.site))
			continue;
		sum.bytes += fmax(g->bytes, 0);
		sum.objects += fmax(g->objects, 0);
	}
	return sum;
}

const struct heap_growth *doubt_top_site(const struct rule_context *c)
{
	enum { CANDIDATES = 16 };
	for (size_t i = 0; i < c->growth.n && i < CANDIDATES && c->growth.v[i].bytes > 0; i++) {
		if (grown_by(c, i).objects >= SEVERAL)
			return &c->growth.v[i];
	}
	return NULL;
}

double doubt_share_of_function(const struct rule_context *c)
{
	const struct heap_growth *top = doubt_top_site(c);
	if (!top || !top->site)
		return (double)NAN;
	return grown_by(c, (size_t)(top - c->growth.v)).bytes / c->growth_sum;
}

double doubt_share_of_holder(const struct rule_context *c)
{
	const struct held *h = &c->held;
	if (!h->known || !h->root || h->all <= 0)
		return (double)NAN;
	return h->path || strcmp(h->root->name ? h->root->name : "", OWNERS_SEVERAL) != 0 ? h->kept / h->all : 0;
}

/* ---- when it began ---- */

/* So many windows are enough time for what fills at a start; and in seconds, for what is forgotten after a minute or so. */
static const double YOUNG = 3, FORGET = 120;

static bool is_young(const struct rule_context *c, double age)
{
	return age < fmax(YOUNG * c->seconds, FORGET);
}

/* For how long the holder took to become what it is, at its rate in the window, seconds; infinite where it is unknown. */
static double age_of_holder(const struct rule_context *c)
{
	const struct held *h = &c->held;
	double now = h->path ? (double)h->path->retained : h->root ? (double)h->root->retained : 0;
	return now > 0 && h->bytes > 0 ? c->seconds * now / h->bytes : (double)INFINITY;
}

static bool began_lately(const struct rule_context *c, const struct trend *t)
{
	/* At this rate since its start it would be larger by far. */
	static const double LATE = 4;
	return is_young(c, c->in->age_seconds) || is_young(c, age_of_holder(c)) ||
	       t->slope * c->in->age_seconds > LATE * t->last;
}

/* ---- how it goes on ---- */

/* The rate of the second half of the window, as a share of that of the first; 1 where one cannot be told. */
static double second_half(const struct series *s)
{
	enum { FEWEST = 3 };
	struct series half[2] = { { .n = 0 }, { .n = 0 } };
	if (s->n < FEWEST)
		return 1;
	double middle = (s->t[0] + s->t[s->n - 1]) / 2;
	size_t at = 1; /* belongs to both */
	while (at + 2 < s->n && s->t[at] < middle)
		at++;
	for (size_t i = 0; i < s->n; i++) {
		if (i <= at)
			series_add(&half[0], s->t[i], s->y[i]);
		if (i >= at)
			series_add(&half[1], s->t[i], s->y[i]);
	}
	double first = trend_of(&half[0]).slope, second = trend_of(&half[1]).slope;
	if (first <= 0)
		return second > 0 ? 1 : 0;
	return second / first;
}

/* ---- the doubts ---- */

/* Costs that no proof outweighs. */
static const double DECIDES = 0.5;

static const char *until_sure(struct rule_context *c)
{
	enum { STEP = 10 };
	double window = fmax(30, ceil(2 * c->seconds / STEP) * STEP);
	return rule_text(
		c, "`--for %.0fs` once its load has lasted for some minutes: what fills stops, and a leak goes on.",
		window);
}

static void decide(struct rule_context *c, struct finding *f, const char *why)
{
	f->confidence -= DECIDES;
	if (f->unsure)
		return;
	f->unsure = why;
	f->settle = until_sure(c);
}

static const char *share_words(struct rule_context *c, const char *what, double share)
{
	return isfinite(share) ? rule_text(c, "%s %.0f%%", what, 100 * share) : rule_text(c, "%s (unknown)", what);
}

/*
 * It is one thing that grows where one holder has this much, or one function, and the other, where known, some of it. What
 * makes one thing may have many parts, from several functions.
 */
static bool is_one(double function, double holder, bool lately)
{
	static const double MOST = 0.75, SOME_HELD = 0.4, SOME_MADE = 0.25, ANY = 0.4;
	if (!isfinite(function) && !isfinite(holder))
		return !lately;
	if (lately)
		return fmax(function, holder) >= MOST && !(holder < SOME_HELD) && !(function < SOME_MADE);
	return !isfinite(function) || !isfinite(holder) || fmax(function, holder) >= ANY;
}

static void doubt_spread(struct rule_context *c, struct finding *f, bool lately)
{
	double function = doubt_share_of_function(c), holder = doubt_share_of_holder(c);
	if (is_one(function, holder, lately))
		return;
	if (!isfinite(function) && !isfinite(holder)) {
		decide(c, f,
		       "It began not long ago, and neither the function that allocates nor the holder of what grew is "
		       "known: a program that warms up does the same.");
		return;
	}
	decide(c, f,
	       rule_text(c,
			 "It grows in many places at once, as a program does that warms up: of what grew, %s and %s.",
			 share_words(c, "one function allocated at most", function),
			 share_words(c, "one holder keeps", holder)));
}

/* Less than this is what programs gain in their first minutes, by what they remember for a while. */
static void doubt_little(struct rule_context *c, struct finding *f, const struct trend *t)
{
	static const double LEAST = 0.5, HALF = 0.5, MUCH = 8, QUARTER = 0.25; /* MiB, and of what it was */
	if (t->growth >= fmax(LEAST * MIB, HALF * t->first) || t->growth >= fmax(MUCH * MIB, QUARTER * t->first))
		return;
	decide(c, f,
	       rule_text(c, "It began not long ago, and %s more than %s is what a program may gain that warms up.",
			 rule_size(c, t->growth), rule_size(c, t->first)));
}

static void doubt_pace(struct rule_context *c, struct finding *f, const struct series *s, bool lately)
{
	static const double GOES_ON = 0.4, STEADY_GOES_ON = 0.2;
	double pace = second_half(s);
	if (pace >= (lately ? GOES_ON : STEADY_GOES_ON))
		return;
	decide(c, f,
	       rule_text(c, "It slows down: in the second half it grew at %.0f%% of the rate of the first.",
			 100 * fmax(pace, 0)));
}

static void doubt_bound(struct rule_context *c, struct finding *f)
{
	if (c->held.fixed)
		decide(c, f,
		       "What holds them was made with room for more and did not grow: once it is full this may end.");
	else if (c->held.bounded)
		decide(c, f,
		       rule_text(c, "By its name %s forgets what is too much: it may only be filling.",
				 c->held.bounded));
}

void doubt_heap(struct rule_context *c, struct finding *f, const struct trend *t, const struct series *s)
{
	static const double LATELY_COSTS = 0.1;
	bool lately = began_lately(c, t);
	doubt_bound(c, f);
	doubt_spread(c, f, lately);
	doubt_pace(c, f, s, lately);
	if (lately) {
		f->confidence -= LATELY_COSTS;
		doubt_little(c, f, t);
	}
	if (f->unsure)
		rule_evidence(c, f, "%s", f->unsure);
	else if (is_young(c, c->in->age_seconds))
		rule_evidence(
			c, f,
			"It started only %s ago: a cache that fills once looks the same; a longer window tells them "
			"apart.",
			rule_time(c, c->in->age_seconds));
	else if (lately)
		rule_evidence(c, f, "It began not long before the window: a cache that fills once looks the same.");
}
