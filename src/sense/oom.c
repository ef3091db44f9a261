/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Kills for lack of memory: by the counters of cgroups; by the kernel's log and oom:mark_victim where that is configured.
 *
 * The kernel raises the counter of the victim's cgroup before it sends the signal. So when a process has ended, its cgroup's
 * counter tells whether there was a kill; that it was this process is certain if a SIGKILL ended it, and only probable where
 * the kernel does not say what did. The log and the tracepoint name the victim. Whatever tells first is passed on, and the other is ticked off.
 *
 * The machine's own sum is the check: what it has more than the watched cgroups account for was killed where nothing is watched,
 * or before it was found. Then all cgroups are asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
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
	SMALL = 64,
	PROCS = 16384, /* of cgroup.procs: some two thousand */
	OTHERS = 256,  /* of one cgroup that are remembered */
	REAPED_MS = 8, /* a parent that waits for its child has it by then */
	POLLED = 5,    /* rounds between two looks at counters that nothing told of */
};

static const int64_t OVERDUE = INT64_C(2) * 1000 * 1000 * 1000;
static const int64_t ENDING = INT64_C(30) * 1000 * 1000 * 1000; /* an exit takes at most that long */
static const int64_t REMEMBERED = INT64_C(10) * 1000 * 1000 * 1000;

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

static const char *limit_file(const struct sense_group *g)
{
	return g->version == 1 ? "memory.limit_in_bytes" : "memory.max";
}

/* "cgroup /a reached its limit of 64 MiB (memory.max)" */
static void say_whose(struct sense_group *g, int64_t now, char *buf, size_t size)
{
	char limit[NUM_SIZE_LEN];
	const struct sense_group *whose = g ? sense_group_culprit(g, now) : NULL;
	const struct sense_group *last = g && g->binds ? g->binds : g, *top = g;
	while (top && top->parent)
		top = top->parent;
	if (whose && whose->limit == WATCH_UNKNOWN) /* it was set just now */
		snprintf(buf, size, "cgroup %s reached its limit (%s)", whose->path, limit_file(whose));
	else if (whose)
		snprintf(buf, size, "cgroup %s reached its limit of %s (%s)", whose->path,
			 num_size(whose->limit, limit), limit_file(whose));
	else if (g && g->dead && last->limit != WATCH_UNKNOWN)
		snprintf(buf, size, "cgroup %s had a limit of %s (%s), and is gone by now", last->path,
			 num_size(last->limit, limit), limit_file(last));
	else if (g && g->dead)
		snprintf(buf, size, "its cgroup %s is gone by now", g->path);
	else if (!g || g->ooms == WATCH_UNKNOWN)
		snprintf(buf, size, "whose limit was reached is not known");
	else if (top->beyond)
		snprintf(buf, size,
			 "no limit that is visible from here was reached: it was that of a cgroup above %s, or the "
			 "machine itself ran out of memory",
			 top->path);
	else
		snprintf(buf, size, "no limit of its cgroups was reached, so the machine itself ran out of memory");
}

/* ---- counters ---- */

static void take_kills(struct sense *s, struct sense_group *g, int64_t now)
{
	unsigned more = sense_group_take_kills(g, now);
	unsigned known = more < g->credit ? more : g->credit;
	g->credit -= known;
	g->open_kills += more - known;
	s->loose -= more;
}

/* A kill that the log told of: the counter has risen for it, or will. */
static void tick_off(struct sense *s, struct sense_group *g, int64_t now)
{
	take_kills(s, g, now);
	if (g->open_kills)
		g->open_kills--;
	else
		g->credit++;
}

