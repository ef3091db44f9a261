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

/* Does no instruction of `code` write general register `reg` (0..15)? Calls and undecodable bytes count as writing it. */
bool sym_disasm_keeps(const void *code, size_t len, unsigned reg);
