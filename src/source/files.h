/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * source/files - the Go files below a directory, found by the paths that a binary has of them.
 *
 * A binary knows a file by the path it had where it was built, or, with -trimpath, by its module: neither need be the
 * path here. The file whose path agrees in the most components from its end is taken, and none where two agree as well.
 * Symbolic links are not followed, so nothing outside of the directory is read. Hidden directories, node_modules and
 * files of tests are passed over.
 */

#include <stdbool.h>

#include "base/arena.h"
#include "base/vec.h"

enum {
	SOURCE_FILES_MAX = 256 * 1024,
	SOURCE_FILE_LEN = 4 * 1024 * 1024, /* a longer file is not read */
};

VEC_TYPE(source_path_vec, const char *);

struct source_files {
	struct arena arena;
	int dir;
	struct source_path_vec v; /* paths below dir */
	bool cut;		  /* there are more than SOURCE_FILES_MAX, or they are too deep */
};

/* ARG when it is no directory, or has no Go file. */
MUST_CHECK struct err *source_files_open(const char *dir, struct source_files *ret);
void source_files_close(struct source_files *f);

/* The path below the directory of what a binary calls `path`; NULL for none, or several. Borrowed from f. */
const char *source_files_find(const struct source_files *f, const char *path);

/* All of a file, NUL-terminated, to be freed with free(). LIMIT, OS. */
MUST_CHECK struct err *source_files_read(const struct source_files *f, const char *path, char **ret, size_t *len);
