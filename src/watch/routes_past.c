/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/when.h"
#include "format/parts.h"
#include "store/read.h"
#include "watch/routes.h"
#include "watch/targets.h"
#include "watch/tell.h"

enum { BAD_REQUEST = 400, NOT_FOUND = 404, UNAVAILABLE = 503, POINTS = 1000, ROWS = 100, ROWS_MAX = 10000 };

/* ---- parameters ---- */

static bool number(const struct httpd_request *q, const char *key, uint64_t otherwise, uint64_t most, uint64_t *ret)
{
	const char *text = httpd_query(q, key);
	*ret = otherwise;
	return !text || (num_str(text, ret) && *ret <= most);
}

static bool moment(const struct httpd_request *q, const char *key, int64_t *ret)
{
	const char *text = httpd_query(q, key);
	*ret = 0;
	return !text || when_parse(text, parts_now(), ret);
}

static bool kind(const struct httpd_request *q, unsigned *ret)
{
	const char *text = httpd_query(q, "kind");
	*ret = 0;
	for (int k = 0; text && k < WATCH_EVENTS; k++) {
		if (strcmp(text, watch_event_kinds[k]) == 0)
			*ret = 1u << k;
	}
	return !text || *ret;
}

static void refuse(struct httpd_reply *reply, const char *detail)
{
	httpd_problem(reply, BAD_REQUEST, "bad-parameter", detail);
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

static void put_series(struct daemon *d, const char *key, const struct httpd_request *q, struct httpd_reply *reply)
{
	int64_t from = 0, to = 0;
	uint64_t max = 0;
	if (!moment(q, "from", &from) || !moment(q, "to", &to) || !number(q, "max", POINTS, STORE_POINTS_MAX, &max)) {
		refuse(reply, "from and to are moments (2026-11-26T03:12:00Z, -2h), max is a number up to 20000");
		return;
	}
	struct store_reader *r = open_reader(d, reply);
	if (!r)
		return;
	struct store_point_vec points = { 0 };
	struct err *err = store_series_of(r, key, from, to, max, &points);
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
		httpd_problem(reply, NOT_FOUND, "no-such-target", "no target of this key is watched now");
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
	struct store_event_which which = { .target = httpd_query(request, "target") };
	uint64_t limit = 0, before = 0;
	if (!kind(request, &which.kinds) || !moment(request, "from", &which.from_wall_ns) ||
	    !moment(request, "to", &which.to_wall_ns) || !number(request, "limit", ROWS, ROWS_MAX, &limit) ||
	    !number(request, "before", 0, INT64_MAX, &before)) {
		refuse(reply,
		       "kind is one of an event's kinds, from and to are moments, limit is a number up to 10000");
		return;
	}
	which.limit = limit;
	which.before_id = (int64_t)before;
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
	if (events.n == limit)
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
	uint64_t limit = 0;
	const char *target = httpd_query(request, "target");
	if (!number(request, "limit", ROWS, ROWS_MAX, &limit)) {
		refuse(reply, "limit is a number up to 10000");
		return;
	}
	struct store_reader *r = open_reader(arg, reply);
	if (!r)
		return;
	struct arena arena;
	struct store_file_vec files = { 0 };
	arena_init(&arena);
	struct err *err = store_files(r, &(struct store_file_which){ .target = target, .limit = limit }, &arena, &files);
	struct surface_list l = {
		.name = "snapshots", .target = target, .n = files.n, .item = put_file, .arg = &files
	};
	show(&l, err, reply);
	vec_deinit(&files);
	arena_deinit(&arena);
	store_reader_close(r);
}
