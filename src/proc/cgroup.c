/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/lines.h"
#include "base/num.h"
#include "proc/cgplace.h"

enum {
	PATHS_MAX = 256 * 1024, /* of /proc/PID/cgroup */
	MOUNTINFO_MAX = 16 * 1024 * 1024,
	EVENTS_MAX = 32,
	NAME_LEN_MAX = 64,
	DIRS_MAX = 16384, /* cgroups below one, visited for their processes */
	DEPTH_MAX = 64,
	PIDS_MAX = 1024 * 1024,
};

/* v1's "no limit": the largest number of whole pages in an int64_t. Nothing near it is meant as a limit. */
#define NO_LIMIT_V1 UINT64_C(0x7ffffffffffff000)

/* --- small files of a cgroup --- */

/* A whole number; CGROUP_UNKNOWN for "max", for text that is none and for a file that is not there. */
static uint64_t read_number(const char *dir, const char *name)
{
	char buf[64];
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	uint64_t value = 0;
	if (n > 0 && buf[n - 1] == '\n')
		n--;
	return n > 0 && num_dec(buf, (size_t)n, &value) ? value : CGROUP_UNKNOWN;
}

typedef void (*key_fn)(void *data, const char *key, uint64_t value);

/* "key value" lines; anything else in them is passed over, for what is missing then is unknown. */
static void parse_keys(int fd, key_fn fn, void *data)
{
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	for (;;) {
		char *line = NULL;
		struct err *err AUTO(err) = lines_next(&l, &line, NULL);
		if (err || !line)
			return;
		char *space = strchr(line, ' ');
		uint64_t value = 0;
		if (!space || space == line || space - line > NAME_LEN_MAX || !num_str(space + 1, &value))
			continue;
		*space = 0;
		fn(data, line, value);
	}
}

static void read_keys(const char *dir, const char *name, key_fn fn, void *data)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		parse_keys(fd, fn, data);
}

/* --- memory.stat --- */

struct stat_key {
	const char *key;
	size_t offset;
};

#define STAT(key, field)                                                                                               \
	{                                                                                                              \
		key, offsetof(struct cgroup_stat, field)                                                               \
	}

static const struct stat_key keys_v1[] = {
	STAT("total_rss", anon),
	STAT("total_cache", file),
	STAT("total_inactive_file", inactive_file),
	STAT("total_shmem", shmem),
	STAT("total_dirty", file_dirty),
	STAT("total_swapcached", swap_cached),
	STAT("total_unevictable", unevictable),
	STAT("total_swap", swap),
	STAT("hierarchical_memory_limit", hierarchical_limit),
};

static const struct stat_key keys_v2[] = {
	STAT("anon", anon),
	STAT("file", file),
	STAT("inactive_file", inactive_file),
	STAT("shmem", shmem),
	STAT("kernel", kernel),
	STAT("slab", slab),
	STAT("slab_reclaimable", slab_reclaimable),
	STAT("sock", sock),
	STAT("pagetables", pagetables),
	STAT("percpu", percpu),
	STAT("kernel_stack", kernel_stack),
	STAT("vmalloc", vmalloc),
	STAT("swapcached", swap_cached),
	STAT("file_dirty", file_dirty),
	STAT("unevictable", unevictable),
};

struct stat_reader {
	const struct stat_key *keys;
	size_t n;
	struct cgroup_stat *stat;
};

static struct stat_reader stat_begin(unsigned version, struct cgroup_stat *ret)
{
	memset(ret, 0xff, sizeof(*ret)); /* all CGROUP_UNKNOWN */
	if (version == 2)
		return (struct stat_reader){ keys_v2, sizeof(keys_v2) / sizeof(keys_v2[0]), ret };
	return (struct stat_reader){ keys_v1, sizeof(keys_v1) / sizeof(keys_v1[0]), ret };
}

static void take_stat(void *data, const char *key, uint64_t value)
{
	struct stat_reader *r = data;
	for (size_t i = 0; i < r->n; i++) {
		if (!strcmp(r->keys[i].key, key))
			memcpy((char *)r->stat + r->keys[i].offset, &value, sizeof(value));
	}
}

static uint64_t known(uint64_t v)
{
	return v == CGROUP_UNKNOWN ? 0 : v;
}

