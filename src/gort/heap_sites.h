/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/heap_sites - stacks of the heap profile in words, as runtime/pprof writes them.
 *
 * A bucket's return addresses are logical: an inlined call has an address of its own, in the function it is inlined
 * into. Those of one real call are a group, and all its frames get the address of the first. What a group is in words
 * is kept by its first address, so a program's profile costs one look-up a call.
 */

#include "base/hash.h"
#include "base/vec.h"
#include "gort/gort.h"
#include "model/stack.h"

struct heap_group {
	uint32_t at, n; /* frames in `pool` */
	uint32_t pcs;	/* addresses that it stands for */
};

enum { HEAP_SITES_RECENT = 4096 };

struct heap_sites {
	const struct gort *g;	       /* borrowed */
	struct stacks *out;	       /* borrowed */
	struct hash_map known, hidden; /* first address -> group + 1; address -> 1 shown, 2 the runtime's */
	VEC(struct heap_group) groups;
	struct hash_pair *recent; /* of `known`, by the lowest bits of the address: most look-ups end here */
	struct u32_vec pool, stack;
};

void heap_sites_init(struct heap_sites *s, const struct gort *g, struct stacks *out);
void heap_sites_deinit(struct heap_sites *s);

/*
 * The stack of n return addresses, as a number in `out`: frames of the runtime in front of the first of the program's own
 * are left out, unless there are no others.
 */
uint32_t heap_sites_stack(struct heap_sites *s, const uint64_t *pcs, size_t n);

/* The return address of the program's own call that led to the allocation; 0 when there is none. */
uint64_t heap_sites_call(struct heap_sites *s, const uint64_t *pcs, size_t n);
