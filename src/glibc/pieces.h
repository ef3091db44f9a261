/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glibc/pieces - memory of glibc's malloc that no list leads to: pieces that the main arena mapped because brk was
 * refused, and large blocks that have a mapping of their own. Both are looked for in anonymous mappings by the heads of
 * chunks, as far as the allocator's own sums say that there are any.
 */

#include "glibc/glibc.h"

struct glibc_piece {
	uint64_t start, end;
};

VEC_TYPE(glibc_piece_vec, struct glibc_piece);

struct glibc_piece_search {
	const struct glibc *g;
	uint64_t first;	 /* where one is known to begin, 0: nowhere */
	uint64_t top;	 /* a chain of chunks may end with it */
	uint64_t bytes;	 /* of pieces, in all */
	uint64_t blocks; /* large blocks, in all; UINT64_MAX: not known */
};

/* Pieces whose chunks lead from a page's start to the top chunk, or to the two fence posts of a piece that is full. */
void glibc_pieces_find(const struct glibc_piece_search *s, struct glibc_piece_vec *ret);

/*
 * Large blocks, each with its head and what is before and behind it, by address.
 * They are not looked for in what is in `ret` already, which they are added to.
 */
void glibc_blocks_find(const struct glibc_piece_search *s, struct glibc_piece_vec *ret);
