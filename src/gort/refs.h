/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/refs - which functions refer to which variable, in a binary without symbols.
 *
 * One pass over the code looks for RIP-relative operands (a ModRM byte with mod 00 and rm 101) whose target lies in the
 * image's data. It does not decode: an immediate that happens to look like one gives a false reference, about one in a
 * hundred, so a name made of this is "by reference", never certain.
 * Cost: about 1 ns a byte of code. Memory: 16 bytes a reference, at most GORT_REFS_MAX of them.
 */

#include "gort/gort.h"

enum { GORT_REFS_MAX = 4 << 20 };

struct gort_ref {
	uint64_t addr; /* in noptrdata, data, bss or noptrbss */
	uint32_t func; /* index in pclntab */
};

VEC_TYPE(gort_ref_vec, struct gort_ref);

/* Appends all references, sorted by address. Stops quietly at the limit or at code that cannot be read. */
void gort_refs_read(const struct gort *g, struct gort_ref_vec *ret);
