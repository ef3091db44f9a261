/* SPDX-License-Identifier: Apache-2.0 */
#include "alarm/alarm.h"

#include <stdio.h>
#include <string.h>

#include "alarm/breaker.h"
#include "alarm/look.h"
#include "base/hash.h"
#include "base/num.h"

static const double SECONDS = 1e9;
static const int64_t STALE_NS = INT64_C(60) * 1000 * 1000 * 1000; /* figures older than this raise nothing */
static const int64_t LESS_GRAVE_NS = INT64_C(15) * 1000 * 1000 * 1000;
static const int64_t KILLED_NS = INT64_C(10) * 1000 * 1000 * 1000; /* in which the memory of who was killed goes */
static const int64_t GAP_NS = (int64_t)ALARM_EPISODE_GAP_S * 1000 * 1000 * 1000;

static const double FULL = 0.97; /* of a limit: next to nothing is left */
static const double JUMP = 0.1;	 /* of a limit: from one level to another so much is no growth, */
static const double FALL = 0.02; /* and so much less is what was given back */

enum { RETURNS_MAX = 3, TICKS_PER_S = 100, USE_LEN = 160 };

/* One signal of one target. */
struct raised {
	int64_t held_ns;	 /* its condition has held since; 0: it does not */
	int64_t quiet_ns;	 /* it is on, and its condition has not held since; 0: it does */
	int64_t less_ns;	 /* it is on, and less grave since; 0: it is not */
	int64_t off_ns;		 /* it last went off; 0: never */
	unsigned returns;	 /* how often it came back within minutes */
	enum watch_state state;	 /* while it is on */
	struct watch_signal *on; /* NULL: off */
};

struct alarm {
	struct alarm_policy policy; /* its pointers are to the arrays below */
	double threshold[SIGNALS], window_s[SIGNALS];
	bool off[SIGNALS];
	struct history_tuning tuning;
	struct history history;
	struct forecast *forecast;
	struct {
		bool machine;	 /* it is the process's, as nothing limits */
		uint64_t level;	 /* ... or of the cgroup whose limit binds: a hash */
		uint64_t used;	 /* at the latest look, of */
		int64_t full_ns; /* next to nothing was left, last */
	} series;		 /* that the forecast follows */
	struct breaker breaker;
	struct raised raised[SIGNALS];
	enum watch_state state;
	bool renewed; /* reset since the last look */
	struct {
		bool use;		      /* the reason that is shown is how much of which limit is in use: */
		uint64_t used, limit, source; /* of the source: a hash */
	} said;
	int64_t kill_ns;
	/* episodes */
	uint32_t episode; /* number of the latest */
	int64_t ended_ns; /* it ended; 0: it goes on, or there was none */
	uint32_t causes;  /* bits of the signals that were on in it */
	bool goes_on;
};

/* What one look needs to tell. */
struct telling {
	struct alarm *a;
	struct alarm_look look;
	const struct alarm_row *row; /* that is judged now */
	struct watch_target *t;
	struct arena *texts;
	struct watch_event_vec *events;
	int64_t wall_ns, now_ns;
};

size_t alarm_size(void)
{
	return sizeof(struct alarm) + SIGNALS * sizeof(struct watch_signal) + forecast_size();
}

static double own(const double *values, size_t i, double otherwise)
{
	return values && !isnan(values[i]) ? values[i] : otherwise;
}

/* Some thresholds are the policy's own. */
static double usual_threshold(const struct alarm_policy *policy, size_t i, double table)
{
	switch (i) {
	case SIGNAL_NEAR_LIMIT:
	case SIGNAL_USAGE_THRESHOLD:
		return policy->warn;
	case SIGNAL_OOM_FORECAST:
		return policy->forecast.horizon_s;
	case SIGNAL_GROWTH_UNUSUAL:
		return policy->forecast.z_alarm;
	default:
		return table;
	}
}

