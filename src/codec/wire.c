/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/wire.h"

#include <endian.h>
#include <string.h>

enum { VARINT_MAX = 10, TYPE_BITS = 3, NUMBER_MAX = (1 << 29) - 1 };

/* ---- reading ---- */

/* The contents of a field: n bytes of m, whose offsets count from m's start. */
static struct cursor inside(struct cursor *m, uint64_t n)
{
	struct cursor c = { .start = m->start };
	c.p = cursor_bytes(m, n);
	c.end = c.p ? m->p : NULL;
	return c;
}

bool wire_next(struct cursor *m, struct wire_field *ret)
{
	if (m->bad || m->p == m->end)
		return false;
	const unsigned char *at = m->p;
	uint64_t key = wire_varint(m), number = key >> TYPE_BITS;
	*ret = (struct wire_field){ .number = (uint32_t)number, .type = key & ((1 << TYPE_BITS) - 1) };
	switch (ret->type) {
	case WIRE_VARINT:
		ret->value = wire_varint(m);
		break;
	case WIRE_FIXED64:
		ret->value = cursor_u64(m);
		break;
	case WIRE_FIXED32:
		ret->value = cursor_u32(m);
		break;
	case WIRE_BYTES:
		ret->bytes = inside(m, wire_varint(m));
		break;
	default:
		m->bad = true;
	}
	if (!number || number > NUMBER_MAX)
		m->bad = true;
	if (m->bad)
		m->p = at; /* the error names the field, not where its length led */
	return !m->bad;
}

bool wire_single(struct wire_field *f, uint64_t *ret)
{
	static const unsigned char given;
	if (f->bytes.p)
		return false;
	f->bytes.p = f->bytes.end = &given;
	*ret = f->value;
	return true;
}

struct err *wire_check(const struct cursor *m, const char *name, const char *what)
{
	if (!m->bad)
		return NULL;
	return err_new(ERR_FORMAT, "%s: %s is damaged at offset %zu", name, what, cursor_offset(m));
}

/* ---- writing ---- */

static size_t encode(unsigned char buf[VARINT_MAX], uint64_t v)
{
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		buf[n++] = (unsigned char)(v | 0x80);
	buf[n++] = (unsigned char)v;
	return n;
}

void wire_put_varint(struct strbuf *out, uint64_t v)
{
	unsigned char buf[VARINT_MAX];
	strbuf_add(out, buf, encode(buf, v));
}

static void put_key(struct strbuf *out, uint32_t field, enum wire_type type)
{
	wire_put_varint(out, (uint64_t)field << TYPE_BITS | type);
}

void wire_put_u64(struct strbuf *out, uint32_t field, uint64_t v)
{
	if (!v)
		return;
	put_key(out, field, WIRE_VARINT);
	wire_put_varint(out, v);
}

void wire_put_i64(struct strbuf *out, uint32_t field, int64_t v)
{
	wire_put_u64(out, field, (uint64_t)v);
}

void wire_put_fixed64(struct strbuf *out, uint32_t field, uint64_t v)
{
	if (!v)
		return;
	uint64_t le = htole64(v);
	put_key(out, field, WIRE_FIXED64);
	strbuf_add(out, &le, sizeof(le));
}

void wire_put_bytes(struct strbuf *out, uint32_t field, const void *data, size_t len)
{
	put_key(out, field, WIRE_BYTES);
	wire_put_varint(out, len);
	if (len)
		strbuf_add(out, data, len);
}

void wire_put_str(struct strbuf *out, uint32_t field, const char *s)
{
	if (s && *s)
		wire_put_bytes(out, field, s, strlen(s));
}

size_t wire_begin(struct strbuf *out, uint32_t field)
{
	put_key(out, field, WIRE_BYTES);
	strbuf_putc(out, 0); /* the length, where one byte is enough */
	return out->len;
}

void wire_end(struct strbuf *out, size_t at)
{
	unsigned char buf[VARINT_MAX];
	size_t len = out->len - at, n = encode(buf, len), more = n - 1;
	if (more) {
		strbuf_add(out, buf, more); /* room at the end */
		memmove(out->buf + at + more, out->buf + at, len);
	}
	memcpy(out->buf + at - 1, buf, n);
}
