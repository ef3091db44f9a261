/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "alarm/signals.h"
#include "base/num.h"

static const double SECONDS = 1e9;
static const double ETA_CRITICAL_S = 60; /* what is left to act in: a restart, a drain */

enum { USE_LEN = 160 };

static void say_with_beside(const struct alarm_look *l, struct alarm_verdict *v, const char *what)
{
	alarm_say(v, "%s%s%s", what, l->beside ? "; " : "", l->beside ? l->beside : "");
}

bool signal_near_limit(const struct alarm_look *l, struct alarm_verdict *v)
{
	char use[USE_LEN];
	if (!(l->pressure >= l->threshold))
		return false;
	v->value = l->share;
	if (l->pressure >= l->policy->open)
		v->state = WATCH_CRITICAL;
	look_say_use(l, use, sizeof(use));
	say_with_beside(l, v, use);
	return true;
}

bool signal_oom_forecast(const struct alarm_look *l, struct alarm_verdict *v)
{
	if (!l->forecast->warning)
		return false;
	v->value = l->forecast->eta;
	if (l->forecast->eta < ETA_CRITICAL_S)
		v->state = WATCH_CRITICAL;
	char use[USE_LEN];
	look_say_use(l, use, sizeof(use));
	say_with_beside(l, v, l->forecast->why[0] ? l->forecast->why : use);
	return true;
}

bool signal_growth_unusual(const struct alarm_look *l, struct alarm_verdict *v)
{
	if (!(l->forecast->z >= l->threshold))
		return false;
	v->value = l->forecast->z;
	alarm_say(v, "grew in 5 s by %.1f standard deviations more than is usual for it", v->value);
	return true;
}

/* ---- counters of the kernel ---- */

static bool rose(const struct alarm_look *l, const struct counter *c)
{
	return c->rose_ns && l->now - (double)c->rose_ns / SECONDS <= l->window && (double)c->streak >= l->threshold;
}

/* "12 times in 30 s": the streak, and how long it lasts. */
static void say_times(const struct alarm_look *l, const struct counter *c, char *buf, size_t len)
{
	double span = (double)(c->rose_ns - c->streak_ns) / SECONDS;
	if (c->streak == 1)
		snprintf(buf, len, "once");
	else if (span < 1)
		snprintf(buf, len, "%llu times at once", (unsigned long long)c->streak);
	else
		snprintf(buf, len, "%llu times in %.0f s", (unsigned long long)c->streak, span);
}

static bool counted(const struct alarm_look *l, struct alarm_verdict *v, const struct counter *c, const char *what)
{
	char times[48], use[USE_LEN];
	if (!rose(l, c))
		return false;
	v->value = (double)c->streak;
	say_times(l, c, times, sizeof(times));
	look_say_use(l, use, sizeof(use));
	alarm_say(v, "%s %s; %s", what, times, use);
	return true;
}

bool signal_oom_kill(const struct alarm_look *l, struct alarm_verdict *v)
{
	bool told = l->kill_ns && l->now - (double)l->kill_ns / SECONDS <= l->window;
	if (counted(l, v, &l->h->oom_kill, "the kernel killed for lack of memory in this cgroup"))
		return true;
	if (!told)
		return false;
	char use[USE_LEN];
	v->value = 1;
	look_say_use(l, use, sizeof(use));
	alarm_say(v, "the kernel killed for lack of memory; %s", use);
	return true;
}

bool signal_memory_events_oom(const struct alarm_look *l, struct alarm_verdict *v)
{
	return counted(l, v, &l->h->oom, "an allocation found no memory below the limit");
}

bool signal_memory_events_max(const struct alarm_look *l, struct alarm_verdict *v)
{
	return look_pressed(l) && counted(l, v, &l->h->max, "the cgroup was stopped at memory.max");
}

bool signal_memory_events_high(const struct alarm_look *l, struct alarm_verdict *v)
{
	return look_pressed(l) && counted(l, v, &l->h->high, "the cgroup was slowed down at memory.high");
}

bool signal_failcnt(const struct alarm_look *l, struct alarm_verdict *v)
{
	return look_pressed(l) && counted(l, v, &l->h->failcnt, "the cgroup was stopped at its limit (failcnt)");
}

