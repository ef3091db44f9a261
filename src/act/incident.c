/* SPDX-License-Identifier: Apache-2.0 */
#include "act/incident.h"

#include "base/json.h"
#include "base/num.h"
#include "format/parts.h"

static void count(struct json *j, const char *key, uint64_t v)
{
	if (v == WATCH_UNKNOWN)
		json_null(j, key);
	else
		json_u64(j, key, v);
}

static const char *severity(const struct act_order *o)
{
	static const char *const words[WATCH_STATES] = { "info", "warning", "critical", "critical" };
	if (o->severity)
		return o->severity;
	return words[o->target->state < WATCH_STATES ? o->target->state : WATCH_OK];
}

static char *as_time(int64_t wall_ns)
{
	char buf[PARTS_TIME_LEN];
	return xstrdup(parts_time(wall_ns, buf));
}

static void write_target(struct json *j, const struct watch_target *t)
{
	const struct watch_cgroup_sample *g = &t->cgroup;
	json_object(j, "target");
	json_str(j, "id", t->key);
	json_i64(j, "pid", t->id.pid);
	json_str(j, "comm", t->comm);
	json_str(j, "exe", t->exe);
	json_str(j, "build_id", t->build_id);
	json_str(j, "go_version", t->go_version);
	json_str(j, "module", t->module);
	json_str(j, "container", t->container);
	json_str(j, "unit", t->unit);
	json_str(j, "cgroup_path", t->cgroup_path);
	count(j, "limit_bytes", g->limit);
	json_str(j, "limit_source", t->limit_source);
	count(j, "usage_bytes", g->usage);
	count(j, "working_set_bytes", g->working_set);
	count(j, "rss_bytes", t->process.rss);
	json_object_end(j);
}

static void write_signals(struct json *j, const struct watch_target *t)
{
	char since[PARTS_TIME_LEN];
	json_array(j, "signals");
	for (unsigned i = 0; i < t->n_signals && i < WATCH_SIGNALS; i++) {
		const struct watch_signal *s = &t->signals[i];
		json_object(j, NULL);
		json_str(j, "name", s->name);
		json_double(j, "value", s->value);
		json_double(j, "threshold", s->threshold);
		json_str(j, "since", parts_time(s->since_wall_ns, since));
		json_str(j, "evidence", s->evidence);
		json_object_end(j);
	}
	json_array_end(j);
}

static void write_event(struct json *j, const struct watch_event *e)
{
	if (!e) {
		json_null(j, "event");
		return;
	}
	json_object(j, "event");
	json_str(j, "kind", e->kind < WATCH_EVENTS ? watch_event_kinds[e->kind] : NULL);
	json_str(j, "name", e->name);
	json_str(j, "text", e->text);
	json_double(j, "value", e->value);
	json_double(j, "threshold", e->threshold);
	json_object_end(j);
}

static void write_json(const struct incident *in, const char *host, const char *policy, const struct act_order *o,
		       struct strbuf *out)
{
	const struct watch_forecast *f = &o->target->forecast;
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", "ullage.incident/1");
	json_str(&j, "incident", o->incident);
	json_str(&j, "alertname", o->alertname);
	json_str(&j, "status", o->resolved ? "resolved" : "firing");
	json_str(&j, "severity", severity(o));
	json_str(&j, "policy", policy);
	json_str(&j, "host", host);
	json_str(&j, "started", in->started);
	json_str(&j, "time", in->now);
	json_str(&j, "state", watch_states[o->target->state < WATCH_STATES ? o->target->state : WATCH_OK]);
	json_str(&j, "reason", o->target->reason);
	write_event(&j, o->event);
	write_target(&j, o->target);
	write_signals(&j, o->target);
	json_object(&j, "forecast");
	json_double(&j, "rate_bytes_per_second", f->rate);
	json_double(&j, "eta_seconds", f->eta);
	json_double(&j, "confidence", f->confidence);
	json_str(&j, "why", f->why);
	json_object_end(&j);
	json_object_end(&j);
}

/* A label that is empty is no label. */
static void label(struct json *j, const char *name, const char *value)
{
	if (value && *value)
		json_str(j, name, value);
}

static void write_labels(const char *host, const char *policy, const struct act_order *o, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	label(&j, "alertname", o->alertname);
	label(&j, "severity", severity(o));
	label(&j, "instance", host);
	label(&j, "policy", policy);
	label(&j, "comm", o->target->comm);
	label(&j, "cgroup", o->target->cgroup_path);
	label(&j, "unit", o->target->unit);
	label(&j, "container", o->target->container);
	label(&j, "build", o->target->build_id);
	json_object_end(&j);
}

static void describe(const struct watch_target *t, struct strbuf *out)
{
	char used[NUM_SIZE_LEN], limit[NUM_SIZE_LEN];
	const struct watch_cgroup_sample *g = &t->cgroup;
	strbuf_puts(out, t->reason);
	if (g->working_set != WATCH_UNKNOWN && g->limit != WATCH_UNKNOWN)
		strbuf_printf(out, "%sWorking set %s of %s (%s).", out->len ? " " : "", num_size(g->working_set, used),
			      num_size(g->limit, limit), t->limit_source ? t->limit_source : "limit");
	if (*t->forecast.why)
		strbuf_printf(out, " %s", t->forecast.why);
	for (unsigned i = 0; i < t->n_signals && i < WATCH_SIGNALS; i++)
		strbuf_printf(out, "\n%s: %s", t->signals[i].name, t->signals[i].evidence);
}

static void write_annotations(const struct act_order *o, struct strbuf *out)
{
	const struct watch_target *t = o->target;
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	strbuf_printf(&text, "%s (pid %d): %s", t->comm ? t->comm : "?", t->id.pid,
		      o->event && o->event->text ? o->event->text : t->reason);
	json_str(&j, "summary", text.buf);
	strbuf_clear(&text);
	describe(t, &text);
	json_str(&j, "description", text.buf);
	json_str(&j, "target", t->key);
	json_str(&j, "incident", o->incident);
	json_object_end(&j);
}

void incident_init(struct incident *in, const char *host, const char *policy, const struct act_order *o)
{
	AUTO(strbuf) struct strbuf json, labels, annotations;
	strbuf_init(&json);
	strbuf_init(&labels);
	strbuf_init(&annotations);
	int64_t now = o->event ? o->event->wall_ns : parts_now();
	in->started = as_time(o->started_wall_ns);
	in->now = as_time(now > o->started_wall_ns ? now
						   : o->started_wall_ns); /* an end before its beginning is refused */
	write_json(in, host, policy, o, &json);
	write_labels(host, policy, o, &labels);
	write_annotations(o, &annotations);
	in->json = strbuf_take(&json);
	in->labels = strbuf_take(&labels);
	in->annotations = strbuf_take(&annotations);
}

void incident_deinit(struct incident *in)
{
	free(in->json);
	free(in->labels);
	free(in->annotations);
	free(in->started);
	free(in->now);
}
