/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/delta - looks at one target as a stream of small differences: a chunk.
 *
 * A chunk is self-contained: its first look is written against nothing. A look is
 *	varint	milliseconds since the look before (of the first: CLOCK_BOOTTIME)
 *	varint	mask of the columns that differ; bit STORE_COLUMNS: the distance of the two clocks
 *	then each difference: zigzag; a multiple of 4096 is divided by it and says so in its first byte
 * A chunk that is cut short is good up to its last whole look.
 */

#include "base/cursor.h"
#include "base/strbuf.h"
#include "store/columns.h"

/* Where a stream is, for who writes and who reads. Zeroed at the start of a chunk. */
struct delta {
	int64_t boot_ms;
	int64_t offset_ms; /* wall clock less boot clock */
	uint64_t values[STORE_COLUMNS];
};

/* Appends a look; `values` may be d's own where none differs. Times in milliseconds; boot_ms not before d's. */
void delta_put(struct delta *d, int64_t boot_ms, int64_t offset_ms, const uint64_t values[STORE_COLUMNS],
	       struct strbuf *out);
/* The next look. False at the end, and where the bytes make no sense: then c->bad. */
bool delta_next(struct delta *d, struct cursor *c);
/* The look where the stream is. */
void delta_point(const struct delta *d, struct store_point *ret);

void delta_varint(struct strbuf *out, uint64_t v);
