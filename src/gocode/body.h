/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/body - a function's instructions, with the places that jumps lead to, those of jump tables among them.
 *
 * Cost: 200 ns an instruction. Memory: 64 bytes an instruction, at most GOCODE_BODY_MAX of them.
 */

#include "base/vec.h"
#include "gort/gort.h"
#include "model/stack.h"
#include "sym/disasm.h"

enum { GOCODE_BODY_MAX = 1 << 18, GOCODE_BODY_SLOTS = 1 << 14 };

struct gocode_insn {
	struct sym_insn i;
	uint32_t at;	 /* offset in the function */
	uint32_t leader; /* number + 1 of the place that it begins; 0: only the instruction before leads here */
};

struct gocode_body {
	uint64_t entry;
	size_t len;
	VEC(struct gocode_insn) insns;
	struct u32_vec leaders; /* index of the instruction; [0]: the first */
	struct u32_vec targets; /* of jump tables: indices of instructions */
	struct u32_vec tables;	/* three words a jump by table: index of the jump, first and number in `targets` */
	uint32_t slots;		/* words of the frame that are read or written */
	uint64_t exposed[GOCODE_BODY_SLOTS / 64]; /* a bit a word of the frame whose address is taken, and the next */
	struct u32_vec order;			  /* numbers of places, by address */
	struct u32_vec
		back; /* by position in `order`: that of the last place with a jump back to this one; or its own */
};

/*
 * Of a function of the image, by its index in pclntab. False where it cannot be read or is too long, or jumps to where this
 * cannot tell. Clear with gocode_body_deinit() in any case.
 */
bool gocode_body_read(const struct gort *g, size_t function, struct gocode_body *ret);
/* The same of bytes at hand; src may be NULL when it has no jump tables. */
bool gocode_body_take(struct memsrc *src, const unsigned char *code, size_t len, uint64_t entry,
		      struct gocode_body *ret);
void gocode_body_deinit(struct gocode_body *b);

/* Index of the instruction at an offset in the function; UINT32_MAX where none begins. */
uint32_t gocode_body_find(const struct gocode_body *b, uint64_t offset);
