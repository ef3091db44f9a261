/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * source/lacks - what the Go code at a place does not have that would have let a goroutine end.
 *
 * Source: files below a directory, parsed with tree-sitter's grammar of Go. They are foreign, and may be of another
 *         version than the binary: a place counts only where the line is inside of the function that the frame names.
 *         Only the declaration with that line is parsed, and nothing is said of one that does not parse.
 * Cost:   the directory is listed once, a declaration is parsed once; 0.3 s at most, and not after some such.
 * Accuracy: by syntax alone, without types: names of methods decide what is a lock or a thing to close. What leaves the
 *         function (returned, passed on, stored) is not called unclosed. A hint for who reads the code, not a verdict.
 *
 * Without tree-sitter or its grammar source_open() is UNSUPPORTED and says how to build with it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/vec.h"

struct source;

struct source_place {
	const char *function, *file; /* as the binary has them */
	uint32_t line;
	bool creation; /* the go statement, not where it is blocked */
};

struct source_lack {
	const char *rule; /* "source:no-defer" */
	const char *text; /* a sentence with file and line */
};

VEC_TYPE(source_lack_vec, struct source_lack);

/* UNSUPPORTED; ARG when it is no directory, or has no Go file. */
MUST_CHECK struct err *source_open(const char *dir, struct source **ret);
void source_close(struct source *s);

/* Appends what is lacking at a place to `ret`, texts in `arena`. False where the place is not found below the directory. */
bool source_lacks(struct source *s, const struct source_place *place, struct arena *arena, struct source_lack_vec *ret);