bool signal_usage_threshold(const struct alarm_look *l, struct alarm_verdict *v)
{
	char use[USE_LEN];
	if (!l->g->usage_triggered || !(l->pressure >= l->threshold))
		return false;
	v->value = l->share;
	look_say_use(l, use, sizeof(use));
	alarm_say(v, "the kernel told that usage crossed a step; %s", use);
	return true;
}

bool signal_psi(const struct alarm_look *l, struct alarm_verdict *v)
{
	const struct watch_cgroup_sample *g = l->g;
	bool told = g->psi_triggered && look_pressed(l);
	if ((!(g->psi_some >= l->threshold) && !told) || look_at_ease(l))
		return false;
	v->value = g->psi_some;
	if (isnan(g->psi_some))
		alarm_say(v, "the kernel told that tasks of the cgroup wait for memory");
	else
		alarm_say(v,
			  "tasks of the cgroup waited for memory %.0f%% of the last 10 s (all of them at once %.0f%%)",
			  100 * g->psi_some, isnan(g->psi_full) ? 0.0 : 100 * g->psi_full);
	return true;
}

bool signal_swap_out(const struct alarm_look *l, struct alarm_verdict *v)
{
	char grown[NUM_SIZE_LEN], now[NUM_SIZE_LEN];
	const struct ring *r = &l->h->swap;
	size_t from = ring_since(r, l->now, l->window);
	double least = INFINITY, last = 0;
	for (size_t i = from; i < r->n; i++) {
		last = ring_at(r, i)->v[0];
		least = fmin(least, last);
	}
	if (from == r->n || last - least < l->threshold || look_at_ease(l))
		return false;
	v->value = last - least;
	alarm_say(v, "%s went to swap within %.0f s; %s is there now", num_size((uint64_t)(last - least), grown),
		  l->window, num_size((uint64_t)last, now));
	return true;
}

bool signal_pids_near_max(const struct alarm_look *l, struct alarm_verdict *v)
{
	uint64_t n = l->g->pids, max = l->g->pids_max;
	if (n == WATCH_UNKNOWN || max == WATCH_UNKNOWN || !max || (double)n < l->threshold * (double)max)
		return false;
	v->value = (double)n / (double)max;
	alarm_say(v, "%llu of %llu tasks that pids.max allows: the next thread or process may be refused",
		  (unsigned long long)n, (unsigned long long)max);
	return true;
}

/* ---- information ---- */

bool signal_cache_jitter(const struct alarm_look *l, struct alarm_verdict *v)
{
	enum { RUN = 5, LEAST = 16 << 20 };
	char now[NUM_SIZE_LEN], median[NUM_SIZE_LEN];
	const struct history *h = l->h;
	double sorted[CACHE_SAMPLES];
	if (h->high_cache < RUN || h->cache[h->n_cache - 1] < LEAST)
		return false;
	memcpy(sorted, h->cache, sizeof(sorted));
	double usual = num_median(sorted, h->n_cache), last = h->cache[h->n_cache - 1];
	v->value = usual > 0 ? last / usual : (double)NAN;
	alarm_say(v,
		  "page cache of the cgroup is %s, of a usual %s: files are being read; the kernel takes it back when "
		  "needed",
		  num_size((uint64_t)last, now), num_size((uint64_t)usual, median));
	return true;
}

bool signal_virtual_gap(const struct alarm_look *l, struct alarm_verdict *v)
{
	enum { TIMES = 10 };
	char gap[NUM_SIZE_LEN], rss[NUM_SIZE_LEN];
	const struct watch_process_sample *p = l->p;
	if (p->virtual_size == WATCH_UNKNOWN || p->rss == WATCH_UNKNOWN || p->virtual_size / TIMES < p->rss)
		return false;
	v->value = (double)num_sub(p->virtual_size, p->rss);
	if (v->value < l->threshold)
		return false;
	alarm_say(v, "%s of address space is reserved beyond the %s that are resident: this costs no memory",
		  num_size((uint64_t)v->value, gap), num_size(p->rss, rss));
	return true;
}
