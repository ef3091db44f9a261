/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/type - names of Go types, read from the target's own type descriptors; no debug information is needed.
 *
 * Source: internal/abi/type.go. Decoded types are kept, so that asking again costs a look-up. Only types of the image are
 * known; those that reflect made while the program ran are not.
 */

#include "base/hash.h"
#include "base/intern.h"
#include "gort/gort.h"

struct gort_types {
	const struct gort *g;  /* borrowed */
	uint64_t start, end;   /* the image's type descriptors */
	struct hash_map known; /* address -> index + 1 in list, 0: no type */
	struct intern strings;
	VEC(struct gort_type) list;
};

struct gort_type {
	const char *name; /* "*main.Session", "map[string]int"; lives as long as the gort_types */
	uint64_t size, ptrdata;
	unsigned kind; /* reflect.Kind, 1 Bool .. 26 UnsafePointer */
};

void gort_types_init(struct gort_types *ts, const struct gort *g);
void gort_types_deinit(struct gort_types *ts);

/* The type at an address, or NULL where there is none; valid until the next call. */
const struct gort_type *gort_type_at(struct gort_types *ts, uint64_t addr);

/* Its name alone, which lives as long as `ts`; NULL where there is no type. */
const char *gort_type_name(struct gort_types *ts, uint64_t addr);
