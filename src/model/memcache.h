/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/memcache - a memsrc that remembers the blocks it read, for walks over linked lists of small things.
 *
 * What it shows may be as old as the object: make one for a walk, and drop it.
 */

#include "model/memsrc.h"

enum { MEMCACHE_BLOCK = 4096, MEMCACHE_BLOCKS = 64 };

struct memcache {
	struct memsrc src;    /* first: a struct memsrc * is this object */
	struct memsrc *under; /* borrowed */
	size_t block, n;      /* bytes of a block, and how many there are */
	uint64_t *tags;	      /* address of the block + 1, 0 = empty */
	unsigned char *blocks;
};

void memcache_init(struct memcache *c, struct memsrc *under);
void memcache_init_sized(struct memcache *c, struct memsrc *under, size_t block, size_t n); /* for dense memory */
void memcache_forget(struct memcache *c); /* reads again from now on */
void memcache_deinit(struct memcache *c);

static inline void memcache_auto(struct memcache *c)
{
	memcache_deinit(c);
}
