/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/num.h"

enum {
	IN_SIZE = 256 << 10,
	GZIP_BITS = 15 + 16, /* zlib: the largest window, with a gzip header */
	ZSTD_WINDOW_LOG = 27,
};

struct err *stream_bad(const struct stream *s, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_new(ERR_FORMAT, "%s: %s at offset %llu", s->name, text, (unsigned long long)s->offset);
}

/* ---- packed bytes ---- */

/* More packed bytes when none are left; in_end when there are no more. */
static struct err *fill_in(struct stream *s)
{
	if (s->in_pos < s->in_len || s->in_end)
		return NULL;
	if (s->fd < 0) {
		s->in_end = true;
		return NULL;
	}
	ssize_t n = 0;
	do
		n = read(s->fd, s->in_own, IN_SIZE);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_os(errno, "reading %s", s->name);
	s->in = s->in_own;
	s->in_pos = 0;
	s->in_len = (size_t)n;
	s->in_end = n == 0;
	return NULL;
}

static struct err *cut_short(const struct stream *s)
{
	return err_new(ERR_FORMAT, "%s: the compressed data ends too early, after %llu unpacked bytes", s->name,
		       (unsigned long long)s->offset + (s->len - s->pos));
}

static struct err *damaged(const struct stream *s)
{
	return err_new(ERR_FORMAT, "%s: the compressed data is damaged after %llu unpacked bytes", s->name,
		       (unsigned long long)s->offset + (s->len - s->pos));
}

/* ---- unpacking: each appends to the window, and sets `end` at the end ---- */

static struct err *fill_plain(struct stream *s)
{
	if (s->fd >= 0 && s->in_pos == s->in_len && !s->in_end) { /* straight into the window */
		ssize_t n = 0;
		do
			n = read(s->fd, s->window + s->len, STREAM_WINDOW - s->len);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return err_os(errno, "reading %s", s->name);
		s->len += (size_t)n;
		s->end = n == 0;
		return NULL;
	}
	TRY(fill_in(s));
	size_t n = (size_t)num_min(s->in_len - s->in_pos, STREAM_WINDOW - s->len);
	if (n)
		memcpy(s->window + s->len, s->in + s->in_pos, n);
	s->in_pos += n;
	s->len += n;
	s->end = s->in_end && s->in_pos == s->in_len;
	return NULL;
}

static struct err *fill_gzip(struct stream *s)
{
	z_stream *z = s->unpacker;
	TRY(fill_in(s));
	if (s->in_pos == s->in_len)
		return cut_short(s);
	z->next_in = (unsigned char *)(uintptr_t)(s->in + s->in_pos);
	z->avail_in = (unsigned)num_min(s->in_len - s->in_pos, UINT32_MAX);
	unsigned had = z->avail_in;
	z->next_out = s->window + s->len;
	z->avail_out = (unsigned)(STREAM_WINDOW - s->len);
	int status = inflate(z, Z_NO_FLUSH);
	s->in_pos += had - z->avail_in;
	s->len = STREAM_WINDOW - z->avail_out;
	if (status == Z_STREAM_END) { /* another member may follow */
		TRY(fill_in(s));
		s->end = s->in_pos == s->in_len;
		if (!s->end && inflateReset(z) != Z_OK)
			return damaged(s);
		return NULL;
	}
	return status == Z_OK || status == Z_BUF_ERROR ? NULL : damaged(s);
}

static struct err *fill_zstd(struct stream *s)
{
	TRY(fill_in(s));
	if (s->in_pos == s->in_len)
		return cut_short(s);
	ZSTD_inBuffer in = { s->in, s->in_len, s->in_pos };
	ZSTD_outBuffer out = { s->window, STREAM_WINDOW, s->len };
	size_t left = ZSTD_decompressStream(s->unpacker, &out, &in);
	s->in_pos = in.pos;
	s->len = out.pos;
	if (ZSTD_isError(left))
		return damaged(s);
	if (!left) {
		TRY(fill_in(s));
		s->end = s->in_pos == s->in_len;
	}
	return NULL;
}

static struct err *fill(struct stream *s)
{
	static struct err *(*const fills[])(struct stream *) = {
		[STREAM_PLAIN] = fill_plain,
		[STREAM_GZIP] = fill_gzip,
		[STREAM_ZSTD] = fill_zstd,
	};
	size_t before = s->len;
	TRY(fills[s->pack](s));
	uint64_t come = s->offset + (s->len - s->pos);
	if (s->len != before && come > s->ceiling)
		return err_new(ERR_LIMIT, "%s: more than %llu bytes when unpacked", s->name,
			       (unsigned long long)s->ceiling);
	return NULL;
}

/* ---- opening ---- */

static void unpacker_free(struct stream *s)
{
	if (s->pack == STREAM_GZIP && s->unpacker)
		inflateEnd(s->unpacker);
	if (s->pack == STREAM_ZSTD)
		ZSTD_freeDStream(s->unpacker);
	else
		free(s->unpacker);
	s->unpacker = NULL;
}

