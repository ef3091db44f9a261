/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/blocks - which blocks of a C allocator were taken in the window and not freed, by call path.
 *
 * Allocations and frees are seen in phases; between them nothing is. One phase without a pause is exact. With pauses each
 * path gets an interval:
 *
 * low	blocks that were seen allocated, not seen freed, and which the allocator itself has in use at the end with a size
 *	that fits; less those that may have been freed and taken again in a pause. How many those are is told by the
 *	frees that were seen of blocks whose allocation was not: for every block that a phase sees born and not die, a
 *	program that leaks nothing shows, in the long run, one that it sees die and not born. So a program whose blocks
 *	all die has a low of 0, whatever their lifetimes are; only growth counts.
 * high	growth of the allocator's own blocks in use, of the sizes that the path takes, and as many more as may have been
 *	freed that were there before; where the allocator's state is unknown, what the path may have allocated in all.
 * bytes	the path's part of that growth, by what was seen in the phases.
 *
 * Bounds hold with RECORD_CONFIDENCE when phases fall at random. A realloc is a free and an allocation: the block belongs to
 * the path of the last realloc. Sizes are those asked for; classes of size are those of the allocator's chunks.
 * Memory: 32 bytes a slot, 43 to 85 a block; at most RECORD_BLOCKS_MAX blocks.
 * Threads: none; one object, one thread.
 */

#include "record/cells.h"
#include "record/sums.h"

enum { RECORD_BLOCKS_MAX = 3 * 1024 * 1024 };

struct record_block {
	uint64_t addr; /* 0: an empty slot */
	uint64_t size : 48, phase : 16;
	int64_t time; /* when it was there */
	uint32_t path;
};

VEC_TYPE(record_block_vec, struct record_block);

struct record_blocks {
	struct record_block *slots;
	size_t n, cap;
	struct record_sums sums; /* of the blocks seen and not seen freed */
	struct record_cells cells;
	bool on, paused; /* `paused`: there was a pause, so the book is not exact */
	uint16_t phase;
	int64_t phase_began;
	uint64_t refused; /* blocks beyond RECORD_BLOCKS_MAX */
};

void record_blocks_init(struct record_blocks *b);
void record_blocks_deinit(struct record_blocks *b);

/* From `time` on allocations and frees are seen; or no longer are. What was allocated outside of a phase is not entered. */
void record_blocks_phase(struct record_blocks *b, bool on, int64_t time);

struct record_alloc {
	uint64_t addr, size;	 /* 0: it failed, or was a realloc to nothing */
	uint64_t old, old_chunk; /* what a realloc gave up, and its chunk's size; 0: nothing, unknown */
	uint32_t path;
	int64_t time, began;
};

/* A block that an inner call of the same call gave (calloc by malloc) is the same block, of the outer one's path. */
void record_blocks_alloc(struct record_blocks *b, const struct record_alloc *a);

/* chunk: the allocator's size of the block as it was freed; 0: unknown. */
void record_blocks_free(struct record_blocks *b, uint64_t addr, uint64_t chunk, int64_t began);

/* All blocks seen and not seen freed, by address; n * 32 bytes. */
void record_blocks_list(const struct record_blocks *b, struct record_block_vec *ret);

/*
 * What the allocator says of blocks: chunks[i] is the size of the chunk in use at addrs[i], 0: none is. What does
 * not fit goes from the book; gives how many.
 */
uint64_t record_blocks_confirm(struct record_blocks *b, const uint64_t *addrs, const uint64_t *chunks, size_t n);

/* A row for each path. */
void record_blocks_bounds(struct record_blocks *b, const struct record_blocks_end *end, struct record_bound_vec *ret);
