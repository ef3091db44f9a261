/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glibc/arena - what glibc's malloc has and what of it is in use, by arena: the sums of one walk (glibc/walk).
 *
 * Of an idle target they agree to the byte with what mallinfo2(3) says there, which counts otherwise:
 *	arena    = system of all arenas
 *	fsmblks  = GLIBC_FAST
 *	fordblks = GLIBC_FREE + GLIBC_FAST + GLIBC_TOP
 *	uordblks = GLIBC_USED + GLIBC_RECORD + GLIBC_CACHED: what threads have cached is in use for it
 *	hblks, hblkhd = mmapped_blocks, mmapped (2.43 does not add up the latter right)
 */

#include "glibc/pages.h"
#include "glibc/pieces.h"

struct glibc_sums {
	uint64_t bytes[GLIBC_STATE_MAX_];  /* they add up to what the arena has; RECORD and UNKNOWN of it too */
	uint64_t chunks[GLIBC_STATE_MAX_]; /* a stretch of UNKNOWN counts as one */
};

struct glibc_arenas {
	struct glibc_heaps heaps;
	struct glibc_sums *sums;       /* of each of heaps.arenas */
	struct glibc_piece_vec blocks; /* large blocks, as far as they were found; by address */
	uint64_t blocks_bytes;	       /* ... in all */
	uint64_t mmapped_blocks;       /* large blocks, as many as malloc says there are; UINT64_MAX unknown, */
	uint64_t mmapped;	       /* ... and their bytes: of those found if these are all, else as malloc says */
	bool whole;		       /* no list was left early, no ceiling hit */
};

/*
 * All of it. `pages` may be NULL; else it is filled (and to be deinitialised before `ret`, whose heaps it borrows).
 * FAULT, LIMIT, NOMEM. To be given to glibc_arenas_deinit() whatever comes back.
 */
MUST_CHECK struct err *glibc_arenas_read(const struct glibc *g, struct glibc_pages *pages, struct glibc_arenas *ret);
void glibc_arenas_deinit(struct glibc_arenas *a);

/* The sums of all arenas. */
struct glibc_sums glibc_arenas_sum(const struct glibc_arenas *a);
