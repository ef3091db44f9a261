/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sym/cfi - how to step from a C frame to its caller: the call frame information of an ELF file, amd64.
 *
 * Source: .eh_frame, as the System V ABI for amd64 and the LSB lay it out, and .debug_frame of DWARF 3 to 5. Both are
 * read here and not by libdw: the file belongs to the target and is hostile, and libdw makes as many registers as a
 * file says, follows what it says and reads it through its own caches. Here every table is bounded.
 * One sym_cfi_row() interprets the program of one function up to one address; keep rows by address, they are small.
 * sym_cfi_step() applies a row to registers and a copy of the stack, and reads no other memory.
 * Cost:   a new one copies the sections and lists their functions: about 40 ns a function. A row: under a microsecond.
 * Memory: the sections, and 16 bytes a function.
 * Threads: none; rows may be asked for by several at once.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sym/elf.h"

enum {
	SYM_CFI_BYTES_MAX = 128 << 20,	 /* of one section; more is LIMIT */
	SYM_CFI_FUNCTIONS_MAX = 4 << 20, /* of one section; the rest is left out */
};

/* DWARF's numbers of the registers of amd64; the last one stands for the return address. */
enum sym_register {
	SYM_REG_RBX = 3,
	SYM_REG_RBP = 6,
	SYM_REG_RSP = 7,
	SYM_REG_R12 = 12,
	SYM_REG_R13 = 13,
	SYM_REG_R14 = 14,
	SYM_REG_R15 = 15,
	SYM_REG_RIP = 16,
	SYM_REG_MAX_ = 17,
};

/* Registers of a frame, as far as they are known: bit i of `known`. */
struct sym_registers {
	uint64_t v[SYM_REG_MAX_];
	uint32_t known;
};

/* Where the caller's value of something is. */
enum sym_rule_kind {
	SYM_RULE_SAME,	    /* it was not touched */
	SYM_RULE_UNDEFINED, /* lost; of the return address: nothing called this */
	SYM_RULE_AT,	    /* in memory at CFA + offset */
	SYM_RULE_IS,	    /* CFA + offset */
	SYM_RULE_REGISTER,  /* in register `reg`; of the CFA: that + offset */
	SYM_RULE_EXPR_AT,   /* in memory where the expression says */
	SYM_RULE_EXPR_IS,   /* what the expression says */
};

struct sym_rule {
	uint8_t kind, reg;
	uint16_t len;	/* of an expression */
	int32_t offset; /* of an expression: where it is in its section */
};

struct sym_cfi_row {
	struct sym_rule cfa; /* SYM_RULE_REGISTER or SYM_RULE_EXPR_IS */
	struct sym_rule reg[SYM_REG_MAX_];
	uint64_t function;  /* where it begins, an address of the file */
	uint8_t return_reg; /* the column of the return address */
	bool signal;	    /* a signal handler's caller: its address is that of the instruction itself */
	bool debug_frame;   /* which section expressions are in */
};

struct sym_cfi;

/*
 * Reads .eh_frame and .debug_frame of an open file; without section headers, .eh_frame is found by PT_GNU_EH_FRAME.
 * NOT_FOUND when there are none, LIMIT, FORMAT when they cannot be read. What makes no sense in them is left out.
 */
MUST_CHECK struct err *sym_cfi_open(int fd, const struct sym_elf *elf, struct sym_cfi **ret);

/* The same for a section's bytes at an address (copied). */
MUST_CHECK struct err *sym_cfi_new(const void *bytes, size_t len, uint64_t addr, bool debug_frame,
				   struct sym_cfi **ret);
void sym_cfi_free(struct sym_cfi *c); /* NULL is fine */

size_t sym_cfi_count(const struct sym_cfi *c); /* functions */

/* The function that holds addr; false when none does. */
bool sym_cfi_function(const struct sym_cfi *c, uint64_t addr, uint64_t *start, uint64_t *end);

/* The row of the instruction at addr, an address of the file. For a return address ask for addr - 1. */
bool sym_cfi_row(const struct sym_cfi *c, uint64_t addr, struct sym_cfi_row *ret);

/* Memory of a stack: `len` bytes from `addr`. */
struct sym_stack {
	uint64_t addr;
	const unsigned char *bytes;
	size_t len;
};

bool sym_stack_word(const struct sym_stack *s, uint64_t addr, uint64_t *ret);

enum sym_stepped {
	SYM_STEPPED,	   /* *regs is the caller's */
	SYM_STEPPED_LAST,  /* nothing called this frame */
	SYM_STEPPED_SHORT, /* the stack goes on beyond the copy */
	SYM_STEPPED_LOST,  /* a register that is not known, or an expression that makes no sense */
};

/* From a frame to its caller. SYM_REG_RIP and SYM_REG_RSP are known before and after. */
enum sym_stepped sym_cfi_step(const struct sym_cfi *c, const struct sym_cfi_row *row, const struct sym_stack *stack,
			      struct sym_registers *regs);

static inline void sym_cfi_auto(struct sym_cfi **c)
{
	sym_cfi_free(*c);
}