/* "kernel" came with 5.18; before, its parts. */
static void stat_end(unsigned version, struct cgroup_stat *ret)
{
	if (version == 2 && ret->kernel == CGROUP_UNKNOWN && ret->slab != CGROUP_UNKNOWN)
		ret->kernel = ret->slab + known(ret->kernel_stack) + known(ret->pagetables) + known(ret->percpu) +
			      known(ret->vmalloc);
}

void proc_cgroup_stat_parse(int fd, unsigned version, struct cgroup_stat *ret)
{
	struct stat_reader r = stat_begin(version, ret);
	parse_keys(fd, take_stat, &r);
	stat_end(version, ret);
}

/* The key of a line, or NULL: compared where it stands, most differ in their first letter or length. */
static const struct stat_key *stat_key(const struct stat_reader *r, const char *line, size_t len)
{
	for (size_t i = 0; i < r->n; i++) {
		const char *key = r->keys[i].key;
		if (key[0] == line[0] && strlen(key) == len && !memcmp(key, line, len)) /* a line may have zero bytes */
			return &r->keys[i];
	}
	return NULL;
}

void proc_cgroup_stat_text(const char *text, size_t len, unsigned version, struct cgroup_stat *ret)
{
	struct stat_reader r = stat_begin(version, ret);
	for (const char *line = text, *end = text + len, *stop = NULL; line < end; line = stop + 1) {
		stop = memchr(line, '\n', (size_t)(end - line));
		stop = stop ? stop : end;
		const char *space = memchr(line, ' ', (size_t)(stop - line));
		const struct stat_key *key = space && space > line ? stat_key(&r, line, (size_t)(space - line)) : NULL;
		uint64_t value = 0;
		if (key && num_dec(space + 1, (size_t)(stop - space - 1), &value))
			memcpy((char *)ret + key->offset, &value, sizeof(value));
	}
	stat_end(version, ret);
}

static void read_stat(const char *dir, unsigned version, struct cgroup_stat *ret)
{
	memset(ret, 0xff, sizeof(*ret));
	AUTO_FREE char *path = xasprintf("%s/memory.stat", dir);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		proc_cgroup_stat_parse(fd, version, ret);
}

/* --- events --- */

struct event_reader {
	struct arena *arena;
	struct cgroup_event_vec *events;
	const char *const *only; /* NULL-terminated, or NULL for all */
};

static void take_event(void *data, const char *key, uint64_t value)
{
	struct event_reader *r = data;
	bool wanted = !r->only;
	for (size_t i = 0; r->only && r->only[i]; i++)
		wanted = wanted || !strcmp(r->only[i], key);
	if (!wanted || r->events->n >= EVENTS_MAX || key[strspn(key, "abcdefghijklmnopqrstuvwxyz_")])
		return;
	*vec_push(r->events) = (struct cgroup_event){ arena_strdup(r->arena, key), value };
}

static void read_events(struct cgroup *cg, struct arena *arena)
{
	static const char *const oom_keys[] = { "under_oom", "oom_kill", NULL };
	struct event_reader r = { arena, &cg->events, cg->version == 1 ? oom_keys : NULL };
	if (cg->version == 2) {
		read_keys(cg->dir, "memory.events", take_event, &r);
		return;
	}
	uint64_t failcnt = read_number(cg->dir, "memory.failcnt");
	if (failcnt != CGROUP_UNKNOWN)
		*vec_push(&cg->events) = (struct cgroup_event){ "failcnt", failcnt };
	read_keys(cg->dir, "memory.oom_control", take_event, &r);
}

/* --- processes --- */

static void take_pids(int dir, struct tid_vec *ret)
{
	AUTO_CLOSE int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	while (ret->n < PIDS_MAX) {
		char *line = NULL;
		/* An error (a threaded cgroup has no processes of its own to tell) ends the list. */
		struct err *err AUTO(err) = lines_next(&l, &line, NULL);
		uint64_t pid = 0;
		if (err || !line)
			return;
		/* 0 stands for a process outside of our pid namespace. */
		if (num_str(line, &pid) && pid > 0 && pid <= INT32_MAX)
			*vec_push(ret) = (pid_t)pid;
	}
}

/* What a walk over a cgroup and those below it does. */
struct walk {
	struct tid_vec *pids; /* collected ... */
	pid_t wanted;	      /* ... or, when > 0, only looked through for this one: */
	char *found;	      /* the directory that has it */
	unsigned dirs;
};

