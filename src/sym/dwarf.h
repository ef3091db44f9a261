/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sym/dwarf - what debug information says of the variables of a Go image: where they are, and of which type.
 *
 * Source: DW_TAG_variable of the units in Go, and what the linker adds for Go in cmd/internal/dwarf: DW_AT_go_kind (0x2900)
 * and DW_AT_go_runtime_type (0x2904), the offset of a type's descriptor from where all of them begin, in every version from
 * 1.19 to 1.27; 0 where the image has no such descriptor. Where a variable's own type has none, what it points to or is made
 * of may have one.
 * Read with libdw from a descriptor, compressed sections too; the file is hostile. Addresses are those of the file.
 * Cost: about 100 ns an entry of the debug information, which has some for each line of code. Memory: that of the debug
 * information, unpacked, at most SYM_DWARF_BYTES.
 */

#include <stdint.h>

#include "base/arena.h"
#include "base/vec.h"

enum {
	SYM_DWARF_BYTES = 1 << 30,     /* of all debug sections, unpacked: more is LIMIT */
	SYM_DWARF_VARIABLES = 1 << 21, /* further ones are left out */
};

enum sym_dwarf_how {
	SYM_DWARF_VALUE,    /* the variable has the type */
	SYM_DWARF_POINTER,  /* it points to one of the type */
	SYM_DWARF_ELEMENTS, /* it is a slice with elements of the type */
};

struct sym_dwarf_variable {
	uint64_t addr;	  /* of it, or of a field of it */
	uint64_t type;	  /* offset of the descriptor, never 0 */
	const char *name; /* of the type: "*net/http.Server" */
	uint8_t kind;	  /* of the type: reflect.Kind */
	uint8_t how;	  /* enum sym_dwarf_how */
};

VEC_TYPE(sym_dwarf_variable_vec, struct sym_dwarf_variable);

/*
 * Appends all variables, in any order; names are kept in `arena`. Nothing without debug information of Go. FORMAT when it
 * is damaged, with what could be read in `ret`. `name` is for messages.
 */
MUST_CHECK struct err *sym_dwarf_variables(int fd, const char *name, struct arena *arena,
					   struct sym_dwarf_variable_vec *ret);
