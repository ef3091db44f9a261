/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "format/parts.h"
#include "watch/targets.h"

enum { PASSING_S = 300, PASSING_MAX = 256, TEXT = 1024 };

/* ---- events ---- */

static const enum log_level loudness[WATCH_EVENTS] = {
	[WATCH_EVENT_START] = LOG_LEVEL_INFO,	  [WATCH_EVENT_EXEC] = LOG_LEVEL_INFO,
	[WATCH_EVENT_EXIT] = LOG_LEVEL_INFO,	  [WATCH_EVENT_ALARM] = LOG_LEVEL_WARNING,
	[WATCH_EVENT_CLEAR] = LOG_LEVEL_NOTICE,	  [WATCH_EVENT_STATE] = LOG_LEVEL_NOTICE,
	[WATCH_EVENT_OPEN] = LOG_LEVEL_ERROR,	  [WATCH_EVENT_CLOSE] = LOG_LEVEL_NOTICE,
	[WATCH_EVENT_SNAPSHOT] = LOG_LEVEL_INFO,  [WATCH_EVENT_PROFILE] = LOG_LEVEL_INFO,
	[WATCH_EVENT_OOM_KILL] = LOG_LEVEL_ERROR, [WATCH_EVENT_ACTION] = LOG_LEVEL_NOTICE,
	[WATCH_EVENT_CONFIG] = LOG_LEVEL_NOTICE,  [WATCH_EVENT_NOTE] = LOG_LEVEL_WARNING,
};

static bool is_called(const struct watch_event *e, const char *name)
{
	return e->name && strcmp(e->name, name) == 0;
}

/* What went wrong is louder than what its kind mostly is, and what is expected is less loud. */
static enum log_level loudness_of(const struct watch_event *e)
{
	if (e->kind == WATCH_EVENT_NOTE && (is_called(e, "start") || is_called(e, "stop")))
		return LOG_LEVEL_INFO;
	if (e->kind == WATCH_EVENT_CONFIG && is_called(e, "refused"))
		return LOG_LEVEL_ERROR;
	if (e->kind == WATCH_EVENT_ACTION && e->value == 0)
		return LOG_LEVEL_WARNING;
	return loudness[e->kind];
}

static void log_event(struct daemon *d, const struct watch_event *e)
{
	AUTO(strbuf) struct strbuf line;
	strbuf_init(&line);
	strbuf_puts(&line, watch_event_kinds[e->kind]);
	if (e->comm)
		strbuf_printf(&line, " %s", e->comm);
	if (e->target)
		strbuf_printf(&line, " [%s]", e->target);
	if (e->name)
		strbuf_printf(&line, " %s", e->name);
	if (e->text)
		strbuf_printf(&line, ": %s", e->text);
	const struct log_field fields[] = { { "kind", watch_event_kinds[e->kind] },
					    { "name", e->name },
					    { "target", e->target },
					    { "comm", e->comm } };
	log_fields(&d->log, loudness_of(e), fields, sizeof(fields) / sizeof(fields[0]), line.buf);
}

void watch_tell(struct daemon *d, const struct watch_event *e)
{
	d->self.events_by_kind[e->kind]++;
	if (d->store)
		store_event(d->store, e);
	if (!d->opt->once)
		log_event(d, e);
	else if (e->kind == WATCH_EVENT_NOTE)
		strbuf_printf(&d->notes, "%s\n", e->text);
}

void watch_note(struct daemon *d, enum watch_event_kind kind, const char *name, const char *fmt, ...)
{
	char text[TEXT];
	va_list ap;
	va_start(ap, fmt);
	(void)!vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	struct watch_event e = {
		.wall_ns = parts_now(),
		.kind = kind,
		.name = name,
		.text = text,
		.value = NAN,
		.threshold = NAN,
	};
	watch_tell(d, &e);
}

