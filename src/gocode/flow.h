/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/flow - what a function's code says about types, by following values through it.
 *
 * Known are at first a method's receiver, by its name, a closure's context, by what allocates it, and what the runtime's
 * functions give. Values are followed through registers and the frame, along all ways through the function: where ways
 * that bring different values meet, nothing is known. What fields hold, their types say; what other functions return is
 * found the same way, when it is asked for, to a depth and within a budget, and kept.
 * Not followed: words of the frame whose address is taken.
 * Cost: about 500 ns an instruction. Memory: 16 bytes for each register and word of the frame, at each place that a jump leads to.
 */

#include "gocode/reader.h"

/* What the function says of variables: into r->all. */
void gocode_flow_variables(struct gocode_reader *r, size_t function);
/* The same of bytes at hand, which are a function named `name`. */
void gocode_flow_bytes(struct gocode_reader *r, const char *name, const unsigned char *code, size_t len,
		       uint64_t entry);

/* A word of a frame, counted from its stack pointer, and what it points to. */
struct gocode_slot {
	uint32_t word;
	uint32_t says;
	uint64_t rtype;
};

VEC_TYPE(gocode_slot_vec, struct gocode_slot);

/* Appends what the words of a frame hold while the call that returns to `pc` runs. */
void gocode_flow_slots(struct gocode_reader *r, uint64_t pc, struct gocode_slot_vec *ret);

/* Is it an address of a word in data or bss, where variables with pointers are? */
bool gocode_is_variable(const struct gort_module *m, uint64_t addr);
