/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * account/c_heap - the C allocator of a target: which it is, and where it is glibc's, what it has and what of it is in use.
 *
 * Others (jemalloc, tcmalloc, mimalloc, musl) are told by the name of their library or by a symbol, and are not read.
 */

#include "account/role.h"
#include "glibc/arena.h"
#include "gort/heap.h"

struct c_heap {
	const char
		*allocator;  /* "glibc 2.36", "jemalloc (libjemalloc.so.2)", NULL: none; in the arena that was given */
	const char *foreign; /* the same where it is not glibc's, else NULL */
	bool found;	     /* glibc's malloc: `g` may be used while the target and its maps stay as they are */
	bool have;	     /* ... and was read: the rest is filled */
	struct glibc g;
	unsigned char *kinds; /* of t->maps */
	struct glibc_arenas arenas;
	struct glibc_pages pages;
};

/*
 * Look for the allocator. `roles` may be NULL, they are found then; `heap` (may be NULL) tells Go's arenas apart. Needs
 * t->mem. Never fails: what is not found is not there. To be given to c_heap_deinit().
 */
void c_heap_find(struct target *t, const struct role *roles, const struct gort_heap *heap, struct arena *arena,
		 struct c_heap *ret);

/* Go through it, if it was found. FAULT, LIMIT, NOMEM: then `have` stays false. */
MUST_CHECK struct err *c_heap_read(struct c_heap *h);
void c_heap_deinit(struct c_heap *h);

static inline void c_heap_auto(struct c_heap *h)
{
	c_heap_deinit(h);
}

/* Into a->c_heap. */
void c_heap_fill(const struct c_heap *h, struct account *a);

/* Where the next heap begins or goes on, from `addr` on: a region, or NULL when there is none. */
const struct glibc_region *c_heap_after(const struct c_heap *h, uint64_t addr);
