/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * operand/status - how a command ends: the one table from errors to exit statuses, and words for both.
 */

#include "base/err.h"
#include "base/strbuf.h"

enum {
	STATUS_OK = 0,
	STATUS_BAD = 1, /* done, and what was asked to be judged is bad */
	STATUS_USAGE = 2,
	STATUS_GONE = 3,
	STATUS_DENIED = 4,
	STATUS_UNSUPPORTED = 5,
	STATUS_FORMAT = 6,
	STATUS_WRITE = 7,
	STATUS_INTERNAL = 70,
	STATUS_INTERRUPTED = 130,
};

int status_of(enum err_code code);

/* The list of exit statuses for the help. */
void status_help(struct strbuf *out);

/* One clean line "ullage WHAT: sentence" on standard error; what may be NULL; nothing for an empty sentence. */
void status_say(const char *what, const char *sentence);

/* "see `ullage WHAT --help`" on standard error. */
void status_hint(const char *what);
