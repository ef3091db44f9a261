/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/dump_structure - contents made blank, so that a core may leave the house.
 *
 * Of a page there remains
 *   all       of what the runtime keeps about its heap: spans, bitmaps, profile buckets (names of functions are in the
 *             program, not in these), of globals of the Go program (.data and .bss), and of those objects of the heap in
 *             which the runtime keeps its goroutines, threads, processors and timers
 *   pointers  of spans of objects with pointers, of stacks: words that are addresses within a mapping, all others are zeros;
 *             and the bitmaps and marks behind the last object of a span
 *   nothing   of spans of objects without pointers (strings, numbers, buffers), of free memory, of C's heap, of all else
 */

#include "engine/dump.h"
#include "gort/heap.h"
#include "model/claim.h"
#include "target/target.h"

struct dump_structure {
	const struct target *t;
	struct gort_heap heap;
	struct claim_vec keep;	 /* settled: copied as it is */
	struct claim_vec stacks; /* outside of the heap, by words */
	const struct vma *hint;
	struct dump *out;
};

/* UNSUPPORTED without a Go runtime that can be read. On every return to be given to dump_structure_deinit(). */
MUST_CHECK struct err *dump_structure_init(struct dump_structure *s, struct target *t, struct dump *out);
void dump_structure_deinit(struct dump_structure *s);

/* The stack of a thread with this stack pointer, so far as it is in no heap. */
void dump_structure_stack(struct dump_structure *s, uint64_t sp);

/* General registers (the first `n` words of a thread's) become zeros unless they are addresses. */
void dump_structure_registers(struct dump_structure *s, uint64_t *regs, size_t n);

/* Whole pages of memory at addr, in `buf`: contents become zeros. */
void dump_structure_blank(struct dump_structure *s, uint64_t addr, unsigned char *buf, size_t len);
