/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cgleft.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/lines.h"
#include "base/num.h"

enum {
	DEPTH_MAX = 64,
	HELD_MAX = 4096, /* open ones looked below */
};

#define NSEC INT64_C(1000000000)
#define PID_NAMESPACE_OF_THE_MACHINE 0xEFFFFFFCu /* its inode is a constant of the kernel */

struct walk {
	struct arena *arena;
	struct proc_cgleft *out;
	struct hash_map seen; /* directories, by (device, inode) */
	int64_t now_ns;
	uint64_t user;	   /* of the target */
	int64_t target_ns; /* its age */
	bool by_age;	   /* we are below the root of a hierarchy */
};

/* What a directory and those below it came to. */
struct found {
	bool populated;
	uint64_t charged; /* to what is left */
};

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static int open_at(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static uint64_t number_at(int dir, const char *name)
{
	char buf[32];
	AUTO_CLOSE int fd = open_at(dir, name);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	uint64_t value = 0;
	return n > 1 && num_dec(buf, (size_t)n - 1, &value) ? value : CGROUP_UNKNOWN;
}

static uint64_t charge_of(int dir)
{
	uint64_t v2 = number_at(dir, "memory.current");
	return v2 != CGROUP_UNKNOWN ? v2 : number_at(dir, "memory.usage_in_bytes");
}

/* Has it a process of its own? A threaded cgroup does not tell: then it counts as if it had. */
static bool lives(int dir)
{
	char c = 0;
	AUTO_CLOSE int fd = open_at(dir, "cgroup.procs");
	return fd < 0 || read(fd, &c, 1) != 0;
}

static uint64_t dying_below(int dir)
{
	static const char key[] = "nr_dying_descendants ";
	AUTO_CLOSE int fd = open_at(dir, "cgroup.stat");
	if (fd < 0)
		return CGROUP_UNKNOWN;
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	for (;;) {
		char *line = NULL;
		struct err *err AUTO(err) = lines_next(&l, &line, NULL);
		uint64_t n = 0;
		if (err || !line)
			return CGROUP_UNKNOWN;
		if (!strncmp(line, key, sizeof(key) - 1) && num_str(line + sizeof(key) - 1, &n))
			return n;
	}
}

static int64_t earliest(const struct stat *st)
{
	int64_t c = st->st_ctim.tv_sec * NSEC + st->st_ctim.tv_nsec;
	int64_t m = st->st_mtim.tv_sec * NSEC + st->st_mtim.tv_nsec;
	return c < m ? c : m;
}

static void add_left(struct walk *w, const char *path, int64_t age, uint64_t charged)
{
	*vec_push(&w->out->v) = (struct proc_cgleft_one){ arena_strdup(w->arena, path), age, charged };
}

static bool fresh(struct walk *w, const struct stat *st)
{
	bool ret = false;
	*hash_map_at(&w->seen, hash_u64(st->st_dev) ^ st->st_ino, &ret) = 1;
	return ret;
}

static struct found visit(int dir, const char *path, unsigned depth, struct walk *w);

/* Those below: takes dir. */
static struct found visit_children(int dir, const char *path, unsigned depth, struct walk *w)
{
	struct found all = { 0 };
	DIR *d = fdopendir(dir);
	if (!d) {
		close(dir);
		return (struct found){ .populated = true };
	}
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
			continue;
		int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			continue;
		AUTO_FREE char *sub_path = xasprintf("%s/%s", strcmp(path, "/") == 0 ? "" : path, e->d_name);
		struct found one = visit(sub, sub_path, depth + 1, w);
		all.populated = all.populated || one.populated;
		all.charged += one.charged;
	}
	closedir(d);
	return all;
}

/* Takes dir. What cannot be looked at counts as populated: it accuses nobody. */
static struct found visit(int dir, const char *path, unsigned depth, struct walk *w)
{
	struct stat st;
	if (fstat(dir, &st) != 0 || depth > DEPTH_MAX || w->seen.n >= PROC_CGLEFT_MAX || !fresh(w, &st)) {
		w->out->cut = w->out->cut || w->seen.n >= PROC_CGLEFT_MAX;
		close(dir);
		return (struct found){ .populated = true };
	}
	bool populated = lives(dir);
	uint64_t charged = charge_of(dir);
	struct found below = visit_children(dir, path, depth, w);
	int64_t age = w->now_ns - earliest(&st);
	if (populated || below.populated)
		return (struct found){ true, below.charged };
	if (w->by_age && (st.st_uid != w->user || age > w->target_ns))
		return below;
	add_left(w, path, age > 0 ? age : 0, charged);
	return (struct found){ false, charged == CGROUP_UNKNOWN ? below.charged : charged };
}

/* The root of a hierarchy, not of a namespace. Only that of v1 has a release_agent, only that of v2 no events. */
static bool is_root(int dir)
{
	return faccessat(dir, "release_agent", F_OK, 0) == 0 ||
	       (faccessat(dir, "cgroup.controllers", F_OK, 0) == 0 && faccessat(dir, "cgroup.events", F_OK, 0) != 0);
}

/*
 * A cgroup itself is in use, by who lives in it or holds it: only those below count. `shared`: others may have made some
 * of them. Takes dir.
 */
