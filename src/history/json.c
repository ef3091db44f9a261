/* SPDX-License-Identifier: Apache-2.0 */
#include "format/parts.h"
#include "history/report.h"
#include "surface/surface.h"

static void put_time(struct json *j, const char *key, int64_t ns)
{
	char time[PARTS_TIME_LEN];
	json_str(j, key, ns ? parts_time(ns, time) : NULL);
}

/* "start", "end" and so on of a life, as members. */
static void put_life(struct json *j, const struct history *h, size_t i)
{
	const struct store_life *l = &h->lives.v[i];
	json_str(j, "id", l->key);
	json_i64(j, "pid", l->id.pid);
	json_str(j, "comm", l->comm);
	json_str(j, "exe", l->exe);
	json_str(j, "go_version", l->go_version);
	json_str(j, "build_id", l->build_id);
	json_str(j, "module", l->module);
	json_str(j, "container", l->container);
	json_str(j, "unit", l->unit);
	json_str(j, "cgroup_path", l->cgroup_path);
	json_str(j, "limit_source", l->limit_source);
	json_str(j, "group", l->group);
	json_str(j, "boot_id", l->boot);
	put_time(j, "first_seen", l->first_wall_ns);
	put_time(j, "last_look", l->last_wall_ns);
	put_time(j, "ended", l->ended_wall_ns);
	json_str(j, "end", history_ends[h->ends[i]]);
}

static void put_events(struct json *j, const struct history *h)
{
	json_array(j, "signals_at_end");
	for (size_t i = 0; i < h->on.n; i++) {
		json_object(j, NULL);
		surface_event(j, 0, h->on.v[i].event);
		json_object_end(j);
	}
	json_array_end(j);
	json_array(j, "events");
	for (size_t i = 0; i < h->events.n; i++) {
		json_object(j, NULL);
		surface_event(j, h->events.v[i].id, &h->events.v[i].e);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_points(struct json *j, const char *key, const struct store_point_vec *points)
{
	json_array(j, key);
	for (size_t i = 0; i < points->n; i++) {
		json_object(j, NULL);
		put_time(j, "time", points->v[i].wall_ns);
		store_point_json(j, &points->v[i], true);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_files(struct json *j, const struct history *h)
{
	json_array(j, "files");
	for (size_t i = 0; i < h->files.n; i++) {
		const struct store_file_row *f = &h->files.v[i];
		json_object(j, NULL);
		surface_file(j, &f->f);
		json_bool(j, "there", f->there);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_target(struct json *j, const struct history *h)
{
	json_object(j, "target");
	put_life(j, h, h->chosen);
	json_object_end(j);
	put_time(j, "end_time", h->end_ns);
	if (h->end) {
		json_object(j, "end_event");
		surface_event(j, 0, h->end);
		json_object_end(j);
	} else {
		json_null(j, "end_event");
	}
	if (h->on.n && h->ends[h->chosen] != HISTORY_ALIVE)
		json_double(j, "warned_seconds", (double)(h->end_ns - h->on.v[0].event->wall_ns) / 1e9);
	else
		json_null(j, "warned_seconds");
	put_events(j, h);
	put_points(j, "series", &h->points);
	put_points(j, "last", &h->last);
	put_files(j, h);
}

void history_json(const struct history *h, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", "ullage.history/1");
	put_time(&j, "time", h->now_ns);
	json_str(&j, "directory", h->directory);
	if (h->holder > 0)
		json_i64(&j, "daemon_pid", h->holder);
	else
		json_null(&j, "daemon_pid");
	if (h->chosen < h->lives.n)
		put_target(&j, h);
	json_array(&j, h->chosen < h->lives.n ? "others" : "targets");
	for (size_t i = 0; i < h->lives.n; i++) {
		if (i == h->chosen)
			continue;
		json_object(&j, NULL);
		put_life(&j, h, i);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_array(&j, "notes");
	for (size_t i = 0; i < h->notes.n; i++)
		json_str(&j, NULL, h->notes.v[i]);
	json_array_end(&j);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}