void alarm_policy(struct alarm *a, const struct alarm_policy *policy)
{
	size_t n = 0;
	const struct alarm_row *rows = alarm_table(&n);
	for (size_t i = 0; i < n; i++) {
		a->threshold[i] = own(policy->threshold, i, usual_threshold(policy, i, rows[i].threshold));
		a->window_s[i] = own(policy->window_s, i, rows[i].window_s);
		a->off[i] = policy->off && policy->off[i];
	}
	struct forecast_options was = a->policy.forecast;
	a->policy = *policy;
	a->policy.threshold = a->threshold;
	a->policy.window_s = a->window_s;
	a->policy.off = a->off;
	a->tuning = (struct history_tuning){
		.rss_s = a->window_s[SIGNAL_RSS_WITHOUT_OBJECTS],
		.goroutines_s = a->window_s[SIGNAL_GOROUTINES_DOUBLED],
		.swap_s = a->window_s[SIGNAL_SWAP_OUT],
		.gc_cpu_s = a->window_s[SIGNAL_GC_THRASH],
		.cache_s = a->window_s[SIGNAL_CACHE_JITTER],
		.pause_s = a->threshold[SIGNAL_GC_PAUSE],
		.cache_times = a->threshold[SIGNAL_CACHE_JITTER],
		.event_s = { a->window_s[SIGNAL_MEMORY_EVENTS_HIGH], a->window_s[SIGNAL_MEMORY_EVENTS_MAX],
			     a->window_s[SIGNAL_MEMORY_EVENTS_OOM], a->window_s[SIGNAL_OOM_KILL],
			     a->window_s[SIGNAL_FAILCNT] },
	};
	if (a->forecast && was.z_alarm == policy->forecast.z_alarm && was.horizon_s == policy->forecast.horizon_s)
		return;
	forecast_free(a->forecast);
	a->forecast = forecast_new(&policy->forecast);
}

struct alarm *alarm_new(const struct alarm_policy *policy)
{
	struct alarm *a = xcalloc(1, sizeof(*a));
	history_init(&a->history);
	a->series.used = WATCH_UNKNOWN;
	alarm_policy(a, policy);
	return a;
}

void alarm_free(struct alarm *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < SIGNALS; i++)
		free(a->raised[i].on);
	forecast_free(a->forecast);
	free(a);
}

void alarm_reset(struct alarm *a)
{
	history_reset(&a->history);
	forecast_reset(a->forecast);
	a->series.used = WATCH_UNKNOWN;
	a->renewed = true;
}

uint32_t alarm_episode(const struct alarm *a)
{
	return a->goes_on ? a->episode : 0;
}

/* ---- events ---- */

static void tell(struct telling *w, enum watch_event_kind kind, const char *name, const char *text, double value,
		 double threshold)
{
	*vec_push(w->events) = (struct watch_event){
		.wall_ns = w->wall_ns,
		.kind = kind,
		.target = w->t->key,
		.comm = w->t->comm,
		.cgroup_path = w->t->cgroup_path,
		.build_id = w->t->build_id,
		.name = name,
		.text = text,
		.value = value,
		.threshold = threshold,
		.dry = w->a->policy.canary && (kind == WATCH_EVENT_OPEN || kind == WATCH_EVENT_CLOSE),
	};
}

static unsigned seconds(int64_t from_ns, int64_t to_ns)
{
	return to_ns > from_ns ? (unsigned)((double)(to_ns - from_ns) / SECONDS + .5) : 0;
}

/* ---- signals ---- */

static void come(struct telling *w, size_t i, const struct alarm_verdict *v)
{
	struct raised *r = &w->a->raised[i];
	bool back = r->off_ns && w->now_ns - r->off_ns < GAP_NS;
	r->state = v->state;
	r->less_ns = 0;
	r->returns = !back ? 0 : r->returns < RETURNS_MAX ? r->returns + 1 : RETURNS_MAX;
	r->on = xcalloc(1, sizeof(*r->on));
	*r->on = (struct watch_signal){ .name = signal_names[i], .since_wall_ns = w->wall_ns };
	if (v->state != WATCH_OK)
		tell(w, WATCH_EVENT_ALARM, signal_names[i], arena_strdup(w->texts, v->evidence), v->value,
		     w->look.threshold);
}

static void go(struct telling *w, size_t i)
{
	struct raised *r = &w->a->raised[i];
	char use[USE_LEN];
	look_say_use(&w->look, use, sizeof(use));
	if (r->state != WATCH_OK)
		tell(w, WATCH_EVENT_CLEAR, signal_names[i],
		     arena_printf(w->texts, "over after %u s; %s", seconds(r->on->since_wall_ns, w->wall_ns), use),
		     r->on->value, r->on->threshold);
	free(r->on);
	r->on = NULL;
	r->off_ns = w->now_ns;
	r->held_ns = r->quiet_ns = 0;
}

