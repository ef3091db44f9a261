/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/sums - what each call path has outstanding, and has taken in all.
 *
 * A path is the number of a stack in struct record. Every path has one sum, in order of appearance.
 */

#include "base/hash.h"
#include "base/vec.h"

struct record_sum {
	uint32_t path;
	uint64_t bytes, count; /* outstanding */
	uint64_t total_bytes, total_count;
	uint64_t peak_bytes; /* at the last record_sums_peak() */
};

struct record_sums {
	VEC(struct record_sum) v;
	struct hash_map index;
	uint64_t bytes, count; /* of all paths, outstanding */
};

/* Zeroed memory is an empty table. */
void record_sums_deinit(struct record_sums *s);

/* The sum of a path; valid until the next path appears. */
struct record_sum *record_sums_at(struct record_sums *s, uint32_t path);

void record_sums_take(struct record_sums *s, uint32_t path, uint64_t bytes, uint64_t count);
void record_sums_give(struct record_sums *s, uint32_t path, uint64_t bytes, uint64_t count);

/* This moment is the highest so far: remember what each path has. */
void record_sums_peak(struct record_sums *s);
