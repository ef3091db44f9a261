/* SPDX-License-Identifier: Apache-2.0 */
#include "sense/sense.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "proc/opener.h"
#include "sense/discover.h"
#include "sense/parts.h"

enum {
	NOTE = 512,
	NOTES_MAX = 256, /* different sentences; after them it is silent */
	EVENTS = 64,
	BATCHES = 64,
	FDS_WANTED = 1 << 20,
	PATH_TEXT = 64,
};

/* News of a cgroup under pressure come every 10 ms; looks need not. */
static const int64_t BETWEEN_URGENT = INT64_C(50) * 1000 * 1000;

/* ---- notes ---- */

static void tell_note(struct sense *s, const struct sense_calls *calls, const char *text)
{
	bool fresh = false;
	if (s->told.n >= NOTES_MAX && !hash_map_get(&s->told, hash_bytes(text, strlen(text))))
		return;
	(void)hash_map_at(&s->told, hash_bytes(text, strlen(text)), &fresh);
	if (fresh && calls->note)
		calls->note(calls->arg, text);
}

void sense_note(struct sense *s, const struct sense_calls *calls, const char *fmt, ...)
{
	char text[NOTE];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (calls)
		tell_note(s, calls, text);
	else if (s->notes.n < NOTES_MAX)
		*vec_push(&s->notes) = xstrdup(text);
}

void sense_notes_flush(struct sense *s, const struct sense_calls *calls)
{
	for (size_t i = 0; i < s->notes.n; i++) {
		tell_note(s, calls, s->notes.v[i]);
		free(s->notes.v[i]);
	}
	s->notes.n = 0;
}

size_t sense_read_of(const struct sense *s, int pid, const char *name, char *buf, size_t size)
{
	char path[PATH_TEXT];
	snprintf(path, sizeof(path), "%d/%s", pid, name);
	AUTO_CLOSE int fd = openat(s->proc_dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);
	buf[n > 0 ? n : 0] = 0;
	return n > 0 ? (size_t)n : 0;
}

/* ---- beginning and end ---- */

/* The soft limit of descriptors goes up to the hard one; how many that leaves for those who are watched. */
static size_t raise_limit(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		return 0;
	rlim_t want = l.rlim_max == RLIM_INFINITY || l.rlim_max > FDS_WANTED ? FDS_WANTED : l.rlim_max;
	struct rlimit more = { want, l.rlim_max };
	if (want > l.rlim_cur && setrlimit(RLIMIT_NOFILE, &more) == 0)
		l.rlim_cur = want;
	return (size_t)num_sub(l.rlim_cur, SENSE_FDS_SPARE);
}

