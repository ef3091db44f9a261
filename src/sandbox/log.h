/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox/log - lines on standard error, as the journal, a terminal or a program takes them.
 *
 * Where standard error is the journal's (JOURNAL_STREAM, systemd.exec(5)) a line begins with "<N>", its level of syslog(3), and
 * has no time, as the journal has one. Else text has a time and the level's word, and JSON is an object a line.
 * Names in it may be hostile: control characters are shown as "?", and a line has at most LOG_LINE bytes.
 */

#include <stdbool.h>

#include "base/err.h"

enum { LOG_LINE = 2000 };

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE, LOG_LEVEL_INFO, LOG_LEVELS };

struct log {
	bool journal, json;
};

/* `form`: "text", "json", NULL: text. Takes JOURNAL_STREAM into account. */
void log_init(struct log *l, const char *form);
void log_line(const struct log *l, enum log_level level, const char *fmt, ...) ERR_PRINTF(3, 4);
