/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "alarm/signals.h"
#include "base/num.h"

static const double SECONDS = 1e9;
static const uint64_t LIMIT_NONE = UINT64_C(1) << 62; /* Go's word for "no memory limit" is the largest int64 */

/*
 * The fraction that the runtime keeps is since the start; times the age it is processor seconds, and the difference of two
 * of these is what the window had.
 */
bool signal_gc_thrash(const struct alarm_look *l, struct alarm_verdict *v)
{
	static const double FULL = 0.85; /* of the memory limit: the limit drives the collector, not the growth */
	char limit[NUM_SIZE_LEN], rss[NUM_SIZE_LEN];
	const struct watch_process_sample *p = l->p;
	const struct ring *r = &l->h->gc_cpu;
	size_t from = ring_since(r, l->now, l->window);
	if (r->n < from + 2 || p->memory_limit >= LIMIT_NONE || p->rss == WATCH_UNKNOWN || p->shared == WATCH_UNKNOWN ||
	    (double)num_sub(p->rss, p->shared) < FULL * (double)p->memory_limit)
		return false;
	const struct ring_point *a = ring_at(r, from), *b = ring_at(r, r->n - 1);
	double span = b->v[1] - a->v[1];
	v->value = span >= l->window / 4 ? (b->v[0] - a->v[0]) / span : 0;
	if (v->value < l->threshold || v->value > 1) /* more than all is a figure of another program */
		return false;
	alarm_say(v,
		  "%.0f%% of all processors went into garbage collection for %.0f s: %s are resident below a memory "
		  "limit of %s",
		  100 * v->value, span, num_size(p->rss, rss), num_size(p->memory_limit, limit));
	return true;
}

/*
 * A target that does less collects less often, which is no stall. So the heap must also be well above where its collector,
 * as it was seen so far, would have begun.
 */
bool signal_gc_stalled(const struct alarm_look *l, struct alarm_verdict *v)
{
	enum { LEAST_INTERVALS = 5 };
	static const double BEYOND = 1.25;
	char heap[NUM_SIZE_LEN], kept[NUM_SIZE_LEN];
	const struct history *h = l->h;
	const struct watch_process_sample *p = l->p;
	if (h->n_intervals < LEAST_INTERVALS || !h->gc_seen_ns || h->gc_ratio <= 1 || p->heap_alloc == WATCH_UNKNOWN ||
	    p->heap_marked == WATCH_UNKNOWN)
		return false;
	double sorted[GC_CYCLES];
	memcpy(sorted, h->gc_intervals, sizeof(sorted));
	double usual = num_median(sorted, h->n_intervals), since = l->now - (double)h->gc_seen_ns / SECONDS;
	v->value = since / usual;
	bool high = (double)p->heap_alloc > BEYOND * h->gc_ratio * (double)p->heap_marked;
	if (since < l->window || !(v->value >= l->threshold) || !high)
		return false;
	alarm_say(v, "no garbage collection for %.0f s, usual is one in %.2g s; the heap grew from %s to %s", since,
		  usual, num_size(p->heap_marked, kept), num_size(p->heap_alloc, heap));
	return true;
}

/*
 * Private memory counts: pages of files that are mapped and read are page cache. What the heap had at its most within the
 * window explains memory that it has not given back yet.
 */
bool signal_rss_without_objects(const struct alarm_look *l, struct alarm_verdict *v)
{
	enum { LEAST = 32 << 20 };
	static const double MORE_OBJECTS = 1.10, FEW = 0.2;
	char before[NUM_SIZE_LEN], now[NUM_SIZE_LEN], heap[NUM_SIZE_LEN];
	const struct ring *r = &l->h->rss;
	size_t from = ring_since(r, l->now, l->window);
	if (r->n < from + 2)
		return false;
	const struct ring_point *low = ring_at(r, from), *last = ring_at(r, r->n - 1);
	double peak = 0;
	for (size_t i = from; i < r->n; i++) {
		const struct ring_point *p = ring_at(r, i);
		low = p->v[0] < low->v[0] ? p : low;
		peak = fmax(peak, p->v[2]);
	}
	double growth = last->v[0] - low->v[0], outside = last->v[0] - peak;
	/* what keeps account of the growth is objects too, and they may be all there are */
	bool objects = peak > FEW * growth && last->v[1] > MORE_OBJECTS * low->v[1];
	v->value = low->v[0] > 0 ? last->v[0] / low->v[0] : 0;
	if (growth < LEAST || v->value < l->threshold || objects || outside < growth / 2)
		return false;
	alarm_say(v,
		  "resident memory grew from %s to %s in %.0f s, and the Go heap had %s at most: it grows outside of "
		  "the heap",
		  num_size((uint64_t)low->v[0], before), num_size((uint64_t)last->v[0], now), last->t - low->t,
		  num_size((uint64_t)peak, heap));
	return true;
}

/*
 * What is usual. A number that has risen since the start is only just twice its own median, whatever it rises by; so while it
 * still rises, what it was up to a minute ago counts as well.
 */
static double usual_goroutines(const struct ring *r, size_t from, double now, double n)
{
	static const double RECENT_S = 60, LATELY_S = 30, RISES = 1.04;
	size_t recent = ring_since(r, now, RECENT_S), lately = ring_since(r, now, LATELY_S);
	double usual = ring_median(r, from, r->n, 0);
	if (recent <= from || lately == r->n || n < RISES * ring_at(r, lately)->v[0])
		return usual;
	return fmin(usual, ring_median(r, from, recent, 0));
}

bool signal_goroutines_doubled(const struct alarm_look *l, struct alarm_verdict *v)
{
	enum { LEAST = 100 };
	static const double BASELINE_S = 120,
			    MOST = 0.8; /* shorter than this, of the window too, nothing is usual yet */
	const struct ring *r = &l->h->goroutines;
	size_t from = ring_since(r, l->now, l->window);
	uint64_t n = l->p->goroutines;
	if (r->n == from || n == WATCH_UNKNOWN || l->now - ring_at(r, from)->t < fmin(BASELINE_S, MOST * l->window))
		return false;
	double usual = usual_goroutines(r, from, l->now, (double)n);
	v->value = usual > 0 ? (double)n / usual : 0;
	if (v->value < l->threshold || (double)n < usual + LEAST)
		return false;
	alarm_say(v,
		  "%llu goroutines, %.1f times the %.0f that are usual: `ullage goroutines` groups them by where they "
		  "wait",
		  (unsigned long long)n, v->value, usual);
	return true;
}

bool signal_gc_pause(const struct alarm_look *l, struct alarm_verdict *v)
{
	enum { OFTEN = 3 };
	const struct history *h = l->h;
	unsigned n = 0;
	v->value = 0;
	for (unsigned i = 0; i < h->n_pauses; i++) {
		bool recent = l->now - (double)h->pauses[i].ended_ns / SECONDS <= l->window;
		n += recent;
		v->value = recent ? fmax(v->value, h->pauses[i].seconds) : v->value;
	}
	if (n < OFTEN)
		return false;
	alarm_say(v,
		  "%u garbage collections or more within %.0f s stopped the program for over %.0f ms, the worst for "
		  "%.0f ms",
		  n, l->window, 1000 * l->threshold, 1000 * v->value);
	return true;
}
