/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/lines - text, line by line, from a descriptor, with a ceiling on the length of a line.
 *
 * For procfs and cgroupfs: text is made by the kernel, but names in it are the target's choice.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { LINES_MAX = 16 * 1024, LINES_BUF = 256 * 1024 };

struct lines {
	int fd;
	char *buf;
	size_t pos, len;
	size_t line; /* number of the line last given, from 1 */
	bool eof;
};

void lines_init(struct lines *l, int fd); /* borrows fd */
void lines_deinit(struct lines *l);

/*
 * The next line without its newline, NUL-terminated, valid until the next call; *ret is NULL at the end.
 * A line longer than LINES_MAX is cut there. GONE when the file's process has exited (ESRCH), OS otherwise.
 */
MUST_CHECK struct err *lines_next(struct lines *l, char **ret, size_t *len);

static inline void lines_auto(struct lines *l)
{
	lines_deinit(l);
}
