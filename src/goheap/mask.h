/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/mask - which words of a value of a type are pointers, by the type's own mask.
 *
 * Source: internal/abi/type.go (GCData, PtrBytes), runtime/type.go (getGCMask, buildGCMask). To 1.23 GCData is the mask
 * (the allocator unrolls what is a program); from 1.24 on large types have a mask that the runtime makes when it first
 * needs it: one that is not there yet is made here from the parts of the type, as the runtime would.
 * Types need not be the image's: reflection makes them on the heap, the allocator and user arenas outside of it.
 * Each type is read once. Several threads may ask.
 */

#include "base/hash.h"
#include "gort/gort.h"
#include "model/memshare.h"

struct goheap_mask {
	uint64_t words;	    /* of a value; an array's elements repeat after so many */
	uint64_t ptr_words; /* up to its last pointer */
	uint64_t *bits;	    /* one bit a word, and 128 more that are 0 */
	uint64_t *
		tile; /* small types: bits of words 64 i to 64 i + 63 of an array of them; repeats after `words` of these */
};

struct goheap_masks {
	const struct gort *g; /* borrowed */
	struct memsrc *src;   /* the same; may be read by several threads */
	uint64_t bytes_max;
	struct parallel_lock lock;
	unsigned steps;			/* taken for masks that are made here */
	struct hash_map known;		/* address of a type -> index in `list` + 1 */
	VEC(struct goheap_mask *) list; /* NULL: no type */
};

/* bytes_max: of an object: no type has its pointers beyond. */
void goheap_masks_init(struct goheap_masks *m, const struct gort *g, struct memsrc *src, uint64_t bytes_max);
void goheap_masks_deinit(struct goheap_masks *m);

/*
 * The mask of the type at an address, for an object of `bytes` bytes: NULL when it is none that such an object can have.
 * Lives as long as `m`.
 */
const struct goheap_mask *goheap_mask_of(struct goheap_masks *m, uint64_t type, uint64_t bytes);

/* Bits of 64 words from `word` on (a multiple of 64) of an array of the type. */
uint64_t goheap_mask_wrap(const struct goheap_mask *m, uint64_t word);

static inline uint64_t goheap_mask_word(const struct goheap_mask *m, uint64_t word)
{
	return m->tile ? m->tile[word / 64 % m->words] : goheap_mask_wrap(m, word);
}
