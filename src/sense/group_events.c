/* SPDX-License-Identifier: Apache-2.0 */
#include "sense/group_events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "sense/text.h"

enum {
	SMALL = 64,
	EVENTS_TEXT = 4096,
};

/* The culprit of a kill hit its limit not longer ago than this. */
static const int64_t RECENT = INT64_C(5) * 1000 * 1000 * 1000;

/* A tenth of the time lost; without CAP_SYS_RESOURCE a window must be of whole two seconds (6.5 on). */
static const char *const triggers[] = { "some 100000 1000000", "some 200000 2000000" };

void sense_groups_init(struct sense_groups *gs, int epoll)
{
	*gs = (struct sense_groups){
		.source = SENSE_SOURCE_INOTIFY,
		.epoll = epoll,
		.inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
		.machine = WATCH_UNKNOWN,
	};
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &gs->source };
	if (gs->inotify >= 0)
		(void)epoll_ctl(epoll, EPOLL_CTL_ADD, gs->inotify, &ev);
}

/* ---- inotify ---- */

void sense_group_watch(struct sense_groups *gs, struct sense_group *g)
{
	if (gs->inotify >= 0)
		g->wd = inotify_add_watch(gs->inotify, g->dir, IN_MODIFY | IN_ONLYDIR);
	gs->unwatched = gs->unwatched || gs->inotify < 0 || (g->wd < 0 && errno == ENOSPC);
}

static struct sense_group *by_watch(const struct sense_groups *gs, int wd)
{
	for (size_t i = 0; i < gs->v.n; i++) {
		if (gs->v.v[i]->wd == wd)
			return gs->v.v[i];
	}
	return NULL;
}

/* Of a level without targets memory.events rises with each below it, where it is told as well; .local is of its own limit. */
static bool is_told_below(const struct sense_group *g)
{
	return !g->members && g->fd[SENSE_LOCAL] >= 0;
}

static void take_event(const struct sense_groups *gs, const struct inotify_event *ev)
{
	/* What is written by others, or told by the kernel; the rest is of other controllers. */
	static const char *const words[] = { "memory.events", "memory.max", "memory.high", "memory.limit_in_bytes" };
	struct sense_group *g = by_watch(gs, ev->wd);
	if (!g)
		return;
	if (ev->mask & IN_IGNORED) {
		g->wd = -1;
		g->news = true;
		return;
	}
	if (!ev->len || (is_told_below(g) && !strcmp(ev->name, "memory.events")))
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strncmp(ev->name, words[i], strlen(words[i])))
			g->news = g->wake = true;
	}
}

void sense_groups_inotify(struct sense_groups *gs)
{
	char buf[EVENTS_TEXT] __attribute__((aligned(__alignof__(struct inotify_event))));
	for (ssize_t n = 0; (n = read(gs->inotify, buf, sizeof(buf))) > 0;) {
		for (const char *p = buf; p < buf + n;) {
			const struct inotify_event *ev = (const void *)p;
			take_event(gs, ev);
			p += sizeof(*ev) + ev->len;
		}
	}
}

/* ---- triggers ---- */

static void listen_to(struct sense_groups *gs, struct sense_group *g, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = &g->source };
	if (epoll_ctl(gs->epoll, EPOLL_CTL_ADD, fd, &ev) == 0)
		g->trigger = fd;
	else
		close(fd);
}

static void arm_pressure(struct sense_groups *gs, struct sense_group *g)
{
	AUTO_FREE char *path = xasprintf("%s/memory.pressure", g->dir);
	for (size_t i = 0; i < sizeof(triggers) / sizeof(triggers[0]) && g->trigger < 0; i++) {
		int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			return;
		if (write(fd, triggers[i], strlen(triggers[i]) + 1) > 0)
			listen_to(gs, g, fd, EPOLLPRI);
		else
			close(fd);
	}
}

static bool register_event(int control, int event, int file, const char *argument)
{
	char text[SMALL];
	int n = snprintf(text, sizeof(text), "%d %d %s", event, file, argument);
	return write(control, text, (size_t)n) == n;
}

/* One eventfd for all: whatever it was, it is time to look. It fires at each crossing, up or down. */
static void arm_usage(struct sense_groups *gs, struct sense_group *g)
{
	AUTO_FREE char *path = xasprintf("%s/cgroup.event_control", g->dir);
	AUTO_CLOSE int control = open(path, O_WRONLY | O_CLOEXEC);
	if (control < 0)
		return;
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return;
	bool any = g->fd[SENSE_EVENTS] >= 0 && register_event(control, event, g->fd[SENSE_EVENTS], "");
	for (unsigned i = 0; g->limit != WATCH_UNKNOWN && gs->config && i < gs->config->n_steps; i++) {
		char bytes[SMALL];
		double share = gs->config->steps[i].below;
		snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)((double)g->limit * share));
		any = (share < 1 && register_event(control, event, g->fd[SENSE_USAGE], bytes)) || any;
	}
	if (any)
		listen_to(gs, g, event, EPOLLIN);
	else
		close(event);
}

