/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/held - which holder kept more at the end of a window than at its start, from the owners at both ends.
 *
 * What is reachable at two moments can be compared whether or not a collection ran between them. Roots and paths are
 * the same at both when they have the same names, types and fields.
 * Pure; what it finds points into the snapshots.
 */

#include "model/snapshot.h"

/* The root itself holds what grows. */
#define HELD_BY_ROOT UINT32_MAX

struct held {
	bool known;			/* both ends have owners; the rest is 0 and NULL otherwise */
	double reachable, floating;	/* grown by */
	const struct owners_root *root; /* of what grew most; NULL: nothing grew */
	const struct owners_path
		*path;	       /* the same, as far down as most of the growth goes; NULL: only the root is known */
	double bytes;	       /* that it grew by: the path, else the root */
	double kept;	       /* that what holds the first on the path that became more keeps more; at least bytes */
	double all;	       /* bytes that all roots which grew did */
	double elements, more; /* objects that became more, and by how many; 0: what there was became larger */
	uint32_t container;    /* step of the path that holds the objects that became more, or HELD_BY_ROOT */
	bool fixed;	       /* the container has elements, got more of them and no larger: it has a bound */
	const char *bounded;   /* the type on the path that is a cache with a bound, by its name; or NULL */
	const char *kind;      /* "heap", "map", "context", "pool", "timer", "finalizer", "goroutine" */
};

void held_compare(const struct snapshot *first, const struct snapshot *last, struct held *ret);

/*
 * Is so much less reachable than the last collection marked that a walk of a heap in motion may have missed what holds it?
 * (Or much was freed since.) Such a walk proves nothing.
 */
bool held_believable(uint64_t reachable, uint64_t marked);
