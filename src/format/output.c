/* SPDX-License-Identifier: Apache-2.0 */
#include "format/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static struct err *failed(const char *what, const char *name, int os)
{
	if (os == EPIPE)
		return err_new(ERR_WRITE, "%s", "");
	return err_new(ERR_WRITE, "%s %s: %s", what, name, strerrordesc_np(os));
}

struct err *output_write(int fd, const char *name, const void *data, size_t len)
{
	const char *p = data;
	while (len) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed("writing", name, errno);
		p += n;
		len -= (size_t)n;
	}
	return NULL;
}

/* The mode a new file would have: mkostemp() makes 0600. */
static mode_t new_mode(void)
{
	mode_t mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

/*
 * A file without a name until it is finished, where there is such a thing: then nothing of it is left, however we end.
 * The template becomes a name that nobody has, for the moment between the link and the rename.
 */
static int open_nameless(const struct output *o, int dir)
{
	AUTO_FREE char *folder = xasprintf("%.*s", dir ? dir : 2, dir ? o->tmp : "./");
	return open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
}

/* Gives a nameless file the temporary name. False with errno. */
static bool give_name(struct output *o)
{
	enum { TRIES = 100 };
	char self[64];
	size_t len = strlen(o->tmp);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);
	for (unsigned i = 0; i < TRIES; i++) {
		snprintf(o->tmp + len - 6, 7, "%06x", ((unsigned)getpid() * TRIES + i) & 0xffffff);
		if (linkat(AT_FDCWD, self, AT_FDCWD, o->tmp, AT_SYMLINK_FOLLOW) == 0) {
			o->nameless = false;
			return true;
		}
		if (errno != EEXIST)
			return false;
	}
	return false;
}

static struct err *open_beside(struct output *o, const char *path, mode_t mode)
{
	const char *slash = strrchr(path, '/');
	int dir = slash ? (int)(slash - path) + 1 : 0;
	o->tmp = xasprintf("%.*s.%s.XXXXXX", dir, path, path + dir);
	o->fd = open_nameless(o, dir);
	o->nameless = o->fd >= 0;
	if (!o->nameless)
		o->fd = mkostemp(o->tmp, O_CLOEXEC);
	if (o->fd < 0) {
		int os = errno;
		free(take_ptr(o->tmp));
		return failed("creating", path, os);
	}
	o->owned = true;
	o->path = xstrdup(path);
	/* Not to be allowed to is no reason to give up: the file is then private. */
	(void)!fchmod(o->fd, mode & 0777);
	return NULL;
}

bool output_is_stdout(const char *path)
{
	return !path || strcmp(path, "-") == 0;
}

struct err *output_open(struct output *o, const char *path)
{
	*o = (struct output){ .fd = STDOUT_FILENO };
	if (output_is_stdout(path))
		return NULL;
	if (!*path)
		return err_new(ERR_WRITE, "the name of the output file is empty");
	struct stat st;
	if (stat(path, &st) < 0)
		return open_beside(o, path, new_mode());
	if (S_ISDIR(st.st_mode))
		return failed("creating", path, EISDIR);
	if (S_ISREG(st.st_mode)) {
		AUTO_FREE char *real = realpath(path, NULL);
		return open_beside(o, real ? real : path, st.st_mode);
	}
	o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (o->fd < 0)
		return failed("opening", path, errno);
	o->owned = true;
	o->path = xstrdup(path);
	return NULL;
}

static void sync_folder(const char *path)
{
	AUTO_FREE char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = 0;
	AUTO_CLOSE int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)!fsync(fd); /* the data is safe; the name will be */
}

static struct err *finish(struct output *o)
{
	if (!o->owned)
		return NULL;
	if (o->tmp && !o->large && fsync(o->fd) < 0)
		return failed("writing", o->path, errno);
	if (o->tmp && o->nameless && !give_name(o))
		return failed("naming", o->path, errno);
	o->owned = false;
	if (close(o->fd) < 0)
		return failed("writing", o->path, errno);
	if (!o->tmp)
		return NULL;
	if (rename(o->tmp, o->path) < 0)
		return failed("renaming to", o->path, errno);
	free(take_ptr(o->tmp));
	if (!o->large)
		sync_folder(o->path);
	return NULL;
}

struct err *output_commit(struct output *o, const void *data, size_t len)
{
	const char *name = o->path ? o->path : "standard output";
	struct err *err = output_write(o->fd, name, data, len);
	if (!err)
		err = finish(o);
	output_abandon(o);
	return err;
}

void output_abandon(struct output *o)
{
	if (o->owned)
		close(o->fd);
	if (o->tmp && !o->nameless)
		unlink(o->tmp);
	free(o->tmp);
	free(o->path);
	*o = (struct output){ .fd = -1 };
}
