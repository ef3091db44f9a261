/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * act/append - a line at the end of a file.
 *
 * The file is opened for each line, so that whoever rotates it need not tell us. It is made with mode 0600; a symbolic link
 * or what is no regular file is refused. A line that did not fit (a full disk) is taken back where nobody wrote after it.
 */

#include <stddef.h>

#include "base/err.h"

/* WRITE, DENIED. `line` is without its newline. */
MUST_CHECK struct err *append_line(const char *path, const char *line, size_t len);
/* Opens it as append_line() would; one that was not there is not there afterwards either. */
MUST_CHECK struct err *append_rehearse(const char *path);
