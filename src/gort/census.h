/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/census - the spans of a heap counted by size class, what each P keeps back, and the types of objects that carry
 * one.
 *
 * Source: runtime/mcache.go, mcentral.go, mbitmap.go (allocation headers, from 1.22 on: objects with pointers over 512
 * bytes begin with the address of their type; that of a large object stands in its span).
 */

#include "gort/heap.h"
#include "gort/type.h"

enum {
	GORT_SPAN_CLASSES = GORT_SIZE_CLASSES * 2, /* size class << 1 | noscan */
	GORT_HEADER_OVER = 512,			   /* bytes: larger objects with pointers have a header */
};

/* Each span is in one state, the first that holds: `cached`, `unswept`, `full`, `partial`. */
struct gort_census_row {
	int p; /* held by this P's mcache; -1: all of the class */
	uint8_t spanclass;
	uint64_t spans, bytes, objects, object_bytes, slots;
	uint64_t cached, unswept, partial, full;
};

VEC_TYPE(gort_census_vec, struct gort_census_row);

/*
 * Rows of all classes that have a span, in order of their class, each followed by those of the Ps that hold one of it.
 */
void gort_census_count(const struct gort *g, const struct gort_heap *h, struct gort_census_vec *ret);

/* Do objects of this version carry their type? */
bool gort_census_headers(const struct gort *g);

/* `weight` objects of `bytes` each. */
typedef void (*gort_census_fn)(void *ctx, const struct gort_type *type, uint64_t bytes, uint64_t weight);

enum { GORT_CENSUS_READS = 4 << 20 }; /* headers read at most; of a larger heap each n-th span is taken for n */

/* Calls fn for objects with a header and for large ones with a type. Returns that n: 1 when all were read. */
uint64_t gort_census_types(const struct gort *g, const struct gort_heap *h, struct gort_types *types, gort_census_fn fn,
			   void *ctx);
