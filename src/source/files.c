/* SPDX-License-Identifier: Apache-2.0 */
#include "source/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

enum { DEPTH_MAX = 40 };

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);
	return n >= m && strcmp(s + n - m, with) == 0;
}

static bool is_dir(int dir, const struct dirent *e)
{
	struct stat st;
	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static void walk(struct source_files *f, int dir, const char *path, unsigned depth);

static void visit(struct source_files *f, int dir, const struct dirent *e, const char *path, unsigned depth)
{
	bool go = ends(e->d_name, ".go") && !ends(e->d_name, "_test.go");
	if (e->d_name[0] == '.' || strcmp(e->d_name, "node_modules") == 0)
		return;
	if (!is_dir(dir, e)) {
		if (go)
			*vec_push(&f->v) = arena_printf(&f->arena, "%s%s", path, e->d_name);
		return;
	}
	int sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return;
	AUTO_FREE char *sub_path = xasprintf("%s%s/", path, e->d_name);
	walk(f, sub, sub_path, depth + 1);
}

/* Takes dir. */
static void walk(struct source_files *f, int dir, const char *path, unsigned depth)
{
	DIR *d = depth < DEPTH_MAX ? fdopendir(dir) : NULL;
	if (!d) {
		f->cut = f->cut || depth >= DEPTH_MAX;
		close(dir);
		return;
	}
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (f->v.n >= SOURCE_FILES_MAX) {
			f->cut = true;
			break;
		}
		visit(f, dir, e, path, depth);
	}
	closedir(d);
}

struct err *source_files_open(const char *dir, struct source_files *ret)
{
	*ret = (struct source_files){ .dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
	if (ret->dir < 0)
		return err_new(ERR_ARG, "the source directory %s cannot be opened: %s", dir, strerrordesc_np(errno));
	arena_init(&ret->arena);
	int again = openat(ret->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (again >= 0)
		walk(ret, again, "", 0);
	if (ret->v.n)
		return NULL;
	source_files_close(ret);
	return err_new(ERR_ARG, "there is no Go source below %s", dir);
}

void source_files_close(struct source_files *f)
{
	if (f->dir >= 0) {
		close(f->dir);
		arena_deinit(&f->arena);
	}
	vec_deinit(&f->v);
	f->dir = -1;
}

/* How many components of two paths agree, from their ends; *whole: all of a. */
static unsigned agreement(const char *a, const char *b, bool *whole)
{
	size_t i = strlen(a), j = strlen(b);
	unsigned n = 0;
	*whole = false;
	while (i && j && a[i - 1] == b[j - 1]) {
		i--;
		j--;
		n += a[i] == '/';
	}
	*whole = i == 0 && (j == 0 || b[j - 1] == '/');
	bool both = (i == 0 && (j == 0 || b[j - 1] == '/')) || (j == 0 && i && a[i - 1] == '/');
	return n + both;
}

const char *source_files_find(const struct source_files *f, const char *path)
{
	const char *best = NULL;
	unsigned most = 0;
	bool tie = false, best_whole = false;
	for (size_t i = 0; i < f->v.n; i++) {
		bool whole = false;
		unsigned n = agreement(f->v.v[i], path, &whole);
		if (!n || n < most || (n == most && best_whole && !whole))
			continue;
		tie = n == most && whole == best_whole;
		most = n;
		best = f->v.v[i];
		best_whole = whole;
	}
	return tie ? NULL : best;
}

struct err *source_files_read(const struct source_files *f, const char *path, char **ret, size_t *len)
{
	struct stat st;
	*ret = NULL;
	*len = 0;
	AUTO_CLOSE int fd = openat(f->dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0)
		return err_os(errno, "opening %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > SOURCE_FILE_LEN)
		return err_new(ERR_LIMIT, "%s is no file of source, or has more than %d bytes", path, SOURCE_FILE_LEN);
	size_t size = (size_t)st.st_size;
	TRY(alloc_checked(size + 1, 1, SOURCE_FILE_LEN + 1, ret));
	for (ssize_t n = 1; *len < size && n > 0;) {
		n = read(fd, *ret + *len, size - *len);
		*len += n > 0 ? (size_t)n : 0;
	}
	return NULL;
}
