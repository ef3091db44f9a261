/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/offheap - what a record says about growth outside of the Go heap: its rows by the place that caused them, and for
 * each how much of it must be new, and whether it went on evenly.
 *
 * Pure. A record knows what was taken in its window and not given back. That alone proves no growth: what was given back
 * of what had been there before the window has no call path. So the sum of all rows is held against how much the allocator
 * or the address space really grew; what is missing there may have been given back by any of the places, and each of them
 * must stand it alone (`sure`).
 */

#include "base/vec.h"
#include "model/record.h"

enum offheap_sort {
	OFFHEAP_MALLOC,	   /* blocks of a C allocator */
	OFFHEAP_MAPPED,	   /* mappings of the program's own */
	OFFHEAP_ALLOCATOR, /* mappings that a C allocator made for itself */
	OFFHEAP_STACKS,	   /* stacks of threads */
	OFFHEAP_TOUCHED,   /* pages that became resident */
	OFFHEAP_SORT_MAX_
};

/* Rows of one sort from one place. Bytes as double, for arithmetic. */
struct offheap_group {
	enum offheap_sort sort;
	enum record_what what; /* of its largest row */
	uint32_t stack;	       /* the same row's */
	/* The place to name: the Go function that called into C or into the kernel; the C function where there is none, or
	 * NULL. `c`: the C function that took it, NULL where none is known. */
	const struct frame *site, *c;
	double bytes, low, high, count, low_count, high_count;
	double resident, untouched; /* OFFHEAP_MAPPED: of `bytes`; NAN unknown */
	double parts[RECORD_PARTS];
	int64_t first, last; /* of what is outstanding, since the window began */
	double sure;	     /* the share of `bytes` that is growth, whatever was given back: below 0 is none */
	double largest;	     /* bytes of the row that gave `what` and `stack` */
};

struct offheap {
	bool known; /* there is a record */
	struct stacks stacks;
	double seconds; /* of its window */
	double malloc_on;
	/* Sums of all rows of a kind, those of the Go runtime too, and what they grew by on balance; NAN unknown. */
	double taken[RECORD_KIND_MAX_], grown[RECORD_KIND_MAX_];
	bool exact;		     /* the growth of the C allocator is its own figure, not that of resident memory */
	VEC(struct offheap_group) v; /* largest first */
};

/* What looks at the process show of the window of the record; NAN unknown. */
struct offheap_looks {
	double resident; /* private memory outside of the Go heap grew by */
	double space;	 /* the address space grew by */
};

/* `r` NULL: nothing is known. *ret keeps no pointer into `r`. */
void offheap_collect(const struct record *r, const char *module, const struct offheap_looks *looks,
		     struct offheap *ret);
void offheap_deinit(struct offheap *o);

/* Went it on through the whole window: neither at once, nor only at its beginning or its end? */
bool offheap_steady(const struct offheap *o, const struct offheap_group *g);
