/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/sweep - the contents of the heap, span by span, in large reads, by several workers.
 *
 * Whole spans come in order of address within a piece, and pieces in no order. A span larger than GOHEAP_SWEEP_WINDOW comes
 * in windows, one after the other to the same worker. Only what is resident is copied (the memsrc shows absent pages as
 * zeros without touching them); neighbouring spans are read in one go. What cannot be read is zeros, and counted. Each
 * worker has one buffer, so memory does not grow with the heap.
 */

#include "goheap/object.h"
#include "model/memshare.h"

enum { GOHEAP_SWEEP_WINDOW = 4 << 20 };

struct goheap_sweep_part {
	uint32_t span;	      /* index in heap->spans */
	unsigned worker;      /* < parallel_workers() */
	uint64_t at, len;     /* window: offset in the span, bytes */
	const uint8_t *bytes; /* [len], of address span.start + at; word-aligned, valid during the call */
};

typedef void (*goheap_sweep_fn)(void *ctx, const struct goheap_sweep_part *part);

struct goheap_sweep_worker;

struct goheap_sweep {
	const struct goheap_objects *objects;
	bool noscan;				  /* spans without pointers too */
	bool (*wanted)(void *ctx, uint32_t span); /* NULL: all */
	goheap_sweep_fn fn;
	void *ctx;
	uint64_t copied;     /* out: bytes of spans that were read */
	uint64_t unreadable; /* out: bytes of them that could not be (swapped out, gone) */
	/* between begin and end */
	struct memshare src;
	struct goheap_sweep_worker *workers;
};

/* All spans, in parallel. */
MUST_CHECK struct err *goheap_sweep_run(struct goheap_sweep *s);

/*
 * The same in pieces that the caller makes: spans objects->spans.v[from .. to - 1], in this thread. Different workers may do
 * this at once, each with its number, between begin and end.
 */
void goheap_sweep_begin(struct goheap_sweep *s);
void goheap_sweep_spans(struct goheap_sweep *s, size_t from, size_t to, unsigned worker);
void goheap_sweep_end(struct goheap_sweep *s); /* fills copied and unreadable */
