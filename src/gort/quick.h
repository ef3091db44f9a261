/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/quick - the runtime's counters of one moment, for whoever looks every second: a few kilobytes of memory, one copy.
 *
 * Where the variables are and which layout holds is the same in every process of one executable, but for where it was
 * loaded. So a process is attached once (gort/gort), what that found is kept as a struct gort_quick, and all processes of the
 * executable are looked at by it: nothing is kept of the tables that it took to find it.
 * Source: runtime/mstats.go, mgcpacer.go; gcount() of proc.go for the goroutines.
 * Units: bytes, nanoseconds. A value that this version does not have is UINT64_MAX, or NAN.
 */

#include "gort/gort.h"

struct gort_quick {
	const struct gort_layout *layout;
	/* addresses as the executable has them, without the load bias */
	uint64_t controller, memstats, allgs, allp, sched;
};

/* What one process's look leaves for its next: which words to ask for at once. Zeroed before the first. */
enum { GORT_QUICK_PROCS = 16, GORT_QUICK_OBJECTS = 4 };
struct gort_quick_state {
	uint64_t allp, nallp;
	uint64_t procs[GORT_QUICK_PROCS]; /* the first Ps; with more, a second copy is taken */
	uint32_t gc_count, looks;
	uint64_t heap_objects, goroutines; /* as last counted */
};

struct gort_quick_values {
	uint64_t gc_count, gc_pause_total_ns, gc_pause_last_ns;
	uint64_t gc_last_monotonic_ns; /* when the last collection ended; 0: there was none */
	double gc_cpu_fraction;
	uint64_t heap_alloc; /* of objects, garbage that is not swept included: runtime.MemStats.HeapAlloc */
	uint64_t
		heap_objects; /* the same, counted; as of one in GORT_QUICK_OBJECTS looks, for it is half of the cost */
	uint64_t heap_marked, heap_goal, memory_limit;
	/* the user's, as runtime.NumGoroutine counts them; with more Ps than GORT_QUICK_PROCS as of one in GORT_QUICK_OBJECTS
	 * looks; UINT64_MAX unknown */
	uint64_t goroutines;
};

/* From an attached runtime; false when it was not understood, or one of the variables was not found. */
bool gort_quick_init(const struct gort *g, uint64_t bias, struct gort_quick *ret);

/* False when it cannot be read, or makes no sense: a runtime that has not started yet, another executable. */
bool gort_quick_read(const struct gort_quick *q, uint64_t bias, struct memsrc *src, struct gort_quick_state *state,
		     struct gort_quick_values *ret);
