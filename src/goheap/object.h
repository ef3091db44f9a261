/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/object - a number for every slot of the heap, and from an address to the number.
 *
 * Slots of spans whose objects may have pointers come first, [0, n_inner), so that they are the inner vertices of a graph;
 * then those of noscan spans. Free slots have numbers too; `allocated` tells them apart.
 * Source: runtime/mheap.go (spanOf), mbitmap.go (objIndex, isFree), malloc.go (nextFreeIndex).
 * Cost: reads the allocation bits of all spans once. Memory: a bit a slot, 20 bytes a span.
 */

#include "gort/heap.h"

struct goheap_slots {
	uint32_t first; /* number of its first slot */
	uint32_t span;	/* index in heap->spans */
};

VEC_TYPE(goheap_slots_vec, struct goheap_slots);

struct goheap_objects {
	const struct gort *g; /* borrowed, as is heap */
	const struct gort_heap *heap;
	uint32_t n, n_inner;	       /* slots */
	struct goheap_slots_vec spans; /* heap spans only, by number */
	uint32_t *first;     /* by index in heap->spans: number of its first slot; UINT32_MAX: not a heap span */
	uint64_t *allocated; /* one bit a slot */
	uint64_t allocated_objects, allocated_bytes;
};

/* LIMIT when there are 2^32 slots or more. */
MUST_CHECK struct err *goheap_objects_init(const struct gort *g, const struct gort_heap *heap,
					   struct goheap_objects *ret);
void goheap_objects_deinit(struct goheap_objects *o);

struct goheap_object_at {
	uint32_t number, span; /* index in heap->spans */
	uint64_t start, size;  /* of the slot; user data of one with a type header begins 8 bytes later */
	uint64_t offset;       /* of the address in it */
	bool allocated;
};

/* The slot that an address is in; false outside the heap, and in the unused end of a span. */
bool goheap_object_find(const struct goheap_objects *o, uint64_t addr, struct goheap_object_at *ret);

/* The slot of a number, as if its first byte had been found. */
struct goheap_object_at goheap_object_get(const struct goheap_objects *o, uint32_t number);

/* Bytes of header in front of the user's data: 8 where objects carry their type, else 0. */
uint64_t goheap_object_header(const struct goheap_objects *o, uint32_t span);

static inline bool goheap_object_allocated(const struct goheap_objects *o, uint32_t number)
{
	return o->allocated[number >> 6] >> (number & 63) & 1;
}
