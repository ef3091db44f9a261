/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Kills for lack of memory: by the counters of cgroups; by the kernel's log and oom:mark_victim where that is configured.
 *
 * The kernel raises the counter of the victim's cgroup before it sends the signal. So when a process has ended, its cgroup's
 * counter tells whether there was a kill; that it was this process is certain if a SIGKILL ended it, and only probable where
 * the kernel does not say what did. The log and the tracepoint name the victim. Whatever tells first is passed on, and the other is ticked off.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "ebpf/victims.h"
#include "proc/cgroup.h"
#include "proc/pidfd.h"
#include "sense/parts.h"
#include "sense/text.h"

enum {
	TEXT = 512,
	RECORD = 8192,	/* the longest that the kernel gives out */
	RECORDS = 1000, /* at a time */
	VMSTAT = 16384,
	POLLED = 5, /* rounds between two looks at counters that nothing told of */
};

static const int64_t OVERDUE = INT64_C(2) * 1000 * 1000 * 1000;
static const int64_t REMEMBERED = INT64_C(10) * 1000 * 1000 * 1000;
static const double AT_LIMIT = 0.9; /* of its limit, when it was last seen */

/* The first pid namespace, whose numbers the log has. */
static const uint64_t FIRST_PID_NAMESPACE = UINT64_C(0xEFFFFFFC);

/* ---- telling ---- */

static bool told_lately(const struct sense *s, int pid, int64_t now)
{
	for (size_t i = 0; i < sizeof(s->killed) / sizeof(s->killed[0]); i++) {
		if (s->killed[i].pid == pid && now - s->killed[i].time_ns < REMEMBERED)
			return true;
	}
	return false;
}

static void remember(struct sense *s, int pid, int64_t now)
{
	size_t at = s->nkilled++ % (sizeof(s->killed) / sizeof(s->killed[0]));
	s->killed[at].pid = pid;
	s->killed[at].time_ns = now;
}

static void tell_target(struct sense *s, struct sense_target *t, const struct sense_calls *calls, const char *text)
{
	t->killed = true;
	remember(s, t->id.pid, sense_now());
	if (calls->oom_kill)
		calls->oom_kill(calls->arg, t, t->id.pid, t->process.comm, t->cgroup_path, text);
}

/* "cgroup /a reached its limit of 64 MiB (memory.max)" */
static void say_whose(struct sense_group *g, int64_t now, char *buf, size_t size)
{
	char limit[NUM_SIZE_LEN];
	const struct sense_group *whose = g ? sense_group_culprit(g, now) : NULL;
	if (whose)
		snprintf(buf, size, "cgroup %s reached its limit of %s (%s)", whose->path,
			 num_size(whose->limit, limit), whose->version == 1 ? "memory.limit_in_bytes" : "memory.max");
	else
		snprintf(buf, size, "no limit of its cgroups was reached, so the machine itself ran out of memory");
}

/* ---- counters ---- */

static void take_kills(struct sense_group *g, int64_t now)
{
	unsigned more = sense_group_kills(g, now);
	unsigned known = more < g->credit ? more : g->credit;
	g->credit -= known;
	g->open_kills += more - known;
}

/* A kill that the log told of: the counter has risen for it, or will. */
static void tick_off(struct sense_group *g, int64_t now)
{
	take_kills(g, now);
	if (g->open_kills)
		g->open_kills--;
	else
		g->credit++;
}

static bool machine_killed(struct sense *s)
{
	static char text[VMSTAT];
	ssize_t n = s->vmstat < 0 ? -1 : pread(s->vmstat, text, sizeof(text), 0);
	uint64_t now = n > 0 ? sense_text_key(text, (size_t)n, "oom_kill") : SENSE_UNKNOWN, before = s->machine_kills;
	s->machine_kills = now;
	return now != SENSE_UNKNOWN && before != SENSE_UNKNOWN && now > before;
}

static bool was_at_limit(const struct sense_group *g)
{
	const struct sense_group *at = g->binds ? g->binds : g;
	uint64_t limit = num_min(at->limit, at->high);
	return limit != WATCH_UNKNOWN && at->own.usage != WATCH_UNKNOWN &&
	       (double)at->own.usage >= AT_LIMIT * (double)limit;
}

/* How sure it is that the end of `t` was a kill for lack of memory. */
enum sureness { NO, PROBABLY, CERTAINLY };

