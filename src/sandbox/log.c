/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"

enum { TIME_LEN = 32, NS_PER_MS = 1000000 };

static const struct {
	const char *word;
	int syslog;
} levels[LOG_LEVELS] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_NOTICE] = { "notice", 5 },
	[LOG_LEVEL_INFO] = { "info", 6 },
};

/* JOURNAL_STREAM is "DEVICE:INODE" of what was standard error when we were started. */
static bool is_journal(void)
{
	struct stat st;
	char own[64];
	const char *stream = getenv("JOURNAL_STREAM");
	if (!stream || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(own, sizeof(own), "%" PRIuMAX ":%" PRIuMAX, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(own, stream) == 0;
}

void log_init(struct log *l, const char *form)
{
	*l = (struct log){ .journal = is_journal(), .json = form && strcmp(form, "json") == 0 };
}

static void now(char buf[TIME_LEN])
{
	struct timespec t = { 0 };
	struct tm tm = { 0 };
	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	size_t n = strftime(buf, TIME_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, TIME_LEN - n, ".%03dZ", (int)(t.tv_nsec / NS_PER_MS));
}

static void add_text(const struct log *l, enum log_level level, const char *text, struct strbuf *out)
{
	char time[TIME_LEN];
	now(time);
	if (l->journal)
		strbuf_printf(out, "<%d>%s", levels[level].syslog, text);
	else
		strbuf_printf(out, "%s %-7s %s", time, levels[level].word, text);
}

static void add_json(const struct log *l, enum log_level level, const char *text, struct strbuf *out)
{
	char time[TIME_LEN];
	struct json j;
	now(time);
	if (l->journal)
		strbuf_printf(out, "<%d>", levels[level].syslog);
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "time", time);
	json_str(&j, "level", levels[level].word);
	json_str(&j, "message", text);
	json_object_end(&j);
}

void log_line(const struct log *l, enum log_level level, const char *fmt, ...)
{
	char text[LOG_LINE];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *s = text; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == '\177')
			*s = '?';
	}
	AUTO(strbuf) struct strbuf line;
	strbuf_init(&line);
	if (l->json)
		add_json(l, level, text, &line);
	else
		add_text(l, level, text, &line);
	strbuf_putc(&line, '\n');
	if (write(STDERR_FILENO, line.buf, line.len) < 0)
		return; /* there is nobody to tell */
}
