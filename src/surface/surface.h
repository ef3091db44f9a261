/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * surface - what the daemon shows to programs: metrics, JSON, its health. Pure, from plain data.
 *
 * Metrics are in Prometheus' text format 0.0.4 or OpenMetrics 1.0, by tables (metrics.c, metrics_self.c): names begin with
 * ullage_, units are seconds, bytes and ratios, what is unknown has no sample. Series of a target have the labels `target`
 * (its key) and `comm`; all else that names it stands once, in ullage_target_info, to be joined on `target`. Names that a
 * target chose are made valid UTF-8 and cut. The number of series is bounded by metrics_max whatever there is to watch.
 *
 * JSON: `schema` is "ullage.watch.targets/1" and so on; fields as the command contract has them, unknown is null.
 */

#include <stdbool.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "model/watch.h"

/* What became of one action, since the start. */
struct surface_action {
	const char *name, *kind;
	uint64_t done, failed, dry;
};

/* The daemon itself. */
struct surface_self {
	const char *version, *revision; /* revision: NULL unknown */
	int64_t start_wall_ns;
	double cpu_seconds;
	uint64_t rss;
	uint64_t samples, lost; /* written to the black box; that could not be */
	uint64_t data_bytes;
	uint64_t events_by_kind[WATCH_EVENTS];
	double round_seconds;  /* the last round of looks took */
	uint64_t rounds, late; /* late: looks at one target, not rounds */
	uint64_t config_reloads, config_failures;
	bool config_ok;
	struct surface_action *actions; /* of the configuration in force */
	size_t n_actions;
	uint64_t actions_waiting, actions_dropped;
	uint64_t actor_restarts, opener_restarts; /* parts that ended by themselves and began again */
	uint64_t http_requests, http_refused, http_dropped, http_connections;
};

/* What is shown at one moment; targets in order of key. */
struct surface_view {
	int64_t wall_ns;
	const struct surface_self *self;
	const struct watch_target *const *targets;
	size_t n;
	size_t metrics_max; /* series of targets, at most */
	const char *schema; /* of the list of targets; NULL: the API's */
	const char *notes;  /* what is missing there and why, a line each; NULL: nothing is */
};

/* Does the client of this Accept field want OpenMetrics? */
bool surface_wants_openmetrics(const char *accept);
const char *surface_metrics_type(bool openmetrics); /* Content-Type */
void surface_metrics(const struct surface_view *v, bool openmetrics, struct strbuf *out);

/* The order of lists: the largest first. Of pointers to pointers to targets. */
int surface_by_size(const void *a, const void *b);

void surface_targets(const struct surface_view *v, struct strbuf *out);			/* /api/v1/targets */
void surface_target(int64_t wall_ns, const struct watch_target *t, struct strbuf *out); /* one of them */

/* A document with one list: "ullage.watch.NAME/1" with NAME[]. */
struct surface_list {
	const char *name;   /* "series", "events", "snapshots" */
	const char *target; /* key: only of this one; NULL of all */
	int64_t wall_ns;
	size_t n;
	void (*item)(struct json *j, const void *arg, size_t i); /* members of the open object */
	const void *arg;
	int64_t next;	  /* where the next page begins, for its `before`; 0 there is none */
	const char *note; /* one sentence on what is missing, or NULL */
};
void surface_list(const struct surface_list *l, struct strbuf *out);
/* Members of an open object. id: 0 none. `detail` must be whole JSON, as store_events() gives it. */
void surface_event(struct json *j, int64_t id, const struct watch_event *e);
void surface_file(struct json *j, const struct watch_file *f);

/* What /livez, /readyz and /healthz look at. */
struct surface_check {
	const char *name; /* "loop", "data", "first-look" */
	bool ok;
	const char *why; /* not ok: one sentence */
};
/* "ok", or a line for each check when `verbose` or when one is not ok. The HTTP status: 200 or 503. */
int surface_health(const struct surface_check *checks, size_t n, bool verbose, struct strbuf *out);
/* May this target be given work? 503 while its breaker is open (canary: never), as {"target", "state", "reason"}. */
int surface_breaker(const struct watch_target *t, struct strbuf *out);

/* A page for people who come to /: what there is, from routes.def. HTML. */
void surface_index(const struct surface_view *v, struct strbuf *out);
