/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

struct writing {
	char *buf;
	size_t len;
	jmp_buf full;
};

/* libiberty cannot be told to stop. It holds nothing while it prints that would have to be given back. */
static void take(const char *text, size_t len, void *arg)
{
	struct writing *w = arg;
	size_t room = SYM_DEMANGLED_MAX - 1 - w->len, n = len < room ? len : room;
	if (n) /* text may be NULL when len is 0 */
		memcpy(w->buf + w->len, text, n);
	w->len += n;
	if (n < len)
		longjmp(w->full, 1);
}

typedef int (*demangle_fn)(const char *mangled, int options, demangle_callbackref callback, void *arg);

static bool demangle(demangle_fn by, const char *name, char *buf)
{
	struct writing w = { .buf = buf };
	bool done = true;
	if (!setjmp(w.full))
		done = by(name, DMGL_NO_OPTS, take, &w) != 0;
	else
		w.len = SYM_DEMANGLED_MAX - 1;
	buf[done ? w.len : 0] = 0;
	return *buf;
}

const char *sym_demangle(const char *name, char buf[SYM_DEMANGLED_MAX])
{
	bool cpp = strncmp(name, "_Z", 2) == 0, rust = strncmp(name, "_R", 2) == 0;
	if ((!cpp && !rust) || strnlen(name, SYM_MANGLED_MAX) == SYM_MANGLED_MAX)
		return name;
	/* Rust's older names look like C++, with a hash at their end. */
	if (demangle(rust_demangle_callback, name, buf))
		return buf;
	return cpp && demangle(cplus_demangle_v3_callback, name, buf) ? buf : name;
}
