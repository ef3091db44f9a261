/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/watch.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "format/parts.h"
#include "sense/text.h"
#include "watch/once.h"
#include "watch/round.h"
#include "watch/routes.h"
#include "watch/targets.h"
#include "watch/tell.h"
#include "watch/work.h"

enum { TRIM_S = 10, COMMIT_AFTER_MS = 50, SECOND = 1000000000, MS_NS = 1000000 };

/* ---- itself ---- */

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* Of the daemon's own loop, and of the readers of snapshots that have ended. */
static double own_cpu(void)
{
	double sum = 0;
	static const enum __rusage_who of[] = { RUSAGE_SELF, RUSAGE_CHILDREN };
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		struct rusage u = { 0 };
		(void)getrusage(of[i], &u);
		sum += seconds(u.ru_utime) + seconds(u.ru_stime);
	}
	return sum;
}

static uint64_t own_rss(void)
{
	char text[128];
	struct sense_statm m;
	AUTO_CLOSE int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n <= 0 || !sense_text_statm(text, (size_t)n, &m))
		return WATCH_UNKNOWN;
	return m.resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void watch_self(struct daemon *d)
{
	struct store_stats kept;
	d->self.cpu_seconds = own_cpu();
	d->self.rss = own_rss();
	store_stats(d->store, &kept);
	d->self.samples = kept.samples;
	d->self.lost = kept.lost;
	d->self.data_bytes = kept.bytes;
	struct httpd_stats served;
	httpd_stats(d->httpd, &served);
	d->self.http_requests = served.requests;
	d->self.http_refused = served.refused;
	d->self.http_dropped = served.dropped;
	d->self.http_connections = served.connections;
	d->self.actions_waiting = act_waiting(d->act);
	d->self.actions_dropped = act_dropped(d->act);
	d->self.actor_restarts = act_restarts(d->act);
	d->self.opener_restarts = d->split.again.times;
}

/* ---- the loop ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	watch_round(d);
	watch_set_tick(d);
}

/* Each line of a text: a note of that name, or (NULL) of the log only. */
static void tell_lines(struct daemon *d, const char *name, const char *text)
{
	for (size_t n; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		if (n && name)
			watch_note(d, WATCH_EVENT_NOTE, name, "%.*s", (int)n, text);
		else if (n)
			log_line(&d->log, LOG_LEVEL_WARNING, "%.*s", (int)n, text);
	}
}

/* Without a spawner what has ended stays away: then whoever started us shall start all of it anew. */
static void tend_parts(struct daemon *d, int64_t now)
{
	AUTO(strbuf) struct strbuf news;
	strbuf_init(&news);
	struct err *err = split_tend(&d->split, now, &news);
	tell_lines(d, "opener", news.buf);
	if (!err)
		err = watch_act_tend(d);
	if (!err)
		return;
	d->failed = err;
	event_base_loopbreak(d->loop);
}

/*
 * Soon after the looks of each second, which are at whole ones: so what a kill of the daemon takes is the last second, and
 * not a second of looks that wait for one of writing.
 */
static void set_second(struct daemon *d)
{
	int64_t now = sense_now(), after = (int64_t)COMMIT_AFTER_MS * MS_NS;
	int64_t wait = ((now - after) / SECOND + 1) * SECOND + after - now;
	event_add(d->second, &(struct timeval){ wait / SECOND, (wait % SECOND) / 1000 + 1 });
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	set_second(d);
	int64_t now = sense_now();
	watch_store_outcome(d, store_commit(d->store));
	if (now - d->trimmed_ns > (int64_t)TRIM_S * SECOND) {
		d->trimmed_ns = now;
		watch_store_outcome(d, store_trim(d->store, parts_now()));
	}
	watch_act_passing(d, now);
	watch_act_again(d);
	tend_parts(d, now);
	watch_work(d);
}

static void on_discover(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct sense_calls calls;
	watch_sense_calls(d, &calls);
	sense_discover(d->sense, &calls);
	d->discovered = true;
}

static void on_news(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct sense_calls calls;
	watch_sense_calls(d, &calls);
	sense_dispatch(d->sense, &calls);
}

/* The sign of life comes from the loop itself: one that hangs gives none. */
static void on_alive(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	notify_watchdog(&d->notify);
}

static void on_outcomes(evutil_socket_t fd, short what, void *arg)
{
	watch_act_outcomes(arg);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	event_base_loopbreak(d->loop);
}

