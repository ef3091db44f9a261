/* SPDX-License-Identifier: Apache-2.0 */
#include "history/moment.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/when.h"

enum { DATE_LEN = 11 }; /* with the space */

struct err *moment_parse(const char *text, int64_t now_ns, int64_t *ret)
{
	if (when_parse(text, now_ns, ret))
		return NULL;
	return err_new(ERR_ARG, "'%s' is no time: write 03:12, -2h, 2025-11-26T03:12:04Z or 2025-11-26 03:12, in UTC",
		       text);
}

struct err *moment_span(const char *text, int64_t now_ns, int64_t *from, int64_t *to)
{
	const char *dots = strstr(text, "..");
	if (!dots)
		return err_new(ERR_ARG, "'%s' is no span of time: write FROM..TO, for example -2h..-1h", text);
	AUTO_FREE char *first = xstrndup(text, (size_t)(dots - text));
	*from = 0;
	*to = now_ns;
	if (*first)
		TRY(moment_parse(first, now_ns, from));
	if (dots[2])
		TRY(moment_parse(dots + 2, now_ns, to));
	if (*to <= *from)
		return err_new(ERR_ARG, "the span %s %s", text,
			       *to == *from ? "has no length" : "ends before it begins");
	return NULL;
}

char *moment_text(int64_t ns, char buf[MOMENT_LEN])
{
	time_t t = (time_t)(ns / 1000000000);
	struct tm tm;
	if (!gmtime_r(&t, &tm) || !strftime(buf, MOMENT_LEN, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, MOMENT_LEN, "?");
	return buf;
}

char *moment_short(int64_t ns, int64_t now_ns, char buf[MOMENT_LEN])
{
	char today[MOMENT_LEN];
	moment_text(ns, buf);
	moment_text(now_ns, today);
	if (strlen(buf) > DATE_LEN && strncmp(buf, today, DATE_LEN) == 0)
		memmove(buf, buf + DATE_LEN, strlen(buf + DATE_LEN) + 1);
	return buf;
}