/* The machine's sum first, then what the watched cgroups have of it: never the other way round. */
static void count_all(struct sense *s, int64_t now)
{
	static char text[VMSTAT];
	ssize_t n = s->vmstat < 0 ? -1 : pread(s->vmstat, text, sizeof(text), 0);
	uint64_t sum = n > 0 ? sense_text_key(text, (size_t)n, "oom_kill") : SENSE_UNKNOWN, before = s->machine_kills;
	s->machine_kills = sum;
	if (sum == SENSE_UNKNOWN || before == SENSE_UNKNOWN) {
		s->loose = 0;
		return;
	}
	if (sum <= before)
		return;
	s->loose += (int64_t)num_min(sum - before, UINT32_MAX);
	for (size_t i = 0; i < s->groups.v.n; i++) {
		struct sense_group *g = s->groups.v.v[i];
		if (g->members)
			take_kills(s, g, now);
	}
}

/* ---- where nothing is watched ---- */

struct killed {
	struct sense *s;
	const struct sense_calls *calls;
};

static void tell_unwatched(void *arg, const struct sense_killed *k)
{
	const struct killed *v = arg;
	char limit[NUM_SIZE_LEN], text[2 * TEXT];
	if (v->s->loose <= 0) /* told already by whatever else tells */
		return;
	bool one = k->n == 1, own = !strcmp(k->path, k->limit_path);
	v->s->loose -= (int64_t)k->n;
	int at = snprintf(
		text, sizeof(text),
		"the kernel killed %s%llu %s of cgroup %.400s for lack of memory; nothing of it was watched yet, so %s "
		"not known; ",
		k->whole && !one ? "up to " : "", (unsigned long long)k->n, one ? "process" : "processes", k->path,
		one ? "which one is" : "which ones is");
	if (k->limit == WATCH_UNKNOWN)
		snprintf(text + at, sizeof(text) - (size_t)at, "it has no limit");
	else
		snprintf(text + at, sizeof(text) - (size_t)at, "%s%.400s has a limit of %s", own ? "it" : "cgroup ",
			 own ? "" : k->limit_path, num_size(k->limit, limit));
	if (v->calls->oom_kill)
		v->calls->oom_kill(v->calls->arg, NULL, 0, NULL, k->path, text);
}

/* Kills that no watched cgroup accounts for: all are asked, and what is left is of those that are gone. */
static bool look_for_loose(struct sense *s, int64_t now, const struct sense_calls *calls)
{
	struct killed v = { s, calls };
	count_all(s, now);
	return s->loose > 0 && sense_kills_walk(&s->kills, &s->groups, now, tell_unwatched, &v);
}

/* Does the machine's sum say so, and no cgroup that is still there account for it? */
static bool is_unexplained(struct sense *s, int64_t now, const struct sense_calls *calls)
{
	(void)look_for_loose(s, now, calls);
	if (s->loose <= 0)
		return false;
	s->loose--;
	return true;
}

/*
 * Those that are watched themselves and on their way to their end, which may take seconds: that tells of them. In `g`, or
 * anywhere (NULL); all but `except`.
 */
static unsigned ending(const struct sense *s, const struct sense_group *g, const struct sense_target *except)
{
	unsigned n = 0;
	for (size_t i = 0; i < s->targets.n; i++) {
		const struct sense_target *t = s->targets.v[i];
		n += t != except && (!g || t->group == g) && !t->killed && sense_target_is_exiting(t);
	}
	return n;
}

static bool first_namespace(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == FIRST_PID_NAMESPACE;
}

static void tell_loose(struct sense *s, int64_t now, const struct sense_calls *calls)
{
	bool named = s->kmsg >= 0 || s->victims; /* these come by themselves, and soon */
	count_all(s, now);
	if (s->loose <= 0) {
		s->loose_ns = 0;
		return;
	}
	s->loose_ns = s->loose_ns ? s->loose_ns : now;
	int64_t age = now - s->loose_ns;
	if ((named && age < OVERDUE) || !look_for_loose(s, now, calls) || s->loose <= 0 || age < OVERDUE)
		return;
	if (age < ENDING && s->loose <= ending(s, NULL, NULL))
		return;
	/* In a container the sum is of the whole machine, and what others do there is not told. */
	if (first_namespace() && s->kills.root && calls->oom_kill) {
		char text[TEXT];
		snprintf(text, sizeof(text),
			 "the kernel killed %lld %s for lack of memory, in a cgroup that %s: kernel.log or kernel.bpf "
			 "of the configuration would name each",
			 (long long)s->loose, s->loose == 1 ? "process" : "processes",
			 s->kills.part ? "is not visible from here, or is gone by now"
				       : "was not watched yet and is gone by now");
		calls->oom_kill(calls->arg, NULL, 0, NULL, NULL, text);
	}
	s->loose = 0;
}

