/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/profile - the heap profile that the runtime keeps: sampled allocations by call stack.
 *
 * Source: runtime/mprof.go. A bucket is followed by its return addresses and a memRecord: the published counts and those
 * of three cycles to come. Adding all of them gives the freshest view. Counts are scaled as pprof scales them:
 * divided by 1 - exp(-size / rate), the chance that an object of that size was sampled.
 */

#include "gort/gort.h"

enum { GORT_PROFILE_STACK = 128 };

struct gort_bucket {
	double inuse_bytes, inuse_objects; /* scaled */
	uint64_t size;			   /* of the objects, bytes */
	size_t nstk;			   /* at most GORT_PROFILE_STACK */
	uint64_t stk[GORT_PROFILE_STACK];  /* return addresses, innermost first */
};

typedef void (*gort_bucket_fn)(void *ctx, const struct gort_bucket *bucket);

/*
 * Calls fn for every bucket with objects in use. Returns how many buckets there are; 0 when the profile is off (the
 * linker drops it from programs that never read it). *rate is MemProfileRate, 0 when unknown.
 */
uint64_t gort_profile_walk(const struct gort *g, gort_bucket_fn fn, void *ctx, uint64_t *rate);
