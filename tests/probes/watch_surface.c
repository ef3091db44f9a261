/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_surface N [ADDRESS]: the surfaces of a daemon that watches N targets which are not there, for tests. Says
 * "ready PORT", then follows lines of its standard input:
 *
 *	storm	the first target is near its limit, has every signal, and its breaker is open; somebody was killed
 *	calm	nothing of the kind
 *	bench	"TEXT-BYTES TEXT-NS OPEN-BYTES OPEN-NS JSON-BYTES JSON-NS": size and CPU time of one of each
 *	cpu	nanoseconds of CPU time so far
 *	fds	connections that are open, dropped so far
 */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "httpd/httpd.h"
#include "model/signal.h"
#include "surface/surface.h"

enum { TARGETS_MAX = 5000, ROUNDS = 20 };

#define MIB (UINT64_C(1) << 20)

struct world {
	struct event_base *loop;
	struct httpd *server;
	struct watch_target targets[TARGETS_MAX];
	const struct watch_target *list[TARGETS_MAX];
	struct surface_self self;
	struct surface_view view;
};

static int64_t clock_ns(clockid_t which)
{
	struct timespec t;
	clock_gettime(which, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void make_target(struct watch_target *t, int i)
{
	*t = (struct watch_target){
		.id.pid = 1000 + i,
		.key = xasprintf("%d-%d", 1000 + i, 5000 + i),
		.comm = xasprintf("service-%d", i),
		.exe = "/usr/bin/service",
		.go_version = "go1.24.4",
		.build_id = "0123456789abcdef",
		.module = "example.org/service",
		.cgroup_path = xasprintf("/system.slice/service-%d.service", i),
		.unit = xasprintf("service-%d.service", i),
		.limit_source = "cgroup memory.max",
		.group = "default",
		.is_go = true,
		.interval_ms = 1000,
	};
	uint64_t n = (uint64_t)i;
	t->process = (struct watch_process_sample){ .rss = 300 * MIB + n,
						    .shared = 20 * MIB,
						    .virtual_size = 2000 * MIB,
						    .threads = 12,
						    .fds = 40,
						    .gc_count = 100 + n,
						    .heap_alloc = 200 * MIB + n,
						    .heap_objects = 1000000,
						    .heap_goal = 400 * MIB,
						    .heap_marked = 180 * MIB,
						    .goroutines = 150 + n,
						    .gc_pause_total_ns = 50000000,
						    .gc_pause_last_ns = 200000,
						    .memory_limit = WATCH_UNKNOWN,
						    .gc_cpu_fraction = 0.01 };
	t->cgroup = (struct watch_cgroup_sample){ .usage = 400 * MIB + n,
						  .working_set = 350 * MIB + n,
						  .anon = 300 * MIB,
						  .file = 60 * MIB,
						  .kernel = 10 * MIB,
						  .limit = 1000 * MIB,
						  .high = WATCH_UNKNOWN,
						  .available = 8000 * MIB,
						  .pids = 12,
						  .pids_max = 1000,
						  .psi_some = 0.001,
						  .psi_full = 0 };
	t->forecast = (struct watch_forecast){ .rate = 1000, .eta = NAN, .confidence = 0.5, .z = 0.1 };
	t->n_classes = 2;
	t->classes[0].name = "go.heap.live";
	t->classes[0].bytes = 200 * MIB;
	t->classes[1].name = "go.stack.inuse";
	t->classes[1].bytes = 2 * MIB;
}

static void calm(struct world *w)
{
	for (size_t i = 0; i < w->view.n; i++) {
		w->targets[i].cgroup.working_set = 350 * MIB;
		w->targets[i].state = WATCH_OK;
		w->targets[i].n_signals = 0;
		w->targets[i].forecast.warning = false;
		w->targets[i].forecast.eta = NAN;
	}
	w->self.config_ok = true;
}

static void storm(struct world *w)
{
	struct watch_target *t = &w->targets[0];
	t->cgroup.working_set = 950 * MIB;
	t->state = WATCH_OPEN;
	t->forecast = (struct watch_forecast){ .rate = 5 * MIB, .eta = 10, .confidence = 0.9, .z = 6, .warning = true };
	t->n_signals = SIGNALS;
	for (unsigned i = 0; i < SIGNALS; i++)
		t->signals[i] = (struct watch_signal){ .name = signal_names[i], .value = 0.95, .threshold = 0.85 };
	w->self.events_by_kind[WATCH_EVENT_OOM_KILL]++;
	w->self.lost++;
	w->self.actions[0].failed++;
	w->self.config_ok = false;
}

/* What moves by itself. */
static void live(struct world *w)
{
	w->self.rounds++;
	w->self.late++;
	w->self.cpu_seconds = (double)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e9;
	w->view.wall_ns = clock_ns(CLOCK_REALTIME);
	struct httpd_stats stats;
	httpd_stats(w->server, &stats);
	w->self.http_requests = stats.requests;
	w->self.http_refused = stats.refused;
	w->self.http_dropped = stats.dropped;
	w->self.http_connections = stats.connections;
	for (size_t i = 0; i < w->view.n; i++) {
		struct watch_target *t = &w->targets[i];
		t->process.gc_count++;
		t->process.gc_pause_total_ns += 100000;
		t->cgroup.events_max += i == 0;
	}
}

static void put_metrics(struct world *w, bool openmetrics, struct httpd_reply *reply)
{
	live(w);
	reply->type = surface_metrics_type(openmetrics);
	surface_metrics(&w->view, openmetrics, &reply->body);
}

static void get_metrics(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	put_metrics(arg, surface_wants_openmetrics(request->accept), reply);
}

static void get_targets(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	struct world *w = arg;
	reply->type = "application/json";
	surface_targets(&w->view, &reply->body);
}

static void get_index(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	struct world *w = arg;
	reply->type = "text/html; charset=utf-8";
	surface_index(&w->view, &reply->body);
}

static const struct httpd_route routes[] = {
	{ "/", get_index },
	{ "/metrics", get_metrics },
	{ "/api/v1/targets", get_targets },
	{ .path = NULL },
};

static void bench_one(struct world *w, int which)
{
	size_t len = 0;
	int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct httpd_reply reply = { 0 };
		strbuf_init(&reply.body);
		if (which < 2)
			put_metrics(w, which == 1, &reply);
		else
			get_targets(w, NULL, &reply);
		len = reply.body.len;
		strbuf_deinit(&reply.body);
	}
	printf("%zu %" PRId64 "%c", len, (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / ROUNDS, which < 2 ? ' ' : '\n');
}

static void on_line(int fd, short what, void *arg)
{
	struct world *w = arg;
	char line[64];
	if (!fgets(line, sizeof(line), stdin)) {
		event_base_loopbreak(w->loop);
		return;
	}
	struct httpd_stats stats;
	httpd_stats(w->server, &stats);
	if (strcmp(line, "bench\n") == 0) {
		for (int which = 0; which < 3; which++)
			bench_one(w, which);
		return;
	}
	if (strcmp(line, "storm\n") == 0)
		storm(w);
	else if (strcmp(line, "calm\n") == 0)
		calm(w);
	if (strcmp(line, "cpu\n") == 0)
		printf("%" PRId64 "\n", clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	else if (strcmp(line, "fds\n") == 0)
		printf("%u %" PRIu64 "\n", stats.connections, stats.dropped);
	else
		puts("ok");
}

int main(int argc, char **argv)
{
	static struct world w;
	static struct surface_action page = { .name = "page", .kind = "webhook" };
	int n = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1;
	w.self = (struct surface_self){ .version = ULLAGE_VERSION,
					.start_wall_ns = clock_ns(CLOCK_REALTIME),
					.config_ok = true,
					.rss = 8 * MIB,
					.data_bytes = 30 * MIB,
					.n_actions = 1,
					.actions = &page };
	w.view = (struct surface_view){ .self = &w.self, .targets = w.list, .n = (size_t)n, .metrics_max = 100000 };
	if (n < 0 || n > TARGETS_MAX)
		return 2;
	for (int i = 0; i < n; i++) {
		make_target(&w.targets[i], i);
		w.list[i] = &w.targets[i];
	}
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	w.loop = event_base_new();
	w.server = httpd_new(w.loop, routes, &w);
	struct err *err AUTO(err) = httpd_listen(w.server, argc > 2 ? argv[2] : "127.0.0.1:0");
	if (err) {
		fprintf(stderr, "%s\n", err_text(err));
		return 1;
	}
	struct event *input = event_new(w.loop, 0, EV_READ | EV_PERSIST, on_line, &w);
	event_add(input, NULL);
	printf("ready %u\n", httpd_port(w.server));
	event_base_dispatch(w.loop);
	event_free(input);
	httpd_free(w.server);
	event_base_free(w.loop);
	return 0;
}