/* ---- one target's end ---- */

/* Lately: after a kill there is room again, and a look may have seen that. */
static bool was_full(const struct sense_group *g, int64_t now)
{
	for (; g; g = g->parent) {
		if (g->full_ns && now - g->full_ns < REMEMBERED)
			return true;
	}
	return false;
}

/* How sure it is that the end of `t` was a kill for lack of memory. */
enum sureness { NO, PROBABLY, CERTAINLY };

static enum sureness judge(struct sense *s, struct sense_target *t, int signal, int64_t now,
			   const struct sense_calls *calls)
{
	struct sense_group *g = t->group;
	if (g)
		take_kills(s, g, now);
	if (g && g->open_kills) {
		g->open_kills--;
		return signal == SIGKILL ? CERTAINLY : PROBABLY;
	}
	if (g && !g->dead && g->kills != WATCH_UNKNOWN)
		return NO;
	/* Removed together with its counter, as service managers do at once: what is left is the machine's. */
	bool may = signal == SIGKILL || !g || was_full(g, now);
	return may && is_unexplained(s, now, calls) ? PROBABLY : NO;
}

/* It may also have ended as a target only: no rule names it any more. */
static bool lives(const struct sense_target *t)
{
	return t->pidfd >= 0 ? !proc_pidfd_ended(t->pidfd) : faccessat(t->process.dir, "stat", F_OK, 0) == 0;
}

/*
 * The kernel tells it to those who might trace the process, and to all once its parent has asked: which is a matter of moments.
 * They are waited for only if there was a kill.
 */
static int signal_of(struct sense *s, struct sense_target *t, int64_t now)
{
	int signal = t->pidfd >= 0 ? proc_pidfd_signal(t->pidfd, &t->process) : -1;
	if (t->group)
		take_kills(s, t->group, now);
	bool matters = t->pidfd >= 0 && t->group && t->group->open_kills;
	for (unsigned ms = 0; matters && signal < 0 && ms < REAPED_MS; ms++) {
		(void)poll(NULL, 0, 1);
		signal = proc_pidfd_signal(t->pidfd, &t->process);
	}
	return signal;
}

static void tell_end(struct sense *s, struct sense_target *t, int64_t now, const struct sense_calls *calls)
{
	if (t->killed) {
		if (t->group)
			tick_off(s, t->group, now);
		return;
	}
	int signal = signal_of(s, t, now);
	if (signal >= 0 && signal != SIGKILL)
		return;
	enum sureness sure = judge(s, t, signal, now, calls);
	if (sure == NO || told_lately(s, t->id.pid, now))
		return;
	char whose[TEXT], text[TEXT + 128];
	say_whose(t->group, now, whose, sizeof(whose));
	snprintf(text, sizeof(text), "%s by the kernel for lack of memory: %s",
		 sure == CERTAINLY ? "killed" : "probably killed", whose);
	tell_target(s, t, calls, text);
}

/* ---- others in a watched cgroup ---- */

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

static struct sense_other *other_of(struct sense_group *g, int pid)
{
	for (size_t i = 0; i < g->others.n; i++) {
		if (g->others.v[i].pid == pid)
			return &g->others.v[i];
	}
	return NULL;
}

static void see_other(const struct sense *s, struct sense_group *g, int pid)
{
	char text[SMALL * 2];
	struct sense_statm m;
	struct sense_other *o = other_of(g, pid);
	if (!o && g->others.n >= OTHERS)
		return;
	size_t n = sense_read_of(s, pid, "statm", text, sizeof(text));
	if (!n || !sense_text_statm(text, n, &m) || !m.size) /* it is ending: what it was stays */
		return;
	if (!o) {
		o = vec_push(&g->others);
		*o = (struct sense_other){ .pid = pid };
	}
	o->rss = m.resident * (uint64_t)sysconf(_SC_PAGESIZE);
	n = sense_read_of(s, pid, "comm", o->comm, sizeof(o->comm));
	if (n && o->comm[n - 1] == '\n')
		o->comm[n - 1] = 0;
}