static int open_below(const char *procfs, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", proc_opener_dir(procfs), name);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* Is this the procfs of our own pid namespace? */
static bool is_own(const char *procfs)
{
	struct stat a, b;
	return stat(proc_opener_dir(procfs), &a) == 0 && stat("/proc", &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

struct err *sense_new(const struct sense_options *opt, struct sense **ret)
{
	*ret = NULL;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		return err_os(errno, "making an epoll instance");
	struct sense *s = xcalloc(1, sizeof(*s));
	*s = (struct sense){
		.procfs = xstrdup(opt->procfs),
		.mountinfo = xstrdup(opt->mountinfo),
		.config = opt->config,
		.own_procfs = is_own(opt->procfs),
		.epoll = epoll,
		.proc_dir = open(proc_opener_dir(opt->procfs), O_PATH | O_DIRECTORY | O_CLOEXEC),
		.loadavg = open_below(opt->procfs, "loadavg"),
		.meminfo = open_below(opt->procfs, "meminfo"),
		.vmstat = open_below(opt->procfs, "vmstat"),
		.kmsg = -1,
		.descriptors = raise_limit(),
		.available = WATCH_UNKNOWN,
		.total = WATCH_UNKNOWN,
		.machine_kills = WATCH_UNKNOWN,
		.reconfigured = true,
	};
	struct stat st;
	if (stat("/proc/self/exe", &st) == 0) {
		s->own_dev = st.st_dev;
		s->own_inode = st.st_ino;
	}
	sense_groups_init(&s->groups, epoll);
	s->groups.kills = &s->kills;
	sense_machine(s, sense_now());
	*ret = s;
	return NULL;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void sense_free(struct sense *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->targets.n; i++)
		sense_target_free(s, s->targets.v[i]);
	vec_deinit(&s->targets);
	sense_groups_deinit(&s->groups);
	sense_programs_deinit(&s->programs);
	vec_deinit(&s->seen);
	vec_deinit(&s->merged);
	for (size_t i = 0; i < s->notes.n; i++)
		free(s->notes.v[i]);
	vec_deinit(&s->notes);
	hash_map_deinit(&s->told);
	sense_kills_deinit(&s->kills);
	sense_oom_close(s);
	close_fd(s->vmstat);
	close_fd(s->meminfo);
	close_fd(s->loadavg);
	close_fd(s->proc_dir);
	close_fd(s->epoll);
	free(s->procfs);
	free(s->mountinfo);
	free(s);
}

void sense_configure(struct sense *s, const struct config *config)
{
	s->config = config;
	s->groups.config = NULL; /* until the next round looks at it: nobody knows what was freed */
	s->reconfigured = true;
}

int sense_fd(const struct sense *s)
{
	return s->epoll;
}

/* ---- the list ---- */

size_t sense_count(const struct sense *s)
{
	return s->targets.n;
}

struct sense_target *sense_at(const struct sense *s, size_t i)
{
	return s->targets.v[i];
}

void sense_set_data(struct sense_target *t, void *data)
{
	t->data = data;
}

void *sense_data(const struct sense_target *t)
{
	return t->data;
}

void sense_describe(struct sense_target *t, struct watch_target *ret)
{
	t->lent = true;
	const struct sense_program *p = t->program;
	ret->id = t->id;
	ret->key = t->key;
	ret->comm = t->process.comm;
	ret->exe = t->exe;
	ret->go_version = p ? p->go_version : NULL;
	ret->build_id = p ? p->build_id : NULL;
	ret->module = p ? p->module : NULL;
	ret->is_go = p && p->is_go;
	ret->go_known = p != NULL;
	ret->container = t->container;
	ret->unit = t->unit;
	ret->cgroup_path = t->cgroup_path;
	ret->limit_source = t->group && *t->group->limit_source ? t->group->limit_source : "MemAvailable";
	ret->first_wall_ns = t->first_wall_ns;
}

void sense_target_end(struct sense *s, struct sense_target *t, const struct sense_calls *calls)
{
	size_t i = t->index;
	sense_oom_of_target(s, t, calls);
	if (calls->ended)
		calls->ended(calls->arg, t);
	s->targets.v[i] = s->targets.v[--s->targets.n];
	s->targets.v[i]->index = i;
	sense_forget_pid(s, t->id.pid);
	sense_target_free(s, t);
}

/* ---- what the kernel tells ---- */

static void take_event(struct sense *s, enum sense_source *source, const struct sense_calls *calls)
{
	/* A source is the first member of what it is of. */
	switch (*source) {
	case SENSE_SOURCE_TARGET:
		((struct sense_target *)(void *)source)->ended = true;
		break;
	case SENSE_SOURCE_GROUP:
		sense_group_triggered((struct sense_group *)(void *)source, sense_now());
		break;
	case SENSE_SOURCE_INOTIFY:
		sense_groups_inotify(&s->groups);
		break;
	case SENSE_SOURCE_LOG:
		sense_oom_log(s, calls);
		break;
	case SENSE_SOURCE_VICTIMS:
		sense_oom_victims(s, calls);
		break;
	}
}

static int larger_first(const void *a, const void *b)
{
	const struct sense_target *x = *(struct sense_target *const *)a, *y = *(struct sense_target *const *)b;
	return x->rss > y->rss ? -1 : x->rss < y->rss;
}

/* Of several that ended at once in one cgroup, the kernel's choice was the largest. */
void sense_end_ended(struct sense *s, const struct sense_calls *calls)
{
	struct sense_target_vec ended = { 0 };
	for (size_t i = 0; i < s->targets.n; i++) {
		if (s->targets.v[i]->ended)
			*vec_push(&ended) = s->targets.v[i];
	}
	vec_sort(&ended, larger_first);
	for (size_t i = 0; i < ended.n; i++)
		sense_target_end(s, ended.v[i], calls);
	vec_deinit(&ended);
}

static bool has_news(const struct sense_target *t)
{
	for (const struct sense_group *g = t->group; g; g = g->parent) {
		if (g->urgent)
			return true;
	}
	return false;
}

static void pass_on(struct sense *s, const struct sense_calls *calls)
{
	bool any = false;
	int64_t now = sense_now();
	for (size_t i = 0; i < s->groups.v.n; i++) {
		struct sense_group *g = s->groups.v.v[i];
		g->urgent = g->wake && now - g->urgent_ns >= BETWEEN_URGENT;
		if (!g->urgent)
			continue;
		g->urgent_ns = now;
		g->wake = false;
		any = true;
	}
	/* From the end: a target that is found to have ended may be taken out by the call. */
	for (size_t i = s->targets.n; any && calls->urgent && i-- > 0;) {
		if (i < s->targets.n && has_news(s->targets.v[i]))
			calls->urgent(calls->arg, s->targets.v[i]);
	}
}

void sense_dispatch(struct sense *s, const struct sense_calls *calls)
{
	struct epoll_event events[EVENTS];
	sense_notes_flush(s, calls);
	int n = EVENTS;
	for (unsigned batch = 0; batch < BATCHES && n == EVENTS; batch++) {
		n = epoll_wait(s->epoll, events, EVENTS, 0);
		for (int i = 0; i < n; i++)
			take_event(s, events[i].data.ptr, calls);
		sense_end_ended(s, calls);
	}
	pass_on(s, calls);
}
