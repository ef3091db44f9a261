/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/flow - what a function's code says about the types of variables, by following values through it.
 *
 * The code is read once from top to bottom, as it stands, with what registers and the frame hold: addresses, variables'
 * values, fresh memory of a type. Both sides of a branch are taken for one, so what it finds are votes, as in gocode/calls.
 * Cost: about 100 ns an instruction, so it is for functions that are known to set variables.
 */

#include "gocode/callees.h"

enum { GOCODE_FLOW_MAX = 8 << 20 }; /* bytes of a function; what follows is not looked at */

struct gocode_flow {
	struct gort_types *types; /* borrowed, as is all here */
	const struct gocode_callees *callees;
	struct gocode_call_vec *out;
};

/* A function's code, len bytes at `addr`. */
void gocode_flow_read(const struct gocode_flow *f, const unsigned char *code, size_t len, uint64_t addr);

/* Is it an address of a word in data or bss, where variables with pointers are? */
bool gocode_is_variable(const struct gort_module *m, uint64_t addr);
