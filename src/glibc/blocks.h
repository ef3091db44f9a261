/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glibc/blocks - what became of blocks that malloc gave out, by its own chunks: one walk for any number of them.
 *
 * A block that was given back and given out again, at the same address, is USED: its size may tell, its time cannot.
 * Cost: that of glibc/walk, and about 0.1 us a block.
 */

#include "glibc/walk.h"

struct glibc_block {
	uint64_t addr;		/* as malloc gave it; the list is sorted by it */
	uint64_t size;		/* out: of its chunk, with the head; 0 where it is not USED */
	enum glibc_state state; /* out: GLIBC_USED, GLIBC_FREE (given back, in whatever list), GLIBC_UNKNOWN */
};

/* How many chunks of one size are in use. */
struct glibc_size {
	uint64_t size, count;
};

VEC_TYPE(glibc_size_vec, struct glibc_size);

/*
 * Fill states and sizes of `blocks`. `sizes` (may be NULL) gets what all the arenas have in use, largest sum first; large
 * blocks with a mapping of their own are not among it. FAULT.
 */
MUST_CHECK struct err *glibc_blocks_tell(const struct glibc *g, struct glibc_block *blocks, size_t n,
					 struct glibc_size_vec *sizes);
