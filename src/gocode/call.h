/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/call - one thing that one place in the code says about the type of a variable or a closure.
 */

#include "gort/type.h"

enum gocode_call_says {
	GOCODE_CALL_VALUE,   /* the variable has the type */
	GOCODE_CALL_SELF,    /* the variable is a map or a channel of the type */
	GOCODE_CALL_POINTER, /* the variable points to one of the type */
	GOCODE_CALL_SLICE,   /* ... to the elements of a slice */
	GOCODE_CALL_ANY,     /* the variable is the second word of an interface: it may point to anything */
	GOCODE_CALL_CLOSURE, /* closures of the function have the type, a struct that begins with the code's address */
};

struct gocode_call {
	uint64_t addr;	/* of the variable; of the function */
	uint64_t rtype; /* address of the type's descriptor */
	uint32_t says;	/* enum gocode_call_says */
};

VEC_TYPE(gocode_call_vec, struct gocode_call);

enum { GOCODE_CALLS_MAX = 1 << 20 }; /* places; what comes on top is not kept */