static void every(struct daemon *d, struct event **ev, unsigned ms, event_callback_fn fn)
{
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000L };
	if (!*ev) {
		*ev = event_new(d->loop, -1, EV_PERSIST, fn, d);
		event_priority_set(*ev, 0); /* before whoever asks by HTTP */
	}
	event_add(*ev, &tv);
}

/* ---- another configuration ---- */

struct err *watch_read_config(struct daemon *d, struct config **ret)
{
	const struct watch_options *opt = d->opt;
	struct config *c = xcalloc(1, sizeof(*c));
	AUTO(strbuf) struct strbuf warnings;
	strbuf_init(&warnings);
	struct err *err = NULL;
	if (opt->config_path)
		err = config_read(opt->config_path, &warnings, c);
	else
		config_defaults(c);
	if (err) {
		free(c);
		return err;
	}
	tell_lines(d, NULL, warnings.buf);
	*ret = c;
	return NULL;
}

/* What is counted of an action goes with its name from one configuration to the next. */
static struct surface_action counted(const struct surface_self *self, const struct config_action *action)
{
	const char *kind = config_action_kinds[action->kind];
	struct surface_action ret = { .name = action->name, .kind = kind };
	for (size_t i = 0; i < self->n_actions; i++) {
		const struct surface_action *was = &self->actions[i];
		if (strcmp(was->kind, kind) != 0 || strcmp(was->name, action->name) != 0)
			continue;
		ret = *was;
		ret.name = action->name; /* that of the old configuration ends with it */
	}
	return ret;
}

static void name_actions(struct daemon *d)
{
	struct surface_self *self = &d->self;
	VEC(struct surface_action) all = { 0 };
	for (size_t p = 0; p < d->config->policies.n; p++) {
		const struct config_policy *policy = &d->config->policies.v[p];
		for (size_t a = 0; a < policy->actions.n; a++)
			*vec_push(&all) = counted(self, &policy->actions.v[a]);
	}
	free(self->actions);
	self->actions = all.v;
	self->n_actions = all.n;
}

static const char *listen_of(const struct daemon *d, const struct config *c)
{
	return d->opt->listen ? d->opt->listen : c->listen;
}

static char *data_of(const struct daemon *d, const struct config *c)
{
	const char *said = d->opt->data ? d->opt->data : c->data;
	return said ? xstrdup(said) : store_default_directory();
}

static void config_free(struct config *c)
{
	if (!c)
		return;
	config_deinit(c);
	free(c);
}

static struct err *configure(struct daemon *d, struct config *c)
{
	struct config *old = d->config;
	watch_policies_leave(d, c); /* while there are the chains that told of them */
	struct err *err = act_configure(d->act, c);
	if (err) {
		watch_policies(d); /* they go on as they were */
		return err;
	}
	d->config = c;
	sense_configure(d->sense, c);
	store_retain(d->store, c->retain_bytes, (int64_t)c->retain_ms * MS_NS);
	watch_policies(d);
	name_actions(d);
	every(d, &d->discover, c->discover_ms, on_discover);
	config_free(old);
	err_free(act_rehearse(d->act,
			      NULL)); /* what will not work is told when it is known; so is the end of the actor */
	return NULL;
}

/* What a daemon that runs cannot take over: it holds its socket and its directory, and has given up what it did not need. */
static void tell_later(struct daemon *d)
{
	const struct config *c = d->config;
	AUTO_FREE char *data = data_of(d, c);
	const struct {
		const char *key;
		bool differs;
	} keys[] = {
		{ "listen", strcmp(listen_of(d, c), d->listen) != 0 },
		{ "data", strcmp(data, d->data) != 0 },
		{ "kernel.bpf", c->bpf && !d->may_bpf },
		{ "kernel.log", c->kernel_log && !d->may_log },
	};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].differs)
			watch_note(d, WATCH_EVENT_NOTE, "config",
				   "%s: what is new of it comes into force when the daemon is started again",
				   keys[i].key);
	}
}

/* An event with the first that is wrong; the log has all of it. */
static void tell_refused(struct daemon *d, const struct err *err)
{
	const char *text = err_text(err), *rest = strchr(text, '\n');
	size_t more = 0;
	for (const char *s = rest; s; s = strchr(s + 1, '\n'))
		more++;
	AUTO_FREE char *further = more ? xasprintf(" (and %zu more)", more) : xstrdup("");
	watch_note(d, WATCH_EVENT_CONFIG, "refused", "the configuration before it stays in force: %.*s%s",
		   (int)strcspn(text, "\n"), text, further);
	if (more)
		tell_lines(d, NULL, rest + 1);
}

