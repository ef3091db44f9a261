/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sym/cfi_parts - what the parts of sym/cfi share: cfi.c lists functions, cfi_row.c interprets their programs,
 * cfi_step.c applies the result. Offsets are from the beginning of the section.
 */

#include "base/cursor.h"
#include "sym/cfi.h"

struct cfi_function {
	uint64_t start;
	uint32_t len;
	uint32_t at; /* of its entry */
};

struct cfi_section {
	unsigned char *bytes;
	size_t len;
	uint64_t addr;
	bool debug_frame;
	VEC(struct cfi_function) functions; /* by start */
};

struct sym_cfi {
	struct cfi_section sections[2];
	size_t n;
};

/* What functions of one kind have in common. */
struct cfi_common {
	uint64_t code_align;
	int64_t data_align;
	uint64_t return_reg;
	uint8_t encoding; /* of addresses */
	bool augmented;	  /* entries have a length of augmentation data */
	bool signal;
	size_t program, program_end;
};

/* An entry of either kind, its head read. */
struct cfi_entry {
	bool common;
	size_t common_at; /* of the other kind */
	size_t at, end;	  /* of what follows the head, and of the next entry */
};

bool cfi_entry(const struct cfi_section *s, size_t at, struct cfi_entry *ret);
bool cfi_common(const struct cfi_section *s, size_t at, struct cfi_common *ret);

/* A cursor on the section that ends at `end`. */
struct cursor cfi_cursor(const struct cfi_section *s, size_t at, size_t end);

/* The address range of a function; the cursor is at its program then. False: it makes no sense. */
bool cfi_range(const struct cfi_section *s, const struct cfi_common *common, struct cursor *c, uint64_t *start,
	       uint64_t *len);

/* An address by its encoding (LSB, "DWARF exception header encoding"); no indirect ones. */
bool cfi_pointer(const struct cfi_section *s, struct cursor *c, uint8_t encoding, uint64_t *ret);

int64_t cfi_svarint(struct cursor *c);

/* Function `f` of a section, interpreted up to addr. */
bool cfi_interpret(const struct cfi_section *s, const struct cfi_function *f, uint64_t addr, struct sym_cfi_row *ret);

/* The section and function that hold addr, or NULL. */
const struct cfi_section *cfi_find(const struct sym_cfi *c, uint64_t addr, const struct cfi_function **ret);
