/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/cells - what is known of one call path and one class of chunk sizes, and the bounds that follow.
 *
 * Part of record/blocks, which says what the bounds are. A class is a single chunk size up to 1 KiB, an eighth of an octave
 * up to RECORD_LARGE, and all above. record_seen has sums over phases, so that the bounds know how much phases differ.
 */

#include <stdbool.h>

#include "base/hash.h"
#include "base/vec.h"

#define RECORD_CONFIDENCE 0.999

struct record_size {
	uint64_t size, count; /* chunks in use, by size */
};

VEC_TYPE(record_size_vec, struct record_size);

/* What the bounds are drawn from when the window ends. */
struct record_blocks_end {
	const struct record_size_vec *before, *after; /* NULL: the allocator's state is not known */
	uint64_t large_before, large_after; /* blocks with a mapping of their own, not among them; and bytes of both */
	uint64_t large_bytes_before, large_bytes_after;
	bool confirmed; /* record_blocks_confirm() was asked of all */
	double scale,
		scale_high; /* the program's whole way through the window, against its way in phases: most likely, at most */
};

struct record_bound {
	uint32_t path;
	uint64_t bytes, low_bytes, high_bytes;
	uint64_t count, low_count, high_count;
	uint64_t total_bytes, total_count; /* seen allocated */
	int64_t first, last;		   /* of the blocks outstanding; 0: none */
};

VEC_TYPE(record_bound_vec, struct record_bound);

/* What was seen in phases, in all and by how it differed between them. */
struct record_seen {
	uint64_t n, at_phase; /* in all; when the phase began */
	double squares, tied; /* sums over phases: n * n, n * length */
};

struct record_cell {
	uint32_t path, bin;
	struct record_seen allocs;
	uint64_t deaths; /* seen */
	uint64_t max_size, refused, refused_bytes;
	/* of what is outstanding */
	uint64_t n, bytes, sure, sure_bytes;
	int64_t first, last;
};

/* The last class is that of large blocks, which may have a mapping of their own. */
enum { RECORD_BINS = 64 + 8 * 7 + 1, RECORD_LARGE = 128 * 1024 };

struct record_cells {
	VEC(struct record_cell) v;
	struct hash_map index;
	struct record_seen frees[RECORD_BINS]; /* of blocks whose allocation was not seen */
	unsigned phases;
	double on, on_squares; /* sums over phases: length, length * length */
};

void record_cells_init(struct record_cells *c);
void record_cells_deinit(struct record_cells *c);

/* A phase of so many nanoseconds has ended. */
void record_cells_phase(struct record_cells *c, double length);

void record_cells_alloc(struct record_cells *c, uint32_t path, uint64_t size);
void record_cells_free(struct record_cells *c, uint32_t path, uint64_t size); /* of a block that was seen allocated */
void record_cells_refused(struct record_cells *c, uint32_t path, uint64_t size);
void record_cells_unknown_free(struct record_cells *c, uint64_t chunk);

/* What is outstanding, block by block; `sure`: it can only be the block that was seen, or one that took its place. */
void record_cells_clear(struct record_cells *c);
void record_cells_outstanding(struct record_cells *c, uint32_t path, uint64_t size, int64_t time, bool sure);

/* A row for each path, in order of the paths. */
void record_cells_bounds(const struct record_cells *c, const struct record_blocks_end *end, bool paused,
			 struct record_bound_vec *ret);

/* The size of glibc's chunk for a block. */
uint64_t record_chunk(uint64_t size);
