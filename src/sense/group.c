/* SPDX-License-Identifier: Apache-2.0 */
#include "sense/group.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "proc/cgroup.h"
#include "sense/group_events.h"
#include "sense/kills.h"
#include "sense/text.h"

_Static_assert(CGROUP_UNKNOWN == WATCH_UNKNOWN && SENSE_UNKNOWN == WATCH_UNKNOWN, "all mean the same");

enum {
	SMALL = 512,
	STAT_TEXT = 8192,
	LEVELS_MAX = 64,
};

static const int64_t SAME_ROUND = INT64_C(10) * 1000 * 1000;
static const int64_t TRIGGERED = INT64_C(1) * 1000 * 1000 * 1000;
static const int64_t SLOW = INT64_C(2) * 1000 * 1000 * 1000, SLOW_PRESSED = INT64_C(500) * 1000 * 1000;

/* v1's "no limit": the largest number of whole pages in an int64_t. */
static const uint64_t NO_LIMIT_V1 = UINT64_C(0x7ffffffffffff000);

/* Shares of a limit: beyond, its level is looked at more closely; how much nearer another must be to take over; full. */
static const double PRESSED = 0.6, TAKE_OVER = 1.05, FULL = 0.9;

static const struct {
	const char *v1, *v2;
	bool always; /* of every level; the rest only where figures are wanted */
} files[SENSE_FILES] = {
	[SENSE_STAT] = { "memory.stat", "memory.stat", false },
	[SENSE_USAGE] = { "memory.usage_in_bytes", "memory.current", false },
	[SENSE_LIMIT] = { "memory.limit_in_bytes", "memory.max", true },
	[SENSE_HIGH] = { NULL, "memory.high", true },
	[SENSE_SWAP] = { NULL, "memory.swap.current", false },
	[SENSE_EVENTS] = { "memory.oom_control", "memory.events", false },
	[SENSE_LOCAL] = { NULL, "memory.events.local", true },
	[SENSE_FAILCNT] = { "memory.failcnt", NULL, true },
	[SENSE_PRESSURE] = { NULL, "memory.pressure", false },
	[SENSE_KERNEL] = { "memory.kmem.usage_in_bytes", NULL, false },
	[SENSE_PROCS] = { "cgroup.procs", "cgroup.procs", false },
};

/* ---- reading ---- */

/* Bytes read from the start, 0: not there. A cgroup that was removed is dead from then on. */
static size_t read_file(struct sense_group *g, enum sense_file f, char *buf, size_t size)
{
	if (g->fd[f] < 0)
		return 0;
	ssize_t n = pread(g->fd[f], buf, size, 0);
	if (n < 0 && errno == ENODEV)
		g->dead = true;
	return n > 0 ? (size_t)n : 0;
}

static uint64_t read_number(struct sense_group *g, enum sense_file f)
{
	char buf[SMALL];
	size_t n = read_file(g, f, buf, sizeof(buf));
	return n ? sense_text_number(buf, n) : WATCH_UNKNOWN;
}

uint64_t sense_group_key(struct sense_group *g, enum sense_file f, const char *key)
{
	char buf[SMALL];
	size_t n = read_file(g, f, buf, sizeof(buf));
	return n ? sense_text_key(buf, n, key) : WATCH_UNKNOWN;
}

/* ---- opening ---- */

/* Was there no room for a descriptor? There may be later. */
static bool is_short(int fd)
{
	return fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
}

