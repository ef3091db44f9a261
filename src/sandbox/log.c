/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/log.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/utf8.h"

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

static int connect_journal(void)
{
	static const struct sockaddr_un journal = { AF_UNIX, "/run/systemd/journal/socket" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&journal, sizeof(journal)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void log_init(struct log *l, const char *form)
{
	l->journal = is_journal();
	l->json = form && strcmp(form, "json") == 0;
	if (l->journal && l->fd <= 0)
		l->fd = connect_journal();
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
		strbuf_puts(out, text);
	else
		strbuf_printf(out, "%s %-7s %s", time, levels[level].word, text);
}

static void add_json(enum log_level level, const struct log_field *fields, size_t n, const char *text,
		     struct strbuf *out)
{
	char time[TIME_LEN];
	struct json j;
	now(time);
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "time", time);
	json_str(&j, "level", levels[level].word);
	json_str(&j, "message", text);
	for (size_t i = 0; i < n; i++)
		if (fields[i].value)
			json_str(&j, fields[i].name, fields[i].value);
	json_object_end(&j);
}

/* What others made may not end the line, steer a terminal (C1 is two bytes in UTF-8) or be no text. */
static void make_plain(char *text)
{
	size_t len = strlen(text);
	for (size_t i = 0; i < len;) {
		const unsigned char *s = (const unsigned char *)text + i;
		size_t n = utf8_len(text + i, len - i);
		if (n == 0 || *s < ' ' || *s == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0)) {
			memset(text + i, '?', n ? n : 1);
			n = n ? n : 1;
		}
		i += n;
	}
}

/* False: the journal did not take it. Nothing in it has a new line, so each field is one. */
static bool send_record(const struct log *l, enum log_level level, const struct log_field *fields, size_t n,
			const char *line)
{
	if (l->fd <= 0)
		return false;
	AUTO(strbuf) struct strbuf record;
	strbuf_init(&record);
	strbuf_printf(&record, "PRIORITY=%d\nSYSLOG_IDENTIFIER=ullage\n", levels[level].syslog);
	for (size_t i = 0; i < n; i++) {
		if (!fields[i].value)
			continue;
		AUTO_FREE char *value = xstrdup(fields[i].value);
		make_plain(value);
		strbuf_puts(&record, "ULLAGE_");
		for (const char *s = fields[i].name; *s; s++)
			strbuf_putc(&record, (char)toupper((unsigned char)*s));
		strbuf_printf(&record, "=%s\n", value);
	}
	strbuf_printf(&record, "MESSAGE=%s\n", line);
	return send(l->fd, record.buf, record.len, MSG_NOSIGNAL) == (ssize_t)record.len;
}

/* What a pipe is ready for is at least PIPE_BUF bytes. Other writers have the file too, so its own flags stay as they are. */
static ssize_t write_ready(const char *text, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n = send(STDERR_FILENO, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0 || errno != ENOTSOCK)
		return n;
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return -1;
	return write(STDERR_FILENO, text, len < PIPE_BUF ? len : PIPE_BUF);
}

/* False: nothing of it was. */
static bool write_out(const char *text, size_t len)
{
	size_t done = 0;
	for (ssize_t n; done < len && (n = write_ready(text + done, len - done)) > 0;)
		done += (size_t)n;
	return done > 0;
}

static bool put(const struct log *l, enum log_level level, const struct log_field *fields, size_t n, const char *text)
{
	AUTO(strbuf) struct strbuf line, out;
	strbuf_init(&line);
	strbuf_init(&out);
	if (l->json)
		add_json(level, fields, n, text, &line);
	else
		add_text(l, level, text, &line);
	if (l->journal && send_record(l, level, fields, n, line.buf))
		return true;
	if (l->journal)
		strbuf_printf(&out, "<%d>", levels[level].syslog);
	strbuf_printf(&out, "%s\n", line.buf);
	return write_out(out.buf, out.len);
}

void log_fields(struct log *l, enum log_level level, const struct log_field *fields, size_t n, const char *text)
{
	char said[LOG_LINE], before[LOG_LINE];
	snprintf(said, sizeof(said), "%s", text);
	make_plain(said);
	snprintf(before, sizeof(before), "%lu lines of the log are lost here: nobody read them", l->lost);
	if (l->lost && !put(l, LOG_LEVEL_WARNING, NULL, 0, before)) {
		l->lost++;
		return;
	}
	l->lost = !put(l, level, fields, n, said);
}

void log_line(struct log *l, enum log_level level, const char *fmt, ...)
{
	char text[LOG_LINE];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_fields(l, level, NULL, 0, text);
}