void sense_oom_list(struct sense *s, struct sense_group *g, int64_t now)
{
	char text[PROCS];
	g->list = false;
	if (g->fd[SENSE_PROCS] < 0 || !s->own_procfs)
		return;
	ssize_t n = pread(g->fd[SENSE_PROCS], text, sizeof(text), 0);
	if (n < 0 && errno != ENODEV) /* of one that was removed all are gone */
		return;
	for (size_t i = 0; i < g->others.n; i++) {
		struct sense_other *o = &g->others.v[i];
		o->gone_ns = o->gone_ns ? o->gone_ns : now;
	}
	for (const char *p = text, *end = text + (n > 0 ? n : 0), *stop; p < end; p = stop + 1) {
		uint64_t pid = 0;
		stop = memchr(p, '\n', (size_t)(end - p));
		if (!stop) /* the rest did not fit */
			break;
		if (!num_dec(p, (size_t)(stop - p), &pid) || !pid || pid > INT32_MAX)
			continue;
		struct sense_other *o = other_of(g, (int)pid);
		if (o)
			o->gone_ns = 0;
		see_other(s, g, (int)pid);
	}
	size_t kept = 0;
	for (size_t i = 0; i < g->others.n; i++) {
		const struct sense_other *o = &g->others.v[i];
		if (!o->gone_ns || now - o->gone_ns < REMEMBERED)
			g->others.v[kept++] = *o;
	}
	g->others.n = kept;
}

/* Of those that are gone since and not watched themselves, the largest that nobody told of. */
static struct sense_other *victim_of(struct sense *s, struct sense_group *g, int64_t now)
{
	struct sense_other *best = NULL;
	for (size_t i = 0; i < g->others.n; i++) {
		struct sense_other *o = &g->others.v[i];
		const struct sense_target *t = by_pid(s, o->pid);
		bool other = o->gone_ns && !told_lately(s, o->pid, now) && (!t || t->group != g);
		if (other && (!best || o->rss > best->rss))
			best = o;
	}
	return best;
}

static void tell_nameless(const struct sense_group *g, unsigned n, const char *whose, const struct sense_calls *calls)
{
	char text[TEXT + 128];
	snprintf(text, sizeof(text), "the kernel killed %u %s of this cgroup for lack of memory: %s", n,
		 n == 1 ? "process" : "processes", whose);
	if (n && calls->oom_kill)
		calls->oom_kill(calls->arg, NULL, 0, NULL, g->path, text);
}

static unsigned take(unsigned *from, unsigned most)
{
	unsigned n = *from < most ? *from : most;
	*from -= n;
	return n;
}

/* Of the kills that are left, those that are nobody's second one: for sure, or as all that were there before have been told of. */
static unsigned counted_once(struct sense_group *g)
{
	unsigned left = g->open_kills - take(&g->twice, g->open_kills);
	return g->others.n ? left - take(&g->perhaps_twice, left) : left;
}

/* Kills in a watched cgroup of processes that are not watched: a child, a sidecar. `ended`: of whose end all is told, or NULL. */
static void tell_others(struct sense *s, struct sense_group *g, const struct sense_target *ended, int64_t now,
			const struct sense_calls *calls)
{
	char whose[TEXT], text[TEXT + 128], size[NUM_SIZE_LEN];
	sense_oom_list(s, g, now);
	unsigned wait = ending(s, g, ended);
	if (g->open_kills <= wait)
		return;
	say_whose(g, g->kill_ns, whose, sizeof(whose));
	g->open_kills -= wait;
	for (struct sense_other *o; g->open_kills && (o = victim_of(s, g, now)); g->open_kills--) {
		snprintf(text, sizeof(text),
			 "probably killed by the kernel for lack of memory: %s; its RSS was %s when it was "
			 "last seen",
			 whose, num_size(o->rss, size));
		remember(s, o->pid, now);
		if (calls->oom_kill)
			calls->oom_kill(calls->arg, NULL, o->pid, o->comm, g->path, text);
	}
	unsigned left = counted_once(g);
	if (left && left <= g->perhaps_twice)
		snprintf(whose + strlen(whose), sizeof(whose) - strlen(whose),
			 "; if it is not one that was told of, as the first to die with all below a cgroup is counted "
			 "twice (memory.oom.group)");
	tell_nameless(g, left, whose, calls);
	g->open_kills = wait;
}