static void open_files(struct sense_group *g)
{
	AUTO_CLOSE int dir = open(g->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	g->lacking = is_short(dir);
	for (unsigned f = 0; dir >= 0 && f < SENSE_FILES; f++) {
		const char *name = g->version == 1 ? files[f].v1 : files[f].v2;
		if (!name || g->fd[f] >= 0 || !(files[f].always || g->open_all))
			continue;
		g->fd[f] = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		g->lacking = g->lacking || is_short(g->fd[f]);
	}
}

static void read_limits(struct sense_groups *gs, struct sense_group *g)
{
	uint64_t limit = read_number(g, SENSE_LIMIT), high = read_number(g, SENSE_HIGH);
	bool none = g->version == 1 && limit >= NO_LIMIT_V1;
	bool changed = limit != g->limit;
	g->limit = none || limit >= gs->machine ? WATCH_UNKNOWN : limit;
	g->high = high >= gs->machine ? WATCH_UNKNOWN : high;
	if (!g->open_all && (g->limit != WATCH_UNKNOWN || g->high != WATCH_UNKNOWN)) {
		g->open_all = true;
		open_files(g);
	}
	if (changed)
		sense_group_arm(gs, g);
}

static struct sense_group *find(const struct sense_groups *gs, unsigned version, const char *dir)
{
	for (size_t i = 0; i < gs->v.n; i++) {
		struct sense_group *g = gs->v.v[i];
		if (g->version == version && !g->dead && !strcmp(g->dir, dir))
			return g;
	}
	return NULL;
}

static bool is_there(const char *dir, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* The text of "DIR/..", for directories that were told as the kernel tells mounts: without dots. NULL at the top. */
static char *parent_dir(const char *dir)
{
	const char *slash = strrchr(dir, '/');
	return slash && slash > dir ? xstrndup(dir, (size_t)(slash - dir)) : NULL;
}

/* Above our namespace's root the path goes on as the kernel would write it: "/..", "/../..". */
static char *parent_path(const char *path)
{
	size_t n = strlen(path);
	if (n <= 1)
		return xstrdup("/..");
	if (n >= 3 && !strcmp(path + n - 3, "/.."))
		return xasprintf("%s/..", path);
	const char *slash = strrchr(path, '/');
	return !slash || slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* v1: without use_hierarchy (gone from 5.11 on) a parent's limit does not bind its children. */
static bool parent_binds(const char *dir, unsigned version)
{
	if (version == 2)
		return true;
	char buf[SMALL];
	AUTO_FREE char *path = xasprintf("%s/memory.use_hierarchy", dir);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	return n <= 0 || sense_text_number(buf, (size_t)n) != 0;
}

static struct sense_group *add(struct sense_groups *gs, unsigned version, const char *dir, const char *path)
{
	struct sense_group *g = xcalloc(1, sizeof(*g));
	*g = (struct sense_group){
		.source = SENSE_SOURCE_GROUP,
		.version = version,
		.path = xstrdup(path),
		.dir = xstrdup(dir),
		.trigger = -1,
		.wd = -1,
		.limit = WATCH_UNKNOWN,
		.high = WATCH_UNKNOWN,
		.hierarchical_limit = WATCH_UNKNOWN,
		.armed = WATCH_UNKNOWN,
	};
	memset(g->fd, 0xff, sizeof(g->fd)); /* all -1 */
	struct stat st;
	g->inode = stat(dir, &st) == 0 ? st.st_ino : 0;
	watch_cgroup_sample_init(&g->own);
	*vec_push(&gs->v) = g;
	return g;
}

/* The level of that directory and those above it, one by one; each with one more reference. */
static struct sense_group *take_level(struct sense_groups *gs, unsigned version, const char *dir, const char *path)
{
	struct sense_group *leaf = NULL, **link = &leaf;
	AUTO_FREE char *at = xstrdup(dir);
	AUTO_FREE char *name = xstrdup(path);
	for (unsigned level = 0; level < LEVELS_MAX; level++) {
		struct sense_group *known = find(gs, version, at);
		if (known) {
			known->refs++;
			*link = known;
			break;
		}
		*link = add(gs, version, at, name);
		(*link)->refs = 1;
		open_files(*link);
		read_limits(gs, *link);
		sense_group_watch(gs, *link);
		struct sense_group *here = *link;
		link = &here->parent;
		char *up = parent_dir(at), *up_name = parent_path(name);
		free(at);
		free(name);
		at = up;
		name = up_name;
		bool above = at && is_there(at, "cgroup.procs");
		here->beyond = !above && !proc_cgroup_is_root(here->dir, version);
		if (!above || !parent_binds(at, version))
			break;
	}
	return leaf;
}

/* The counters as they are: only what comes on top of that happened while we looked. */
static void begin_counting(struct sense_group *g)
{
	for (; g; g = g->parent) {
		if (g->oom_ns)
			continue;
		g->oom_ns = 1;
		g->ooms = sense_group_oom_counter(g);
	}
}

/* What was killed in it since all were last looked at was killed before anybody watched. */
static void begin_kills(struct sense_groups *gs, struct sense_group *g)
{
	uint64_t before = sense_kills_before(gs->kills, g->inode);
	g->kills = sense_group_kill_counter(g);
	g->group_kills = sense_group_group_kills(g);
	g->above_kills = sense_group_above_kills(g);
	if (g->kills != WATCH_UNKNOWN && before < g->kills)
		g->early += (unsigned)num_min(g->kills - before, UINT16_MAX);
	sense_kills_told(gs->kills, g->inode, g->kills);
}

struct sense_group *sense_group_of(struct sense_groups *gs, const struct proc_process *p, const char *mountinfo,
				   struct sense_tasks **tasks)
{
	struct arena arena;
	struct cgroup cg;
	arena_init(&arena);
	struct sense_group *g = NULL;
	struct err *err AUTO(err) = proc_cgroup_read(p, mountinfo, &arena, &cg);
	*tasks = err ? NULL : sense_tasks_of(&gs->tasks, cg.pids_dir);
	if (!err && cg.version && cg.dir) {
		g = take_level(gs, cg.version, cg.dir, cg.path);
		if (!g->members++) {
			g->open_all = true;
			open_files(g);
			sense_group_arm(gs, g);
			begin_kills(gs, g);
		}
		begin_counting(g);
	}
	gs->invisible = gs->invisible || (!err && cg.version && !cg.dir);
	if (!err)
		proc_cgroup_deinit(&cg);
	arena_deinit(&arena);
	return g;
}

struct sense_group *sense_group_join(struct sense_group *g)
{
	g->refs++;
	g->members++;
	return g;
}

static void group_free(struct sense_groups *gs, struct sense_group *g)
{
	sense_group_unwatch(gs, g);
	vec_deinit(&g->others);
	for (unsigned f = 0; f < SENSE_FILES; f++) {
		if (g->fd[f] >= 0)
			close(g->fd[f]);
	}
	free(g->path);
	free(g->dir);
	free(g);
}

static void unref(struct sense_groups *gs, struct sense_group *g)
{
	while (g && !--g->refs) {
		struct sense_group *parent = g->parent;
		for (size_t i = 0; i < gs->v.n; i++) {
			if (gs->v.v[i] == g)
				gs->v.v[i--] = gs->v.v[--gs->v.n];
		}
		*vec_push(&gs->unused) = g;
		g = parent;
	}
}

void sense_group_leave(struct sense_groups *gs, struct sense_group *g)
{
	if (!g)
		return;
	if (!--g->members)
		sense_kills_told(gs->kills, g->inode, g->kills);
	unref(gs, g);
}

void sense_groups_sweep(struct sense_groups *gs)
{
	for (size_t i = 0; i < gs->unused.n; i++)
		group_free(gs, gs->unused.v[i]);
	gs->unused.n = 0;
}

void sense_groups_deinit(struct sense_groups *gs)
{
	sense_groups_sweep(gs);
	for (size_t i = 0; i < gs->v.n; i++)
		group_free(gs, gs->v.v[i]);
	vec_deinit(&gs->v);
	vec_deinit(&gs->unused);
	vec_deinit(&gs->tasks);
	if (gs->inotify >= 0)
		close(gs->inotify);
}

/* ---- figures ---- */

/* A limit was changed, here or above: all are read again in this look, so that a new one is not taken for a hidden one. */
static void see_hierarchical(struct sense_group *g, uint64_t limit)
{
	uint64_t before = g->hierarchical_limit;
	g->hierarchical_limit = limit < NO_LIMIT_V1 ? limit : WATCH_UNKNOWN;
	for (struct sense_group *l = g; l && before != g->hierarchical_limit; l = l->parent)
		l->slow_ns = 0;
}

static void read_stat(struct sense_group *g)
{
	char text[STAT_TEXT];
	struct cgroup_stat st;
	size_t n = read_file(g, SENSE_STAT, text, sizeof(text));
	proc_cgroup_stat_text(text, n, g->version, &st);
	g->own.anon = st.anon;
	g->own.file = st.file;
	g->own.inactive_file = st.inactive_file;
	g->own.shmem = st.shmem;
	if (g->version == 1) {
		g->own.swap = st.swap;
		see_hierarchical(g, st.hierarchical_limit);
	} else {
		g->own.kernel = st.kernel;
		g->own.slab_reclaimable = st.slab_reclaimable;
	}
}

/*
 * The usage is read on both sides of the statistics, and the lower one counts: page cache comes and goes so fast that what a
 * file had more in between would look like memory that is no file's.
 */
static void read_fast(struct sense_group *g, int64_t now_ns)
{
	struct watch_cgroup_sample *s = &g->own;
	if (s->time_ns && now_ns - s->time_ns < SAME_ROUND && now_ns >= s->time_ns)
		return;
	s->time_ns = now_ns;
	uint64_t before = read_number(g, SENSE_USAGE);
	read_stat(g);
	s->usage = num_min(before, read_number(g, SENSE_USAGE));
	bool known = s->usage != WATCH_UNKNOWN && s->inactive_file != WATCH_UNKNOWN;
	s->working_set = known ? num_sub(s->usage, s->inactive_file) : WATCH_UNKNOWN;
	uint64_t limit = num_min(g->limit, g->high);
	if (s->usage != WATCH_UNKNOWN && limit != WATCH_UNKNOWN && (double)s->usage >= FULL * (double)limit)
		g->full_ns = now_ns;
}

static void read_events(struct sense_group *g)
{
	static const struct {
		const char *key;
		size_t offset;
	} keys[] = {
		{ "high", offsetof(struct watch_cgroup_sample, events_high) },
		{ "max", offsetof(struct watch_cgroup_sample, events_max) },
		{ "oom", offsetof(struct watch_cgroup_sample, events_oom) },
		{ "oom_kill", offsetof(struct watch_cgroup_sample, events_oom_kill) },
	};
	char text[SMALL];
	/* Of a level that has processes: what happened below it too. Of one above: only what its own limit did. */
	size_t n = read_file(g, g->members ? SENSE_EVENTS : SENSE_LOCAL, text, sizeof(text));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		uint64_t value = n ? sense_text_key(text, n, keys[i].key) : WATCH_UNKNOWN;
		memcpy((char *)&g->own + keys[i].offset, &value, sizeof(value));
	}
}

static void read_slow(struct sense_groups *gs, struct sense_group *g, int64_t now_ns, bool pressed)
{
	struct watch_cgroup_sample *s = &g->own;
	int64_t age = now_ns - g->slow_ns;
	if (!g->news && g->slow_ns && age >= 0 && age < (pressed ? SLOW_PRESSED : SLOW))
		return;
	g->slow_ns = now_ns;
	g->list = pressed || g->news;
	g->news = false;
	if (g->lacking)
		open_files(g);
	read_limits(gs, g);
	read_events(g);
	if (g->members)
		sense_group_see_kills(g, now_ns);
	s->failcnt = read_number(g, SENSE_FAILCNT);
	if (!g->open_all)
		return;
	if (g->version == 2)
		s->swap = read_number(g, SENSE_SWAP);
	else
		s->kernel = read_number(g, SENSE_KERNEL);
	char text[SMALL];
	struct sense_pressure psi;
	sense_text_pressure(text, read_file(g, SENSE_PRESSURE, text, sizeof(text)), &psi);
	s->psi_some = psi.some;
	s->psi_full = psi.full;
	s->psi_some_total_us = psi.some_total_us;
}

/* ---- which level binds ---- */

/* What this level may use, and the name of the file that says so. */
static uint64_t allowed(const struct sense_group *g, const char **file)
{
	const char *max = g->version == 1 ? files[SENSE_LIMIT].v1 : files[SENSE_LIMIT].v2;
	*file = g->high < g->limit ? files[SENSE_HIGH].v2 : max;
	return num_min(g->limit, g->high);
}

static double share_of(const struct sense_group *g)
{
	const char *file = NULL;
	uint64_t limit = allowed(g, &file);
	if (limit == WATCH_UNKNOWN || g->own.working_set == WATCH_UNKNOWN)
		return -1;
	return limit ? (double)g->own.working_set / (double)limit : 1;
}

/* The level that is nearest to its limit. The one chosen before stays until another is clearly nearer. */
static struct sense_group *choose(struct sense_group *leaf)
{
	struct sense_group *best = NULL;
	double most = -1, before = -1;
	assert(leaf);
	for (struct sense_group *g = leaf; g; g = g->parent) {
		double share = share_of(g);
		if (share > most) {
			most = share;
			best = g;
		}
		if (g == leaf->binds)
			before = share;
	}
	return before >= 0 && most < before * TAKE_OVER ? leaf->binds : best;
}

/* Of the limits that are visible, whichever of them binds. */
static uint64_t lowest(const struct sense_group *leaf)
{
	uint64_t limit = WATCH_UNKNOWN;
	for (const struct sense_group *g = leaf; g; g = g->parent)
		limit = num_min(limit, g->limit);
	return limit;
}

static void add_up(uint64_t *sum, uint64_t more)
{
	if (more != WATCH_UNKNOWN)
		*sum = *sum == WATCH_UNKNOWN ? more : *sum + more;
}

/* Events of the levels above count for those below: it is their memory that is short. */
static void add_events(const struct sense_group *leaf, struct watch_cgroup_sample *ret)
{
	ret->failcnt = leaf->own.failcnt;
	ret->events_high = leaf->own.events_high;
	ret->events_max = leaf->own.events_max;
	ret->events_oom = leaf->own.events_oom;
	ret->events_oom_kill = leaf->own.events_oom_kill;
	for (const struct sense_group *g = leaf->parent; g; g = g->parent) {
		add_up(&ret->failcnt, g->own.failcnt);
		add_up(&ret->events_high, g->own.events_high);
		add_up(&ret->events_max, g->own.events_max);
		add_up(&ret->events_oom, g->own.events_oom);
	}
}

static void say_source(struct sense_group *leaf, const struct sense_group *binds, bool hidden, const char *file)
{
	char *to = leaf->limit_source;
	size_t size = sizeof(leaf->limit_source);
	if (hidden)
		snprintf(to, size, "cgroup (an ancestor of %s that is not visible from here)", leaf->path);
	else if (binds)
		snprintf(to, size, "cgroup %s %s", binds->path, file);
	else
		snprintf(to, size, "MemAvailable");
}

void sense_group_look(struct sense_groups *gs, struct sense_group *leaf, int64_t now_ns,
		      struct watch_cgroup_sample *ret)
{
	bool psi = false, usage = false;
	assert(leaf);
	bool at_stake = false; /* a level above is full: the next to be killed may be one of its processes */
	for (struct sense_group *g = leaf; g; g = g->parent) {
		if (g->open_all)
			read_fast(g, now_ns);
		at_stake = at_stake || share_of(g) > FULL;
	}
	for (struct sense_group *g = leaf; g; g = g->parent) {
		read_slow(gs, g, now_ns, share_of(g) > PRESSED || (g == leaf && at_stake));
		bool lately = g->triggered_ns && now_ns - g->triggered_ns < TRIGGERED;
		psi = psi || (lately && g->version == 2);
		usage = usage || (lately && g->version == 1);
	}
	struct sense_group *binds = choose(leaf);
	const char *file = "";
	uint64_t limit = binds ? allowed(binds, &file) : WATCH_UNKNOWN;
	bool hidden = leaf->hierarchical_limit < num_min(lowest(leaf), gs->machine);
	leaf->binds = binds = hidden ? leaf : binds;
	*ret = binds ? binds->own : leaf->own;
	ret->limit = hidden ? leaf->hierarchical_limit : limit;
	ret->high = WATCH_UNKNOWN;
	for (struct sense_group *g = leaf; g; g = g->parent)
		ret->high = num_min(ret->high, g->high);
	add_events(leaf, ret);
	ret->psi_some = leaf->own.psi_some;
	ret->psi_full = leaf->own.psi_full;
	ret->psi_some_total_us = leaf->own.psi_some_total_us;
	ret->psi_triggered = psi;
	ret->usage_triggered = usage;
	say_source(leaf, binds, hidden, file);
}
