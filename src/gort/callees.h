/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/callees - functions of the runtime that take a type as an argument, or give memory of a type; by address.
 *
 * Source: cmd/compile/internal/walk, runtime/{malloc,slice,map,chan,mbarrier}.go. Arguments are in registers since 1.17:
 * RAX, RBX, RCX, RDI, RSI; the result is in RAX.
 */

#include "gort/calls.h"

enum { GORT_RAX = 0, GORT_RBX = 3, GORT_RSI = 6 };

enum gort_callee_tells {
	GORT_CALLEE_RESULT,  /* RAX points to what was made of the type */
	GORT_CALLEE_SELF,    /* RBX is a map of the type */
	GORT_CALLEE_VALUE,   /* RBX points to a value of the type */
	GORT_CALLEE_MAP,     /* RAX is a map of an unknown type */
	GORT_CALLEE_BARRIER, /* keeps all registers */
};

struct gort_callee {
	const char *name;
	unsigned type; /* register with the type */
	enum gort_callee_tells tells;
	enum gort_call_says says;
};

struct gort_callees {
	struct hash_map rows; /* entry -> address of the row */
	uint64_t first, last; /* of the entries: most calls go elsewhere */
};

void gort_callees_find(const struct gort *g, struct gort_callees *ret);
void gort_callees_deinit(struct gort_callees *c);

/* The row of the function that begins at an address, or NULL. */
static inline const struct gort_callee *gort_callee_at(const struct gort_callees *c, uint64_t entry)
{
	const uint64_t *row = entry < c->first || entry > c->last ? NULL : hash_map_get(&c->rows, entry);
	return row ? (const struct gort_callee *)(uintptr_t)*row : NULL;
}
