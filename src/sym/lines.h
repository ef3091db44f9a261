/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sym/lines - files, lines and inlined functions of C, C++ and Rust code, where there is debug information.
 *
 * Source: .debug_info and .debug_line, by libdw; compressed sections too. Units in Go are left out: pclntab knows more.
 * The file is hostile: sections and line programs that would need too much memory are not read, the tree of a unit is
 * followed so deep and so far.
 * Cost:   a new one unpacks the debug sections and lists the units: 10 ms for a small program. An address: the line
 *         table of its unit once, then a walk along the functions of the unit.
 * Memory: the debug sections, unpacked, at most SYM_LINES_BYTES, and the line tables of units that were asked for.
 * Threads: none; one object, one thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	SYM_LINES_BYTES = 256 << 20, /* of all debug sections, unpacked: more is LIMIT */
	SYM_LINES_NAME = 1024,
};

struct sym_lines;

struct sym_line {
	char function[SYM_LINES_NAME]; /* demangled; "" = not known */
	const char *file;	       /* lives as long as the object; "" = unknown */
	uint32_t line;
};

/* `fd` is borrowed until sym_lines_free(). NOT_FOUND: no such debug information. `name` is for messages. */
MUST_CHECK struct err *sym_lines_open(int fd, const char *name, struct sym_lines **ret);
void sym_lines_free(struct sym_lines *l); /* NULL is fine */

/*
 * The instruction at addr, an address of the file: innermost first, each inlined into the next, the last one is the function
 * that symbols name. 0 when nothing is known; at most `max`.
 */
size_t sym_lines_at(struct sym_lines *l, uint64_t addr, struct sym_line *ret, size_t max);
