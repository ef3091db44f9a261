/* SPDX-License-Identifier: Apache-2.0 */
#include "operand/infile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "net/http.h"
#include "operand/progress.h"

enum {
	FETCH_MAX = 256 << 20,	   /* bytes of a document */
	FETCH_TIMEOUT_MS = 120000, /* a CPU profile is awaited for 30 s */
	HEAD = 32,		   /* bytes that tell more about what is refused */
};

/* Unpacked bytes. What needs memory for what it reads has a lower ceiling of its own. */
static const uint64_t UNPACKED_MAX = 1ull << 36;

static bool is_address(const char *name)
{
	return strncmp(name, "http://", 7) == 0 || strncmp(name, "https://", 8) == 0;
}

static struct err *fetch(const char *name, struct infile *ret)
{
	struct http_request request = { .url = name, .max = FETCH_MAX, .timeout_ms = FETCH_TIMEOUT_MS };
	TRY(http_get(&request, &ret->body));
	return stream_open_memory(ret->body.buf, ret->body.len, name, UNPACKED_MAX, &ret->stream);
}

/* A word without a dot or a slash was hardly meant as a file. */
static struct err *no_such_file(const char *name, int os)
{
	if (os == ENOENT && !strpbrk(name, "./"))
		return err_new(ERR_ARG,
			       "'%s' is neither a process id nor a file; a process is found by its name with --name %s",
			       name, name);
	if (os == EACCES || os == EPERM)
		return err_os(os, "opening %s", name);
	return err_new(ERR_NOT_FOUND, "%s: %s", name, strerrordesc_np(os));
}

static struct err *open_file(const char *name, struct infile *ret)
{
	bool standard = strcmp(name, "-") == 0;
	ret->fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (ret->fd < 0)
		return no_such_file(name, errno);
	struct stat st;
	if (fstat(ret->fd, &st) == 0 && S_ISDIR(st.st_mode))
		return err_new(ERR_ARG, "'%s' is a directory; a cgroup is named with --cgroup", name);
	return stream_open(ret->fd, standard ? "standard input" : name, UNPACKED_MAX, &ret->stream);
}

struct err *infile_open(const char *name, struct infile *ret)
{
	const unsigned char *head = NULL;
	size_t len = 0;
	*ret = (struct infile){ .fd = -1 };
	strbuf_init(&ret->body);
	TRY(is_address(name) ? fetch(name, ret) : open_file(name, ret));
	TRY(stream_peek(&ret->stream, CODEC_KIND_HEAD, &head, &len));
	ret->kind = codec_kind(head, len);
	return NULL;
}

void infile_close(struct infile *f)
{
	stream_close(&f->stream);
	strbuf_deinit(&f->body);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* By kind: who reads it. NULL: it has a sentence of its own. */
static const char *const readers[CODEC_KIND_MAX_] = {
	[CODEC_SNAPSHOT] = "`show` tells what is in it",
	[CODEC_PPROF] = "`heap`, `goroutines` and `diff` read those",
	[CODEC_GOROUTINES] = "`goroutines` and `diff` read it",
	[CODEC_HEAPDUMP] = "`heap`, `goroutines` and `diff` read it",
	[CODEC_HPROF] = "`owners` and `diff` read it",
	[CODEC_CORE] = "`map`, `heap`, `goroutines`, `timers`, `owners`, `diff` and `snap` read it",
};

static bool is_text_profile(const unsigned char *head, size_t len)
{
	static const char *const starts[] = { "heap profile: ", "--- contention:", "--- mutex:",
					      "threadcreate profile: " };
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t n = strlen(starts[i]);
		if (len >= n && memcmp(head, starts[i], n) == 0)
			return true;
	}
	return false;
}

struct err *infile_refuse(struct infile *f)
{
	const unsigned char *head = NULL;
	size_t len = 0;
	const char *name = f->stream.name;
	TRY(stream_peek(&f->stream, HEAD, &head, &len));
	if (readers[f->kind])
		return err_new(ERR_ARG, "%s is %s; %s", name, codec_kind_names[f->kind], readers[f->kind]);
	if (!len)
		return err_new(ERR_FORMAT, "%s: the file is empty: nothing at offset 0", name);
	if (is_text_profile(head, len))
		return err_new(ERR_ARG,
			       "%s is a profile as text (debug=1); what the same address gives without that is read",
			       name);
	if (f->kind != CODEC_ELF)
		return err_new(ERR_FORMAT, "%s: no snapshot, profile or dump of a known kind begins at offset 0", name);
	return err_new(ERR_ARG, "%s is a program; the process that runs it is named by its id or with --name", name);
}

/* ---- cores ---- */

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
