/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/calls - what the code says about types, for binaries without debug information: of variables, and of closures.
 *
 * A call of the runtime that takes a type as an argument, next to a variable whose address or value is another argument,
 * or that the result is stored in: mapassign(type, map), newobject(type), growslice(..., type). The compiler makes closures
 * by allocating a struct of a type of its own and storing the function's address in it.
 * One pass over the code looks for direct calls to those functions; what is around them is read by patterns, so a place
 * may be misread: what most places say counts, and only if two thirds of them agree.
 * Cost: about 2 ns a byte of code. Memory: 24 bytes a place.
 */

#include "gort/type.h"

enum gocode_call_says {
	GOCODE_CALL_VALUE,   /* the variable has the type */
	GOCODE_CALL_SELF,    /* the variable is a map or a channel of the type */
	GOCODE_CALL_POINTER, /* the variable points to one of the type */
	GOCODE_CALL_SLICE,   /* ... to the elements of a slice */
	GOCODE_CALL_CLOSURE, /* closures of the function have the type, a struct that begins with the code's address */
};

struct gocode_call {
	uint64_t addr;	/* of the variable; of the function */
	uint64_t rtype; /* address of the type's descriptor */
	uint32_t says;	/* enum gocode_call_says */
};

VEC_TYPE(gocode_call_vec, struct gocode_call);

enum { GOCODE_CALLS_MAX = 1 << 20 }; /* places; further code is not looked at */

/* Appends what the code says, one row for each variable or function, by address. */
void gocode_calls_read(struct gort_types *types, struct gocode_call_vec *ret);
