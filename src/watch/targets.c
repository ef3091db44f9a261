/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "format/parts.h"
#include "sense/names.h"
#include "watch/round.h"
#include "watch/tell.h"

static bool matches(const struct config_match *m, const struct watch_target *t)
{
	struct sense_facts facts = { t->comm, t->exe, t->cgroup_path, t->unit, t->container, t->is_go };
	return sense_match(m, &facts);
}

/* ---- what the configuration says of a target ---- */

/* The first that matches; the last one matches all. */
static const struct config_policy *policy_of(const struct config *c, const struct watch_target *t)
{
	size_t i = 0;
	while (i + 1 < c->policies.n && !matches(&c->policies.v[i].match, t))
		i++;
	return &c->policies.v[i];
}

enum { MS_NS = 1000000, URGENT_NS = 20 * MS_NS };

/* The thresholds of the configuration, row by row with the table of signals. */
struct thresholds {
	double threshold[SIGNALS], window_s[SIGNALS];
	bool off[SIGNALS];
};

static void thresholds_of(const struct config *c, struct thresholds *ret)
{
	size_t n = 0;
	const struct alarm_row *rows = alarm_table(&n);
	for (size_t i = 0; i < SIGNALS; i++) {
		ret->threshold[i] = ret->window_s[i] = NAN;
		ret->off[i] = false;
	}
	for (size_t i = 0; i < c->signals.n; i++) {
		const struct config_signal *s = &c->signals.v[i];
		const struct alarm_row *row = alarm_row(s->name);
		if (!row)
			continue;
		ret->threshold[row - rows] = s->threshold;
		ret->window_s[row - rows] = s->window_ms ? s->window_ms / 1e3 : (double)NAN;
		ret->off[row - rows] = s->off;
	}
}

static void apply_policy(struct daemon *d, struct watched *w)
{
	struct thresholds t;
	thresholds_of(d->config, &t);
	w->policy = policy_of(d->config, &w->shown);
	struct alarm_policy a = {
		.warn = w->policy->warn,
		.open = w->policy->open,
		.close = w->policy->close,
		.close_after_ns = (int64_t)w->policy->close_after_ms * MS_NS,
		.cooldown_ns = (int64_t)w->policy->cooldown_ms * MS_NS,
		.canary = w->policy->mode == CONFIG_CANARY,
		.limit = w->policy->limit,
		.forecast = { d->config->z_alarm, d->config->horizon_ms / 1e3 },
		.threshold = t.threshold,
		.window_s = t.window_s,
		.off = t.off,
	};
	w->shown.group = w->policy->name;
	w->shown.canary = a.canary;
	w->shown.open_at = a.open;
	if (w->alarm)
		alarm_policy(w->alarm, &a);
	else
		w->alarm = alarm_new(&a);
}

/* The shortest interval of all rows that match. */
static void profile_each(struct watched *w, enum capture_kind kind, bool wanted, unsigned ms)
{
	if (wanted && (!w->profile_ms[kind] || ms < w->profile_ms[kind]))
		w->profile_ms[kind] = ms;
}

static void apply_profiles(struct daemon *d, struct watched *w)
{
	memset(w->profile_ms, 0, sizeof(w->profile_ms));
	for (size_t i = 0; i < d->config->profiles.n; i++) {
		const struct config_profile *p = &d->config->profiles.v[i];
		if (!w->shown.is_go || !matches(&p->match, &w->shown))
			continue;
		profile_each(w, CAPTURE_HEAP, p->heap, p->interval_ms);
		profile_each(w, CAPTURE_GOROUTINES, p->goroutines, p->interval_ms);
	}
}

void watch_policies_leave(struct daemon *d, const struct config *next)
{
	for (size_t i = 0; i < d->targets.n; i++) {
		struct watched *w = d->targets.v[i];
		const struct config_policy *was = w->policy, *is = policy_of(next, &w->shown);
		if (was->mode != is->mode || strcmp(was->name, is->name) != 0)
			watch_act_leave(d, w);
	}
}

void watch_policies(struct daemon *d)
{
	for (size_t i = 0; i < d->targets.n; i++) {
		apply_policy(d, d->targets.v[i]);
		apply_profiles(d, d->targets.v[i]);
		watch_act(d, d->targets.v[i], NULL);
	}
}

/* ---- they come, change and go ---- */

