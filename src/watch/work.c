/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/work.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "format/parts.h"
#include "watch/targets.h"
#include "watch/tell.h"

/*
 * Maps that nobody waits for take a two-thousandth of a core, however many targets there are; so much of it may come at once
 * that a few targets have theirs soon after the start.
 */
enum { MAP_MS = 10000, MAPS_SHARE = 2000 };

static const int64_t MAPS_AT_ONCE = INT64_C(400) * 1000 * 1000 * 1000; /* 200 ms of CPU time */

void watch_want(struct watched *w, enum capture_kind kind)
{
	w->wanted |= 1u << kind;
}

/* ---- one ends ---- */

static void keep_classes(struct watched *w, const struct capture_result *r)
{
	w->shown.n_classes = 0;
	for (int i = 0; i < CLASS_MAX_ && w->shown.n_classes < WATCH_CLASSES; i++) {
		if (!r->classes[i])
			continue;
		w->shown.classes[w->shown.n_classes].name = mem_classes[i].name;
		w->shown.classes[w->shown.n_classes++].bytes = r->classes[i];
	}
	w->shown.classes_wall_ns = parts_now();
}

static void tell_file(struct daemon *d, const struct watched *w, const struct capture *c, const char *path)
{
	AUTO(strbuf) struct strbuf detail;
	strbuf_init(&detail);
	struct json j;
	json_init(&j, &detail);
	json_object(&j, NULL);
	json_str(&j, "path", path);
	json_str(&j, "kind", capture_kinds[c->kind]);
	json_u64(&j, "elapsed_ms", (uint64_t)(sense_now() - c->began_ns) / 1000000);
	json_object_end(&j);
	struct watch_event e = {
		.wall_ns = parts_now(),
		.kind = c->kind == CAPTURE_SNAPSHOT ? WATCH_EVENT_SNAPSHOT : WATCH_EVENT_PROFILE,
		.target = d->captured_key,
		.comm = w ? w->shown.comm : NULL,
		.cgroup_path = w ? w->shown.cgroup_path : NULL,
		.build_id = w ? w->shown.build_id : NULL,
		.name = capture_kinds[c->kind],
		.text = path,
		.detail = detail.buf,
		.value = NAN,
		.threshold = NAN,
	};
	watch_tell(d, &e);
}

/* Takes err. */
static void not_made(struct daemon *d, const char *key, enum capture_kind kind, struct err *err)
{
	if (err)
		watch_note(d, WATCH_EVENT_NOTE, capture_kinds[kind], "%s: no %s: %s", key, capture_kinds[kind],
			   err_text(err));
	err_free(err);
}

static struct err *keep_file(struct daemon *d, const struct watched *w, const struct capture *c)
{
	char path[sizeof(d->blob.path)];
	memcpy(path, d->blob.path, sizeof(path));
	TRY(store_file_done(d->store, &d->blob));
	tell_file(d, w, c, path);
	return NULL;
}

static void charge_map(struct daemon *d, int64_t cpu_ns)
{
	int64_t from = sense_now() - MAPS_AT_ONCE;
	d->maps_ns = (d->maps_ns > from ? d->maps_ns : from) + cpu_ns * MAPS_SHARE;
}

static void finish(struct daemon *d)
{
	struct capture_result result;
	struct capture was = d->capture;
	struct err *err = NULL;
	event_free(d->captured);
	d->captured = NULL;
	capture_end(&d->capture, &result);
	if (was.kind == CAPTURE_MAP)
		charge_map(d, result.cpu_ns);
	struct watched *w = watch_find(d, d->captured_key);
	if (result.done && w && result.has_classes)
		keep_classes(w, &result);
	bool again = result.over && was.kind == CAPTURE_SNAPSHOT && w && !was.less;
	if (again) {
		w->less = true; /* some of it is better than nothing */
		watch_want(w, CAPTURE_SNAPSHOT);
	}
	if (!result.done && !result.gone)
		err = err_new(ERR_OS, "%s%s", result.text, again ? "; one with less follows" : "");
	if (was.kind != CAPTURE_MAP && result.done)
		err = keep_file(d, w, &was);
	else if (was.kind != CAPTURE_MAP)
		store_file_drop(&d->blob);
	not_made(d, d->captured_key, was.kind, err);
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	finish(d);
	watch_work(d);
}

/* ---- the next begins ---- */

/* Snapshots before profiles before maps, and who is nearest to its limit first. */
static struct watched *most_urgent(struct daemon *d, enum capture_kind *kind)
{
	static const enum capture_kind order[] = { CAPTURE_SNAPSHOT, CAPTURE_HEAP, CAPTURE_GOROUTINES, CAPTURE_MAP };
	size_t n = sizeof(order) / sizeof(order[0]);
	n -= sense_now() < d->maps_ns; /* maps are the last */
	for (size_t k = 0; k < n; k++) {
		struct watched *best = NULL;
		double most = -1;
		for (size_t i = 0; i < d->targets.n; i++) {
			struct watched *w = d->targets.v[i];
			if (!(w->wanted & 1u << order[k]))
				continue;
			double share = alarm_share(&w->shown.cgroup, w->policy->limit);
			share = isnan(share) ? 0 : share;
			if (share > most) {
				best = w;
				most = share;
			}
		}
		if (best) {
			*kind = order[k];
			return best;
		}
	}
	return NULL;
}

static struct err *begin(struct daemon *d, struct watched *w, enum capture_kind kind)
{
	struct capture_order order = {
		.kind = kind,
		.procfs = d->split.procfs,
		.target = w->shown.id.pid,
		.start_ticks = w->shown.id.start_ticks,
		.fd = -1,
		.less = w->less && kind == CAPTURE_SNAPSHOT,
		.budget = { d->config->snapshot_ms, d->config->snapshot_bytes },
	};
	memset(&d->blob, 0, sizeof(d->blob));
	if (kind == CAPTURE_MAP) {
		order.budget.time_ms = MAP_MS;
	} else {
		bool snapshot = kind == CAPTURE_SNAPSHOT;
		char suffix[32];
		(void)!snprintf(suffix, sizeof(suffix), snapshot ? ".ullage" : ".%s.pb.gz", capture_kinds[kind]);
		TRY(store_file_begin(d->store, snapshot ? STORE_SNAPSHOT : STORE_PROFILE, w->key, suffix, parts_now(),
				     &d->blob));
		order.fd = d->blob.fd;
	}
	struct err *err = capture_begin(&d->capture, &order, sense_now());
	if (err) {
		if (order.fd >= 0)
			store_file_drop(&d->blob);
		return err;
	}
	memcpy(d->captured_key, w->key, sizeof(d->captured_key));
	d->captured = event_new(d->loop, d->capture.pipe, EV_READ, on_end, d);
	event_add(d->captured, NULL);
	return NULL;
}

void watch_work(struct daemon *d)
{
	if (d->capture.pid && sense_now() > d->capture.deadline_ns)
		capture_kill(&d->capture);
	if (d->capture.pid)
		return;
	enum capture_kind kind = CAPTURE_MAP;
	struct watched *w = most_urgent(d, &kind);
	if (!w)
		return;
	w->wanted &= ~(1u << kind);
	struct err *err = begin(d, w, kind);
	w->less = w->less && kind != CAPTURE_SNAPSHOT;
	not_made(d, w->key, kind, err);
}

void watch_work_stop(struct daemon *d)
{
	if (!d->capture.pid)
		return;
	capture_kill(&d->capture);
	finish(d);
}
