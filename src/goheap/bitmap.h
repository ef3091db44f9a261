/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/bitmap - the pointer bitmaps of whole arenas, to Go 1.21 (and 1.22 without allocation headers).
 *
 *	to 1.19   a byte for four words: their pointer bits, then their "more pointers follow" bits; both for the object only
 *		  as far as the second goes
 *	1.20 on   a bit a word; another for each 64 says that no pointers follow in the object that goes on behind them
 * One arena's bitmap is kept (1 or 2 MB), so objects should come in order of address. One object is one thread's.
 */

#include "gort/heap.h"

struct goheap_bitmap {
	const struct gort_heap *heap; /* borrowed, as is src */
	struct memsrc *src;
	bool pairs;    /* two bits a word */
	uint64_t base; /* of the arena that is kept; 0: none */
	bool known;    /* it could be read */
	uint8_t *bits, *last;
};

/* Does this version have such bitmaps? */
bool goheap_bitmap_used(const struct gort *g);

void goheap_bitmap_init(struct goheap_bitmap *b, const struct gort_heap *heap, struct memsrc *src);
void goheap_bitmap_deinit(struct goheap_bitmap *b);

/*
 * Pointer bits of *n words (at most 64) from addr on, which are part of one object; *n becomes how many of them the result
 * is of. *more becomes false when no pointers follow in the object. False when the bitmap cannot be read.
 */
bool goheap_bitmap_at(struct goheap_bitmap *b, uint64_t addr, uint64_t *n, uint64_t *bits, bool *more);