void watch_describe(struct watched *w)
{
	sense_describe(w->sense, &w->shown);
	(void)!snprintf(w->key, sizeof(w->key), "%s", w->shown.key);
	w->shown.key = w->key;
}

/* A look at once, and the costly ones spread over the first minutes, so that a thousand targets do not come together. */
static void schedule(struct daemon *d, struct watched *w)
{
	int64_t now = sense_now();
	w->due_ns = w->due_go_ns = w->due_slow_ns = now;
	int64_t spread = (int64_t)(d->targets.n % 60) * 1000 * MS_NS;
	w->due_map_ns = d->config->map_ms && w->shown.is_go ? now + 2000LL * MS_NS + spread : INT64_MAX;
}

static void about(struct daemon *d, struct watched *w, enum watch_event_kind kind, const char *text)
{
	struct watch_event e = {
		.wall_ns = parts_now(),
		.kind = kind,
		.target = w->key,
		.comm = w->shown.comm,
		.cgroup_path = w->shown.cgroup_path,
		.build_id = w->shown.build_id,
		.text = text,
		.value = NAN,
		.threshold = NAN,
	};
	watch_tell(d, &e);
}

static const char *what_it_is(const struct watch_target *t)
{
	if (t->go_version)
		return t->go_version;
	if (!t->go_known)
		return "its executable may not be looked at, so whether it is a Go program is not known";
	return t->is_go ? "a Go program of an unknown version" : "not a Go program";
}

static void appeared(void *arg, struct sense_target *t)
{
	struct daemon *d = arg;
	struct watched *w = xcalloc(1, sizeof(*w));
	w->sense = t;
	w->shown.first_wall_ns = parts_now();
	watch_process_sample_init(&w->shown.process);
	watch_cgroup_sample_init(&w->shown.cgroup);
	w->shown.forecast = (struct watch_forecast){ .rate = NAN, .eta = NAN, .z = NAN };
	watch_describe(w);
	sense_set_data(t, w);
	w->top.working_set = w->top.rss = w->top.heap = WATCH_UNKNOWN;
	*vec_push(&d->targets) = w;
	apply_policy(d, w);
	apply_profiles(d, w);
	schedule(d, w);
	about(d, w, WATCH_EVENT_START, what_it_is(&w->shown));
}

static void became(void *arg, struct sense_target *t)
{
	struct daemon *d = arg;
	struct watched *w = sense_data(t);
	if (!w)
		return;
	watch_describe(w);
	alarm_reset(w->alarm);
	watch_process_sample_init(&w->shown.process);
	w->shown.n_classes = 0;
	w->top.time_ns = 0;
	memset(w->past, 0, sizeof(w->past));
	apply_policy(d, w);
	apply_profiles(d, w);
	schedule(d, w);
	about(d, w, WATCH_EVENT_EXEC, "it became another program: a new baseline begins");
}

/* Another limit, another usage: what was usual says nothing any more. */
static void moved(void *arg, struct sense_target *t)
{
	struct daemon *d = arg;
	struct watched *w = sense_data(t);
	if (!w)
		return;
	watch_describe(w);
	alarm_reset(w->alarm);
	watch_cgroup_sample_init(&w->shown.cgroup);
	w->top.time_ns = 0;
	memset(w->past, 0, sizeof(w->past));
	apply_policy(d, w);
}

static void watched_free(struct watched *w)
{
	alarm_free(w->alarm);
	free(w);
}

static void ended(void *arg, struct sense_target *t)
{
	struct daemon *d = arg;
	struct watched *w = sense_data(t);
	if (!w)
		return;
	sense_set_data(t, NULL);
	if (!w->shown.process.time_ns && !w->shown.cgroup.time_ns) {
		w->shown.process.time_ns = sense_now(); /* it came and went between two looks, and is to be known of */
		w->shown.limit_source = NULL;
	}
	if (d->store) /* what it was at last */
		store_sample(d->store, parts_now(), &w->shown);
	AUTO_FREE char *text = xasprintf("it ended; at the last look: %s", w->shown.reason);
	about(d, w, WATCH_EVENT_EXIT, w->shown.reason[0] ? text : "it ended");
	w->shown.state = WATCH_OK;
	watch_act(d, w, NULL);
	for (size_t i = 0; i < d->targets.n; i++) {
		if (d->targets.v[i] != w)
			continue;
		memmove(&d->targets.v[i], &d->targets.v[i + 1], (d->targets.n - i - 1) * sizeof(d->targets.v[0]));
		d->targets.n--;
		break;
	}
	watched_free(w);
}

