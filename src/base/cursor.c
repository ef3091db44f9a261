/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cursor.h"

#include <endian.h>
#include <string.h>

uint16_t load_u16(const void *p)
{
	uint16_t v = 0;
	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

uint32_t load_u32(const void *p)
{
	uint32_t v = 0;
	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

uint64_t load_u64(const void *p)
{
	uint64_t v = 0;
	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

void cursor_init(struct cursor *c, const void *data, size_t len)
{
	const unsigned char *p = data;
	*c = (struct cursor){ .start = p, .p = p, .end = len ? p + len : p };
}

size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

size_t cursor_offset(const struct cursor *c)
{
	return (size_t)(c->p - c->start);
}

const unsigned char *cursor_bytes(struct cursor *c, uint64_t n)
{
	if (c->bad || n > cursor_left(c)) {
		c->bad = true;
		return NULL;
	}
	const unsigned char *p = c->p;
	if (n)
		c->p += n;
	return p;
}

bool cursor_seek(struct cursor *c, uint64_t offset)
{
	if (c->bad || offset > (uint64_t)(c->end - c->start)) {
		c->bad = true;
		return false;
	}
	c->p = c->start + offset;
	return true;
}

bool cursor_skip(struct cursor *c, uint64_t n)
{
	cursor_bytes(c, n);
	return !c->bad;
}

uint8_t cursor_u8(struct cursor *c)
{
	const unsigned char *p = cursor_bytes(c, 1);
	return p ? *p : 0;
}

uint16_t cursor_u16(struct cursor *c)
{
	const unsigned char *p = cursor_bytes(c, 2);
	return p ? load_u16(p) : 0;
}

uint32_t cursor_u32(struct cursor *c)
{
	const unsigned char *p = cursor_bytes(c, 4);
	return p ? load_u32(p) : 0;
}

uint64_t cursor_u64(struct cursor *c)
{
	const unsigned char *p = cursor_bytes(c, 8);
	return p ? load_u64(p) : 0;
}

uint64_t cursor_uvarint(struct cursor *c)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = cursor_u8(c);
		if (c->bad)
			return 0;
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	c->bad = true;
	return 0;
}

const char *cursor_str(struct cursor *c)
{
	const unsigned char *nul = c->bad || c->p == c->end ? NULL : memchr(c->p, 0, cursor_left(c));
	if (!nul) {
		c->bad = true;
		return NULL;
	}
	const char *s = (const char *)c->p;
	c->p = nul + 1;
	return s;
}

struct err *cursor_check(const struct cursor *c, const char *what)
{
	if (!c->bad)
		return NULL;
	return err_new(ERR_FORMAT, "%s is cut short at offset %zu", what, cursor_offset(c));
}