void watch_tell_all(struct daemon *d, struct watched *w, const struct watch_event_vec *events)
{
	for (size_t i = 0; i < events->n; i++) {
		watch_tell(d, &events->v[i]);
		watch_act(d, w, &events->v[i]);
	}
	if (!events->n)
		return;
	arena_deinit(&d->texts);
	arena_init(&d->texts);
}

/* What the store found out since: it has the events already. */
static void log_told(struct daemon *d)
{
	const char *text = store_told(d->store) + d->store_told;
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		log_line(&d->log, LOG_LEVEL_WARNING, "%.*s", (int)n, text);
	}
	d->store_told = strlen(store_told(d->store));
}

void watch_store_outcome(struct daemon *d, struct err *err)
{
	log_told(d);
	bool failed = err != NULL;
	if (failed && !d->store_failed)
		watch_note(d, WATCH_EVENT_NOTE, "store", "%s", err_text(err));
	else if (!failed && d->store_failed)
		watch_note(d, WATCH_EVENT_NOTE, "store", "records are written again");
	d->store_failed = failed;
	err_free(err);
}

/* ---- incidents ---- */

/* It counts what it refuses; that it does so is noted once, until there is room. */
static bool post(struct daemon *d, const char *policy, const struct act_order *o)
{
	if (act_post(d->act, policy, o)) {
		d->act_full = d->act_full && act_waiting(d->act) >= ACT_WAITING / 2;
		return true;
	}
	if (!d->act_full)
		watch_note(d, WATCH_EVENT_NOTE, "actions",
			   "%u actions wait to be done already: nobody is told of %s and of what comes after it until "
			   "some of them are done",
			   act_waiting(d->act), o->incident);
	d->act_full = true;
	return false;
}

/*
 * One incident for an episode, told again when the state changes: its labels differ by severity alone, so Alertmanager sees one
 * alert at a time.
 */
static bool order(struct daemon *d, const struct watched *w, const struct watch_event *e, bool resolved)
{
	char incident[WATCH_KEY + 32];
	(void)!snprintf(incident, sizeof(incident), "%s/%u", w->key, w->incident);
	struct act_order o = {
		.incident = incident,
		.alertname = "UllageMemory",
		.resolved = resolved,
		.dry = w->shown.canary,
		.severity = w->shown.state == WATCH_WARNING ? "warning" : "critical",
		.started_wall_ns = w->incident_wall_ns,
		.target = &w->shown,
		.event = e,
	};
	return post(d, w->policy->name, &o);
}

void watch_act(struct daemon *d, struct watched *w, const struct watch_event *e)
{
	bool again = w->refused;
	w->refused = false;
	if (!d->act || w->shown.state == w->told)
		return;
	if (w->told == WATCH_OK && !again) {
		w->incident = alarm_episode(w->alarm);
		w->incident_wall_ns = parts_now();
	}
	w->refused = !order(d, w, e, w->shown.state == WATCH_OK);
	if (!w->refused)
		w->told = w->shown.state;
}

void watch_act_again(struct daemon *d)
{
	for (size_t i = 0; i < d->targets.n && act_waiting(d->act) < ACT_WAITING / 2; i++) {
		if (d->targets.v[i]->refused)
			watch_act(d, d->targets.v[i], NULL);
	}
}

void watch_act_leave(struct daemon *d, struct watched *w)
{
	const struct watch_event e = {
		.wall_ns = parts_now(),
		.kind = WATCH_EVENT_CONFIG,
		.name = "reloaded",
		.text = "another policy holds for it from now on",
		.value = NAN,
		.threshold = NAN,
	};
	if (w->told != WATCH_OK)
		(void)order(d, w, &e, true);
	w->told = WATCH_OK;
}

static void post_kill(struct daemon *d, const struct watch_passing *p, const struct watch_event *e)
{
	struct act_order o = {
		.incident = p->incident,
		.alertname = "UllageOomKill",
		.severity = "critical",
		.resolved = !e,
		.dry = p->target.canary,
		.started_wall_ns = p->wall_ns,
		.target = &p->target,
		.event = e,
	};
	(void)post(d, p->policy, &o);
}

