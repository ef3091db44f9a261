/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/ranges - which address ranges were mapped in the window and are mapped still, and by which call path.
 *
 * Ranges are disjoint and in order of address. Part of one may go: what remains stays with the call path that mapped it,
 * and counts as one mapping however many pieces it is in. What was mapped before the window is not in here, and taking it
 * away is no error.
 * Calls come in the order in which things happened (record/order). Memory: 88 bytes a piece, RECORD_RANGES_MAX pieces at most.
 * Threads: none; one object, one thread.
 */

#include <stdbool.h>

#include "record/sums.h"

enum { RECORD_RANGES_MAX = 2 * 1024 * 1024 };

struct record_range {
	uint64_t start, end;
	int64_t time;	  /* when it was mapped */
	uint32_t path;	  /* number of a stack */
	uint32_t mapping; /* pieces of one mapping have the same number */
	uint32_t flags;	  /* the caller's own */
};

VEC_TYPE(record_range_vec, struct record_range);

struct record_ranges {
	struct record_sums sums; /* count: pieces */
	struct record_range_node *nodes;
	size_t n_nodes, cap_nodes;
	uint32_t free;	   /* first unused node, 0: none */
	uint32_t mappings; /* numbers given so far */
	uint64_t random;
	size_t n;	  /* pieces */
	uint64_t refused; /* bytes beyond RECORD_RANGES_MAX pieces: not in here */
};

void record_ranges_init(struct record_ranges *r);
void record_ranges_deinit(struct record_ranges *r);

/* Mapped at `range->time`, in place of whatever was there; its `mapping` is given here. Empty ranges are ignored. */
void record_ranges_map(struct record_ranges *r, const struct record_range *range);

/*
 * [start, end) is mapped no more. What was mapped at `began` or later stays: the call that took the range away had begun
 * before, so that is somebody else's already.
 */
void record_ranges_unmap(struct record_ranges *r, uint64_t start, uint64_t end, int64_t began);

/*
 * mremap(2) of [old, old + old_len) to [to.start, to.end). What moves stays with the path that mapped it, and memory from
 * before the window stays unknown; growth is of `to.path`. `keep`: the old range stays mapped (MREMAP_DONTUNMAP, or an
 * old length of 0), so all of the new one is of `to.path`.
 */
struct record_move {
	uint64_t old, old_len;
	struct record_range to;
	int64_t began;
	bool keep;
};
void record_ranges_move(struct record_ranges *r, const struct record_move *move);

/* The first piece that ends behind `addr`, or NULL; valid until the next change. So from the last one's end on: the next. */
const struct record_range *record_ranges_next(const struct record_ranges *r, uint64_t addr);
