/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/heap - what is known of a Go heap's contents: the sampled profile by allocation site, and the exact census by
 * size class and, as far as types can be told, by type. What `ullage heap` shows.
 *
 * Plain data; engine/heap fills it. Units: bytes, objects.
 */

#include "model/profile.h"

/* Values of `profile`: "alloc_objects/count", "alloc_space/bytes", "inuse_objects/count", "inuse_space/bytes". */
enum { HEAP_ALLOC_OBJECTS, HEAP_ALLOC_SPACE, HEAP_INUSE_OBJECTS, HEAP_INUSE_SPACE, HEAP_VALUES };

struct heap_type {
	const char *type; /* "*main.Session", "map[string]int"; "(no type)" is the last row, what could not be told */
	uint64_t objects, bytes;
};

/* Spans of one size class: as a whole (p == -1), or as held by the mcache of one P. */
struct heap_span {
	uint32_t class_bytes; /* size of its objects; 0: large objects, one a span */
	bool noscan;
	int p;
	uint64_t spans, span_bytes, objects, object_bytes, free_slots;
	uint64_t cached_in_mcache, unswept, partial, full; /* spans of the class in each of these states */
	uint64_t resident;
};

VEC_TYPE(heap_type_vec, struct heap_type);
VEC_TYPE(heap_span_vec, struct heap_span);

struct heap_view {
	struct profile profile;	    /* one sample a bucket; label "bytes" is the size of its objects */
	uint64_t rate;		    /* MemProfileRate; ACCOUNT_UNKNOWN */
	bool enabled;		    /* the runtime samples */
	const char *reason;	    /* why not, one sentence, or NULL */
	uint64_t buckets;	    /* as many as the runtime has, those without objects in use too */
	struct heap_type_vec types; /* by bytes */
	double typed_ratio;	    /* of object bytes, 0..1; NAN: no census was taken */
	struct heap_span_vec spans; /* by class; rows of Ps after that of their class */
	uint64_t cgroup_limit, cgroup_usage, cgroup_working_set; /* of the process, ACCOUNT_UNKNOWN */
};

void heap_view_init(struct heap_view *h);
void heap_view_deinit(struct heap_view *h);
