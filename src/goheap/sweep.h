/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/sweep - the contents of the heap, span by span, in large reads, by several workers.
 *
 * Whole spans come in order of address within a piece, and pieces in no order. A span larger than GOHEAP_SWEEP_WINDOW comes
 * in windows. Only what is resident is copied (the memsrc shows absent pages as zeros without touching them); neighbouring
 * spans are read in one go. Each worker has one buffer, so memory does not grow with the heap.
 */

#include "goheap/object.h"

enum { GOHEAP_SWEEP_WINDOW = 4 << 20 };

struct goheap_sweep_part {
	uint32_t span;	      /* index in heap->spans */
	unsigned worker;      /* < parallel_workers() */
	uint64_t at, len;     /* window: offset in the span, bytes */
	const uint8_t *bytes; /* [len], of address span.start + at */
};

typedef void (*goheap_sweep_fn)(void *ctx, const struct goheap_sweep_part *part);

struct goheap_sweep {
	const struct goheap_objects *objects;
	bool noscan;				  /* spans without pointers too */
	bool (*wanted)(void *ctx, uint32_t span); /* NULL: all */
	goheap_sweep_fn fn;
	void *ctx;
	uint64_t copied;     /* out: bytes read */
	uint64_t unreadable; /* out: bytes that could not be (swapped out, gone) */
};

MUST_CHECK struct err *goheap_sweep_run(struct goheap_sweep *s);
