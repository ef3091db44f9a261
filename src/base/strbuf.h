/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/strbuf - a string under construction.
 *
 * buf is always a NUL-terminated string (never NULL after init); len does not count the NUL.
 * Growth aborts when there is no memory. Input from outside is bounded by its caller.
 */

#include <stddef.h>

#include "base/err.h"

struct strbuf {
	char *buf;
	size_t len, cap;
};

void strbuf_init(struct strbuf *sb);
void strbuf_deinit(struct strbuf *sb);
void strbuf_clear(struct strbuf *sb);
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_puts(struct strbuf *sb, const char *s);
void strbuf_putc(struct strbuf *sb, char c);
void strbuf_printf(struct strbuf *sb, const char *fmt, ...) ERR_PRINTF(2, 3);
char *strbuf_take(struct strbuf *sb); /* gives the string, to be freed with free(); sb is empty again */

static inline void strbuf_auto(struct strbuf *sb)
{
	strbuf_deinit(sb);
}
