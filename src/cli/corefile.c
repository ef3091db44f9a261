/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/corefile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "cli/progress.h"

enum { BLOCK = 4096, COPY = 256 << 10 };

static const char *temporary_directory(void)
{
	const char *dir = getenv("TMPDIR");
	return dir && *dir ? dir : "/var/tmp";
}

static int nameless_file(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	AUTO_FREE char *path = xasprintf("%s/ullage-XXXXXX", dir); /* for file systems that have none */
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static struct err *no_room(const struct infile *f, const char *dir, int os)
{
	return err_new(
		ERR_WRITE,
		"%s: unpacking it into %s: %s; set TMPDIR to where there is room, or unpack it yourself and give "
		"the plain file",
		f->stream.name, dir, strerrordesc_np(os));
}

static bool is_zero(const unsigned char *p, size_t len)
{
	return !p[0] && memcmp(p, p + 1, len - 1) == 0;
}

/* Bytes at `at`; blocks of zeros become holes. */
static int put(int fd, const unsigned char *data, size_t len, uint64_t at)
{
	for (size_t done = 0; done < len;) {
		size_t n = num_min(BLOCK - (at + done) % BLOCK, len - done);
		if (is_zero(data + done, n)) {
			done += n;
			continue;
		}
		while (done + n < len && !is_zero(data + done + n, num_min(BLOCK, len - done - n)))
			n += num_min(BLOCK, len - done - n);
		ssize_t put = pwrite(fd, data + done, n, (off_t)(at + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return errno;
		done += (size_t)put;
	}
	return 0;
}

static struct err *unpack(struct infile *f, int fd, const char *dir)
{
	uint64_t at = 0;
	for (;;) {
		const unsigned char *data = NULL;
		size_t len = 0;
		TRY(stream_peek(&f->stream, COPY, &data, &len));
		if (progress_interrupted)
			return err_new(ERR_OS, "%s: interrupted while it was unpacked", f->stream.name);
		if (!len)
			break;
		int os = put(fd, data, len, at);
		if (os)
			return no_room(f, dir, os);
		stream_consume(&f->stream, len);
		at += len;
	}
	return ftruncate(fd, (off_t)at) < 0 ? no_room(f, dir, errno) : NULL;
}

struct err *corefile_open(struct infile *f, const char *exe, struct corefile *ret)
{
	struct stat st;
	*ret = (struct corefile){ .core = { .fd = f->fd, .name = f->stream.name, .exe = exe }, .own = -1 };
	if (f->fd >= 0 && f->stream.pack == STREAM_PLAIN && fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode))
		return NULL;
	const char *dir = temporary_directory();
	ret->own = ret->core.fd = nameless_file(dir);
	if (ret->own < 0)
		return no_room(f, dir, errno);
	progress_step("unpacking the core");
	TRY(unpack(f, ret->own, dir));
	if (f->fd >= 0 && fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode)) /* the time of a core is that of its file */
		(void)!futimens(ret->own, (const struct timespec[]){ st.st_atim, st.st_mtim });
	return NULL;
}

void corefile_close(struct corefile *c)
{
	if (c->own >= 0)
		close(c->own);
	c->own = -1;
}