/* Graver at once, less grave only after a while: what swings about a bound is told once. */
static void grade(struct telling *w, struct raised *r, enum watch_state state)
{
	if (state >= r->state) {
		r->less_ns = 0;
		r->state = state;
		return;
	}
	if (!r->less_ns)
		r->less_ns = w->now_ns;
	if (w->now_ns - r->less_ns < LESS_GRAVE_NS)
		return;
	r->less_ns = 0;
	r->state = state;
}

static void hold(struct telling *w, size_t i, const struct alarm_verdict *v)
{
	struct raised *r = &w->a->raised[i];
	if (!r->held_ns)
		r->held_ns = w->now_ns;
	r->quiet_ns = 0;
	if (!r->on && (double)(w->now_ns - r->held_ns) / SECONDS < w->row->sustain_s)
		return;
	if (!r->on)
		come(w, i, v);
	grade(w, r, v->state);
	r->on->value = v->value;
	r->on->threshold = w->look.threshold;
	memcpy(r->on->evidence, v->evidence, sizeof(r->on->evidence));
}

static void judge(struct telling *w, size_t i, const struct alarm_row *row)
{
	struct alarm *a = w->a;
	struct raised *r = &a->raised[i];
	struct alarm_verdict v = { .state = row->state };
	w->row = row;
	w->look.threshold = a->threshold[i];
	w->look.window = a->window_s[i];
	if (!a->off[i] && w->row->holds(&w->look, &v)) {
		hold(w, i, &v);
		return;
	}
	r->held_ns = 0;
	if (r->on && !r->quiet_ns)
		r->quiet_ns = w->now_ns;
	double quiet = w->row->quiet_s * (1 + r->returns);
	if (r->on && (a->off[i] || a->renewed || (double)(w->now_ns - r->quiet_ns) / SECONDS >= quiet))
		go(w, i);
}

/* ---- the forecast ---- */

/* Go's figures explain the series where this process has most of it. */
static void add_heap(const struct alarm_look *l, uint64_t bytes, struct forecast_sample *s)
{
	const struct watch_process_sample *p = l->p;
	if (p->rss == WATCH_UNKNOWN || p->shared == WATCH_UNKNOWN || num_sub(p->rss, p->shared) < bytes / 4 * 3)
		return;
	s->gc_count = p->gc_count;
	s->heap_marked = p->heap_marked;
	s->heap_alloc = p->heap_alloc;
	s->heap_goal = p->heap_goal;
	s->memory_limit = p->memory_limit;
	s->gc_last_ns = p->gc_last_ns;
}

/*
 * Whose figures those of the cgroup are: of the one in "cgroup /a memory.max", whichever file of it that is; where no cgroup
 * that is visible limits, of its own.
 */
static uint64_t level_of(const struct watch_target *t)
{
	static const char prefix[] = "cgroup ";
	const size_t skip = sizeof(prefix) - 1;
	const char *source = t->limit_source ? t->limit_source : "", *own = t->cgroup_path ? t->cgroup_path : "";
	const char *file = strrchr(source, ' ');
	if (strncmp(source, prefix, skip) != 0 || source[skip] != '/' || file < source + skip)
		return hash_bytes(own, strlen(own));
	return hash_bytes(source + skip, (size_t)(file - source) - skip);
}

static bool lately(int64_t then_ns, int64_t now_ns)
{
	return then_ns && now_ns - then_ns < KILLED_NS;
}

/* v1 says of a limit that it was hit, and not whether somebody was killed. */
static bool was_killed(const struct alarm *a, int64_t now_ns)
{
	const struct history *h = &a->history;
	return lately(h->oom.rose_ns, now_ns) || lately(h->oom_kill.rose_ns, now_ns) ||
	       (lately(h->failcnt.rose_ns, now_ns) && lately(a->series.full_ns, now_ns));
}

/*
 * Another level is another series, if it does not begin where the one before ended. And what a kill gave back was no trough:
 * who grows now, as he was begun again or is somebody else, grows from there.
 */
static bool begins_anew(const struct alarm *a, const struct alarm_look *l, uint64_t used, int64_t now_ns)
{
	double by = ((double)used - (double)a->series.used) / (double)l->limit;
	if (l->machine != a->series.machine)
		return true;
	if (a->series.used == WATCH_UNKNOWN || l->limit == WATCH_UNKNOWN)
		return false;
	return (level_of(l->t) != a->series.level && fabs(by) > JUMP) || (by < -FALL && was_killed(a, now_ns));
}

