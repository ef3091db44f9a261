/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/round.h"

#include <string.h>

#include <event2/event.h>

#include "format/parts.h"
#include "watch/beside.h"
#include "watch/targets.h"
#include "watch/tell.h"
#include "watch/work.h"

enum {
	MS_NS = 1000000,
	STORE_MS = 1000,
	STORE_URGENT_MS = 200,
	TOP_MS = 5000,
	DENSE_MS = 60000,
	DENSE_AGAIN_MS = 600000,
	TICK_MIN_MS = 20,
	STILL = 5,	 /* reads of Go's figures that found nothing new: then it does nothing */
	STILL_TIMES = 5, /* and is asked so many times less often */
};

static const double FALL = 0.9;

/* ---- how often ---- */

/* The row of the steps that this share is in; without a limit the first. */
static unsigned step_of(const struct config *c, double share)
{
	unsigned i = 0;
	while (i + 1 < c->n_steps && share >= c->steps[i].below)
		i++;
	return i;
}

static unsigned interval_of(const struct config *c, const struct watched *w)
{
	unsigned ms = c->steps[w->step].interval_ms;
	if (w->shown.state == WATCH_OPEN && ms > c->open_interval_ms)
		ms = c->open_interval_ms;
	return ms < TICK_MIN_MS ? TICK_MIN_MS : ms;
}

/* A multiple of the interval, so that all targets of one interval are looked at in one round. */
static int64_t next(int64_t now, unsigned interval_ms)
{
	int64_t ns = (interval_ms ? interval_ms : TICK_MIN_MS) * (int64_t)MS_NS;
	return (now / ns + 1) * ns;
}

void watch_set_tick(struct daemon *d)
{
	unsigned ms = d->config->steps[0].interval_ms;
	for (size_t i = 0; i < d->targets.n; i++) {
		if (d->targets.v[i]->shown.interval_ms < ms && d->targets.v[i]->shown.interval_ms)
			ms = d->targets.v[i]->shown.interval_ms;
	}
	int64_t now = sense_now(), wait = next(now, ms) - now;
	struct timeval tv = { wait / 1000000000, (wait % 1000000000) / 1000 + 1 };
	evtimer_add(d->tick, &tv);
}

/* ---- one look ---- */

static unsigned go_interval(const struct config *c, const struct watched *w)
{
	if (w->shown.state >= WATCH_WARNING)
		return w->shown.interval_ms;
	return w->still < STILL ? c->go_ms : c->go_ms * STILL_TIMES;
}

static unsigned due(struct daemon *d, struct watched *w, int64_t now)
{
	unsigned what = SENSE_FAST;
	if (w->shown.is_go && now >= w->due_go_ns) {
		what |= SENSE_GO;
		w->due_go_ns = next(now, go_interval(d->config, w));
	}
	if (now >= w->due_slow_ns) {
		what |= SENSE_SLOW;
		w->due_slow_ns = next(now, d->config->slow_ms);
	}
	return what;
}

/* Most programs do nothing most of the time. As soon as memory moves Go's figures are read with every look again. */
static void mark_still(struct watched *w, unsigned what, const struct watch_process_sample *was)
{
	const struct watch_process_sample *is = &w->shown.process;
	bool same = is->rss == was->rss && is->gc_count == was->gc_count && is->heap_alloc == was->heap_alloc &&
		    is->goroutines == was->goroutines;
	if (!same && w->still >= STILL)
		w->due_go_ns = 0;
	if (!same)
		w->still = 0;
	else if (w->still < STILL && (what & SENSE_GO))
		w->still++;
}

/* A limit of the policy counts instead of the cgroup's, and where there is no cgroup to be seen RSS counts. */
static void apply_limit(struct watched *w)
{
	struct watch_cgroup_sample *g = &w->shown.cgroup;
	if (w->policy->limit) {
		g->limit = w->policy->limit;
		w->shown.limit_source = "policy";
	}
	if (g->working_set == WATCH_UNKNOWN)
		g->working_set = w->shown.process.rss;
	if (!g->time_ns)
		g->time_ns = w->shown.process.time_ns;
}

/* While the kernel kills, memory goes before the process does: the last look is not what led to it. */
static void remember_top(struct watched *w, int64_t now)
{
	const struct watch_target *t = &w->shown;
	bool old = !w->top.time_ns || now - w->top.time_ns >= (int64_t)TOP_MS * MS_NS;
	if (!old && t->cgroup.working_set < w->top.working_set)
		return;
	w->top.time_ns = now;
	w->top.working_set = t->cgroup.working_set;
	if (old || t->process.rss != WATCH_UNKNOWN) /* it has none any more on its way out */
		w->top.rss = t->process.rss;
	if (old || t->process.heap_alloc != WATCH_UNKNOWN)
		w->top.heap = t->process.heap_alloc;
	if (old || t->forecast.why[0])
		memcpy(w->top.why, t->forecast.why, sizeof(w->top.why));
}

