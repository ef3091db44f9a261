/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/sample - the objects that the runtime's heap profile sampled, and where each was allocated.
 *
 * Source: runtime/mprof.go, mheap.go: a record on the span of a sampled object (a special) leads to its bucket, which begins
 * with the size of the stack and is followed by its return addresses.
 * Cost: all spans' lists in large reads, and two reads a sample beyond the first of a bucket.
 */

#include "goheap/object.h"
#include "gort/profile.h"

enum { GOHEAP_SAMPLES_MAX = 1 << 20 }; /* more are left out */

struct goheap_sample {
	uint64_t bucket;
	uint64_t addr;	 /* of what was allocated, within the object: several small ones may share one */
	uint32_t object; /* number */
};

VEC_TYPE(goheap_sample_vec, struct goheap_sample);

/* Never fails: none where the profile is off. What is no list is left out. */
void goheap_samples_read(const struct goheap_objects *o, struct goheap_sample_vec *ret);

/* The return addresses of a bucket, innermost first: how many, 0 when it is none. */
size_t goheap_sample_stack(const struct gort *g, uint64_t bucket, uint64_t pcs[GORT_PROFILE_STACK]);
