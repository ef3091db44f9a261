/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glibc/lists - chunks that look used and are not: those in fast bins, and in the caches of threads.
 *
 * Both are lists with one pointer, in which 2.32 and later hide each by the address it stands at (>> 12). Which way it is
 * is told by the lists themselves. An entry counts when it lies in a heap and its chunk has the size that its list is for.
 */

#include "glibc/walk.h"

struct glibc_cache {
	uint64_t addr; /* of the record: what the chunk holds */
	const struct glibc_cache_layout *layout;
};

VEC_TYPE(glibc_cache_vec, struct glibc_cache);

struct glibc_lists {
	const struct glibc *g;
	const struct glibc_heaps *h;
	struct glibc_cache_vec caches;
	bool cut;
};

void glibc_lists_init(struct glibc_lists *l, const struct glibc *g, const struct glibc_heaps *h);
void glibc_lists_deinit(struct glibc_lists *l);

/* How long a thread's cache is that a chunk of `size` may hold; 0: none. */
size_t glibc_lists_cache_bytes(uint64_t size);

/* Such a chunk and so much of its contents (without its head): kept when it looks like a cache that is not empty. */
void glibc_lists_offer(struct glibc_lists *l, const struct glibc_chunk *chunk, const unsigned char *contents);

/* Every entry of fast bins, and of the caches offered. False: lists were left early. */
bool glibc_lists_read(struct glibc_lists *l, glibc_chunk_fn fn, void *ctx);