static enum sureness judge(struct sense *s, struct sense_target *t, int signal, int64_t now)
{
	struct sense_group *g = t->group;
	if (g)
		take_kills(g, now);
	if (g && g->open_kills) {
		g->open_kills--;
		return signal == SIGKILL ? CERTAINLY : PROBABLY;
	}
	/* Removed together with its counter, as service managers do at once: what is left is what was seen before. */
	if (g && g->dead)
		return signal == SIGKILL && was_at_limit(g) && machine_killed(s) ? PROBABLY : NO;
	if (g && g->kills != WATCH_UNKNOWN)
		return NO;
	return machine_killed(s) ? PROBABLY : NO;
}

/* It may also have ended as a target only: no rule names it any more. */
static bool lives(const struct sense_target *t)
{
	return t->pidfd >= 0 ? !proc_pidfd_ended(t->pidfd) : faccessat(t->process.dir, "stat", F_OK, 0) == 0;
}

void sense_oom_of_target(struct sense *s, struct sense_target *t, const struct sense_calls *calls)
{
	if (lives(t))
		return;
	if (t->killed) {
		if (t->group)
			tick_off(t->group, sense_now());
		return;
	}
	int64_t now = sense_now();
	int signal = t->pidfd >= 0 ? proc_pidfd_signal(t->pidfd, &t->process) : -1;
	if (signal >= 0 && signal != SIGKILL)
		return;
	enum sureness sure = judge(s, t, signal, now);
	if (sure == NO || told_lately(s, t->id.pid, now))
		return;
	char whose[TEXT], text[TEXT + 128];
	say_whose(t->group, now, whose, sizeof(whose));
	snprintf(text, sizeof(text), "%s by the kernel for lack of memory: %s",
		 sure == CERTAINLY ? "killed" : "probably killed", whose);
	tell_target(s, t, calls, text);
}

void sense_oom_overdue(struct sense *s, const struct sense_calls *calls)
{
	int64_t now = sense_now();
	for (size_t i = 0; i < s->groups.v.n; i++) {
		struct sense_group *g = s->groups.v.v[i];
		if (!g->members || g->dead)
			continue;
		if (g->news || g->open_kills || s->round % POLLED == 0)
			take_kills(g, now);
		if (g->credit && now - g->kill_ns > REMEMBERED)
			g->credit = 0;
		if (!g->open_kills || now - g->kill_ns < OVERDUE)
			continue;
		char whose[TEXT], text[TEXT + 128];
		say_whose(g, g->kill_ns, whose, sizeof(whose));
		snprintf(text, sizeof(text), "the kernel killed %u %s of this cgroup for lack of memory: %s",
			 g->open_kills, g->open_kills == 1 ? "process" : "processes", whose);
		g->open_kills = 0;
		if (calls->oom_kill)
			calls->oom_kill(calls->arg, NULL, 0, NULL, g->path, text);
	}
}

/* ---- the log ---- */

static bool first_namespace(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == FIRST_PID_NAMESPACE;
}

static void open_log(struct sense *s, const struct sense_calls *calls)
{
	s->kmsg_source = SENSE_SOURCE_LOG;
	s->kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &s->kmsg_source };
	if (s->kmsg < 0 || lseek(s->kmsg, 0, SEEK_END) < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->kmsg, &ev) != 0)
		sense_note(s, calls,
			   "the kernel's log cannot be read (%s; CAP_SYSLOG is needed): kills for lack of memory "
			   "are told by the counters of cgroups",
			   strerrordesc_np(errno));
}

static void open_victims(struct sense *s, const struct sense_calls *calls)
{
	s->victims_source = SENSE_SOURCE_VICTIMS;
	s->victims_tried = true;
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &s->victims_source };
	struct err *err AUTO(err) = ebpf_victims_open(&s->victims);
	if (!err && epoll_ctl(s->epoll, EPOLL_CTL_ADD, ebpf_victims_fd(s->victims), &ev) != 0)
		err = err_os(errno, "waiting for oom:mark_victim");
	if (err)
		sense_note(s, calls, "%s; kills for lack of memory are told by the counters of cgroups", err_text(err));
	malloc_trim(0); /* loading took some megabytes */
}

static void close_log(struct sense *s)
{
	if (s->kmsg >= 0)
		close(s->kmsg); /* which takes it out of epoll */
	s->kmsg = -1;
}

