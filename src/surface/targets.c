/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/surface.h"

#include <stddef.h>
#include <string.h>

#include "base/alloc.h"

#include "base/vec.h"
#include "format/fields.h"
#include "format/parts.h"

#define OF(member, kind, key) FIELD(watch_target, member, kind, key)

/* clang-format off */
static const struct field identity[] = {
	OF(comm,         FIELD_STR,  "comm"),
	OF(exe,          FIELD_STR,  "exe"),
	OF(go_version,   FIELD_STR,  "go_version"),
	OF(module,       FIELD_STR,  "module"),
	OF(build_id,     FIELD_STR,  "build_id"),
	OF(container,    FIELD_STR,  "container"),
	OF(unit,         FIELD_STR,  "unit"),
	OF(group,        FIELD_STR,  "group"),
	OF(canary,       FIELD_BOOL, "canary"),
	OF(cgroup_path,  FIELD_STR,  "cgroup_path"),
	OF(limit_source, FIELD_STR,  "limit_source"),
};

static const struct field figures[] = {
	OF(cgroup.limit,             FIELD_U64,    "limit_bytes"),
	OF(cgroup.high,              FIELD_U64,    "high_bytes"),
	OF(cgroup.usage,             FIELD_U64,    "usage_bytes"),
	OF(cgroup.working_set,       FIELD_U64,    "working_set_bytes"),
	OF(cgroup.anon,              FIELD_U64,    "anon_bytes"),
	OF(cgroup.file,              FIELD_U64,    "file_bytes"),
	OF(cgroup.kernel,            FIELD_U64,    "kernel_bytes"),
	OF(cgroup.available,         FIELD_U64,    "available_bytes"),
	OF(cgroup.psi_some,          FIELD_DOUBLE, "memory_pressure_some"),
	OF(cgroup.psi_full,          FIELD_DOUBLE, "memory_pressure_full"),
	OF(cgroup.events_oom_kill,   FIELD_U64,    "oom_kills"),
	OF(process.rss,              FIELD_U64,    "rss_bytes"),
	OF(process.swap,             FIELD_U64,    "swap_bytes"),
	OF(process.threads,          FIELD_U64,    "threads"),
	OF(process.fds,              FIELD_U64,    "fds"),
	OF(process.heap_alloc,       FIELD_U64,    "heap_alloc_bytes"),
	OF(process.heap_goal,        FIELD_U64,    "heap_goal_bytes"),
	OF(process.heap_marked,      FIELD_U64,    "heap_marked_bytes"),
	OF(process.memory_limit,     FIELD_U64,    "go_memory_limit_bytes"),
	OF(process.goroutines,       FIELD_U64,    "goroutines"),
	OF(process.gc_count,         FIELD_U64,    "gc_count"),
	OF(process.gc_cpu_fraction,  FIELD_DOUBLE, "gc_cpu_fraction"),
	OF(forecast.rate,            FIELD_DOUBLE, "rate_bytes_per_second"),
	OF(forecast.eta,             FIELD_DOUBLE, "eta_seconds"),
	OF(forecast.confidence,      FIELD_DOUBLE, "confidence"),
	OF(forecast.z,               FIELD_DOUBLE, "z"),
	OF(forecast.warning,         FIELD_BOOL,   "warning"),
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void put_time(struct json *j, const char *key, int64_t wall_ns)
{
	char buf[PARTS_TIME_LEN];
	json_str(j, key, wall_ns ? parts_time(wall_ns, buf) : NULL);
}

/* Where nothing limits the cgroup, what the machine has left is what there is. */
static void put_headroom(struct json *j, const struct watch_cgroup_sample *g)
{
	if (g->limit == WATCH_UNKNOWN)
		fields_u64(j, "headroom_bytes", g->available);
	else if (g->working_set == WATCH_UNKNOWN)
		json_null(j, "headroom_bytes");
	else
		json_i64(j, "headroom_bytes", (int64_t)(g->limit - g->working_set)); /* negative beyond it */
}

static void put_signals(struct json *j, const struct watch_target *t)
{
	json_array(j, "signals");
	for (unsigned i = 0; i < t->n_signals; i++) {
		const struct watch_signal *s = &t->signals[i];
		json_object(j, NULL);
		json_str(j, "name", s->name);
		json_double(j, "value", s->value);
		json_double(j, "threshold", s->threshold);
		put_time(j, "since", s->since_wall_ns);
		json_str(j, "evidence", s->evidence);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_classes(struct json *j, const struct watch_target *t)
{
	json_array(j, "classes");
	for (unsigned i = 0; i < t->n_classes; i++) {
		json_object(j, NULL);
		json_str(j, "class", t->classes[i].name);
		json_u64(j, "resident_bytes", t->classes[i].bytes);
		json_object_end(j);
	}
	json_array_end(j);
	put_time(j, "classes_time", t->classes_wall_ns);
}

static void put_target(struct json *j, const struct watch_target *t)
{
	json_str(j, "id", t->key);
	json_i64(j, "pid", t->id.pid);
	fields_json(j, identity, COUNT(identity), t);
	if (t->go_known)
		json_bool(j, "is_go", t->is_go);
	else
		json_null(j, "is_go");
	json_str(j, "state", watch_states[t->state]);
	json_str(j, "reason", t->reason);
	fields_json(j, figures, COUNT(figures), t);
	put_headroom(j, &t->cgroup);
	json_str(j, "forecast", *t->forecast.why ? t->forecast.why : NULL);
	json_double(j, "gc_pause_total_seconds",
		    t->process.gc_pause_total_ns == WATCH_UNKNOWN ? (double)NAN
								  : (double)t->process.gc_pause_total_ns / 1e9);
	put_time(j, "first_seen", t->first_wall_ns);
	json_u64(j, "interval_ms", t->interval_ms);
	put_signals(j, t);
	put_classes(j, t);
}

static void begin(struct json *j, struct strbuf *out, const char *schema, int64_t wall_ns)
{
	json_init(j, out);
	json_object(j, NULL);
	json_str(j, "schema", schema);
	put_time(j, "time", wall_ns);
}

static void finish(struct json *j, struct strbuf *out)
{
	json_object_end(j);
	strbuf_putc(out, '\n');
}

static uint64_t size_of(const struct watch_target *t)
{
	uint64_t size = t->cgroup.working_set != WATCH_UNKNOWN ? t->cgroup.working_set : t->process.rss;
	return size == WATCH_UNKNOWN ? 0 : size;
}

/* The largest first, by key where they are of one size. */
int surface_by_size(const void *a, const void *b)
{
	const struct watch_target *x = *(const struct watch_target *const *)a,
				  *y = *(const struct watch_target *const *)b;
	uint64_t m = size_of(x), n = size_of(y);
	return m != n ? (m < n ? 1 : -1) : strcmp(x->key, y->key);
}

void surface_targets(const struct surface_view *v, struct strbuf *out)
{
	struct json j;
	begin(&j, out, v->schema ? v->schema : "ullage.watch.targets/1", v->wall_ns);
	VEC(const struct watch_target *) sorted = { 0 };
	for (size_t i = 0; i < v->n; i++)
		*vec_push(&sorted) = v->targets[i];
	vec_sort(&sorted, surface_by_size);
	json_array(&j, "targets");
	for (size_t i = 0; i < sorted.n; i++) {
		json_object(&j, NULL);
		put_target(&j, sorted.v[i]);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_array(&j, "notes");
	for (const char *line = v->notes; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
		AUTO_FREE char *note = xasprintf("%.*s", (int)strcspn(line, "\n"), line);
		json_str(&j, NULL, note);
	}
	json_array_end(&j);
	vec_deinit(&sorted);
	finish(&j, out);
}

void surface_target(int64_t wall_ns, const struct watch_target *t, struct strbuf *out)
{
	struct json j;
	begin(&j, out, "ullage.watch.target/1", wall_ns);
	put_target(&j, t);
	finish(&j, out);
}

int surface_breaker(const struct watch_target *t, struct strbuf *out)
{
	bool open = t->state == WATCH_OPEN && !t->canary;
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "target", t->key);
	json_str(&j, "comm", t->comm);
	json_str(&j, "state", watch_states[t->state]);
	json_bool(&j, "canary", t->canary);
	json_str(&j, "reason", t->reason);
	finish(&j, out);
	return open ? 503 : 200;
}
