/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "format/parts.h"
#include "store/read.h"
#include "watch/asked.h"
#include "watch/routes.h"
#include "watch/targets.h"
#include "watch/tell.h"

enum { NOT_FOUND = 404, UNAVAILABLE = 503 };

/* ---- parameters ---- */

/* Bits of the names in "a,b"; 0 and a reply: one is none of `names`. */
static unsigned kinds_of(const char *text, const char *const *names, unsigned n, struct httpd_reply *reply)
{
	unsigned bits = 0;
	while (text) {
		size_t len = strcspn(text, ",");
		unsigned k = 0;
		while (k < n && !(strlen(names[k]) == len && strncmp(names[k], text, len) == 0))
			k++;
		if (k == n) {
			AUTO(strbuf) struct strbuf known;
			strbuf_init(&known);
			for (k = 0; k < n; k++)
				strbuf_printf(&known, "%s%s", k ? ", " : "", names[k]);
			asked_refuse(reply, "kind: '%.*s' is none of %s", (int)(len < 80 ? len : 80), text, known.buf);
			return 0;
		}
		bits |= 1u << k;
		text = text[len] ? text + len + 1 : NULL;
	}
	return bits ? bits : (1u << n) - 1;
}

/* What a parameter calls it, as the black box does: by key. Of one that is not watched any more only the key is known. */
static const char *key_of(struct daemon *d, const char *target)
{
	const struct watched *w = target ? watch_find_named(d, target) : NULL;
	return w ? w->key : target;
}

/* ---- the black box, opened for one request ---- */

static struct store_reader *open_reader(struct daemon *d, struct httpd_reply *reply)
{
	struct store_reader *r = NULL;
	struct err *err = store_commit(d->store); /* what is known is shown */
	watch_store_outcome(d, err);
	err = store_reader_open(d->data, true, &r);
	if (!err)
		return r;
	httpd_problem(reply, UNAVAILABLE, "no-records", err_text(err));
	err_free(err);
	return NULL;
}

/* What could be read is shown; why the rest is missing is a note. */
static void show(struct surface_list *l, struct err *err, struct httpd_reply *reply)
{
	l->wall_ns = parts_now();
	l->note = err ? err_text(err) : NULL;
	reply->type = ROUTES_JSON;
	surface_list(l, &reply->body);
	err_free(err);
}

/* ---- /api/v1/targets/ID and ID/series ---- */

static void put_point(struct json *j, const void *arg, size_t i)
{
	const struct store_point_vec *points = arg;
	char time[PARTS_TIME_LEN];
	json_str(j, "time", parts_time(points->v[i].wall_ns, time));
	store_point_json(j, &points->v[i], false);
}

static uint64_t size_of(const struct store_point *p)
{
	uint64_t size = p->cgroup.working_set != WATCH_UNKNOWN ? p->cgroup.working_set : p->process.rss;
	return size != WATCH_UNKNOWN ? size : 0;
}

/* Of each step of the clock the look with the most memory. */
static void thin(struct store_point_vec *points, int64_t step_ns)
{
	size_t kept = 0;
	for (size_t i = 0; i < points->n; i++) {
		const struct store_point *p = &points->v[i];
		struct store_point *last = kept ? &points->v[kept - 1] : NULL;
		if (!last || p->wall_ns / step_ns != last->wall_ns / step_ns)
			points->v[kept++] = *p;
		else if (size_of(p) > size_of(last))
			*last = *p;
	}
	points->n = kept;
}

static void put_series(struct daemon *d, const char *key, const struct httpd_request *q, struct httpd_reply *reply)
{
	struct asked a;
	if (!asked_read(q, ASKED_FROM | ASKED_TO | ASKED_MAX | ASKED_STEP, parts_now(), &a, reply))
		return;
	struct store_reader *r = open_reader(d, reply);
	if (!r)
		return;
	struct store_point_vec points = { 0 };
	struct err *err = store_series_of(r, key, a.from_ns, a.to_ns, a.step_ns ? STORE_POINTS_MAX : a.max, &points);
	if (a.step_ns)
		thin(&points, a.step_ns);
	if (err && err_code(err) == ERR_NOT_FOUND) {
		httpd_problem(reply, NOT_FOUND, "no-such-target", err_text(err));
		err_free(err);
	} else {
		struct surface_list l = {
			.name = "series", .target = key, .n = points.n, .item = put_point, .arg = &points
		};
		show(&l, err, reply);
	}
	vec_deinit(&points);
	store_reader_close(r);
}

