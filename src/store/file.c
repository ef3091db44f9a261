/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"

/* "snapshots/4711-123456_20251126T031200.120Z.ullage": the target, the time, what it is. */
enum { TIME_LEN = 20 };

static struct err *failed(const char *what, const char *path)
{
	return err_new(ERR_WRITE, "%s %s: %s", what, path, strerrordesc_np(errno));
}

static void time_text(int64_t wall_ms, char ret[TIME_LEN + 1])
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	if (wall_ms < 0 || !gmtime_r(&s, &tm) || tm.tm_year > 8099)
		gmtime_r(&(time_t){ 0 }, &tm);
	snprintf(ret, TIME_LEN + 1, "%04u%02u%02uT%02u%02u%02u.%03uZ", (unsigned)(tm.tm_year + 1900) % 10000,
		 (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
		 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, (unsigned)(wall_ms < 0 ? 0 : wall_ms % 1000));
}

char *file_target(const char *name)
{
	return xstrndup(name, strcspn(name, "_"));
}

int64_t file_wall_ms(const char *name)
{
	const char *p = strchr(name, '_');
	static const unsigned char at[] = { 0, 4, 6, 9, 11, 13, 16 }, len[] = { 4, 2, 2, 2, 2, 2, 3 };
	uint64_t v[sizeof(at)] = { 0 };
	if (!p || strlen(p + 1) < TIME_LEN)
		return 0;
	for (size_t i = 0; i < sizeof(at); i++)
		if (!num_dec(p + 1 + at[i], len[i], &v[i]))
			return 0;
	struct tm tm = { .tm_year = (int)v[0] - 1900,
			 .tm_mon = (int)v[1] - 1,
			 .tm_mday = (int)v[2],
			 .tm_hour = (int)v[3],
			 .tm_min = (int)v[4],
			 .tm_sec = (int)v[5] };
	return (int64_t)timegm(&tm) * 1000 + (int64_t)v[6];
}

/* Names of targets are ours, but what is part of a path is looked at all the same. */
static void plain(const char *from, char *to, size_t len)
{
	size_t n = 0;
	for (; *from && n + 1 < len; from++)
		to[n++] = isalnum((unsigned char)*from) || strchr(".-", *from) ? *from : '-';
	to[n] = 0;
}

struct err *store_file_begin(struct store *s, enum store_file kind, const char *target, const char *suffix,
			     int64_t wall_ns, struct store_blob *ret)
{
	char stamp[TIME_LEN + 1], end[64];
	*ret = (struct store_blob){ .fd = -1, .kind = kind, .wall_ns = wall_ns };
	plain(target && *target ? target : "host", ret->target, sizeof(ret->target));
	plain(suffix, end, sizeof(end));
	time_text(wall_ns / 1000000, stamp);
	int len = snprintf(ret->path, sizeof(ret->path), "%s/%s/%s_%s%s", s->dir, place_folders[kind], ret->target,
			   stamp, end);
	int tmp = snprintf(ret->temporary, sizeof(ret->temporary), "%s/%s/.tmp-%s_%s%s", s->dir, place_folders[kind],
			   ret->target, stamp, end);
	if (len < 0 || tmp < 0 || (size_t)tmp >= sizeof(ret->temporary))
		return err_new(ERR_WRITE, "the name of the data directory %s is too long", s->dir);
	ret->fd = open(ret->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return ret->fd < 0 ? failed("making", ret->temporary) : NULL;
}

void store_file_drop(struct store_blob *b)
{
	if (b->fd < 0)
		return;
	close(take_fd(b->fd));
	b->fd = -1;
	unlink(b->temporary);
}

static struct err *sync_folder(const struct store *s, enum store_file kind)
{
	AUTO_CLOSE int fd = openat(s->dir_fd, place_folders[kind], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return failed("syncing", place_folders[kind]);
	return NULL;
}

struct err *store_file_done(struct store *s, struct store_blob *b)
{
	struct stat st = { 0 };
	struct err *err = NULL;
	if (fsync(b->fd) < 0 || fstat(b->fd, &st) < 0 || rename(b->temporary, b->path) < 0)
		err = failed("writing", b->path);
	if (err) {
		store_file_drop(b);
		return err;
	}
	/* its page cache is charged to our cgroup, which may be the target's own */
	(void)posix_fadvise(b->fd, 0, 0, POSIX_FADV_DONTNEED);
	close(take_fd(b->fd));
	*vec_push(&s->files) = (struct waiting_file){
		.kind = b->kind,
		.target = xstrdup(b->target),
		.path = xstrdup(b->path + strlen(s->dir) + 1),
		.bytes = (uint64_t)st.st_size,
		.wall_ms = b->wall_ns / 1000000,
	};
	s->file_bytes[b->kind] += (uint64_t)st.st_size;
	return sync_folder(s, b->kind);
}
