/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/heapdump - the files of Go's debug.WriteHeapDump: "go1.7 heap dump", which all Go versions write alike.
 *
 * What is kept of a dump, as the members of a snapshot that mean the same of a live process:
 *
 *   heap.profile   the runtime's own allocation profile, which the dump carries: a sample for each bucket with its
 *                  stack, scaled as pprof scales. It answers "who allocated what is held" and is as of the last GC
 *                  that was complete. The dump does not say MemProfileRate; heap.rate is worked out from it, because
 *                  all objects are in the dump and those that were sampled are marked.
 *   heap.types     every object, by its size and by where its pointers are: "64 B [pp......]" has pointers in the
 *                  first two of its eight words, "112 B, no pointers", "8192 B, 513 pointers". Objects of a dump
 *                  carry no type. Objects are those not swept yet, so garbage since the last GC is among them.
 *   goroutines     id, state, wait reason and the functions of the stack; the dump has neither lines nor inlined
 *                  frames nor creation sites.
 *   account        .runtime, .gc of the dump's MemStats only (SNAPSHOT_ACCOUNT is not set); clock.last_gc_wall and
 *                  clock.gc_count
 *
 * Contents of objects are skipped and not kept. One pass; memory grows with buckets, goroutines and different shapes,
 * not with the heap.
 */

#include "codec/stream.h"
#include "model/snapshot.h"

enum {
	HEAPDUMP_NAME_MAX = 64 << 10,	 /* bytes of one name */
	HEAPDUMP_NAMES_MAX = 256 << 20,	 /* bytes of all names */
	HEAPDUMP_RECORDS_MAX = 16 << 20, /* buckets; goroutines; frames of one of them: STACK_FRAMES_MAX */
	HEAPDUMP_SHAPES_MAX = 1 << 16,	 /* what comes after so many is counted by size alone */
};

/*
 * Reads all of the stream into *ret, an initialized and empty snapshot, and sets the parts that it has: HEAP, CENSUS,
 * GOROUTINES. FORMAT with the offset; LIMIT.
 */
MUST_CHECK struct err *heapdump_read(struct stream *s, struct snapshot *ret);
