/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/asked.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/when.h"
#include "store/read.h"

enum { BAD_REQUEST = 400, POINTS = 1000, ROWS = 100, ROWS_MAX = 10000, TEXT = 400, SHOWN = 80 };
enum form { TEXT_FORM, MOMENT, SPAN, NUMBER };

static const struct {
	const char *name;
	enum form form;
	size_t offset;
	uint64_t most; /* of a number, from 1 on */
} rows[] = {
	{ "target", TEXT_FORM, offsetof(struct asked, target), 0 },
	{ "kind", TEXT_FORM, offsetof(struct asked, kind), 0 },
	{ "from", MOMENT, offsetof(struct asked, from_ns), 0 },
	{ "to", MOMENT, offsetof(struct asked, to_ns), 0 },
	{ "max", NUMBER, offsetof(struct asked, max), STORE_POINTS_MAX },
	{ "step", SPAN, offsetof(struct asked, step_ns), 0 },
	{ "limit", NUMBER, offsetof(struct asked, limit), ROWS_MAX },
	{ "before", NUMBER, offsetof(struct asked, before), INT64_MAX },
};
enum { NAMES = sizeof(rows) / sizeof(rows[0]) };

void asked_refuse(struct httpd_reply *reply, const char *fmt, ...)
{
	char text[TEXT];
	va_list ap;
	va_start(ap, fmt);
	(void)!vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	httpd_problem(reply, BAD_REQUEST, "bad-parameter", text);
}

static bool unknown(const char *name, unsigned names, struct httpd_reply *reply)
{
	AUTO(strbuf) struct strbuf known;
	strbuf_init(&known);
	for (size_t i = 0; i < NAMES; i++) {
		if (names >> i & 1)
			strbuf_printf(&known, "%s%s", known.len ? ", " : "", rows[i].name);
	}
	asked_refuse(reply, "%.*s: no such parameter; there are %s", SHOWN, name, known.buf);
	return false;
}

static bool put(size_t i, const char *value, int64_t now_ns, struct asked *ret, struct httpd_reply *reply)
{
	void *at = (char *)ret + rows[i].offset;
	uint64_t *number = at;
	switch (rows[i].form) {
	case TEXT_FORM:
		*(const char **)at = value;
		if (*value)
			return true;
		asked_refuse(reply, "%s: a value is needed", rows[i].name);
		return false;
	case MOMENT:
		if (when_parse(value, now_ns, at))
			return true;
		asked_refuse(reply, "%s: '%.*s' is no moment, as 2026-11-26T03:12:00Z, -2h, now or seconds since 1970",
			     rows[i].name, SHOWN, value);
		return false;
	case SPAN:
		if (when_span(value, at))
			return true;
		asked_refuse(reply, "%s: '%.*s' is no duration, as 10s or 1h30m", rows[i].name, SHOWN, value);
		return false;
	case NUMBER:
		if (num_str(value, number) && *number >= 1 && *number <= rows[i].most)
			return true;
		asked_refuse(reply, "%s: '%.*s' is no number from 1 to %llu", rows[i].name, SHOWN, value,
			     (unsigned long long)rows[i].most);
		return false;
	}
	return false;
}

bool asked_read(const struct httpd_request *request, unsigned names, int64_t now_ns, struct asked *ret,
		struct httpd_reply *reply)
{
	const char *key = NULL, *value = NULL;
	unsigned seen = 0;
	*ret = (struct asked){ .max = POINTS, .limit = ROWS };
	for (size_t p = 0; httpd_parameter(request, p, &key, &value); p++) {
		size_t i = 0;
		while (i < NAMES && !(names >> i & 1 && strcmp(rows[i].name, key) == 0))
			i++;
		if (i == NAMES)
			return unknown(key, names, reply);
		if (seen >> i & 1) {
			asked_refuse(reply, "%s: it is there twice", key);
			return false;
		}
		seen |= 1u << i;
		if (!put(i, value, now_ns, ret, reply))
			return false;
	}
	if (!ret->from_ns || !ret->to_ns || ret->from_ns <= ret->to_ns)
		return true;
	asked_refuse(reply, "from: it is after to");
	return false;
}
