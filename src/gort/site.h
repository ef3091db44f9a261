/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/site - what type a call of the allocator makes, by the code in front of it.
 *
 * The compiler loads the address of the type into a register right before the call. So the bytes before a return
 * address tell: a direct call to a function of the runtime that allocates, and the nearest LEA into the register that
 * this function takes its type in, with a type as its target. Whatever does not fit exactly is unknown.
 */

#include "gort/type.h"

struct gort_site {
	const char *type; /* "main.Session", "[]uint8", "map[string]int"; lives as long as the gort_types */
	uint64_t rtype;	  /* address of the type: of the object, of an array's elements, of the map or channel; or 0 */
	uint64_t size;	  /* of one element; 0: any */
	bool array;	  /* any number of rtype */
	bool pointers;	  /* the memory holds pointers */
	bool parts;	  /* parts of a map or a channel: whether they hold pointers is not known */
};

/* The type made by the call that returns to pc; false when that cannot be told. */
bool gort_site_type(struct gort_types *types, uint64_t pc, struct gort_site *ret);
