/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * format/output - where a report goes: standard output, or a file that appears whole or not at all.
 *
 *	struct output o;
 *	TRY(output_open(&o, path));          fails early, before the target is touched
 *	err = output_commit(&o, data, len);  or output_abandon(&o)
 *
 * A regular file is written beside itself (without a name, where the file system can), synced and renamed; a symbolic link is followed; what is no regular file
 * (a pipe, /dev/null) is written to in place. Errors: WRITE. When the reader of a pipe has gone away the sentence of
 * the error is empty: there is nobody to tell.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct output {
	char *path; /* NULL: standard output */
	char *tmp;  /* what is renamed to it; NULL: it is written in place */
	int fd;
	bool owned;    /* fd is ours to close */
	bool nameless; /* there is no file of the name `tmp` yet */
	bool large;    /* set after open: can be made again, so its end need not wait for the disk */
};

/* Does this path mean standard output: NULL, or "-"? */
bool output_is_stdout(const char *path);

MUST_CHECK struct err *output_open(struct output *o, const char *path);
MUST_CHECK struct err *output_commit(struct output *o, const void *data, size_t len);
void output_abandon(struct output *o); /* removes the temporary file; fine after commit */

/* All of data to a descriptor. */
MUST_CHECK struct err *output_write(int fd, const char *name, const void *data, size_t len);
