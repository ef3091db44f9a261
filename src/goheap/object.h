/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/object - a number for every slot of the heap, and from an address to the number.
 *
 * Slots of spans whose objects may have pointers come first, [0, n_inner), so that they are the inner vertices of a graph;
 * then those of noscan spans. Both in order of address. Free slots have numbers too; `allocated` tells them apart.
 * In a span that was not swept yet allocation bits are those of before the mark: what the collector proved dead is
 * allocated still, and in `dead`.
 * Source: runtime/mheap.go (spanOf), mbitmap.go (objIndex, isFree, heapBitsInSpan), malloc.go (nextFreeIndex).
 * Cost: reads the allocation bits of all spans once; a lookup is one multiplication and four loads.
 * Memory: a bit a slot, 48 bytes a span.
 */

#include "gort/heap.h"

#define GOHEAP_NONE UINT32_MAX

struct goheap_slots {
	uint32_t first; /* number of its first slot */
	uint32_t span;	/* index in heap->spans */
};

VEC_TYPE(goheap_slots_vec, struct goheap_slots);

enum goheap_place_flags {
	GOHEAP_PLACE_NOSCAN = 1u << 0,
	GOHEAP_PLACE_HEADER = 1u << 1,	/* an object's type stands in front of it */
	GOHEAP_PLACE_INLINE = 1u << 2,	/* green tea: the last GORT_TRAILER bytes are the collector's */
	GOHEAP_PLACE_GUESSED = 1u << 3, /* its allocation bits could not be read: all slots are taken for allocated */
};

/* Where the slots of a span are, by index in heap->spans: all that a lookup needs, in half a cache line. */
struct goheap_place {
	uint64_t start;
	uint32_t first; /* GOHEAP_NONE: no span of objects */
	uint32_t magic; /* 2^32 / size, rounded up; 0: one object, as large as the span */
	uint32_t size;	/* of a slot; 0: of the span */
	uint32_t slots;
	uint32_t flags, pad;
};

struct goheap_objects {
	const struct gort *g; /* borrowed, as is heap */
	const struct gort_heap *heap;
	uint32_t n, n_inner;	       /* slots */
	struct goheap_slots_vec spans; /* heap spans only, by number */
	uint32_t *first;     /* by index in heap->spans: number of its first slot; UINT32_MAX: not a heap span */
	uint64_t *allocated; /* one bit a slot */
	bool moving;	     /* set by the caller: the target runs, so free slots may have been taken since */
	uint64_t *dead;	     /* the same: allocated, and not marked by the last collection; NULL: none */
	uint64_t allocated_objects, allocated_bytes;
	uint64_t guessed_spans, refused_spans; /* without allocation bits; of a shape that no span has: left out */

	/* for lookups */
	struct goheap_place *places;
	const uint32_t **owner; /* by arena, from owner_base on: its gort_arena.owner, or NULL */
	uint64_t owner_base, owner_n;
	uint32_t *coarse; /* by number >> GOHEAP_COARSE_SHIFT: index in `spans` of the span that it is in */
};

enum { GOHEAP_COARSE_SHIFT = 10 };

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

/* The slot of a number (< n), as if its first byte had been found. */
struct goheap_object_at goheap_object_get(const struct goheap_objects *o, uint32_t number);

/* Bytes of header in front of the user's data: 8 where objects carry their type, else 0. */
uint64_t goheap_object_header(const struct goheap_objects *o, uint32_t span);

/* Slots of spans.v[k]: never ask the span itself, which is the target's and may lie. */
static inline uint32_t goheap_objects_slots(const struct goheap_objects *o, size_t k)
{
	return o->places[o->spans.v[k].span].slots;
}

static inline bool goheap_object_allocated(const struct goheap_objects *o, uint32_t number)
{
	return o->allocated[number >> 6] >> (number & 63) & 1;
}

/* Allocated, but of no use any more: the last collection did not mark it, and its span waits for the sweeper. */
static inline bool goheap_object_dead(const struct goheap_objects *o, uint32_t number)
{
	return o->dead && o->dead[number >> 6] >> (number & 63) & 1;
}

/* The index in heap->spans of the span of objects that an address is in, or GOHEAP_NONE. */
static inline uint32_t goheap_object_span(const struct goheap_objects *o, uint64_t addr)
{
	uint64_t arena = (addr - o->owner_base) / GORT_ARENA_BYTES;
	if (arena >= o->owner_n || !o->owner[arena])
		return GOHEAP_NONE;
	uint32_t span = o->owner[arena][addr % GORT_ARENA_BYTES / GORT_PAGE];
	return span && o->places[span - 1].first != GOHEAP_NONE ? span - 1 : GOHEAP_NONE;
}

/* The number of the slot that an address of that span is in, and the offset in it; GOHEAP_NONE in its unused end. */
static inline uint32_t goheap_object_slot(const struct goheap_place *p, uint64_t addr, uint64_t *offset)
{
	uint64_t at = addr - p->start, i = at * p->magic >> 32;
	*offset = at - i * p->size;
	return i < p->slots ? p->first + (uint32_t)i : GOHEAP_NONE;
}
