/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static void room(struct strbuf *sb, size_t more)
{
	size_t want = sb->len + more + 1;
	if (want <= sb->cap)
		return;
	sb->cap = want < 64 ? 64 : want + want / 2;
	sb->buf = xrealloc(sb->buf, sb->cap);
}

void strbuf_init(struct strbuf *sb)
{
	*sb = (struct strbuf){ 0 };
	room(sb, 0);
	sb->buf[0] = 0;
}

void strbuf_deinit(struct strbuf *sb)
{
	free(sb->buf);
	*sb = (struct strbuf){ 0 };
}

void strbuf_clear(struct strbuf *sb)
{
	sb->len = 0;
	sb->buf[0] = 0;
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
	room(sb, len);
	memcpy(sb->buf + sb->len, data, len);
	sb->len += len;
	sb->buf[sb->len] = 0;
}

void strbuf_puts(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_putc(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}

void strbuf_printf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0) {
		room(sb, (size_t)n);
		vsnprintf(sb->buf + sb->len, (size_t)n + 1, fmt, again);
		sb->len += (size_t)n;
	}
	va_end(again);
}

char *strbuf_take(struct strbuf *sb)
{
	char *s = sb->buf;
	strbuf_init(sb);
	return s;
}
