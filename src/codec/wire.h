/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/wire - protobuf's wire format: numbered fields, read inside bounds and appended to a strbuf.
 *
 * Source: protobuf.dev, "Encoding". Reading needs no schema: a message is a cursor, and wire_next() gives its fields one
 * by one, in the order of the file; the contents of a field that is a string or a message are a cursor within the
 * bounds of the outer one, whose offsets still count from the start of the file. Damage makes the cursor `bad`, like
 * every other read; groups, which nobody writes any more, count as damage.
 *
 *	struct wire_field f;
 *	while (wire_next(&message, &f))
 *		switch (f.number) {
 *		case 1: name = f.bytes; break;
 *		case 2: while (wire_number(&f, &v)) add(v); break;
 *		}
 *	TRY(wire_check(&message, path, "the sample"));
 */

#include "base/cursor.h"
#include "base/strbuf.h"

enum wire_type { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32 = 5 };

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;	     /* VARINT, FIXED64, FIXED32; else 0 */
	struct cursor bytes; /* BYTES: the contents; else empty */
};

/* The next field of the message; false at its end, and where it is damaged (m->bad). */
bool wire_next(struct cursor *m, struct wire_field *ret);

/* cursor_uvarint(), with the common lengths at hand: a large profile has millions of numbers. */
static inline uint64_t wire_varint(struct cursor *c)
{
	const unsigned char *p = c->p;
	if (!c->bad && c->end - p >= 2) {
		if (p[0] < 0x80) {
			c->p = p + 1;
			return p[0];
		}
		if (p[1] < 0x80) {
			c->p = p + 2;
			return (uint64_t)p[1] << 7 | (p[0] & 0x7f);
		}
	}
	return cursor_uvarint(c);
}

/* The number of a field that is not packed, the first time. */
bool wire_single(struct wire_field *f, uint64_t *ret);

/*
 * The next number of a field that may be repeated: the value itself once, or what is packed in the bytes. False after
 * the last, and where the packed numbers are damaged (f->bytes.bad).
 */
static inline bool wire_number(struct wire_field *f, uint64_t *ret)
{
	if (f->type != WIRE_BYTES)
		return wire_single(f, ret);
	if (f->bytes.bad || f->bytes.p == f->bytes.end)
		return false;
	*ret = wire_varint(&f->bytes);
	return !f->bytes.bad;
}

/* FORMAT "NAME: WHAT is damaged at offset N" when the cursor is bad, else NULL. */
MUST_CHECK struct err *wire_check(const struct cursor *m, const char *name, const char *what);

/* Appends a field. Numbers that are zero and strings that are empty are left out: that is what absent means. */
void wire_put_u64(struct strbuf *out, uint32_t field, uint64_t v);
void wire_put_i64(struct strbuf *out, uint32_t field, int64_t v);
void wire_put_str(struct strbuf *out, uint32_t field, const char *s);
void wire_put_fixed64(struct strbuf *out, uint32_t field, uint64_t v); /* for the bits of a double */

/* Appends a field that holds these bytes, even when there are none. */
void wire_put_bytes(struct strbuf *out, uint32_t field, const void *data, size_t len);

/*
 * A field whose contents are appended in between: a message, or packed numbers.
 *	size_t at = wire_begin(out, 2);
 *	wire_put_u64(out, 1, id);
 *	wire_end(out, at);
 */
size_t wire_begin(struct strbuf *out, uint32_t field);
void wire_end(struct strbuf *out, size_t at);

/* A bare number, for packed fields. */
void wire_put_varint(struct strbuf *out, uint64_t v);