static void visit(int dir, const char *path, struct walk *w)
{
	struct tid_vec here = { 0 };
	take_pids(dir, w->wanted ? &here : w->pids);
	for (size_t i = 0; i < here.n && !w->found; i++) {
		if (here.v[i] == w->wanted)
			w->found = xstrdup(path);
	}
	vec_deinit(&here);
}

/* Takes dir. */
static void walk_down(int dir, const char *path, unsigned depth, struct walk *w)
{
	DIR *d = fdopendir(dir);
	if (!d) {
		close(dir);
		return;
	}
	visit(dir, path, w);
	for (struct dirent *e = readdir(d); e && !w->found; e = readdir(d)) {
		if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
			continue;
		if (depth >= DEPTH_MAX || w->dirs >= DIRS_MAX)
			break;
		int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			continue;
		w->dirs++;
		AUTO_FREE char *sub_path = xasprintf("%s/%s", path, e->d_name);
		walk_down(sub, sub_path, depth + 1, w);
	}
	closedir(d);
}

static void walk_cgroup(const char *path, struct walk *w)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		walk_down(dir, path, 0, w);
}

void proc_cgroup_pids(struct cgroup *cg)
{
	struct walk w = { .pids = &cg->pids };
	cg->pids.n = 0;
	if (cg->dir)
		walk_cgroup(cg->dir, &w);
}

/* --- where the cgroup is --- */

/* A cgroup's directory below a mount point. */
struct spot {
	const char *mount, *below; /* dir = mount/below; mount NULL: not visible */
};

static char *dir_of(const struct spot *at)
{
	return *at->below ? xasprintf("%s/%s", at->mount, at->below) : xstrdup(at->mount);
}

static bool is_cgroup(const char *dir)
{
	AUTO_FREE char *procs = xasprintf("%s/cgroup.procs", dir);
	return access(procs, F_OK) == 0;
}

/* Files that only the root has (v1), or all others (v2). */
bool proc_cgroup_is_root(const char *dir, unsigned version)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, version == 1 ? "release_agent" : "cgroup.type");
	bool there = access(path, F_OK) == 0;
	return version == 1 ? there : !there;
}

/* Our namespace hides the names in between: the cgroup is the one that has the process. */
static bool search(pid_t pid, const struct cgplace_dir *d, struct arena *arena, struct spot *ret)
{
	struct walk w = { .wanted = pid };
	walk_cgroup(d->mount, &w);
	if (!w.found)
		return false;
	const char *below = w.found + strlen(d->mount);
	*ret = (struct spot){ d->mount, arena_strdup(arena, below + (*below == '/')) };
	free(w.found);
	return true;
}

static void locate(pid_t pid, const char *mountinfo, const struct cgplace *place, const char *controller,
		   struct arena *arena, struct spot *ret)
{
	struct cgplace_dir_vec dirs = { 0 };
	*ret = (struct spot){ 0 };
	proc_cgplace_dirs(mountinfo, place, controller, arena, &dirs);
	for (size_t i = 0; i < dirs.n && !ret->mount; i++) {
		const struct cgplace_dir *d = &dirs.v[i];
		struct spot spot = { d->mount, d->below };
		AUTO_FREE char *dir = dir_of(&spot);
		if (d->search)
			(void)search(pid, d, arena, ret);
		else if (is_cgroup(dir))
			*ret = spot;
	}
	vec_deinit(&dirs);
}

/* --- the limits of a cgroup and its ancestors --- */

/* Steps from a cgroup to its parent, as far as the mount shows them. */
struct ascent {
	struct spot at;
	char *below, *path, *dir; /* path: as in /proc/PID/cgroup, cut shorter by as much */
};

static void ascent_init(struct ascent *a, const struct spot *at, const char *path)
{
	*a = (struct ascent){ .below = xstrdup(at->below), .path = xstrdup(path) };
	a->at = (struct spot){ at->mount, a->below };
	a->dir = dir_of(&a->at);
}

static void ascent_deinit(struct ascent *a)
{
	free(a->below);
	free(a->path);
	free(a->dir);
}

static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');
	*(slash ? slash : path) = 0;
}

