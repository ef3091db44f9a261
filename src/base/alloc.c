/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *must(void *p, size_t size)
{
	if (p || !size)
		return p;
	fprintf(stderr, "ullage: out of memory (%zu bytes wanted)\n", size);
	abort();
}

void *xmalloc(size_t size)
{
	return must(malloc(size), size);
}

void *xcalloc(size_t n, size_t size)
{
	return must(calloc(n, size), n * size);
}

void *xrealloc(void *p, size_t size)
{
	return must(realloc(p, size), size);
}

char *xstrdup(const char *s)
{
	return must(strdup(s), strlen(s) + 1);
}

char *xstrndup(const char *s, size_t n)
{
	return must(strndup(s, n), n + 1);
}

char *xasprintf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	return must(s, 1);
}

struct err *alloc_checked(size_t n, size_t size, size_t ceiling, void *ret)
{
	size_t bytes = 0;
	if (__builtin_mul_overflow(n, size, &bytes) || bytes > ceiling)
		return err_new(ERR_LIMIT, "%zu elements of %zu bytes are over the limit of %zu bytes", n, size,
			       ceiling);
	void *p = calloc(n ? n : 1, size ? size : 1);
	if (!p)
		return err_nomem();
	memcpy(ret, &p, sizeof(p));
	return NULL;
}

enum { HUGE_PAGE = 2 << 20 };

struct err *alloc_wide(size_t n, size_t size, void *ret)
{
	TRY(alloc_checked(n, size, SIZE_MAX, ret));
	char *p = NULL;
	memcpy(&p, ret, sizeof(p));
	size_t skip = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
	if (n * size >= skip + HUGE_PAGE)
		(void)madvise(p + skip, (n * size - skip) / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a wish */
	return NULL;
}
