/* SPDX-License-Identifier: Apache-2.0 */
#include "sense/tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "model/watch.h"
#include "sense/text.h"

enum { SMALL = 64, LEVELS_MAX = 64 };

static const int64_t SLOW = INT64_C(2) * 1000 * 1000 * 1000;

static int open_in(const char *dir, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static uint64_t read_number(struct sense_tasks *t, int fd)
{
	char buf[SMALL];
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, sizeof(buf), 0);
	t->dead = t->dead || (fd >= 0 && n < 0 && errno == ENODEV);
	return n > 0 ? sense_text_number(buf, (size_t)n) : WATCH_UNKNOWN; /* "max" is none */
}

static struct sense_tasks *find(const struct sense_tasks_vec *all, const char *dir)
{
	for (size_t i = 0; i < all->n; i++) {
		if (!all->v[i]->dead && !strcmp(all->v[i]->dir, dir))
			return all->v[i];
	}
	return NULL;
}

static struct sense_tasks *add(struct sense_tasks_vec *all, const char *dir, int most)
{
	struct sense_tasks *t = xcalloc(1, sizeof(*t));
	*t = (struct sense_tasks){
		.dir = xstrdup(dir),
		.current = -1,
		.most = most,
		.n = WATCH_UNKNOWN,
		.max = WATCH_UNKNOWN,
	};
	*vec_push(all) = t;
	return t;
}

struct sense_tasks *sense_tasks_of(struct sense_tasks_vec *all, const char *dir)
{
	struct sense_tasks *lowest = NULL, **link = &lowest;
	AUTO_FREE char *at = dir ? xstrdup(dir) : NULL;
	for (unsigned level = 0; at && level < LEVELS_MAX; level++) {
		struct sense_tasks *known = find(all, at);
		if (known) {
			*link = sense_tasks_join(known);
			break;
		}
		/* The root has no maximum; v2's lower levels need not have the controller. */
		int most = open_in(at, "pids.max");
		if (most < 0 && (lowest || access(at, F_OK) != 0))
			break;
		if (most >= 0) {
			struct sense_tasks *t = add(all, at, most);
			t->refs = 1;
			*link = t;
			link = &t->parent;
		}
		char *slash = strrchr(at, '/');
		if (!slash || slash == at)
			break;
		*slash = 0;
	}
	if (lowest && lowest->current < 0)
		lowest->current = open_in(lowest->dir, "pids.current");
	return lowest;
}

struct sense_tasks *sense_tasks_join(struct sense_tasks *t)
{
	if (t)
		t->refs++;
	return t;
}

static void tasks_free(struct sense_tasks *t)
{
	if (t->current >= 0)
		close(t->current);
	if (t->most >= 0)
		close(t->most);
	free(t->dir);
	free(t);
}

void sense_tasks_leave(struct sense_tasks_vec *all, struct sense_tasks *t)
{
	while (t && !--t->refs) {
		struct sense_tasks *parent = t->parent;
		for (size_t i = 0; i < all->n; i++) {
			if (all->v[i] == t)
				all->v[i--] = all->v[--all->n];
		}
		tasks_free(t);
		t = parent;
	}
}

static void read_level(struct sense_tasks *t, int64_t now_ns)
{
	if (t->looked_ns && now_ns >= t->looked_ns && now_ns - t->looked_ns < SLOW)
		return;
	t->looked_ns = now_ns;
	t->max = read_number(t, t->most);
	if (t->max != WATCH_UNKNOWN && t->current < 0)
		t->current = open_in(t->dir, "pids.current");
	t->n = read_number(t, t->current);
}

void sense_tasks_look(struct sense_tasks *t, int64_t now_ns, uint64_t *n, uint64_t *max)
{
	double nearest = -1;
	*n = *max = WATCH_UNKNOWN;
	for (const struct sense_tasks *lowest = t; t; t = t->parent) {
		read_level(t, now_ns);
		if (t == lowest)
			*n = t->n;
		if (t->n == WATCH_UNKNOWN || t->max == WATCH_UNKNOWN)
			continue;
		double share = t->max ? (double)t->n / (double)t->max : 1;
		if (share <= nearest)
			continue;
		nearest = share;
		*n = t->n;
		*max = t->max;
	}
}