/* Above our namespace's root the path goes on as the kernel would write it: "/..", "/../..". */
static void to_parent(char **path)
{
	size_t n = strlen(*path);
	if (n <= 1 || (n >= 3 && !strcmp(*path + n - 3, "/.."))) {
		char *up = n <= 1 ? xstrdup("/..") : xasprintf("%s/..", *path);
		free(*path);
		*path = up;
		return;
	}
	cut_last(*path);
	if (!**path) {
		(*path)[0] = '/'; /* there is room: it was "/name" */
		(*path)[1] = 0;
	}
}

/* False at the mount point. */
static bool ascend(struct ascent *a)
{
	if (!*a->below)
		return false;
	cut_last(a->below);
	to_parent(&a->path);
	free(a->dir);
	a->dir = dir_of(&a->at);
	return true;
}

static void limit_at(const struct ascent *a, struct arena *arena, struct cgroup *cg)
{
	uint64_t limit = read_number(a->dir, cg->version == 1 ? "memory.limit_in_bytes" : "memory.max");
	if (limit < cg->limit && !(cg->version == 1 && limit >= NO_LIMIT_V1)) {
		cg->limit = limit;
		cg->limit_path = arena_strdup(arena, a->path);
	}
	if (cg->version == 2)
		cg->high = num_min(cg->high, read_number(a->dir, "memory.high"));
}

static void read_limits(const struct spot *at, struct arena *arena, struct cgroup *cg)
{
	struct ascent a;
	ascent_init(&a, at, cg->path);
	do
		limit_at(&a, arena, cg);
	/* Without use_hierarchy (gone from 5.11 on) a v1 parent's limit does not bind its children. */
	while (ascend(&a) && (cg->version == 2 || read_number(a.dir, "memory.use_hierarchy") != 0));
	ascent_deinit(&a);
	/* v1 knows of ancestors that no mount shows us. */
	if (cg->version == 1 && cg->stat.hierarchical_limit < num_min(cg->limit, NO_LIMIT_V1)) {
		cg->limit = cg->stat.hierarchical_limit;
		cg->limit_path = "(an ancestor that is not visible from here)";
	}
}

/* CPUs of "quota period" (v2, "max" = none) or of the two files of v1 (-1 = none); 0 = none. */
static double quota_at(const char *dir, unsigned version)
{
	char buf[64];
	if (version == 1) {
		uint64_t quota = read_number(dir, "cpu.cfs_quota_us"), period = read_number(dir, "cpu.cfs_period_us");
		bool none = quota == CGROUP_UNKNOWN || period == CGROUP_UNKNOWN || !period;
		return none ? 0 : (double)quota / (double)period;
	}
	AUTO_FREE char *path = xasprintf("%s/cpu.max", dir);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	char *space = strchr(buf, ' ');
	uint64_t quota = 0, period = 0;
	if (!space || !num_dec(buf, (size_t)(space - buf), &quota) || !num_str(space + 1, &period) || !period)
		return 0;
	return (double)quota / (double)period;
}

static double read_quota(const struct spot *at, unsigned version)
{
	struct ascent a;
	double lowest = 0;
	ascent_init(&a, at, "/");
	do {
		double q = quota_at(a.dir, version);
		if (q > 0 && (lowest <= 0 || q < lowest))
			lowest = q;
	} while (ascend(&a));
	ascent_deinit(&a);
	return lowest;
}

/* --- one cgroup --- */

static uint64_t swap_v1(const struct cgroup *cg)
{
	if (cg->stat.swap != CGROUP_UNKNOWN)
		return cg->stat.swap;
	uint64_t both = read_number(cg->dir, "memory.memsw.usage_in_bytes");
	return both == CGROUP_UNKNOWN || cg->usage == CGROUP_UNKNOWN ? CGROUP_UNKNOWN : num_sub(both, cg->usage);
}

static void read_figures(struct cgroup *cg)
{
	read_stat(cg->dir, cg->version, &cg->stat);
	if (cg->version == 2) {
		cg->usage = read_number(cg->dir, "memory.current");
		cg->swap = read_number(cg->dir, "memory.swap.current");
		return;
	}
	cg->usage = read_number(cg->dir, "memory.usage_in_bytes");
	cg->swap = swap_v1(cg);
	cg->kmem_usage = cg->stat.kernel = read_number(cg->dir, "memory.kmem.usage_in_bytes");
	cg->tcp_usage = cg->stat.sock = read_number(cg->dir, "memory.kmem.tcp.usage_in_bytes");
}

static bool has_memory(const char *dir)
{
	AUTO_FREE char *stat = xasprintf("%s/memory.stat", dir);
	return access(stat, F_OK) == 0;
}

