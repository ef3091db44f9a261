/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/faults - sampled page faults: which call path made which page resident, as long as it was not given back.
 *
 * One page has one sample, the last: a fault on a page that had been given back and was not sampled is what may be missed.
 * Pages that are unmapped, replaced or given back by madvise(2) go, pages that are moved go along. At the end the kernel is
 * asked which are resident still. A sample stands for `weight` faults; what is counted is a share of all, so each row has
 * bounds for RECORD_CONFIDENCE. With a weight of 1 every fault was seen and the figures are exact.
 * Memory: 40 bytes a sample and 17 a region of 2 MiB; at most RECORD_FAULTS_MAX samples.
 */

#include "base/hash.h"
#include "base/vec.h"
#include "record/cells.h"

enum { RECORD_FAULTS_MAX = 2 * 1024 * 1024, RECORD_PAGE = 4096, RECORD_HUGE = 2 * 1024 * 1024 };

struct record_sample {
	uint64_t page; /* 0: unused */
	int64_t time;
	uint32_t path, weight;
	uint32_t next; /* of its region, 0: none; index + 1 */
};

VEC_TYPE(record_sample_vec, struct record_sample);

struct record_faults {
	struct record_sample_vec v;
	struct hash_map regions; /* number of 2 MiB region -> first sample, index + 1 */
	uint32_t free;		 /* first unused one, index + 1 */
	size_t n;
	uint64_t refused; /* samples beyond RECORD_FAULTS_MAX */
};

/* Zeroed memory is an empty book. */
void record_faults_deinit(struct record_faults *f);

void record_faults_add(struct record_faults *f, uint64_t addr, uint32_t weight, uint32_t path, int64_t time);

/* The pages of [start, end) are not there any more, as of `began`. */
void record_faults_drop(struct record_faults *f, uint64_t start, uint64_t end, int64_t began);

/* Pages of [old, old + len) are at `to` now. */
void record_faults_move(struct record_faults *f, uint64_t old, uint64_t len, uint64_t to, int64_t began);

/* All samples, by address. */
void record_faults_list(const struct record_faults *f, struct record_sample_vec *ret);

/* A sample that stands for memory: what of it is resident. */
struct record_resident {
	uint32_t path, weight, what; /* `what` is the caller's: rows are by path and what */
	uint64_t bytes;		     /* a page, or a huge one */
	int64_t time;
};

VEC_TYPE(record_resident_vec, struct record_resident);

struct record_fault_row {
	struct record_bound bound; /* count: pages */
	uint32_t what;
};

VEC_TYPE(record_fault_row_vec, struct record_fault_row);

/* Sorts `v`; a row for each path and what. */
void record_faults_rows(struct record_resident_vec *v, struct record_fault_row_vec *ret);