static void disarm(struct sense_groups *gs, struct sense_group *g)
{
	if (g->trigger < 0)
		return;
	(void)epoll_ctl(gs->epoll, EPOLL_CTL_DEL, g->trigger, NULL);
	close(g->trigger);
	g->trigger = -1;
}

void sense_group_arm(struct sense_groups *gs, struct sense_group *g)
{
	/* Who waits because a level above is short of memory waits in its own cgroup, too. */
	if (g->version == 2 && !g->members)
		return;
	if (!g->open_all || (g->trigger >= 0 && (g->version == 2 || g->armed == g->limit)))
		return;
	disarm(gs, g);
	g->armed = g->limit;
	if (g->version == 2)
		arm_pressure(gs, g);
	else
		arm_usage(gs, g);
}

void sense_group_unwatch(struct sense_groups *gs, struct sense_group *g)
{
	disarm(gs, g);
	if (g->wd >= 0 && !by_watch(gs, g->wd)) /* a group that was made anew has the watch of the one before */
		(void)inotify_rm_watch(gs->inotify, g->wd);
	g->wd = -1;
}

void sense_group_triggered(struct sense_group *g, int64_t now_ns)
{
	uint64_t count = 0;
	if (g->version == 1 && g->trigger >= 0 && read(g->trigger, &count, sizeof(count)) < 0)
		return;
	g->triggered_ns = now_ns;
	g->news = g->wake = true;
}

/* ---- kills ---- */

uint64_t sense_group_kill_counter(struct sense_group *g)
{
	uint64_t local = sense_group_key(g, SENSE_LOCAL, "oom_kill");
	return local != WATCH_UNKNOWN ? local : sense_group_key(g, SENSE_EVENTS, "oom_kill");
}

uint64_t sense_group_oom_counter(struct sense_group *g)
{
	char text[SMALL];
	if (g->version == 2)
		return sense_group_key(g, SENSE_LOCAL, "oom");
	ssize_t n = g->fd[SENSE_FAILCNT] < 0 ? -1 : pread(g->fd[SENSE_FAILCNT], text, sizeof(text), 0);
	g->dead = g->dead || (n < 0 && errno == ENODEV);
	return n > 0 ? sense_text_number(text, (size_t)n) : WATCH_UNKNOWN;
}

uint64_t sense_group_group_kills(struct sense_group *g)
{
	uint64_t n = sense_group_key(g, SENSE_LOCAL, "oom_group_kill");
	return n == WATCH_UNKNOWN ? 0 : n;
}

uint64_t sense_group_above_kills(const struct sense_group *g)
{
	uint64_t sum = 0;
	for (struct sense_group *up = g->parent; up; up = up->parent)
		sum += sense_group_group_kills(up);
	return sum;
}

static void see_group_kills(struct sense_group *g)
{
	uint64_t here = sense_group_group_kills(g), above = sense_group_above_kills(g);
	g->twice += (unsigned)num_min(num_sub(here, g->group_kills), UINT16_MAX);
	g->perhaps_twice += (unsigned)num_min(num_sub(above, g->above_kills), UINT16_MAX);
	g->group_kills = here;
	g->above_kills = above;
}

void sense_group_see_kills(struct sense_group *g, int64_t now_ns)
{
	uint64_t now = sense_group_kill_counter(g);
	if (now == WATCH_UNKNOWN)
		return;
	if (g->kills != WATCH_UNKNOWN && now > g->kills) {
		g->risen += (unsigned)num_min(now - g->kills, UINT16_MAX);
		g->kill_ns = now_ns;
		see_group_kills(g);
	}
	g->kills = now;
}

unsigned sense_group_take_kills(struct sense_group *g, int64_t now_ns)
{
	sense_group_see_kills(g, now_ns);
	unsigned more = g->risen;
	g->risen = 0;
	return more;
}

const struct sense_group *sense_group_culprit(struct sense_group *g, int64_t now_ns)
{
	const struct sense_group *found = NULL;
	for (; g; g = g->parent) {
		uint64_t now = sense_group_oom_counter(g);
		if (now != WATCH_UNKNOWN && g->ooms != WATCH_UNKNOWN && now > g->ooms)
			g->oom_ns = now_ns;
		if (now != WATCH_UNKNOWN)
			g->ooms = now;
		if (!found && g->oom_ns > 1 && now_ns - g->oom_ns < RECENT)
			found = g;
	}
	return found;
}
