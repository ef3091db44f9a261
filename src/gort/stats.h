/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/stats - the runtime's own counters: memstats and gcController, as of one read.
 *
 * Source: runtime/mstats.go, mgcpacer.go. heapStats is kept as three delta records; a total is the sum over the three
 * (modulo 2^64). Units: bytes, nanoseconds.
 */

#include "gort/gort.h"

enum { GORT_PAUSES = 256 };

struct gort_stats {
	/* gcController */
	int32_t gc_percent;
	uint64_t memory_limit; /* 2^63-1 = none */
	uint64_t heap_goal, heap_live, heap_marked, heap_in_use, heap_released, heap_free;
	/* heapStats */
	uint64_t in_heap, in_stacks, in_work_bufs, committed, tiny_allocs;
	uint64_t freed_bytes, freed_objects; /* as far as swept */
	/* memstats */
	uint64_t stacks_sys, mspan_sys, mcache_sys, buckhash_sys, gc_misc_sys, other_sys;
	uint64_t last_gc_unix_ns, pause_total_ns;
	uint32_t num_gc, num_forced_gc;
	double gc_cpu_fraction;
	uint64_t pause_ns[GORT_PAUSES], pause_end[GORT_PAUSES]; /* circular: GC number n is at (n + 255) % 256 */
	uint32_t gc_phase; /* 0 off, 1 mark, 2 mark termination; UINT32_MAX unknown */
};

/* False when the counters cannot be read. Two bulk reads. */
bool gort_stats_read(const struct gort *g, struct gort_stats *ret);

/* gcController.heapInUse alone: one word, for brackets around a walk. */
uint64_t gort_stats_heap_in_use(const struct gort *g);
