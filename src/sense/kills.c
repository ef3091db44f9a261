/* SPDX-License-Identifier: Apache-2.0 */
#include "sense/kills.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "proc/cgplace.h"
#include "proc/cgroup.h"
#include "sense/sense.h"
#include "sense/text.h"

enum { SMALL = 512, DIRS = 16384, DEPTH = 32, MOUNTINFO = 4 << 20, COST = 20, FORGET_AT = 1024 };

static const uint64_t NO_LIMIT_V1 = UINT64_C(0x7ffffffffffff000);

static const struct {
	const char *counter, *limit;
} files[] = { { 0 }, { "memory.oom_control", "memory.limit_in_bytes" }, { "memory.events.local", "memory.max" } };

/* ---- where the hierarchy is ---- */

static void read_text(const char *path, struct strbuf *out)
{
	char buf[4096];
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	for (ssize_t n = 1; fd >= 0 && n > 0 && out->len < MOUNTINFO;) {
		n = read(fd, buf, sizeof(buf));
		strbuf_add(out, buf, n > 0 ? (size_t)n : 0);
	}
}

static void find_root(struct sense_kills *k, const char *mountinfo)
{
	AUTO(strbuf) struct strbuf mounts;
	struct arena arena;
	strbuf_init(&mounts);
	arena_init(&arena);
	read_text(mountinfo, &mounts);
	for (unsigned version = 1; version <= 2 && !k->root; version++) {
		struct cgplace_dir_vec dirs = { 0 };
		const struct cgplace top = { version, "/" };
		proc_cgplace_dirs(mounts.buf, &top, "memory", &arena, &dirs);
		if (dirs.n && !dirs.v[0].search && !*dirs.v[0].below) {
			k->root = xstrdup(dirs.v[0].mount);
			k->version = version;
			k->part = !proc_cgroup_is_root(k->root, version);
		}
		vec_deinit(&dirs);
	}
	arena_deinit(&arena);
}

/* ---- the walk ---- */

struct walk {
	struct sense_kills *k;
	struct hash_map watched; /* inodes */
	struct hash_map seen;	 /* what k->seen becomes */
	sense_killed_fn fn;	 /* NULL: only remember */
	bool forget;		 /* only what is there no more */
	void *arg;
	unsigned dirs;
	bool cut;
	struct strbuf path;
};

static size_t read_at(int dir, const char *name, char *buf, size_t size)
{
	AUTO_CLOSE int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size);
	return n > 0 ? (size_t)n : 0;
}

static uint64_t limit_of(const struct sense_kills *k, const char *path)
{
	char buf[SMALL];
	AUTO_FREE char *dir = xasprintf("%s%s", k->root, path);
	AUTO_CLOSE int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t n = fd < 0 ? 0 : read_at(fd, files[k->version].limit, buf, sizeof(buf));
	uint64_t limit = n ? sense_text_number(buf, n) : WATCH_UNKNOWN;
	return k->version == 1 && limit >= NO_LIMIT_V1 ? WATCH_UNKNOWN : limit;
}

static void tell(struct walk *w, uint64_t n, bool whole)
{
	AUTO_FREE char *at = xstrdup(w->path.len ? w->path.buf : "/");
	AUTO_FREE char *path = xstrdup(at);
	struct sense_killed killed = { .path = path, .n = n, .whole = whole, .limit = limit_of(w->k, at) };
	for (char *slash; killed.limit == WATCH_UNKNOWN && (slash = strrchr(at, '/')) && slash > at;) {
		*slash = 0;
		killed.limit = limit_of(w->k, at);
	}
	killed.limit_path = at;
	w->fn(w->arg, &killed);
}

