/* SPDX-License-Identifier: Apache-2.0 */
#include "act/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { HEAD = 4, CHUNK = 64 * 1024 };
#define NO_STRING UINT32_MAX

static void put(struct strbuf *out, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		strbuf_putc(out, (char)(unsigned char)(v >> (8 * i)));
}

size_t frame_begin(struct strbuf *out, enum frame_kind kind)
{
	size_t at = out->len;
	put(out, 0, HEAD);
	frame_u8(out, kind);
	return at;
}

void frame_u8(struct strbuf *out, unsigned v)
{
	put(out, v, sizeof(uint8_t));
}

void frame_u32(struct strbuf *out, uint32_t v)
{
	put(out, v, sizeof(v));
}

void frame_str(struct strbuf *out, const char *s)
{
	frame_u32(out, s ? (uint32_t)strlen(s) : NO_STRING);
	if (s)
		strbuf_add(out, s, strlen(s) + 1);
}

void frame_end(struct strbuf *out, size_t at)
{
	size_t len = out->len - at - HEAD;
	for (unsigned i = 0; i < HEAD; i++)
		out->buf[at + i] = (char)(unsigned char)(len >> (8 * i));
}

bool frame_send(int fd, struct strbuf *out, size_t *sent)
{
	while (*sent < out->len) {
		ssize_t n = send(fd, out->buf + *sent, out->len - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		*sent += (size_t)n;
	}
	strbuf_clear(out);
	*sent = 0;
	return true;
}

/* ---- reading ---- */

void frame_reader_init(struct frame_reader *r)
{
	*r = (struct frame_reader){ 0 };
	strbuf_init(&r->in);
}

void frame_reader_deinit(struct frame_reader *r)
{
	strbuf_deinit(&r->in);
}

static void drop_done(struct frame_reader *r)
{
	r->in.len -= r->at;
	memmove(r->in.buf, r->in.buf + r->at, r->in.len + 1);
	r->at = 0;
}

bool frame_receive(struct frame_reader *r, int fd)
{
	char buf[CHUNK];
	drop_done(r);
	while (r->in.len <= FRAME_MAX + HEAD) { /* more than a frame waits: those first */
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return false;
		strbuf_add(&r->in, buf, (size_t)n);
	}
	return true;
}

enum frame_next frame_next(struct frame_reader *r, enum frame_kind *kind, struct cursor *fields)
{
	struct cursor c;
	cursor_init(&c, r->in.buf + r->at, r->in.len - r->at);
	if (cursor_left(&c) < HEAD)
		return FRAME_NONE;
	uint32_t len = cursor_u32(&c);
	if (len == 0 || len > FRAME_MAX)
		return FRAME_BROKEN;
	if (cursor_left(&c) < len)
		return FRAME_NONE;
	cursor_init(fields, c.p, len);
	*kind = (enum frame_kind)cursor_u8(fields);
	r->at += HEAD + len;
	return FRAME_ONE;
}

const char *frame_get(struct cursor *c)
{
	uint32_t len = cursor_u32(c);
	if (c->bad || len == NO_STRING)
		return NULL;
	const unsigned char *bytes = cursor_bytes(c, (uint64_t)len + 1);
	if (bytes && bytes[len] == 0)
		return (const char *)bytes;
	c->bad = true;
	return NULL;
}