static struct err *choose(struct stream *s)
{
	static const unsigned char gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	const unsigned char *p = s->in + s->in_pos;
	size_t n = s->in_len - s->in_pos;
	if (n >= sizeof(gzip) && memcmp(p, gzip, sizeof(gzip)) == 0) {
		s->pack = STREAM_GZIP;
		s->unpacker = xcalloc(1, sizeof(z_stream));
		if (inflateInit2((z_stream *)s->unpacker, GZIP_BITS) != Z_OK)
			return err_nomem();
	} else if (n >= sizeof(zstd) && memcmp(p, zstd, sizeof(zstd)) == 0) {
		s->pack = STREAM_ZSTD;
		s->unpacker = ZSTD_createDStream();
		if (!s->unpacker)
			return err_nomem();
		ZSTD_DCtx_setParameter(s->unpacker, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	}
	return NULL;
}

static struct err *start(struct stream *s)
{
	s->window = xmalloc(STREAM_WINDOW);
	struct err *err = fill_in(s);
	if (!err && s->in_pos < s->in_len)
		err = choose(s);
	if (err)
		stream_close(s);
	return err;
}

struct err *stream_open(int fd, const char *name, uint64_t ceiling, struct stream *ret)
{
	*ret = (struct stream){ .name = name, .fd = fd, .ceiling = ceiling, .in_own = xmalloc(IN_SIZE) };
	return start(ret);
}

struct err *stream_open_memory(const void *data, size_t len, const char *name, uint64_t ceiling, struct stream *ret)
{
	*ret = (struct stream){ .name = name, .fd = -1, .ceiling = ceiling, .in = data, .in_len = len };
	return start(ret);
}

struct err *stream_rewind(struct stream *s)
{
	struct stream again;
	if (s->fd >= 0 && lseek(s->fd, 0, SEEK_SET) < 0)
		return err_new(ERR_UNSUPPORTED, "%s cannot be read twice, as this takes: give a file", s->name);
	if (s->fd < 0)
		TRY(stream_open_memory(s->in, s->in_len, s->name, s->ceiling, &again));
	else
		TRY(stream_open(s->fd, s->name, s->ceiling, &again));
	stream_close(s);
	*s = again;
	return NULL;
}

void stream_close(struct stream *s)
{
	unpacker_free(s);
	free(s->in_own);
	free(s->window);
	s->in_own = s->window = NULL;
	s->end = true;
	s->pos = s->len = 0;
}

/* ---- reading ---- */

struct err *stream_peek(struct stream *s, size_t want, const unsigned char **ret, size_t *have)
{
	if (s->len - s->pos < want && s->pos) {
		memmove(s->window, s->window + s->pos, s->len - s->pos);
		s->len -= s->pos;
		s->pos = 0;
	}
	while (!s->end && s->len - s->pos < want)
		TRY(fill(s));
	*ret = s->window + s->pos;
	*have = s->len - s->pos;
	return NULL;
}

void stream_consume(struct stream *s, size_t n)
{
	s->pos += n;
	s->offset += n;
}

static struct err *ends_early(const struct stream *s, uint64_t missing)
{
	return stream_bad(s, "the file ends %llu bytes too early", (unsigned long long)missing);
}

struct err *stream_skip(struct stream *s, uint64_t n)
{
	while (n) {
		const unsigned char *p = NULL;
		size_t have = 0;
		TRY(stream_peek(s, 1, &p, &have));
		if (!have)
			return ends_early(s, n);
		size_t part = (size_t)num_min(n, have);
		stream_consume(s, part);
		n -= part;
	}
	return NULL;
}

struct err *stream_read(struct stream *s, void *buf, size_t n)
{
	for (size_t at = 0; at < n;) {
		const unsigned char *p = NULL;
		size_t have = 0;
		TRY(stream_peek(s, 1, &p, &have));
		if (!have)
			return ends_early(s, n - at);
		size_t part = (size_t)num_min(n - at, have);
		memcpy((unsigned char *)buf + at, p, part);
		stream_consume(s, part);
		at += part;
	}
	return NULL;
}

struct err *stream_all(struct stream *s, size_t max, unsigned char **ret, size_t *len)
{
	AUTO_FREE unsigned char *buf = NULL;
	size_t n = 0, cap = 0;
	for (;;) {
		const unsigned char *p = NULL;
		size_t have = 0;
		TRY(stream_peek(s, 1, &p, &have));
		if (!have)
			break;
		if (n + have > max)
			return err_new(ERR_LIMIT, "%s: more than %zu bytes when unpacked", s->name, max);
		if (!buf || n + have + 1 > cap) {
			cap = (n + have + 1) * 2;
			buf = xrealloc(buf, cap);
		}
		memcpy(buf + n, p, have);
		stream_consume(s, have);
		n += have;
	}
	if (!buf)
		buf = xmalloc(1);
	buf[n] = 0;
	*len = n;
	*ret = take_ptr(buf);
	return NULL;
}
