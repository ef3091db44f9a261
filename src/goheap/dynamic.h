/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/dynamic - what the first word of an interface value says about the second.
 *
 * An empty interface begins with the address of a type, any other with that of an itab, which names one. Types lie in
 * [types, etypes) of a module; itabs in its data, or, made while the program runs, in the runtime's persistent chunks.
 * Which of them a word is shows by content: an itab begins with an interface type. Source: runtime/iface.go, runtime2.go.
 * One object is one thread's; the ranges are shared.
 */

#include "base/hash.h"
#include "gort/gort.h"
#include "model/memcache.h"

VEC_TYPE(gort_range_vec, struct gort_range);

struct goheap_dynamic_ranges {
	const struct gort *g;	     /* borrowed */
	struct gort_range_vec types; /* of each module */
	struct gort_range_vec all;   /* where itabs may be */
	uint64_t lo, len;	     /* a word that is not in [lo, lo + len) is none of them */
};

void goheap_dynamic_ranges_init(struct goheap_dynamic_ranges *r, const struct gort *g);
void goheap_dynamic_ranges_deinit(struct goheap_dynamic_ranges *r);

struct goheap_dynamic {
	const struct goheap_dynamic_ranges *ranges;
	struct memcache cache;
	struct hash_map known; /* word -> type or 0 */
};

void goheap_dynamic_init(struct goheap_dynamic *d, const struct goheap_dynamic_ranges *r, struct memsrc *src);
void goheap_dynamic_deinit(struct goheap_dynamic *d);

/* The address of the dynamic type, or 0: the word is not the first of an interface value. */
uint64_t goheap_dynamic_type(struct goheap_dynamic *d, uint64_t word);
