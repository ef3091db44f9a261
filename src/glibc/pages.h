/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glibc/pages - how each page of malloc's heaps divides into what the program has, what is kept for reuse, and what could
 * not be told: four bytes a page, whatever the heap is like.
 *
 * A chunk counts with its head; heads of heaps and arenas and fence posts count as in use. What lies behind the end of
 * a heap, in its mapping, is free.
 */

#include "glibc/walk.h"

struct glibc_page {
	uint16_t free, unknown; /* bytes; the rest is in use */
};

struct glibc_pages {
	const struct glibc_heaps *h; /* borrowed */
	struct glibc_page *v;
	size_t *first; /* of each region's pages in v */
	size_t n;
};

/* LIMIT, NOMEM. */
MUST_CHECK struct err *glibc_pages_init(struct glibc_pages *p, const struct glibc_heaps *h);
void glibc_pages_deinit(struct glibc_pages *p);

/* A chunk of the walk. */
void glibc_pages_chunk(struct glibc_pages *p, const struct glibc_chunk *c);

/* Whole pages [start, end), of which those in `r` are added up. */
struct glibc_pages_sum {
	uint64_t used, free, unknown;
};
struct glibc_pages_sum glibc_pages_sum(const struct glibc_pages *p, const struct glibc_region *r, uint64_t start,
				       uint64_t end);