/* SIGHUP: what is wrong with the new one is told, and the old one holds. */
static void on_reload(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	struct config *c = NULL;
	notify_reloading(&d->notify);
	struct err *err = watch_read_config(d, &c);
	if (!err && (err = configure(d, c)))
		config_free(c);
	d->self.config_reloads += !err;
	d->self.config_failures += err != NULL;
	d->self.config_ok = !err;
	if (!err)
		log_init(&d->log, d->config->log);
	notify_ready(&d->notify);
	if (err)
		tell_refused(d, err);
	else
		watch_note(d, WATCH_EVENT_CONFIG, "reloaded", "the new configuration is in force");
	if (!err)
		tell_later(d);
	err_free(err);
}

/* ---- from start to end ---- */

/*
 * Nothing that is needed near the end of memory may have to be fetched then. Pages are locked when they are first used. With
 * a limit on locked memory all that is allocated later would count against it, and fail at it: then better not.
 */
static void lock_memory(struct daemon *d)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 && getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
		limit.rlim_cur = 0;
	if (limit.rlim_cur != RLIM_INFINITY)
		watch_note(d, WATCH_EVENT_NOTE, "memory", "memory is not locked: that needs LimitMEMLOCK=infinity");
	else if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		watch_note(d, WATCH_EVENT_NOTE, "memory", "memory is not locked: %s", strerrordesc_np(errno));
}

/* A snapshot, with no more rights than there will be when one is due. */
static struct err *rehearse_snapshot(struct daemon *d)
{
	struct store_blob blob = { 0 };
	TRY(store_file_begin(d->store, STORE_SNAPSHOT, "rehearsal", ".ullage", parts_now(), &blob));
	bool written = write(blob.fd, "rehearsal", 9) == 9;
	int failed = errno;
	store_file_drop(&blob);
	return written ? NULL : err_recode(err_os(failed, "a snapshot in the data directory"), ERR_WRITE);
}

/* All that is dangerous is tried before it is needed. */
static struct err *rehearse(struct daemon *d)
{
	AUTO(strbuf) struct strbuf problems;
	strbuf_init(&problems);
	TRY(act_rehearse(d->act, &problems));
	tell_lines(d, "rehearsal", problems.buf);
	lock_memory(d);
	return NULL;
}

/* What does not keep us from going on. Takes err. */
static void tell_problem(struct daemon *d, struct err *err)
{
	if (err)
		log_line(&d->log, LOG_LEVEL_WARNING, "%s", err_text(err));
	err_free(err);
}

/* From here on nothing is opened that needs a right of its own. */
static void confine(struct daemon *d)
{
	AUTO(strbuf) struct strbuf problems;
	strbuf_init(&problems);
	split_confine(d->config, &problems);
	tell_lines(d, "confine", problems.buf);
}

/*
 * Until the loop turns SIGHUP waits, as it would end us. A pipe that nobody reads, and a file that may become no larger, are
 * errors of who writes.
 */
