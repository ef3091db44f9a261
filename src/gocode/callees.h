/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/callees - functions of the runtime that take a type as an argument, or give memory of a type; by address.
 *
 * Source: cmd/compile/internal/walk, runtime/{malloc,slice,map,chan,mbarrier}.go. Arguments are in registers since 1.17:
 * RAX, RBX, RCX, RDI, RSI; the result is in RAX.
 */

#include "gocode/call.h"

enum { GOCODE_RAX = 0, GOCODE_RBX = 3, GOCODE_RSI = 6 };

enum gocode_callee_tells {
	GOCODE_CALLEE_RESULT,  /* RAX points to what was made of the type */
	GOCODE_CALLEE_SELF,    /* RBX is a map of the type; says POINTER: RAX points to one of its elements then */
	GOCODE_CALLEE_VALUE,   /* RBX points to a value of the type */
	GOCODE_CALLEE_MAP,     /* RAX is a map of an unknown type */
	GOCODE_CALLEE_BARRIER, /* keeps all registers */
};

struct gocode_callee {
	const char *name;
	unsigned type; /* register with the type */
	enum gocode_callee_tells tells;
	enum gocode_call_says says;
};

struct gocode_callees {
	struct hash_map rows; /* entry -> address of the row */
	uint64_t first, last; /* of the entries: most calls go elsewhere */
};

void gocode_callees_find(const struct gort *g, struct gocode_callees *ret);
void gocode_callees_deinit(struct gocode_callees *c);

/* The row of the function that begins at an address, or NULL. */
static inline const struct gocode_callee *gocode_callee_at(const struct gocode_callees *c, uint64_t entry)
{
	const uint64_t *row = entry < c->first || entry > c->last ? NULL : hash_map_get(&c->rows, entry);
	return row ? (const struct gocode_callee *)(uintptr_t)*row : NULL;
}
