/* SPDX-License-Identifier: Apache-2.0 */
#include "screen/clean.h"

#include <string.h>
#include <wchar.h>

size_t clean_decode(const char *s, size_t len, unsigned *ret)
{
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = len ? (unsigned char)s[0] : 0;
	*ret = c;
	if (c < 0x80)
		return len ? 1 : 0;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
	if (!n || n > len || c > 0xf4)
		return 0;
	unsigned cp = c & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | ((unsigned char)s[i] & 0x3fu);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*ret = cp;
	return n;
}

/* Controls, line and paragraph separators, and what reorders or hides text. */
static bool unsafe(unsigned cp)
{
	static const unsigned range[][2] = {
		{ 0, 0x1f },	    { 0x7f, 0x9f },	{ 0xad, 0xad },	       { 0x61c, 0x61c },   { 0x180e, 0x180e },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },    { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb }, { 0xe000, 0xf8ff }, { 0xe0000, 0x10ffff },
	};
	for (size_t i = 0; i < sizeof(range) / sizeof(range[0]); i++) {
		if (cp >= range[i][0] && cp <= range[i][1])
			return true;
	}
	return false;
}

void clean_add(struct strbuf *out, const char *s, bool utf8)
{
	if (!s)
		s = "?";
	size_t len = strlen(s);
	for (size_t i = 0; i < len;) {
		unsigned cp = 0;
		size_t n = clean_decode(s + i, len - i, &cp);
		if (!n)
			strbuf_printf(out, "\\x%02x", (unsigned char)s[i]);
		else if (cp >= 0x80 && (!utf8 || unsafe(cp)))
			strbuf_printf(out, "\\u{%x}", cp);
		else if (unsafe(cp))
			strbuf_printf(out, "\\x%02x", cp);
		else
			strbuf_add(out, s + i, n);
		i += n ? n : 1;
	}
}

/* Columns of the character at s; *n bytes. */
static size_t char_width(const char *s, size_t len, size_t *n)
{
	unsigned cp = 0;
	*n = clean_decode(s, len, &cp);
	if (!*n)
		*n = 1;
	int w = cp < 0x80 ? 1 : wcwidth((wchar_t)cp);
	return w < 0 ? 1 : (size_t)w;
}

size_t clean_width(const char *s)
{
	size_t len = strlen(s), width = 0, n = 0;
	for (size_t i = 0; i < len; i += n)
		width += char_width(s + i, len - i, &n);
	return width;
}

/* Bytes of the longest head of s that fits into `width` columns. */
static size_t head_bytes(const char *s, size_t len, size_t width)
{
	size_t i = 0, n = 0;
	for (size_t used = 0; i < len; i += n) {
		used += char_width(s + i, len - i, &n);
		if (used > width)
			break;
	}
	return i;
}

/* Start of the longest tail of s that fits into `width` columns. */
static size_t tail_start(const char *s, size_t len, size_t width)
{
	size_t total = clean_width(s), i = 0, n = 0;
	while (i < len && total > width) {
		total -= char_width(s + i, len - i, &n);
		i += n;
	}
	return i;
}

void clean_cut(struct strbuf *out, const char *s, size_t width, bool utf8)
{
	const char *dots = utf8 ? "\u2026" : "...";
	size_t gap = utf8 ? 1 : 3, len = strlen(s);
	if (clean_width(s) <= width) {
		strbuf_add(out, s, len);
		return;
	}
	if (width <= gap) {
		strbuf_add(out, s, head_bytes(s, len, width));
		return;
	}
	/* The end of a Go name tells more than its start: it gets the larger half. */
	size_t left = (width - gap) * 2 / 5, right = width - gap - left;
	strbuf_add(out, s, head_bytes(s, len, left));
	strbuf_puts(out, dots);
	strbuf_puts(out, s + tail_start(s, len, right));
}
