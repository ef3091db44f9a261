/* SPDX-License-Identifier: Apache-2.0 */
#include "screen/say.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/num.h"
#include "screen/clean.h"

enum { LABEL_WIDTH = 11, FACT_INDENT = 2 };

ERR_PRINTF(1, 0)
static char *format(const char *fmt, va_list ap)
{
	char *text = NULL;
	if (vasprintf(&text, fmt, ap) < 0)
		return xstrdup("");
	return text;
}

/* Where the next word of s ends, looking from `at`. A number stays with its unit. */
static size_t word_end(const char *s, size_t at)
{
	for (;;) {
		at += strcspn(s + at, " ");
		if (!s[at] || !at || s[at - 1] < '0' || s[at - 1] > '9')
			return at;
		at++;
	}
}

/* Bytes of the longest start of s that ends with a word and fits; at least one word. */
static size_t line_bytes(const char *s, size_t width)
{
	size_t best = word_end(s, 0);
	while (s[best]) {
		size_t next = word_end(s, best + 1);
		AUTO_FREE char *head = xstrndup(s, next);
		if (clean_width(head) > width)
			break;
		best = next;
	}
	return best;
}

static void wrap(struct say *s, size_t indent, const char *text)
{
	size_t width = s->style->width > indent + 20 ? s->style->width - indent : 20;
	for (;;) {
		size_t n = line_bytes(text, width);
		strbuf_add(s->out, text, n);
		strbuf_putc(s->out, '\n');
		text += n;
		text += strspn(text, " ");
		if (!*text)
			return;
		strbuf_printf(s->out, "%*s", (int)indent, "");
	}
}

static void wrap_clean(struct say *s, size_t indent, const char *text)
{
	AUTO(strbuf) struct strbuf clean;
	strbuf_init(&clean);
	clean_add(&clean, text, s->style->utf8);
	wrap(s, indent, clean.buf);
}

void say_title(struct say *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	AUTO_FREE char *text = format(fmt, ap);
	va_end(ap);
	strbuf_printf(s->out, "\n%s", style_on(s->style, STYLE_HEAD));
	clean_add(s->out, text, s->style->utf8);
	strbuf_printf(s->out, "%s\n", style_off(s->style, STYLE_HEAD));
}

void say_fact(struct say *s, const char *label, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	AUTO_FREE char *text = format(fmt, ap);
	va_end(ap);
	strbuf_printf(s->out, "%*s%s%-*s%s", FACT_INDENT, "", style_on(s->style, STYLE_DIM), LABEL_WIDTH, label,
		      style_off(s->style, STYLE_DIM));
	wrap_clean(s, FACT_INDENT + LABEL_WIDTH, text);
}

void say_hang(struct say *s, unsigned indent, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	AUTO_FREE char *text = format(fmt, ap);
	va_end(ap);
	wrap_clean(s, indent, text);
}

void say_line(struct say *s, enum style_role role, unsigned indent, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	AUTO_FREE char *text = format(fmt, ap);
	va_end(ap);
	strbuf_printf(s->out, "%*s%s", (int)indent, "", style_on(s->style, role));
	wrap_clean(s, indent, text);
	if (s->style->color && role != STYLE_PLAIN) {
		s->out->buf[--s->out->len] = 0;
		strbuf_printf(s->out, "%s\n", style_off(s->style, role));
	}
}

void say_and(struct strbuf *fact, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	AUTO_FREE char *text = format(fmt, ap);
	va_end(ap);
	if (fact->len)
		strbuf_puts(fact, ", ");
	strbuf_puts(fact, text);
}

static char *unknown(char buf[SAY_NUM_LEN])
{
	snprintf(buf, SAY_NUM_LEN, "unknown");
	return buf;
}

char *say_num(uint64_t n, char buf[SAY_NUM_LEN])
{
	char digits[SAY_NUM_LEN];
	if (n == UINT64_MAX)
		return unknown(buf);
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;
	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = digits[i];
	}
	buf[at] = 0;
	return buf;
}

char *say_size(uint64_t n, char buf[SAY_NUM_LEN])
{
	if (n == UINT64_MAX)
		return unknown(buf);
	return num_size(n, buf);
}

char *say_duration(int64_t ns, char buf[SAY_NUM_LEN])
{
	static const struct {
		double from, unit; /* seconds */
		const char *name;
	} units[] = {
		{ 172800, 86400, "days" }, { 7200, 3600, "h" }, { 120, 60, "min" }, { 1, 1, "s" },
		{ 0.001, 0.001, "ms" },
	};
	double seconds = (double)ns / 1e9;
	if (ns < 0)
		return unknown(buf);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (seconds < units[i].from)
			continue;
		double v = seconds / units[i].unit;
		snprintf(buf, SAY_NUM_LEN, "%.*f %s", v < 10 ? 1 : 0, v, units[i].name);
		return buf;
	}
	snprintf(buf, SAY_NUM_LEN, "0 s");
	return buf;
}
