/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/alloc - memory that is there.
 *
 * x*() abort with one clear line when a small, fixed size cannot be had: nothing useful could follow.
 * Sizes that come from a file, a target or the network go through alloc_checked(), which has a ceiling and fails.
 */

#include <stddef.h>

#include "base/cleanup.h"
#include "base/err.h"

NEVER_NULL void *xmalloc(size_t size);
NEVER_NULL void *xcalloc(size_t n, size_t size);
NEVER_NULL void *xrealloc(void *p, size_t size);
NEVER_NULL char *xstrdup(const char *s);
NEVER_NULL char *xstrndup(const char *s, size_t n);
NEVER_NULL char *xasprintf(const char *fmt, ...) ERR_PRINTF(1, 2);

/*
 * n zeroed elements of `size` bytes in *ret (a pointer to any pointer type), to be freed with free().
 * LIMIT when n * size is over `ceiling`, NOMEM when there is none.
 */
MUST_CHECK struct err *alloc_checked(size_t n, size_t size, size_t ceiling, void *ret);

/*
 * The same without a ceiling, for large arrays that are read here and there: in huge pages where the kernel has them, which
 * saves most of the time that is lost with small ones. NOMEM.
 */
MUST_CHECK struct err *alloc_wide(size_t n, size_t size, void *ret);
