/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/escapes - what the Go compiler says about variables that live on the heap: the output of
 * `go build -gcflags=-m`, lines such as "./main.go:12:6: moved to heap: x" and
 * "cache/page.go:30:14: make([]byte, n) escapes to heap". Other lines are stepped over.
 *
 * The compiler names files as seen from the module, profiles as seen from the build: a file is the same when one path
 * is the end of the other.
 */

#include "base/arena.h"
#include "base/vec.h"
#include "codec/stream.h"

enum { ESCAPES_MAX = 4 << 20, ESCAPES_LINE = 16 << 10 }; /* entries; bytes of a line, what is longer is no such line */

struct escape {
	const char *file; /* without "./" and "../" in front */
	uint32_t line, column;
	const char *text; /* "moved to heap: x" */
};

struct escapes {
	struct arena arena;
	VEC(struct escape) v; /* by line, then column; none twice */
};

/* FORMAT when there is no such line at all, LIMIT. On every return *ret is to be given to escapes_deinit(). */
MUST_CHECK struct err *escapes_read(struct stream *s, struct escapes *ret);
void escapes_deinit(struct escapes *e);

/*
 * The next entry for a line of a file, from entry *at on, which is moved behind it; NULL when there is none. Begin with 0.
 */
const struct escape *escapes_next(const struct escapes *e, const char *file, uint32_t line, size_t *at);

static inline void escapes_auto(struct escapes *e)
{
	escapes_deinit(e);
}