void sense_oom_close(struct sense *s)
{
	close_log(s);
	ebpf_victims_close(s->victims);
	s->victims = NULL;
	s->victims_tried = false;
}

void sense_oom_open(struct sense *s, const struct sense_calls *calls)
{
	if (!s->config->kernel_log)
		close_log(s);
	else if (s->kmsg < 0)
		open_log(s, calls);
	if (s->config->bpf && !s->victims_tried)
		open_victims(s, calls);
	else if (!s->config->bpf && s->victims) {
		ebpf_victims_close(s->victims);
		s->victims = NULL;
		s->victims_tried = false;
	}
}

/* A number that the kernel told just now is nobody else's yet. */
static struct sense_target *by_pid(const struct sense *s, int pid)
{
	for (size_t i = 0; i < s->targets.n; i++) {
		struct sense_target *t = s->targets.v[i];
		if (t->id.pid == pid)
			return t;
	}
	return NULL;
}

static struct sense_group *by_path(const struct sense *s, const char *path)
{
	for (size_t i = 0; i < s->groups.v.n; i++) {
		if (!strcmp(s->groups.v.v[i]->path, path))
			return s->groups.v.v[i];
	}
	return NULL;
}

static void take_line(struct sense *s, const struct sense_oom_line *line, const struct sense_calls *calls)
{
	int64_t now = sense_now();
	struct sense_target *t = by_pid(s, line->pid);
	struct sense_group *g = t ? t->group : by_path(s, line->task_path);
	if (told_lately(s, line->pid, now))
		return;
	char text[TEXT];
	bool machine = !*line->limit_path;
	snprintf(text, sizeof(text), "killed by the kernel for lack of memory: %s%s%s", machine ? "" : "cgroup ",
		 machine ? "the machine itself" : line->limit_path,
		 machine ? " ran out of memory" : " reached its limit");
	if (t) {
		tell_target(s, t, calls, text);
		return;
	}
	if (g)
		tick_off(g, now);
	remember(s, line->pid, now);
	if (calls->oom_kill)
		calls->oom_kill(calls->arg, NULL, line->pid, line->comm, line->task_path, text);
}

void sense_oom_log(struct sense *s, const struct sense_calls *calls)
{
	char record[RECORD];
	bool ours = first_namespace();
	for (unsigned i = 0; i < RECORDS && s->kmsg >= 0; i++) {
		struct sense_oom_line line;
		ssize_t n = read(s->kmsg, record, sizeof(record));
		if (n < 0 && (errno == EPIPE || errno == EINTR)) /* records were overwritten before we came */
			continue;
		if (n <= 0)
			return;
		if (ours && sense_text_oom(record, (size_t)n, &line))
			take_line(s, &line, calls);
	}
}

/* ---- oom:mark_victim ---- */

struct victim {
	struct sense *s;
	const struct sense_calls *calls;
};

/* It has the signal, and memory to give back, so it can still be asked who it is. */
static void tell_other(struct sense *s, int pid, const struct sense_calls *calls, const char *text)
{
	struct arena arena;
	struct proc_process p AUTO(proc_process);
	const char *path = NULL;
	arena_init(&arena);
	struct err *err = proc_process_open(s->procfs, pid, &p);
	bool known = !err;
	if (known) /* an ended one is in no cgroup any more, which is no error */
		err = proc_cgroup_path(&p, &arena, &path);
	if (calls->oom_kill)
		calls->oom_kill(calls->arg, NULL, pid, known ? p.comm : NULL, path, text);
	err_free(err);
	arena_deinit(&arena);
}

static void take_victim(void *arg, int pid)
{
	const struct victim *v = arg;
	int64_t now = sense_now();
	struct sense_target *t = by_pid(v->s, pid);
	if (told_lately(v->s, pid, now))
		return;
	if (!t) {
		remember(v->s, pid, now);
		tell_other(v->s, pid, v->calls, "killed by the kernel for lack of memory");
		return;
	}
	char whose[TEXT], text[TEXT + 128];
	say_whose(t->group, now, whose, sizeof(whose));
	snprintf(text, sizeof(text), "killed by the kernel for lack of memory: %s", whose);
	tell_target(v->s, t, v->calls, text);
}

void sense_oom_victims(struct sense *s, const struct sense_calls *calls)
{
	struct victim v = { s, calls };
	if (s->victims && first_namespace())
		ebpf_victims_take(s->victims, take_victim, &v);
}
