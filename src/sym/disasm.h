/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sym/disasm - what a function's code refers to: the RIP-relative operands and the calls, in order. amd64, by Zydis.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sym_ref_kind {
	SYM_REF_LEA,   /* address taken */
	SYM_REF_LOAD,  /* memory read (mov, movzx, ...) */
	SYM_REF_STORE, /* memory written */
	SYM_REF_RMW,   /* cmp, lock xadd, cmpxchg, inc, ... */
	SYM_REF_CALL,  /* direct call or jump out */
};

struct sym_ref {
	enum sym_ref_kind kind;
	uint64_t at;	 /* address of the instruction */
	uint64_t target; /* address it refers to */
	unsigned reg;	 /* of LEA and LOAD: register number 0..15 that receives it, else 16 */
};

/* Decode `code` (len bytes at address `addr`); at most `max` references. Undecodable bytes are stepped over. */
size_t sym_disasm_refs(const void *code, size_t len, uint64_t addr, struct sym_ref *ret, size_t max);

enum sym_insn_kind {
	SYM_INSN_OTHER,
	SYM_INSN_COPY,	  /* reg = base, 64 bits, as are those down to ADDRESS */
	SYM_INSN_LOAD,	  /* reg = [base + disp] */
	SYM_INSN_STORE,	  /* [base + disp] = reg */
	SYM_INSN_ADDRESS, /* reg = base + disp */
	SYM_INSN_ELEMENT, /* reg = [base + index * scale + disp], with any index */
	SYM_INSN_ZERO,	  /* reg = 0 */
	SYM_INSN_WRITE,	  /* `size` bytes at [base + disp], of anything else; 0: not known how many */
	SYM_INSN_CALL,	  /* of `target`; 0: not a direct one */
	SYM_INSN_JUMP,	  /* to `target`; 0: to one of those in a table at [base + index * scale] */
	SYM_INSN_RETURN,
	SYM_INSN_STOP, /* nothing comes after it */
};

enum { SYM_RIP = 16, SYM_NO_REG = 17, SYM_RAX = 0, SYM_RSP = 4 };

/* One instruction, as far as it moves values between registers and memory. */
struct sym_insn {
	enum sym_insn_kind kind;
	unsigned len;
	unsigned reg, base; /* 0..15; base may be SYM_RIP: `target` is the address then */
	int64_t disp;
	uint64_t target;
	uint32_t written; /* one bit for each of the 16 registers that it changes */
	uint32_t size;
	bool always; /* of a jump: without a condition */
};

/* The instruction at the start of `code`, whose address is addr; false when it is none. */
bool sym_disasm_step(const void *code, size_t len, uint64_t addr, struct sym_insn *ret);