static void foretell(struct alarm *a, const struct alarm_look *l, int64_t now_ns)
{
	struct forecast_sample s;
	forecast_sample_init(&s);
	s.time_ns = now_ns;
	s.bytes = l->used;
	s.limit = l->limit;
	if (!isnan(l->hard) && l->limit != WATCH_UNKNOWN)
		s.anon = (uint64_t)(l->hard * (double)l->limit);
	uint64_t used = s.anon == WATCH_UNKNOWN ? s.bytes : s.anon;
	if (begins_anew(a, l, used, now_ns))
		forecast_reset(a->forecast);
	a->series.machine = l->machine;
	a->series.level = level_of(l->t);
	if (l->used == WATCH_UNKNOWN)
		return;
	a->series.used = used;
	if (l->hard >= FULL)
		a->series.full_ns = now_ns;
	add_heap(l, used, &s);
	forecast_add(a->forecast, &s);
}

/* ---- state, breaker, episode ---- */

static enum watch_state gravest(const struct alarm *a)
{
	enum watch_state state = a->breaker.open ? WATCH_OPEN : WATCH_OK;
	for (size_t i = 0; i < SIGNALS; i++) {
		if (a->raised[i].on && a->raised[i].state > state)
			state = a->raised[i].state;
	}
	return state;
}

static void feed_breaker(struct telling *w)
{
	struct alarm *a = w->a;
	const struct breaker_policy policy = { a->policy.open, a->policy.close, a->policy.close_after_ns,
					       a->policy.cooldown_ns };
	char use[USE_LEN];
	bool was = a->breaker.open;
	if (!breaker_feed(&a->breaker, &policy, w->look.pressure, w->now_ns))
		return;
	look_say_use(&w->look, use, sizeof(use));
	if (!was)
		tell(w, WATCH_EVENT_OPEN, w->t->group,
		     arena_printf(w->texts, "%s; the threshold is %.4g%%", use, 100 * policy.open), w->look.share,
		     policy.open);
	else
		tell(w, WATCH_EVENT_CLOSE, w->t->group,
		     arena_printf(w->texts, "open for %u s; %s", seconds(a->breaker.opened_ns, w->now_ns), use),
		     w->look.share, policy.close);
}

static uint32_t bits_on(const struct alarm *a)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < SIGNALS; i++)
		bits |= a->raised[i].on && a->raised[i].state != WATCH_OK ? UINT32_C(1) << i : 0;
	return bits;
}

static void feed_episode(struct telling *w, enum watch_state state)
{
	struct alarm *a = w->a;
	uint32_t bits = bits_on(a);
	if (state == WATCH_OK) {
		if (a->goes_on)
			a->ended_ns = w->now_ns;
		a->goes_on = false;
		return;
	}
	bool same = a->episode && w->now_ns - a->ended_ns < GAP_NS && (a->causes & bits);
	if (!a->goes_on && !same) {
		a->episode++;
		a->causes = 0;
	}
	a->causes |= bits;
	a->goes_on = true;
}

static const struct raised *foremost(const struct alarm *a)
{
	const struct raised *best = NULL;
	for (size_t i = 0; i < SIGNALS; i++) {
		const struct raised *r = &a->raised[i];
		if (r->on && r->state != WATCH_OK && (!best || r->state > best->state))
			best = r;
	}
	return best;
}

static void say_open(const struct telling *w, const char *use, char *buf, size_t len)
{
	const struct alarm *a = w->a;
	const char *what = a->policy.canary ? "the breaker would be open" : "the breaker is open";
	unsigned since = seconds(a->breaker.opened_ns, w->now_ns);
	if (a->breaker.low_ns)
		snprintf(buf, len, "%s for %u s, and closes in %u s; %s", what, since,
			 seconds(w->now_ns, a->breaker.low_ns + a->policy.close_after_ns), use);
	else
		snprintf(buf, len, "%s for %u s; %s; it closes below %.4g%%", what, since, use, 100 * a->policy.close);
}

/* Would be the same in words, or nearly so? */
static bool about(uint64_t a, uint64_t b)
{
	return a == b || (a != WATCH_UNKNOWN && b != WATCH_UNKNOWN && (a > b ? a - b : b - a) < a / 512);
}