/* The last one that is watched in its cgroup: what is not told now of others there never is. */
void sense_oom_of_target(struct sense *s, struct sense_target *t, const struct sense_calls *calls)
{
	int64_t now = sense_now();
	struct sense_group *g = t->group;
	if (!lives(t))
		tell_end(s, t, now, calls);
	if (g && g->members == 1 && g->open_kills)
		tell_others(s, g, t, now, calls);
}

/* What was killed in it before anything of it was watched. */
static void tell_early(struct sense *s, struct sense_group *g, const struct sense_calls *calls)
{
	if (!g->early)
		return;
	s->loose -= g->early;
	tell_nameless(g, g->early, "it was not watched yet", calls);
	g->early = 0;
}

void sense_oom_overdue(struct sense *s, const struct sense_calls *calls)
{
	int64_t now = sense_now();
	if (!s->kills.begun) {
		count_all(s, now);
		sense_kills_begin(&s->kills, &s->groups, s->mountinfo);
	}
	for (size_t i = 0; i < s->groups.v.n; i++) {
		struct sense_group *g = s->groups.v.v[i];
		if (!g->members || g->dead)
			continue;
		if (g->news || g->open_kills || s->round % POLLED == 0)
			take_kills(s, g, now);
		bool old = now - g->kill_ns > REMEMBERED;
		g->credit = old ? 0 : g->credit;
		if (old && !g->open_kills) /* who is killed may take long to end */
			g->twice = g->perhaps_twice = 0;
		tell_early(s, g, calls);
		if (g->open_kills && now - g->kill_ns >= OVERDUE)
			tell_others(s, g, NULL, now, calls);
	}
	tell_loose(s, now, calls);
	sense_kills_forget(&s->kills);
}

/* ---- the log ---- */

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
	if (s->kmsg >= 0) {
		(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->kmsg, NULL);
		close(s->kmsg);
	}
	s->kmsg = -1;
}

static void close_victims(struct sense *s)
{
	if (s->victims)
		(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, ebpf_victims_fd(s->victims), NULL);
	ebpf_victims_close(s->victims);
	s->victims = NULL;
	s->victims_tried = false;
}

void sense_oom_close(struct sense *s)
{
	close_log(s);
	close_victims(s);
}

void sense_oom_open(struct sense *s, const struct sense_calls *calls)
{
	if (!s->config->kernel_log)
		close_log(s);
	else if (s->kmsg < 0)
		open_log(s, calls);
	if (s->config->bpf && !s->victims_tried)
		open_victims(s, calls);
	else if (!s->config->bpf && s->victims)
		close_victims(s);
}

static struct sense_group *by_path(const struct sense *s, const char *path)
{
	for (size_t i = 0; i < s->groups.v.n; i++) {
		if (!strcmp(s->groups.v.v[i]->path, path))
			return s->groups.v.v[i];
	}
	return NULL;
}

/* A kill that was told and is of no target: its cgroup's counter, or only the machine's, has it too. */
static void told_elsewhere(struct sense *s, struct sense_group *g, const char *path, int64_t now)
{
	if (g && g->members && !g->dead) {
		tick_off(s, g, now);
		return;
	}
	s->loose--;
	if (path)
		sense_kills_told_in(&s->kills, path);
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
	told_elsewhere(s, g, line->task_path, now);
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
	told_elsewhere(s, path ? by_path(s, path) : NULL, path, sense_now());
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