static void guard_signals(void)
{
	sigset_t later;
	sigemptyset(&later);
	sigaddset(&later, SIGHUP);
	sigprocmask(SIG_BLOCK, &later, NULL);
	static const int of_writes[] = { SIGPIPE, SIGXFSZ };
	for (size_t i = 0; i < sizeof(of_writes) / sizeof(of_writes[0]); i++)
		(void)sigaction(of_writes[i], &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

static struct err *open_parts(struct daemon *d)
{
	const struct watch_options *opt = d->opt;
	guard_signals();
	TRY(watch_read_config(d, &d->config));
	log_init(&d->log, d->config->log);
	tell_problem(d, notify_open(&d->notify));
	/* This forks: before there is anything that the parts should not have. */
	TRY(split_open(&d->split, opt->procfs));
	TRY(act_start(&d->split.spawner, SPLIT_ACTOR, &d->act));
	TRY(act_configure(d->act, d->config));
	name_actions(d);
	d->loop = event_base_new();
	if (!d->loop || event_base_priority_init(d->loop, 2) < 0)
		return err_new(ERR_OS, "no event loop can be made");
	d->httpd = httpd_new(d->loop, watch_routes, d);
	d->listen = xstrdup(listen_of(d, d->config));
	TRY(httpd_listen(d->httpd, d->listen)); /* before anything is written */
	d->data = data_of(d, d->config);
	d->may_bpf = d->config->bpf;
	d->may_log = d->config->kernel_log;
	struct store_options keep = {
		.directory = d->data,
		.retain_bytes = d->config->retain_bytes,
		.retain_ns = (int64_t)d->config->retain_ms * MS_NS,
	};
	TRY(store_open(&keep, &d->store));
	watch_store_outcome(d, NULL); /* what opening found */
	TRY(rehearse(d));
	struct sense_options look = { d->split.procfs, "/proc/self/mountinfo", d->config };
	return sense_new(&look, &d->sense);
}

static void arm(struct daemon *d)
{
	static const struct {
		int signal;
		event_callback_fn fn;
	} rows[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		d->signals[i] = evsignal_new(d->loop, rows[i].signal, rows[i].fn, d);
		event_add(d->signals[i], NULL);
	}
	sigset_t later;
	sigemptyset(&later);
	sigaddset(&later, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &later, NULL);
	d->tick = evtimer_new(d->loop, on_tick, d);
	d->news = event_new(d->loop, sense_fd(d->sense), EV_READ | EV_PERSIST, on_news, d);
	d->outcomes = event_new(d->loop, act_fd(d->act), EV_READ | EV_PERSIST, on_outcomes, d);
	event_priority_set(d->tick, 0);
	event_priority_set(d->news, 0);
	event_add(d->news, NULL);
	event_add(d->outcomes, NULL);
	d->second = evtimer_new(d->loop, on_second, d);
	event_priority_set(d->second, 0); /* before whoever asks by HTTP */
	set_second(d);
	every(d, &d->discover, d->config->discover_ms, on_discover);
	if (d->notify.watchdog_ns > 0)
		every(d, &d->alive, (unsigned)(d->notify.watchdog_ns / (2 * (int64_t)MS_NS)), on_alive);
}

/* As it was said, with the port that port 0 became. To be freed. */
static char *listens_on(const struct daemon *d)
{
	unsigned port = httpd_port(d->httpd);
	const char *said = d->listen;
	return port ? xasprintf("%.*s:%u", (int)(strrchr(said, ':') - said), said, port) : xstrdup(said);
}

static struct err *run(struct daemon *d)
{
	arm(d);
	confine(d);
	TRY(err_wrap(rehearse_snapshot(d), "a snapshot could not be kept with the rights that remain"));
	on_discover(-1, 0, d);
	watch_round(d);
	watch_set_tick(d);
	AUTO_FREE char *listens = listens_on(d);
	watch_note(d, WATCH_EVENT_NOTE, "start", "watching %zu process%s; listening on %s", d->targets.n,
		   d->targets.n == 1 ? "" : "es", listens);
	notify_status(&d->notify, "watching %zu processes", d->targets.n);
	notify_ready(&d->notify);
	event_base_dispatch(d->loop);
	notify_stopping(&d->notify);
	watch_note(d, WATCH_EVENT_NOTE, "stop", "stopped");
	watch_store_outcome(d, store_commit(d->store)); /* while there is a log to tell */
	return NULL;
}

static void close_parts(struct daemon *d)
{
	struct event *all[] = { d->tick,       d->second,     d->discover,   d->news, d->outcomes,
				d->signals[0], d->signals[1], d->signals[2], d->alive };
	if (d->loop)
		watch_work_stop(d);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i])
			event_free(all[i]);
	}
	httpd_free(d->httpd);
	watch_drop_all(d);
	sense_free(d->sense);
	store_close(d->store);
	act_stop(d->act);
	split_close(&d->split);
	notify_close(&d->notify);
	if (d->loop)
		event_base_free(d->loop);
	for (size_t i = 0; i < d->passing.n; i++) {
		arena_deinit(&d->passing.v[i]->arena);
		free(d->passing.v[i]);
	}
	vec_deinit(&d->passing);
	arena_deinit(&d->texts);
	strbuf_deinit(&d->notes);
	free(d->self.actions);
	config_free(d->config);
	free(d->listen);
	free(d->data);
}

struct err *watch_run(const struct watch_options *opt)
{
	struct daemon d = {
		.opt = opt,
		.capture = { .pipe = -1 },
		.split = SPLIT_NONE,
		.notify = NOTIFY_NONE,
		.self = { .version = ULLAGE_VERSION, .config_ok = true },
	};
	arena_init(&d.texts);
	strbuf_init(&d.notes);
	d.self.start_wall_ns = parts_now();
	struct err *err = opt->once ? watch_once(&d) : open_parts(&d);
	if (!err && !opt->once)
		err = run(&d);
	close_parts(&d);
	return err ? err : d.failed;
}