/*
 * A v2 cgroup need not have the memory controller: its memory is charged to the nearest ancestor that has. On a hybrid
 * host, where v1 has the controller, not even the root has it here. False then; else `at` and cg->path lead there.
 */
static bool find_charged(struct spot *at, struct arena *arena, struct cgroup *cg)
{
	struct ascent a;
	ascent_init(&a, at, cg->path);
	bool found = has_memory(a.dir);
	while (!found && cg->version == 2 && ascend(&a))
		found = has_memory(a.dir);
	if (found) {
		at->below = arena_strdup(arena, a.below);
		cg->path = arena_strdup(arena, a.path);
		cg->dir = arena_strdup(arena, a.dir);
	}
	ascent_deinit(&a);
	return found;
}

static void read_memory(pid_t pid, const char *mountinfo, struct arena *arena, struct cgroup *cg)
{
	struct cgplace place = { cg->version, cg->path };
	struct spot at;
	locate(pid, mountinfo, &place, "memory", arena, &at);
	if (!at.mount)
		return;
	if (!find_charged(&at, arena, cg)) {
		cg->version = cg->version == 2 ? 0 : cg->version;
		return;
	}
	read_figures(cg);
	read_limits(&at, arena, cg);
	read_events(cg, arena);
}

static void cgroup_init(struct cgroup *cg)
{
	*cg = (struct cgroup){ .usage = CGROUP_UNKNOWN,
			       .swap = CGROUP_UNKNOWN,
			       .limit = CGROUP_UNKNOWN,
			       .high = CGROUP_UNKNOWN,
			       .kmem_usage = CGROUP_UNKNOWN,
			       .tcp_usage = CGROUP_UNKNOWN };
	memset(&cg->stat, 0xff, sizeof(cg->stat));
}

static struct err *read_text(const char *path, size_t max, struct strbuf *out)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_os(errno, "opening %s", path);
	char buf[4096];
	ssize_t n = 0;
	while (out->len < max && (n = read(fd, buf, sizeof(buf))) > 0)
		strbuf_add(out, buf, (size_t)n);
	return n < 0 ? err_os(errno, "reading %s", path) : NULL;
}

struct err *proc_cgroup_path(const struct proc_process *p, struct arena *arena, const char **ret)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	*ret = NULL;
	TRY(proc_process_text(p, "cgroup", PATHS_MAX, &text));
	struct cgplace place;
	proc_cgplace_find(text.buf, "memory", arena, &place);
	*ret = place.path;
	return NULL;
}

struct err *proc_cgroup_read(const struct proc_process *p, const char *sysfs_mountinfo, struct arena *arena,
			     struct cgroup *ret)
{
	AUTO(strbuf) struct strbuf text, mounts;
	strbuf_init(&text);
	strbuf_init(&mounts);
	cgroup_init(ret);
	TRY(proc_process_text(p, "cgroup", PATHS_MAX, &text));
	TRY(read_text(sysfs_mountinfo, MOUNTINFO_MAX, &mounts));
	struct cgplace memory, cpu, pids;
	proc_cgplace_find(text.buf, "memory", arena, &memory);
	proc_cgplace_find(text.buf, "cpu", arena, &cpu);
	proc_cgplace_find(text.buf, "pids", arena, &pids);
	ret->version = memory.version;
	ret->path = ret->own_path = memory.path;
	if (memory.version)
		read_memory(p->pid, mounts.buf, arena, ret);
	struct spot at;
	locate(p->pid, mounts.buf, &cpu, "cpu", arena, &at);
	if (at.mount)
		ret->cpu_quota = read_quota(&at, cpu.version);
	locate(p->pid, mounts.buf, &pids, "pids", arena, &at);
	if (at.mount) {
		AUTO_FREE char *dir = dir_of(&at);
		ret->pids_dir = arena_strdup(arena, dir);
	}
	return NULL;
}

void proc_cgroup_deinit(struct cgroup *cg)
{
	vec_deinit(&cg->events);
	vec_deinit(&cg->pids);
}

uint64_t proc_cgroup_working_set(const struct cgroup *cg)
{
	if (cg->usage == CGROUP_UNKNOWN || cg->stat.inactive_file == CGROUP_UNKNOWN)
		return CGROUP_UNKNOWN;
	return num_sub(cg->usage, cg->stat.inactive_file);
}
