/* SPDX-License-Identifier: Apache-2.0 */
#include "surface/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static const char *suffix(const struct text_family *f)
{
	static const char *const suffixes[] = { [TEXT_GAUGE] = "", [TEXT_COUNTER] = "_total", [TEXT_INFO] = "_info" };
	return suffixes[f->type];
}

void text_family(struct text *t, const struct text_family *f)
{
	/* 0.0.4 names a family as its samples, and knows no info */
	static const char *const types[][2] = {
		[TEXT_GAUGE] = { "gauge", "gauge" },
		[TEXT_COUNTER] = { "counter", "counter" },
		[TEXT_INFO] = { "gauge", "info" },
	};
	const char *end = t->openmetrics ? "" : suffix(f);
	t->family = f;
	strbuf_printf(t->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", f->name, end, f->help, f->name, end,
		      types[f->type][t->openmetrics]);
	if (t->openmetrics && f->unit)
		strbuf_printf(t->out, "# UNIT %s %s\n", f->name, f->unit);
}

static void put_name(struct text *t, const char *end, const char *labels)
{
	strbuf_puts(t->out, t->family->name);
	strbuf_puts(t->out, end);
	if (*labels) {
		strbuf_putc(t->out, '{');
		strbuf_puts(t->out, labels);
		strbuf_putc(t->out, '}');
	}
	strbuf_putc(t->out, ' ');
}

static void put_created(struct text *t, const char *labels)
{
	if (!t->openmetrics || t->family->type != TEXT_COUNTER || !t->created_ns)
		return;
	put_name(t, "_created", labels);
	strbuf_printf(t->out, "%.3f\n", (double)t->created_ns / 1e9);
}

void text_u64(struct text *t, const char *labels, uint64_t value)
{
	char digits[24];
	size_t at = sizeof(digits);
	digits[--at] = '\n';
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put_name(t, suffix(t->family), labels);
	strbuf_add(t->out, digits + at, sizeof(digits) - at);
	put_created(t, labels);
}

void text_double(struct text *t, const char *labels, double value)
{
	put_name(t, suffix(t->family), labels);
	if (isnan(value))
		strbuf_puts(t->out, "NaN\n");
	else if (isinf(value))
		strbuf_puts(t->out, value > 0 ? "+Inf\n" : "-Inf\n");
	else
		strbuf_printf(t->out, "%.10g\n", value);
	put_created(t, labels);
}

/* Where the last TEXT_LABEL bytes begin, not within a character. */
static const char *end_of(const char *value)
{
	size_t len = strlen(value);
	if (len <= TEXT_LABEL)
		return value;
	const char *s = value + len - TEXT_LABEL;
	while (((unsigned char)*s & 0xc0) == 0x80)
		s++;
	return s;
}

/* C1 is two bytes in UTF-8. */
static bool is_control(const unsigned char *s)
{
	return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

void text_label(struct strbuf *labels, const char *name, const char *value)
{
	if (!value)
		return;
	if (labels->len)
		strbuf_putc(labels, ',');
	strbuf_puts(labels, name);
	strbuf_puts(labels, "=\"");
	for (const char *s = end_of(value); *s;) {
		size_t n = utf8_len(s, strlen(s));
		if (*s == '\\' || *s == '"')
			strbuf_putc(labels, '\\');
		if (*s == '\n')
			strbuf_puts(labels, "\\n");
		else if (!n || is_control((const unsigned char *)s))
			strbuf_puts(labels, "\xef\xbf\xbd");
		else
			strbuf_add(labels, s, n);
		s += n ? n : 1;
	}
	strbuf_putc(labels, '"');
}
