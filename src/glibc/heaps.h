/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glibc/heaps - the arenas of glibc's malloc, and the stretches of memory that each of them divides into chunks.
 *
 * The main arena has what brk gave it, from mp_'s sbrk_base to the end of its top chunk; where brk was refused, pieces of
 * anonymous memory, which are found by their chunks. Another arena has heaps: aligned pieces whose heads are chained from
 * the one with the top chunk backwards. The lengths add up to the arena's own system_mem, or the rest is `missing`.
 */

#include "glibc/glibc.h"

enum { GLIBC_ARENAS_MAX = 65536, GLIBC_REGIONS_MAX = 1 << 20 };

struct glibc_arena {
	uint64_t addr;
	uint32_t malloc; /* index in glibc.v */
	bool main;
	uint64_t threads; /* attached */
	uint64_t top;	  /* the chunk at the end */
	uint64_t system;  /* by the arena's own count */
	uint64_t missing; /* of system: where is not known */
};

/* Chunks stand in [first, end) one behind the other; [start, first) are the records of heap and arena. */
struct glibc_region {
	uint64_t start, first, end;
	uint64_t limit; /* up to here memory is the heap's, but not in use any more */
	uint32_t arena; /* index */
};

VEC_TYPE(glibc_arena_vec, struct glibc_arena);
VEC_TYPE(glibc_region_vec, struct glibc_region);

struct glibc_heaps {
	struct glibc_arena_vec arenas;	 /* in the order of their ring */
	struct glibc_region_vec regions; /* by address */
	bool cut;			 /* there were more than the ceilings allow */
};

/* FAULT when a main arena cannot be read. To be given to glibc_heaps_deinit() whatever comes back. */
MUST_CHECK struct err *glibc_heaps_read(const struct glibc *g, struct glibc_heaps *ret);
void glibc_heaps_deinit(struct glibc_heaps *h);

/* The region that holds addr (its mapping's rest counts), or NULL; the first that ends behind addr, or NULL. */
const struct glibc_region *glibc_region_at(const struct glibc_heaps *h, uint64_t addr);
const struct glibc_region *glibc_region_after(const struct glibc_heaps *h, uint64_t addr);

/*
 * A quick look: the arenas' own counts, and the chunk at the end of each. Nothing is searched. False: a main arena could
 * not be read. About 5 us an arena.
 */
struct glibc_totals {
	uint64_t system, top, arenas;
	uint64_t mmapped; /* large blocks, not in `system`; UINT64_MAX unknown */
};
bool glibc_totals(const struct glibc *g, struct glibc_totals *ret);