static void visit(struct walk *w, int dir)
{
	char buf[SMALL];
	struct stat st;
	if (fstat(dir, &st) != 0)
		return;
	const uint64_t *before = hash_map_get(&w->k->seen, st.st_ino);
	if (w->forget && before)
		*hash_map_at(&w->seen, st.st_ino, NULL) = *before;
	size_t n = w->forget ? 0 : read_at(dir, files[w->k->version].counter, buf, sizeof(buf));
	uint64_t now = n ? sense_text_key(buf, n, "oom_kill") : SENSE_UNKNOWN;
	if (now == SENSE_UNKNOWN)
		return;
	bool watched = hash_map_get(&w->watched, st.st_ino);
	*hash_map_at(&w->seen, st.st_ino, NULL) = watched && before ? *before : now;
	if (watched || !w->fn || (!before && w->k->cut) || now <= (before ? *before : 0))
		return;
	uint64_t whole = sense_text_key(buf, n, "oom_group_kill");
	tell(w, now - (before ? *before : 0), whole != SENSE_UNKNOWN && whole > 0);
}

/* Takes dir. */
static void down(struct walk *w, int dir, unsigned depth)
{
	DIR *d = fdopendir(dir);
	if (!d) {
		close(dir);
		w->cut = true;
		return;
	}
	visit(w, dir);
	for (struct dirent *e = readdir(d); e && depth < DEPTH && w->dirs < DIRS; e = readdir(d)) {
		if (e->d_name[0] == '.' || e->d_type != DT_DIR)
			continue;
		int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0) {
			w->cut = w->cut || errno != ENOENT;
			continue;
		}
		w->dirs++;
		size_t len = w->path.len;
		strbuf_printf(&w->path, "/%s", e->d_name);
		down(w, sub, depth + 1);
		w->path.len = len;
		w->path.buf[len] = 0;
	}
	closedir(d);
}

static void walk(struct walk *w)
{
	struct sense_kills *k = w->k;
	int dir = k->root ? open(k->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir < 0)
		return;
	strbuf_init(&w->path);
	down(w, dir, 0);
	hash_map_deinit(&k->seen);
	strbuf_deinit(&w->path);
	k->seen = w->seen;
	k->cut = w->cut || w->dirs >= DIRS;
	k->kept = k->seen.n;
}

static void walk_all(struct sense_kills *k, const struct sense_groups *gs, sense_killed_fn fn, void *arg)
{
	struct walk w = { .k = k, .fn = fn, .arg = arg };
	for (size_t i = 0; i < gs->v.n; i++) {
		if (gs->v.v[i]->members && !gs->v.v[i]->dead)
			*hash_map_at(&w.watched, gs->v.v[i]->inode, NULL) = 1;
	}
	walk(&w);
	hash_map_deinit(&w.watched);
}

void sense_kills_begin(struct sense_kills *k, const struct sense_groups *gs, const char *mountinfo)
{
	find_root(k, mountinfo);
	walk_all(k, gs, NULL, NULL);
	k->begun = true;
}

bool sense_kills_walk(struct sense_kills *k, const struct sense_groups *gs, int64_t now_ns, sense_killed_fn fn,
		      void *arg)
{
	if (!k->begun || now_ns < k->after_ns)
		return false;
	int64_t began = sense_now();
	walk_all(k, gs, fn, arg);
	k->after_ns = now_ns + COST * (sense_now() - began);
	return true;
}

void sense_kills_forget(struct sense_kills *k)
{
	if (k->seen.n <= 2 * k->kept + FORGET_AT)
		return;
	if (!k->root)
		hash_map_deinit(&k->seen);
	else
		walk(&(struct walk){ .k = k, .forget = true });
}

/* ---- what is known otherwise ---- */

uint64_t sense_kills_before(const struct sense_kills *k, uint64_t inode)
{
	const uint64_t *before = hash_map_get(&k->seen, inode);
	if (before)
		return *before;
	return k->begun && k->root && !k->cut ? 0 : WATCH_UNKNOWN;
}

void sense_kills_told(struct sense_kills *k, uint64_t inode, uint64_t counter)
{
	if (k->begun && inode && counter != WATCH_UNKNOWN)
		*hash_map_at(&k->seen, inode, NULL) = counter;
}

void sense_kills_told_in(struct sense_kills *k, const char *path)
{
	struct stat st;
	AUTO_FREE char *dir = k->root ? xasprintf("%s%s", k->root, path) : NULL;
	if (dir && k->begun && stat(dir, &st) == 0)
		++*hash_map_at(&k->seen, st.st_ino, NULL);
}

void sense_kills_deinit(struct sense_kills *k)
{
	hash_map_deinit(&k->seen);
	free(k->root);
}
