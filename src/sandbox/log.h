/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox/log - lines on standard error, as the journal, a terminal or a program takes them.
 *
 * Where standard error is the journal's (JOURNAL_STREAM, systemd.exec(5)) a record goes to its socket, with its level as
 * PRIORITY and its fields by their names in capitals, as "ULLAGE_KIND=oom_kill"; where there is no socket a line begins with "<N>",
 * its level of syslog(3). It has no time, as the journal has one. Else text has a time and the level's word, and JSON is an
 * object a line, with the fields. Source of the socket's format: systemd's "Native Journal Protocol".
 * Names in it may be hostile: control characters are shown as "?", and a line has at most LOG_LINE bytes.
 * Nothing here waits: what a pipe, a terminal or a journal that nobody reads has no room for is lost, and the next line that
 * gets through says how many were.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { LOG_LINE = 2000 };

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVELS };

struct log {
	bool journal, json;
	int fd;		    /* the journal's socket; 0 or less: none */
	unsigned long lost; /* lines, since one got through */
};

/* What a line is about, for whoever searches: the text says it as well. A value that is NULL is left out. */
struct log_field {
	const char *name, *value; /* "kind", "oom_kill" */
};

/* `form`: "text", "json", NULL: text. Takes JOURNAL_STREAM into account. Zeroed before the first time; an open socket is kept. */
void log_init(struct log *l, const char *form);
void log_line(struct log *l, enum log_level level, const char *fmt, ...) ERR_PRINTF(3, 4);
void log_fields(struct log *l, enum log_level level, const struct log_field *fields, size_t n, const char *text);
