/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * history/moment - times as `ullage history` shows and takes them: UTC, as everywhere (base/when).
 */

#include <stdint.h>

#include "base/err.h"

/* ARG, with the forms that there are. */
MUST_CHECK struct err *moment_parse(const char *text, int64_t now_ns, int64_t *ret);
/* "A..B": an A that is empty is *from 0, a B that is empty is now. ARG also when B is not after A. */
MUST_CHECK struct err *moment_span(const char *text, int64_t now_ns, int64_t *from, int64_t *to);

enum { MOMENT_LEN = 32 };
/* "2025-11-26 03:12:04"; moment_short() without the date where that is the same as that of `now_ns`. Return buf. */
char *moment_text(int64_t ns, char buf[MOMENT_LEN]);
char *moment_short(int64_t ns, int64_t now_ns, char buf[MOMENT_LEN]);
