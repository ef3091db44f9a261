/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"

void json_init(struct json *j, struct strbuf *out)
{
	*j = (struct json){ .out = out };
}

static void put_char(struct strbuf *out, unsigned char c)
{
	switch (c) {
	case '"':
		strbuf_puts(out, "\\\"");
		break;
	case '\\':
		strbuf_puts(out, "\\\\");
		break;
	case '\n':
		strbuf_puts(out, "\\n");
		break;
	default:
		if (c < 0x20 || c == 0x7f)
			strbuf_printf(out, "\\u%04x", c);
		else
			strbuf_putc(out, (char)c);
	}
}

static void put_string(struct strbuf *out, const char *s)
{
	size_t len = strlen(s);
	strbuf_putc(out, '"');
	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(s + i, len - i);
		if (n == 1)
			put_char(out, (unsigned char)s[i]);
		else if (n == 2 && s[i] == '\xc2' && (unsigned char)s[i + 1] < 0xa0) /* C1 controls */
			strbuf_printf(out, "\\u%04x", (unsigned char)s[i + 1]);
		else if (n)
			strbuf_add(out, s + i, n);
		else
			strbuf_puts(out, "\\ufffd");
		i += n ? n : 1;
	}
	strbuf_putc(out, '"');
}

static void start(struct json *j, const char *key)
{
	if (j->comma)
		strbuf_putc(j->out, ',');
	j->comma = true;
	if (!key)
		return;
	put_string(j->out, key);
	strbuf_putc(j->out, ':');
}

static void open_level(struct json *j, const char *key, char c)
{
	start(j, key);
	strbuf_putc(j->out, c);
	j->depth++;
	j->comma = false;
}

static void close_level(struct json *j, char c)
{
	strbuf_putc(j->out, c);
	j->depth--;
	j->comma = true;
}

void json_object(struct json *j, const char *key)
{
	open_level(j, key, '{');
}

void json_object_end(struct json *j)
{
	close_level(j, '}');
}

void json_array(struct json *j, const char *key)
{
	open_level(j, key, '[');
}

void json_array_end(struct json *j)
{
	close_level(j, ']');
}

void json_str(struct json *j, const char *key, const char *value)
{
	start(j, key);
	if (value)
		put_string(j->out, value);
	else
		strbuf_puts(j->out, "null");
}

void json_raw(struct json *j, const char *key, const char *value)
{
	size_t len = value ? strlen(value) : 0;
	start(j, key);
	if (!value)
		strbuf_puts(j->out, "null");
	for (size_t i = 0, n = 0; i < len; i += n ? n : 1) {
		n = utf8_len(value + i, len - i);
		if (n)
			strbuf_add(j->out, value + i, n);
		else
			strbuf_puts(j->out, "\\ufffd");
	}
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	start(j, key);
	strbuf_printf(j->out, "%" PRIu64, value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	start(j, key);
	strbuf_printf(j->out, "%" PRId64, value);
}

void json_double(struct json *j, const char *key, double value)
{
	start(j, key);
	if (isfinite(value))
		strbuf_printf(j->out, "%.10g", value);
	else
		strbuf_puts(j->out, "null");
}

void json_bool(struct json *j, const char *key, bool value)
{
	start(j, key);
	strbuf_puts(j->out, value ? "true" : "false");
}

void json_null(struct json *j, const char *key)
{
	start(j, key);
	strbuf_puts(j->out, "null");
}
