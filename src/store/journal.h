/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/journal - the looks that are in no chunk's row yet, taken from the journal's rows.
 *
 * Rows are read in their order; pieces of a chunk follow each other. What makes no sense ends the row it is in.
 */

#include "base/hash.h"
#include "base/strbuf.h"
#include "base/vec.h"

enum { JOURNAL_CHUNKS = 1 << 16, JOURNAL_BYTES = 128 << 20 };

struct journal_chunk {
	int64_t target;
	uint32_t no;
	struct strbuf data;
};

struct journal {
	VEC(struct journal_chunk) chunks;
	struct hash_index by_id;
	size_t bytes;
	int64_t only; /* a target; 0: all */
};

/* Zeroed memory is an empty journal. */
void journal_add(struct journal *j, const void *row, size_t len);
void journal_deinit(struct journal *j);