static void look_below(int dir, const char *path, bool shared, struct walk *w)
{
	struct stat st;
	if (dir < 0)
		return;
	if (fstat(dir, &st) != 0 || !fresh(w, &st)) {
		close(dir);
		return;
	}
	uint64_t dying = dying_below(dir);
	if (dying != CGROUP_UNKNOWN)
		w->out->dying = dying + (w->out->dying == CGROUP_UNKNOWN ? 0 : w->out->dying);
	w->out->roots++;
	w->by_age = shared || is_root(dir);
	w->out->by_age = w->out->by_age || w->by_age;
	w->out->charged += visit_children(dir, path, 0, w).charged;
}

/* ---- where to look ---- */

/*
 * In v2 a cgroup has either processes or a memory controller for those below it. So who manages some lives beside them;
 * but beside a unit of systemd, in a slice, are those of others.
 */
static void look_beside(const char *dir, const char *path, struct walk *w)
{
	static const char slice[] = ".slice";
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0, end = sizeof(slice) - 1;
	if (!n || (n > end && strncmp(path + n - end, slice, end) == 0))
		return;
	AUTO_FREE char *parent = xstrndup(path, n), *parent_dir = xasprintf("%s/..", dir);
	look_below(open(parent_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), parent, true, w);
}

/* Where its memory is charged to may be an ancestor of where it lives. */
static struct err *look_below_own(const struct proc_process *p, const char *mountinfo, struct walk *w)
{
	struct cgroup cg;
	struct err *err = proc_cgroup_read(p, mountinfo, w->arena, &cg);
	if (err || !cg.dir) {
		proc_cgroup_deinit(&cg);
		return err;
	}
	size_t n = strcmp(cg.path, "/") == 0 ? 0 : strlen(cg.path);
	const char *rest = strncmp(cg.own_path, cg.path, n) == 0 ? cg.own_path + n : "";
	AUTO_FREE char *dir = xasprintf("%s%s", cg.dir, rest);
	if (cg.version == 2 || !w->out->hidden)
		look_below(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), cg.own_path, false, w);
	if (cg.version == 2)
		look_beside(dir, cg.own_path, w);
	proc_cgroup_deinit(&cg);
	return NULL;
}

/* The version of cgroups that this directory is of, or 0. */
static unsigned cgroup_version(int dir)
{
	struct statfs fs;
	if (fstatfs(dir, &fs) != 0)
		return 0;
	return fs.f_type == CGROUP_SUPER_MAGIC ? 1 : fs.f_type == CGROUP2_SUPER_MAGIC ? 2 : 0;
}

/* The directory of a descriptor, or the one that its file is in; O_PATH, or -1. Its path in `arena`. */
static int open_held(const struct proc_process *p, const struct proc_fd *fd, struct arena *arena, const char **path)
{
	char name[32];
	*path = fd->link;
	if (strcmp(fd->kind, "directory") == 0) {
		snprintf(name, sizeof(name), "fd/%d", fd->fd);
		return openat(p->dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	const char *slash = strrchr(fd->link, '/');
	if (strcmp(fd->kind, "file") != 0 || !slash || slash == fd->link)
		return -1;
	*path = arena_strndup(arena, fd->link, (size_t)(slash - fd->link));
	int dir = proc_process_open_path(p, *path);
	struct stat st;
	if (dir >= 0 && (fstat(dir, &st) != 0 || st.st_dev != fd->dev)) { /* something else is there by now */
		close(dir);
		return -1;
	}
	return dir;
}

/* Most descriptors are of other file systems: one look tells for all of them. */
static void look_below_held(const struct proc_process *p, const struct proc_fds *fds, struct walk *w)
{
	struct hash_map devices = { 0 }; /* device -> version of cgroups, 0: none */
	unsigned looked = 0;
	for (size_t i = 0; i < fds->v.n && looked < HELD_MAX; i++) {
		const struct proc_fd *fd = &fds->v.v[i];
		const uint64_t *known = hash_map_get(&devices, fd->dev);
		if (known && !*known)
			continue;
		const char *path = NULL;
		AUTO_CLOSE int dir = open_held(p, fd, w->arena, &path);
		if (dir < 0)
			continue;
		unsigned version = cgroup_version(dir);
		*hash_map_at(&devices, fd->dev, NULL) = version;
		if (!version || (version == 1 && w->out->hidden))
			continue;
		looked++;
		look_below(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), path, false, w);
	}
	hash_map_deinit(&devices);
}

static bool in_a_namespace(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) != 0 || st.st_ino != PID_NAMESPACE_OF_THE_MACHINE;
}

struct err *proc_cgleft_read(const struct proc_process *p, const char *sysfs_mountinfo, const struct proc_fds *fds,
			     struct arena *arena, struct proc_cgleft *ret)
{
	struct proc_status status;
	*ret = (struct proc_cgleft){ .dying = CGROUP_UNKNOWN, .hidden = in_a_namespace() };
	TRY(proc_status_read(p, &status));
	long hz = sysconf(_SC_CLK_TCK);
	int64_t started = (int64_t)(p->start_ticks / (uint64_t)hz) * NSEC;
	struct walk w = {
		.arena = arena,
		.out = ret,
		.now_ns = clock_ns(CLOCK_REALTIME),
		.user = status.uid,
		.target_ns = clock_ns(CLOCK_BOOTTIME) - started + NSEC,
	};
	/* What is held open is in use: it must not be found again from above, as one without processes. */
	look_below_held(p, fds, &w);
	struct err *err = look_below_own(p, sysfs_mountinfo, &w);
	hash_map_deinit(&w.seen);
	return err;
}