/* Words cost more than a look, and of most targets nobody reads them. */
static bool is_said(struct alarm *a, const struct alarm_look *l, bool use)
{
	const char *from = l->t->limit_source ? l->t->limit_source : "";
	uint64_t source = hash_bytes(from, strlen(from));
	bool same = use && a->said.use && *l->t->reason && a->said.source == source && about(l->used, a->said.used) &&
		    about(l->limit, a->said.limit);
	a->said.use = use;
	if (same)
		return true;
	a->said.used = l->used;
	a->said.limit = l->limit;
	a->said.source = source;
	return false;
}

static void say_reason(const struct telling *w, enum watch_state state, char *buf, size_t len)
{
	char use[USE_LEN];
	const struct raised *first = foremost(w->a);
	if (is_said(w->a, &w->look, state != WATCH_OPEN && !first))
		return;
	look_say_use(&w->look, use, sizeof(use));
	if (state == WATCH_OPEN)
		say_open(w, use, buf, len);
	else if (first && first->quiet_ns && seconds(first->quiet_ns, w->now_ns)) /* its evidence is of then */
		snprintf(buf, len, "%s until %u s ago; %s", first->on->name, seconds(first->quiet_ns, w->now_ns), use);
	else if (first)
		snprintf(buf, len, "%s: %s", first->on->name, first->on->evidence);
	else
		snprintf(buf, len, "%s", use);
}

static void feed_state(struct telling *w)
{
	struct alarm *a = w->a;
	enum watch_state state = gravest(a);
	say_reason(w, state, w->t->reason, sizeof(w->t->reason));
	w->t->state = state;
	if (state != a->state)
		tell(w, WATCH_EVENT_STATE, watch_states[state],
		     arena_printf(w->texts, "%s, was %s: %s", watch_states[state], watch_states[a->state],
				  w->t->reason),
		     w->look.share, NAN);
	a->state = state;
	feed_episode(w, state);
}

/* ---- a look ---- */

static void show_signals(const struct alarm *a, struct watch_target *t)
{
	t->n_signals = 0;
	for (int state = WATCH_OPEN; state >= WATCH_OK; state--) {
		for (size_t i = 0; i < SIGNALS && t->n_signals < WATCH_SIGNALS; i++) {
			if (a->raised[i].on && (int)a->raised[i].state == state)
				t->signals[t->n_signals++] = *a->raised[i].on;
		}
	}
}

static double age_of(const struct watch_target *t, int64_t now_ns)
{
	return t->id.start_ticks ? (double)now_ns / SECONDS - (double)t->id.start_ticks / TICKS_PER_S : 0;
}

void alarm_feed(struct alarm *a, const struct alarm_seen *seen, struct watch_target *t, struct arena *texts,
		struct watch_event_vec *events)
{
	size_t n = 0;
	const struct alarm_row *rows = alarm_table(&n);
	struct watch_process_sample no_process;
	struct watch_cgroup_sample no_cgroup;
	struct history *h = &a->history;
	if (seen->g && level_of(t) != a->series.level)
		history_other_level(h);
	history_add(h, &a->tuning, seen->p, seen->g, seen->p ? age_of(t, seen->p->time_ns) : 0);
	if (seen->news && seen->news->oom_kill)
		a->kill_ns = h->now_ns > 0 ? h->now_ns : 1;
	watch_process_sample_init(&no_process);
	watch_cgroup_sample_init(&no_cgroup);
	struct telling w = {
		.a = a,
		.look = { .h = h, .t = t, .policy = &a->policy, .kill_ns = a->kill_ns, .forecast = &t->forecast },
		.t = t,
		.texts = texts,
		.events = events,
		.wall_ns = seen->wall_ns,
		.now_ns = h->now_ns,
	};
	w.look.now = (double)h->now_ns / SECONDS;
	w.look.beside = seen->beside;
	w.look.p = h->p_ns && h->now_ns - h->p_ns < STALE_NS ? &h->p : &no_process;
	w.look.g = h->g_ns && h->now_ns - h->g_ns < STALE_NS ? &h->g : &no_cgroup;
	look_pressure(&w.look);
	foretell(a, &w.look, h->now_ns);
	forecast_now(a->forecast, &t->forecast);
	for (size_t i = 0; i < n; i++)
		judge(&w, i, &rows[i]);
	feed_breaker(&w);
	show_signals(a, t);
	t->canary = a->policy.canary;
	feed_state(&w);
	a->renewed = false;
}
