/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/profile - the heap profile that the runtime keeps: sampled allocations by call stack and size.
 *
 * Source: runtime/mprof.go. A bucket is followed by its return addresses and a memRecord: the published counts and those
 * of three cycles to come. Buckets are never freed, and the list grows at its head only, so a walk of a running target
 * misses nothing that was there before; counts of one bucket are read at one instant.
 * Cost: 64 KiB a read; about 15 ms for 100,000 buckets. Memory: 56 bytes a bucket and 8 a frame.
 */

#include "gort/gort.h"

enum {
	GORT_PROFILE_STACK = 1024,	/* frames; the runtime's own limit (GODEBUG profstackdepth) */
	GORT_PROFILE_BUCKETS = 4 << 20, /* more are left out */
	GORT_PROFILE_FRAMES = 32 << 20, /* of all buckets together */
};

enum gort_profile_view {
	/*
	 * What runtime.MemProfile would give now: allocations up to the last finished GC and what was freed of those.
	 * Before the first GC that is all there is.
	 */
	GORT_PROFILE_PUBLISHED,
	GORT_PROFILE_FRESHEST, /* with the cycles to come: what is in use as far as it was sampled and swept */
};

/* As counted, not scaled. */
struct gort_bucket {
	uint64_t allocs, frees, alloc_bytes, free_bytes;
	uint64_t size;	    /* of its objects, bytes */
	uint32_t at, depth; /* return addresses in `pcs`, innermost first; an inlined call has one of its own */
};

VEC_TYPE(gort_bucket_vec, struct gort_bucket);

struct gort_profile {
	struct gort_bucket_vec buckets; /* all, those without objects in use too; in the runtime's order */
	struct u64_vec pcs;
	uint64_t rate; /* MemProfileRate; UINT64_MAX unknown */
	bool cut;      /* the list could not be read to its end */
	bool moved;    /* a GC published counts during each walk: buckets are of two cycles */
};

/* Never fails: no bucket where the profile is off. On every return *ret is to be given to gort_profile_deinit(). */
void gort_profile_read(const struct gort *g, enum gort_profile_view view, struct gort_profile *ret);
void gort_profile_deinit(struct gort_profile *p);

/*
 * From a sample to an estimate of the whole, as runtime/pprof does it: divided by 1 - exp(-size / rate), the chance that
 * an object of the mean size was sampled.
 */
void gort_profile_scale(uint64_t count, uint64_t bytes, uint64_t rate, int64_t *objects, int64_t *space);

static inline void gort_profile_auto(struct gort_profile *p)
{
	gort_profile_deinit(p);
}
