/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/routes.h"

#include <stdlib.h>
#include <string.h>

#include "format/parts.h"
#include "watch/targets.h"

enum { NOT_FOUND = 404 };

/* ---- a view of everything ---- */

VEC_TYPE(target_list, const struct watch_target *);

static int by_key(const void *a, const void *b)
{
	const struct watch_target *const *x = a, *const *y = b;
	return strcmp((*x)->key, (*y)->key);
}

/* What is shown now; list->v is to be freed. */
static void view(struct daemon *d, struct target_list *list, struct surface_view *ret)
{
	memset(list, 0, sizeof(*list));
	for (size_t i = 0; i < d->targets.n; i++)
		*vec_push(list) = &d->targets.v[i]->shown;
	vec_sort(list, by_key);
	watch_self(d);
	*ret = (struct surface_view){
		.wall_ns = parts_now(),
		.self = &d->self,
		.targets = list->v,
		.n = list->n,
		.metrics_max = d->config->metrics_max,
	};
}

/* ---- handlers, named as surface/routes.def has them ---- */

static void get_index(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	struct target_list list;
	struct surface_view v;
	view(arg, &list, &v);
	reply->type = "text/html; charset=utf-8";
	surface_index(&v, &reply->body);
	vec_deinit(&list);
}

static void get_metrics(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	struct target_list list;
	struct surface_view v;
	view(arg, &list, &v);
	bool open = surface_wants_openmetrics(request->accept);
	reply->type = surface_metrics_type(open);
	surface_metrics(&v, open, &reply->body);
	vec_deinit(&list);
}

static void get_targets(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	struct target_list list;
	struct surface_view v;
	view(arg, &list, &v);
	reply->type = ROUTES_JSON;
	surface_targets(&v, &reply->body);
	vec_deinit(&list);
}

enum check_of { CHECK_LIVE = 1, CHECK_READY = 2 };

static void health_of(struct daemon *d, unsigned which, const struct httpd_request *request, struct httpd_reply *reply)
{
	const struct surface_check all[] = {
		{ "loop", true, NULL },
		{ "first-look", d->discovered, "the first look for processes is not done" },
		{ "data", !d->store_failed, "records cannot be written; sampling goes on" },
	};
	size_t from = which & CHECK_LIVE ? 0 : 1, n = which & CHECK_READY ? sizeof(all) / sizeof(all[0]) : 1;
	const char *verbose = httpd_query(request, "verbose");
	reply->status = surface_health(all + from, n - from, verbose != NULL, &reply->body);
}

static void get_livez(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	health_of(arg, CHECK_LIVE, request, reply);
}

static void get_readyz(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	health_of(arg, CHECK_READY, request, reply);
}

static void get_healthz(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	health_of(arg, CHECK_LIVE | CHECK_READY, request, reply);
}

/* What a load balancer asks of one target. */
static void get_health(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	struct watched *w = watch_find_named(arg, request->tail);
	if (!w) {
		httpd_problem(reply, NOT_FOUND, "no-such-target",
			      "no target has this key or pid, or this name and is the only one");
		return;
	}
	reply->type = ROUTES_JSON;
	reply->status = surface_breaker(&w->shown, &reply->body);
}

const struct httpd_route watch_routes[] = {
#define ROUTE(name, path, document, about) { path, get_##name },
#include "surface/routes.def"
#undef ROUTE
	{ NULL, NULL },
};