void get_series(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	struct daemon *d = arg;
	size_t n = strcspn(request->tail, "/");
	AUTO_FREE char *name = xasprintf("%.*s", (int)n, request->tail);
	const struct watched *w = watch_find_named(d, name);
	if (strcmp(request->tail + n, "/series") == 0) {
		put_series(d, w ? w->key : name, request, reply);
	} else if (w && !request->tail[n]) {
		reply->type = ROUTES_JSON;
		surface_target(parts_now(), &w->shown, &reply->body);
	} else {
		httpd_problem(reply, NOT_FOUND, "no-such-target",
			      "no target has this key or pid, or this name and is the only one");
	}
}

/* ---- /api/v1/events ---- */

static void put_event(struct json *j, const void *arg, size_t i)
{
	const struct store_event_vec *events = arg;
	surface_event(j, events->v[i].id, &events->v[i].e);
}

void get_events(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	struct asked a;
	if (!asked_read(request, ASKED_TARGET | ASKED_KIND | ASKED_FROM | ASKED_TO | ASKED_LIMIT | ASKED_BEFORE,
			parts_now(), &a, reply))
		return;
	const struct store_event_which which = {
		.target = key_of(arg, a.target),
		.kinds = kinds_of(a.kind, watch_event_kinds, WATCH_EVENTS, reply),
		.from_wall_ns = a.from_ns,
		.to_wall_ns = a.to_ns,
		.before_id = (int64_t)a.before,
		.limit = a.limit,
	};
	if (!which.kinds)
		return;
	struct store_reader *r = open_reader(arg, reply);
	if (!r)
		return;
	struct arena arena;
	struct store_event_vec events = { 0 };
	arena_init(&arena);
	struct err *err = store_events(r, &which, &arena, &events);
	struct surface_list l = {
		.name = "events", .target = which.target, .n = events.n, .item = put_event, .arg = &events
	};
	if (events.n == a.limit)
		l.next = events.v[events.n - 1].id;
	show(&l, err, reply);
	vec_deinit(&events);
	arena_deinit(&arena);
	store_reader_close(r);
}

/* ---- /api/v1/snapshots ---- */

static void put_file(struct json *j, const void *arg, size_t i)
{
	const struct store_file_vec *files = arg;
	surface_file(j, &files->v[i].f);
}

void get_snapshots(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	static const char *const kinds[STORE_FILES] = { [STORE_SNAPSHOT] = "snapshot", [STORE_PROFILE] = "profile" };
	struct asked a;
	if (!asked_read(request, ASKED_TARGET | ASKED_KIND | ASKED_FROM | ASKED_TO | ASKED_LIMIT, parts_now(), &a,
			reply))
		return;
	const struct store_file_which which = {
		.target = key_of(arg, a.target),
		.kinds = kinds_of(a.kind, kinds, STORE_FILES, reply),
		.from_wall_ns = a.from_ns,
		.to_wall_ns = a.to_ns,
		.limit = a.limit,
	};
	if (!which.kinds)
		return;
	struct store_reader *r = open_reader(arg, reply);
	if (!r)
		return;
	struct arena arena;
	struct store_file_vec files = { 0 };
	arena_init(&arena);
	struct err *err = store_files(r, &which, &arena, &files);
	struct surface_list l = {
		.name = "snapshots", .target = which.target, .n = files.n, .item = put_file, .arg = &files
	};
	show(&l, err, reply);
	vec_deinit(&files);
	arena_deinit(&arena);
	store_reader_close(r);
}
