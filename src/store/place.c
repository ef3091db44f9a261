/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"

const char *const place_folders[STORE_FILES] = { "snapshots", "profiles" };

static int64_t clock_ns(clockid_t which)
{
	struct timespec t;
	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t store_boot_ms(void)
{
	return clock_ns(CLOCK_BOOTTIME) / 1000000;
}

int64_t store_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

char *store_default_directory(void)
{
	const char *given = getenv("STATE_DIRECTORY"); /* systemd's; several are separated by colons */
	if (given && *given)
		return xasprintf("%.*s", (int)strcspn(given, ":"), given);
	if (geteuid() == 0)
		return xstrdup("/var/lib/ullage");
	const char *state = getenv("XDG_STATE_HOME");
	if (state && *state == '/')
		return xasprintf("%s/ullage", state);
	const char *home = getenv("HOME");
	return xasprintf("%s/.local/state/ullage", home && *home ? home : "/");
}

void place_boot_name(char ret[40])
{
	memset(ret, 0, 40);
	AUTO_CLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, 39);
	if (n <= 0)
		snprintf(ret, 40, "unknown");
	ret[strcspn(ret, "\n")] = 0;
}

char *place_path(const struct store *s, const char *name)
{
	return xasprintf("%s/%s", s->dir, name);
}

uint64_t place_bytes(const struct store *s, const char *name)
{
	struct stat st;
	return fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

static struct err *failed(const char *what, const char *name)
{
	int os = errno;
	enum err_code code = os == EACCES || os == EPERM ? ERR_DENIED : ERR_WRITE;
	return err_new(code, "the data directory: %s %s: %s", what, name, strerrordesc_np(os));
}

/* The directory and those above it, as mkdir -p does; only the last is private. */
static struct err *make_directories(const char *path)
{
	AUTO_FREE char *part = xstrdup(path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return failed("making", part);
		*p = '/';
	}
	if (mkdir(part, 0700) < 0 && errno != EEXIST)
		return failed("making", part);
	return NULL;
}

static struct err *lock_failed(const struct store *s, const char *what)
{
	int os = errno;
	AUTO_FREE char *path = xasprintf("%s/lock", s->dir);
	errno = os;
	return failed(what, path);
}

/*
 * A lock of the process (not of the open file): a child that fork() made does not hold it on when the daemon was killed. The
 * kernel says who has it; the number in the file is for those who look.
 */
static struct err *take_lock(struct store *s)
{
	struct flock want = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return lock_failed(s, "making");
	if (fcntl(s->lock_fd, F_SETLK, &want) < 0) {
		if (errno != EACCES && errno != EAGAIN)
			return failed("locking", s->dir);
		want = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fcntl(s->lock_fd, F_GETLK, &want) < 0 || want.l_type == F_UNLCK || want.l_pid <= 0)
			return err_new(ERR_WRITE, "another daemon holds the data directory %s", s->dir);
		return err_new(ERR_WRITE, "another daemon, process %d, holds the data directory %s", want.l_pid,
			       s->dir);
	}
	char pid[32];
	int len = snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(s->lock_fd, 0) < 0 || pwrite(s->lock_fd, pid, (size_t)len, 0) != len)
		return lock_failed(s, "writing");
	return NULL;
}

static struct err *make_folder(struct store *s, const char *name)
{
	if (mkdirat(s->dir_fd, name, 0700) < 0 && errno != EEXIST)
		return failed("making", name);
	AUTO_CLOSE int fd = openat(s->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return failed("opening", name);
	return NULL;
}

/* A way to it by symbolic links is the owner's choice; below it none is followed. */
static struct err *resolve(struct store *s)
{
	char *whole = realpath(s->dir, NULL);
	if (!whole)
		return failed("resolving", s->dir);
	free(s->dir);
	s->dir = whole;
	return NULL;
}

/* Whoever may write here may put anything in the place of our files. */
static struct err *look_at_rights(struct store *s)
{
	struct stat st;
	if (fstat(s->dir_fd, &st) != 0)
		return failed("looking at", s->dir);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		strbuf_printf(&s->told, "the data directory %s can be written by others: mode %o instead of 700\n",
			      s->dir, (unsigned)st.st_mode & 07777);
	return NULL;
}

static struct err *hold(struct store *s)
{
	TRY(make_directories(s->dir));
	TRY(resolve(s));
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return failed("opening", s->dir);
	TRY(take_lock(s));
	TRY(look_at_rights(s));
	for (size_t i = 0; i < STORE_FILES; i++)
		TRY(make_folder(s, place_folders[i]));
	return NULL;
}

static void let_go(struct store *s)
{
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	s->dir_fd = s->lock_fd = -1;
}

struct err *place_open(struct store *s, const char *directory)
{
	s->dir_fd = s->lock_fd = -1;
	if (!directory || !*directory)
		return err_new(ERR_ARG, "the name of the data directory is empty");
	s->dir = xstrdup(directory);
	for (size_t n = strlen(s->dir); n > 1 && s->dir[n - 1] == '/'; n--)
		s->dir[n - 1] = 0;
	return hold(s);
}

void place_close(struct store *s)
{
	let_go(s);
	free(s->dir);
}

uint64_t place_ino(const struct store *s, const char *name)
{
	struct stat st;
	return fstatat(s->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

bool place_is_gone(const struct store *s)
{
	struct stat held, named;
	if (s->dir_fd < 0)
		return true;
	if (stat(s->dir, &named) != 0) /* a disk that fails is another matter */
		return errno == ENOENT || errno == ENOTDIR;
	if (fstat(s->dir_fd, &held) == 0 && (held.st_dev != named.st_dev || held.st_ino != named.st_ino))
		return true;
	if (fstatat(s->dir_fd, "ullage.db", &named, AT_SYMLINK_NOFOLLOW) != 0)
		return s->database_ino && errno == ENOENT;
	return s->database_ino && named.st_ino != s->database_ino;
}

struct err *place_again(struct store *s)
{
	let_go(s);
	return hold(s);
}

/* Only the newest damaged database stays: it is for who wants to know, not a reason to fill the disk. */
static void drop_damaged(struct store *s, const char *but)
{
	DIR *d = opendir(s->dir);
	for (struct dirent *e; d && (e = readdir(d));)
		if (strncmp(e->d_name, "ullage.db.damaged-", 18) == 0 && strncmp(e->d_name, but, strlen(but)) != 0)
			unlinkat(s->dir_fd, e->d_name, 0);
	if (d)
		closedir(d);
}

struct err *place_set_aside(struct store *s, const char *why, char **aside)
{
	time_t now = (time_t)(store_wall_ns() / 1000000000);
	struct tm tm;
	char name[64], to[80], stamp[32];
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	snprintf(name, sizeof(name), "ullage.db.damaged-%s", stamp);
	drop_damaged(s, name);
	static const char *const tails[] = { "-wal", "-shm", "" };
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		char from[32];
		snprintf(from, sizeof(from), "ullage.db%s", tails[i]);
		snprintf(to, sizeof(to), "%s%s", name, tails[i]);
		if (renameat(s->dir_fd, from, s->dir_fd, to) < 0 && errno != ENOENT)
			return failed("renaming", from);
	}
	s->damaged_bytes = place_bytes(s, name);
	*aside = place_path(s, name);
	strbuf_printf(&s->told, "the database was damaged (%s): it is now %s, and a new one was begun\n", why, name);
	return NULL;
}