static void urgent(void *arg, struct sense_target *t)
{
	struct watched *w = sense_data(t);
	int64_t now = sense_now();
	if (w && now - w->shown.process.time_ns >= URGENT_NS) /* news may come faster than looks are worth */
		(void)watch_look(arg, w, now);
}

/* ---- killed by the kernel ---- */

static void say_last(const struct watched *w, struct strbuf *out)
{
	char x[NUM_SIZE_LEN];
	const struct watch_target *t = &w->shown;
	if (w->top.working_set != WATCH_UNKNOWN)
		strbuf_printf(out, "; just before, the working set of its cgroup was %s",
			      num_size(w->top.working_set, x));
	if (t->cgroup.limit != WATCH_UNKNOWN)
		strbuf_printf(out, " of %s", num_size(t->cgroup.limit, x));
	if (w->top.rss != WATCH_UNKNOWN)
		strbuf_printf(out, ", its RSS %s", num_size(w->top.rss, x));
	if (w->top.heap != WATCH_UNKNOWN)
		strbuf_printf(out, ", its heap %s", num_size(w->top.heap, x));
	if (w->top.why[0])
		strbuf_printf(out, "; %s", w->top.why);
}

static void oom_kill(void *arg, struct sense_target *t, int pid, const char *comm, const char *cgroup, const char *text)
{
	struct daemon *d = arg;
	struct watched *w = t ? sense_data(t) : NULL;
	AUTO(strbuf) struct strbuf said;
	strbuf_init(&said);
	strbuf_printf(&said, "%s", comm ? comm : "a process");
	if (pid)
		strbuf_printf(&said, " (pid %d)", pid);
	strbuf_printf(&said, ": %s", text);
	if (w)
		say_last(w, &said);
	struct watch_event e = {
		.wall_ns = parts_now(),
		.kind = WATCH_EVENT_OOM_KILL,
		.target = w ? w->key : NULL,
		.comm = comm,
		.cgroup_path = cgroup,
		.build_id = w ? w->shown.build_id : NULL,
		.name = "oom_kill",
		.text = said.buf,
		.value = NAN,
		.threshold = NAN,
	};
	watch_tell(d, &e);
	if (!w)
		return;
	watch_act_kill(d, w, &e);
	const struct alarm_news news = { .oom_kill = true };
	const struct alarm_seen seen = { .news = &news, .wall_ns = e.wall_ns };
	struct watch_event_vec events = { 0 };
	alarm_feed(w->alarm, &seen, &w->shown, &d->texts, &events);
	watch_tell_all(d, w, &events);
	vec_deinit(&events);
}

static void note(void *arg, const char *text)
{
	watch_note(arg, WATCH_EVENT_NOTE, "sense", "%s", text);
}

void watch_sense_calls(struct daemon *d, struct sense_calls *ret)
{
	*ret = (struct sense_calls){
		.appeared = appeared,
		.became = became,
		.moved = moved,
		.ended = ended,
		.urgent = urgent,
		.oom_kill = oom_kill,
		.note = note,
		.arg = d,
	};
}

void watch_drop_all(struct daemon *d)
{
	for (size_t i = 0; i < d->targets.n; i++) {
		sense_set_data(d->targets.v[i]->sense, NULL);
		watched_free(d->targets.v[i]);
	}
	vec_deinit(&d->targets);
}

/* ---- found by name ---- */

struct watched *watch_find(const struct daemon *d, const char *key)
{
	for (size_t i = 0; i < d->targets.n; i++) {
		if (strcmp(d->targets.v[i]->key, key) == 0)
			return d->targets.v[i];
	}
	return NULL;
}

struct watched *watch_find_named(const struct daemon *d, const char *name)
{
	struct watched *found = watch_find(d, name), *named = NULL;
	size_t n = 0;
	char *end = NULL;
	long pid = strtol(name, &end, 10);
	for (size_t i = 0; i < d->targets.n && !found; i++) {
		struct watched *w = d->targets.v[i];
		if (end && !*end && end != name && w->shown.id.pid == pid)
			found = w;
		if (strcmp(w->shown.comm, name) == 0) {
			named = w;
			n++;
		}
	}
	return found ? found : n == 1 ? named : NULL;
}
