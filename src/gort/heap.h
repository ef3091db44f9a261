/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/heap - the spans of a Go heap.
 *
 * Source: runtime/mheap.go, mbitmap.go, mgcsweep.go, mgcmark_greenteagc.go.
 * A heap that is being allocated from changes while it is read. gort_heap_read() reads heapInUse before and after each
 * walk and keeps the walk that came closest to it; `error_bound` is what remains uncertain.
 * Memory: 48 bytes a span and 32 kB an arena (64 MiB of address space).
 */

#include "gort/gort.h"

enum gort_span_state { GORT_SPAN_DEAD, GORT_SPAN_HEAP, GORT_SPAN_MANUAL };

enum gort_span_flags {
	GORT_SPAN_UNSWEPT = 1u << 0,	  /* the last GC's marks are not yet its allocation bits */
	GORT_SPAN_INLINE_MARKS = 1u << 1, /* green tea: marks are in the span's last 128 bytes */
	GORT_SPAN_STACK = 1u << 2,	  /* manual: stacks; else work buffers */
	GORT_SPAN_LARGE = 1u << 3,	  /* one object */
	GORT_SPAN_MARKS_KNOWN = 1u << 4,  /* `live` was counted */
	GORT_SPAN_RESERVED = 1u << 5,	  /* a chunk of a user arena whose end has the chunk's pointer bits, 1.22 on */
};

struct gort_span {
	uint64_t start;
	uint64_t alloc_bits, mark_bits; /* addresses */
	uint32_t npages;		/* of GORT_PAGE bytes */
	uint16_t nelems, freeindex, alloc_count;
	uint16_t live; /* marked objects of an unswept span, when GORT_SPAN_MARKS_KNOWN */
	uint8_t spanclass, state, flags, pad;
};

VEC_TYPE(gort_span_vec, struct gort_span);

enum {
	GORT_MARKS_MAX = 1024 / 8, /* bytes of mark bits of a span of 8-byte objects: the most a small span has */
	GORT_TRAILER = 128,	   /* green tea: 63 bytes of scan bits, owner, 63 bytes of mark bits, class */
	GORT_TRAILER_MARKS = 64,
	GORT_TYPE = 48, /* bytes of a type descriptor in all versions since 1.22 */
};

static inline uint64_t gort_span_bytes(const struct gort_span *s)
{
	return (uint64_t)s->npages * GORT_PAGE;
}

/* Bytes of one of its objects. */
static inline uint64_t gort_span_elemsize(const struct gort_span *s)
{
	if (s->flags & GORT_SPAN_RESERVED) /* a bit a word, and a type that is made up */
		return gort_span_bytes(s) - gort_span_bytes(s) / 64 - GORT_TYPE;
	return s->flags & GORT_SPAN_LARGE ? gort_span_bytes(s) : gort_class_sizes[s->spanclass >> 1];
}

/* Address of its mark bits. */
static inline uint64_t gort_span_marks(const struct gort_span *s)
{
	if (s->flags & GORT_SPAN_INLINE_MARKS)
		return s->start + GORT_PAGE - GORT_TRAILER + GORT_TRAILER_MARKS;
	return s->mark_bits;
}

enum { GORT_ARENA_BYTES = 64 << 20, GORT_ARENA_PAGES = GORT_ARENA_BYTES / GORT_PAGE };

struct gort_arena {
	uint64_t base;
	uint64_t meta;	       /* address of its heapArena */
	uint8_t *inline_marks; /* green tea: one bit a page; NULL: not read */
	uint32_t *owner;       /* [GORT_ARENA_PAGES]: index + 1 of the span that holds the page, 0 = free; NULL: none */
};

VEC_TYPE(gort_arena_vec, struct gort_arena);

/* A span that the sweeper had not reached when it was read. */
struct gort_unswept {
	uint32_t span; /* index */
	uint64_t mspan;
};

VEC_TYPE(gort_unswept_vec, struct gort_unswept);

struct gort_heap {
	const struct gort *g;	      /* borrowed */
	struct gort_span_vec spans;   /* in use: state 1 and 2 */
	struct u64_vec mspans;	      /* addresses of their structures, row by row with `spans` */
	struct gort_arena_vec arenas; /* by base */
	struct gort_unswept_vec unswept;
	struct claim_vec structs;	 /* where the mspan structures lie */
	uint64_t allspans, allspans_cap; /* the slice that lists them */
	uint64_t l2;			 /* the index of arenas */
	unsigned unlisted;		 /* arenas that were found by it alone: of user arenas */
	uint32_t sweepgen;
	uint64_t in_use_before, in_use_after;		  /* heapInUse around the walk that was kept */
	uint64_t heap_bytes, stack_bytes, work_buf_bytes; /* sums of span sizes */
	uint64_t objects, object_bytes;			  /* allocated, not yet swept away */
	uint64_t overlap_bytes, error_bound;
	unsigned walks;
};

/*
 * Walk all spans: at most `max_walks` times (1 is enough for a stopped target). FAULT or FORMAT when the structures
 * cannot be read at all.
 */
MUST_CHECK struct err *gort_heap_read(const struct gort *g, unsigned max_walks, struct gort_heap *ret);
void gort_heap_deinit(struct gort_heap *h);

/*
 * Count the marked objects of the spans that were not swept, which tells dead objects from live ones. Apart from the
 * walk, because it may follow when a stopped target runs again: a span that was swept meanwhile tells by what is left.
 */
void gort_heap_marks(struct gort_heap *h);

/* The arena that holds addr, or NULL. */
const struct gort_arena *gort_heap_arena(const struct gort_heap *h, uint64_t addr);