static void keep(struct daemon *d, struct watched *w, int64_t now)
{
	unsigned ms = w->shown.state >= WATCH_WARNING ? STORE_URGENT_MS : STORE_MS;
	if (now < w->dense_ns && w->shown.interval_ms < ms)
		ms = w->shown.interval_ms;
	if (!d->store || now - w->stored_ns < (int64_t)ms * MS_NS * 9 / 10)
		return;
	w->stored_ns = now;
	store_sample(d->store, parts_now(), &w->shown);
}

/* Nearer to its limit each look is kept for a while, but one that stays there does not fill the disk. */
static void keep_dense(struct watched *w, int64_t now)
{
	if (w->step <= w->dense_step && now < w->dense_after_ns)
		return;
	w->dense_step = w->step;
	w->dense_ns = now + (int64_t)DENSE_MS * MS_NS;
	w->dense_after_ns = now + (int64_t)DENSE_AGAIN_MS * MS_NS;
}

/* Well below the first step that asks for a snapshot: what swings about its bound reaches it once. */
static bool fell_back(const struct config *c, double share)
{
	unsigned i = 0;
	while (i < c->n_steps && !c->steps[i].snapshot)
		i++;
	return i > 0 && i < c->n_steps && share < FALL * c->steps[i - 1].below;
}

/* A snapshot once for each alarm, and once an episode when the share rises into a step that asks for one. */
static void want_snapshots(struct daemon *d, struct watched *w, double share, int64_t now)
{
	uint32_t episode = alarm_episode(w->alarm);
	unsigned before = w->step;
	w->step = step_of(d->config, share);
	if (w->step > before)
		keep_dense(w, now);
	if (!episode && fell_back(d->config, share))
		w->step_captured = false;
	if (d->config->steps[w->step].snapshot && !w->step_captured) {
		w->step_captured = true;
		watch_want(w, CAPTURE_SNAPSHOT);
	}
	if (episode && episode != w->captured && w->shown.state >= WATCH_WARNING) {
		w->captured = episode;
		watch_want(w, CAPTURE_SNAPSHOT);
	}
}

bool watch_look(struct daemon *d, struct watched *w, int64_t now)
{
	unsigned what = due(d, w, now);
	const struct watch_process_sample was = w->shown.process;
	if (!sense_look(d->sense, w->sense, what, now, &w->shown.process, &w->shown.cgroup))
		return false;
	mark_still(w, what, &was);
	watch_describe(w);
	apply_limit(w);
	struct watch_event_vec events = { 0 };
	const struct alarm_seen seen = {
		.p = &w->shown.process,
		.g = &w->shown.cgroup,
		.wall_ns = parts_now(),
		.beside = beside_say(d, w, now),
	};
	alarm_feed(w->alarm, &seen, &w->shown, &d->texts, &events);
	beside_keep(w, now);
	remember_top(w, now);
	double share = alarm_share(&w->shown.cgroup, w->policy->limit);
	want_snapshots(d, w, share, now);
	w->shown.interval_ms = interval_of(d->config, w);
	w->due_ns = next(now, w->shown.interval_ms);
	keep(d, w, now);
	watch_tell_all(d, w, &events);
	vec_deinit(&events);
	return true;
}

/* ---- all that are due ---- */

static void want_periodic(struct daemon *d, struct watched *w, int64_t now)
{
	if (now >= w->due_map_ns) {
		w->due_map_ns = now + (int64_t)d->config->map_ms * MS_NS;
		watch_want(w, CAPTURE_MAP);
	}
	for (int k = 0; k < CAPTURE_KINDS; k++) {
		if (!w->profile_ms[k] || now < w->due_profile_ns[k])
			continue;
		w->due_profile_ns[k] = now + (int64_t)w->profile_ms[k] * MS_NS;
		watch_want(w, (enum capture_kind)k);
	}
}

void watch_round(struct daemon *d)
{
	int64_t began = sense_now();
	bool ended = false;
	for (size_t i = 0; i < d->targets.n; i++) {
		struct watched *w = d->targets.v[i];
		if (began + MS_NS < w->due_ns)
			continue;
		if (w->due_ns && w->shown.interval_ms && began - w->due_ns > (int64_t)w->shown.interval_ms * MS_NS)
			d->self.late++;
		if (watch_look(d, w, began))
			want_periodic(d, w, began);
		else
			ended = true;
	}
	if (ended) { /* told by sense, which keeps the list */
		struct sense_calls calls;
		watch_sense_calls(d, &calls);
		sense_dispatch(d->sense, &calls);
	}
	d->self.rounds++;
	d->self.round_seconds = (double)(sense_now() - began) / 1e9;
	watch_work(d);
}
