/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glibc/walk - chunk by chunk through the heaps of glibc's malloc: which are the program's, which are kept for reuse.
 *
 * A chunk counts with its head. It is free when the chunk behind it says so; those in fast bins and in the caches of
 * threads look used, and are told afterwards by the lists that they are in. Caches of threads are found by what they are:
 * chunks of one size whose lists agree with their counts, and lead to chunks of the sizes that the lists are for.
 * A target that runs changes heads while they are read: where they do not fit, they are read again, and what does not fit
 * then is UNKNOWN up to the next place from which many chunks in a row fit. So is what lies on pages in swap.
 * Cost: heaps are read once, in large pieces, through a buffer of 1 MiB: 0.3 ms of CPU a MiB, 0.6 where all chunks are of
 * 64 bytes.
 */

#include "glibc/heaps.h"

enum glibc_state {
	GLIBC_UNKNOWN, /* bytes that fit no chunk */
	GLIBC_USED,    /* the program's */
	GLIBC_RECORD,  /* the allocator's own: heads of heaps and arenas, fence posts */
	GLIBC_FREE,    /* in a bin */
	GLIBC_TOP,     /* at the end of an arena */
	GLIBC_FAST,    /* was USED in this walk, and is in a fast bin */
	GLIBC_CACHED,  /* was USED in this walk, and is in the cache of a thread */
	GLIBC_STATE_MAX_
};

/* [addr, addr + size) with its head: the program has addr + GLIBC_CHUNK_HEAD. */
struct glibc_chunk {
	uint64_t addr, size;
	uint32_t region; /* index */
	enum glibc_state state;
};

/*
 * Called for chunks by ascending address, which cover the regions without a gap; then in any order for those that are
 * in fast bins or caches, once more.
 */
typedef void (*glibc_chunk_fn)(void *ctx, const struct glibc_chunk *chunk);

/* Each chunk of `h` to fn. False: the target moved so much, or so much was not there, that lists were left early. */
bool glibc_walk(const struct glibc *g, const struct glibc_heaps *h, glibc_chunk_fn fn, void *ctx);