static void passing_free(struct watch_passing *p)
{
	arena_deinit(&p->arena);
	free(p);
}

void watch_act_kill(struct daemon *d, struct watched *w, const struct watch_event *e)
{
	if (!d->act || d->passing.n >= PASSING_MAX)
		return;
	struct watch_passing *p = xcalloc(1, sizeof(*p));
	arena_init(&p->arena);
	p->target = w->shown;
	watch_target_keep(&p->target, &p->arena);
	(void)!snprintf(p->incident, sizeof(p->incident), "%s/oom/%lld", w->key, (long long)(e->wall_ns / 1000000000));
	p->policy = arena_strdup(&p->arena, w->policy->name);
	p->wall_ns = e->wall_ns;
	p->until_ns = sense_now() + PASSING_S * 1000000000LL;
	*vec_push(&d->passing) = p;
	post_kill(d, p, e);
}

void watch_act_passing(struct daemon *d, int64_t now_ns)
{
	size_t kept = 0;
	for (size_t i = 0; i < d->passing.n; i++) {
		struct watch_passing *p = d->passing.v[i];
		if (now_ns < p->until_ns) {
			d->passing.v[kept++] = p;
			continue;
		}
		post_kill(d, p, NULL);
		passing_free(p);
	}
	d->passing.n = kept;
}

/* ---- how actions ended ---- */

static void count(struct surface_self *self, const struct act_outcome *o)
{
	size_t i = 0;
	while (i < self->n_actions && strcmp(self->actions[i].name, o->action) != 0)
		i++;
	if (i == self->n_actions)
		return;
	self->actions[i].done += o->done && !o->dry;
	self->actions[i].failed += !o->done;
	self->actions[i].dry += o->done && o->dry;
}

static void write_detail(const struct act_outcome *o, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "incident", o->incident);
	json_str(&j, "reason", o->reason);
	json_u64(&j, "tries", o->tries);
	json_str(&j, "output", o->output && *o->output ? o->output : NULL);
	json_object_end(&j);
}

static void outcome(void *arg, const struct act_outcome *o)
{
	struct daemon *d = arg;
	if (o->rehearsal) {
		watch_note(d, WATCH_EVENT_NOTE, o->action, "rehearsal: %s will not work: %s", o->action, o->text);
		return;
	}
	if (o->actor) {
		watch_note(d, WATCH_EVENT_NOTE, o->action, "%s", o->text);
		return;
	}
	count(&d->self, o);
	char key[WATCH_KEY];
	(void)!snprintf(key, sizeof(key), "%.*s", (int)strcspn(o->incident, "/"), o->incident);
	struct watched *w = watch_find(d, key);
	AUTO(strbuf) struct strbuf text;
	AUTO(strbuf) struct strbuf detail;
	strbuf_init(&text);
	strbuf_init(&detail);
	write_detail(o, &detail);
	strbuf_printf(&text, "%s of %s: %s%s", o->action, o->incident, o->text, o->dry ? " (dry run)" : "");
	if (o->tries > 1)
		strbuf_printf(&text, ", after %u tries", o->tries);
	if (o->reason)
		strbuf_printf(&text, "; told because: %s", o->reason);
	struct watch_event e = {
		.wall_ns = parts_now(),
		.kind = WATCH_EVENT_ACTION,
		.target = key,
		.comm = w ? w->shown.comm : NULL,
		.name = o->action,
		.text = text.buf,
		.detail = detail.buf,
		.value = o->done,
		.threshold = NAN,
		.dry = o->dry,
	};
	watch_tell(d, &e);
}

void watch_act_outcomes(struct daemon *d)
{
	act_dispatch(d->act, outcome, d);
}

struct err *watch_act_tend(struct daemon *d)
{
	return act_tend(d->act, outcome, d);
}
