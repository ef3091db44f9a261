/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * owners/mapsize - what a map of so many entries takes when it is made new, by the growth rules of its runtime.
 *
 * Source: runtime/map.go (makemap, makeBucketArray, to 1.23); internal/runtime/maps (NewMap, newTable, 1.24 on);
 * runtime/msize.go. "Made new" is what a program does to get memory back: make(map[K]V, len(m)) and a copy of all entries.
 * Which entries share a bucket or a table is up to their hashes, so that part is the expected number, not an exact one.
 */

#include <stdbool.h>
#include <stdint.h>

enum { OWNERS_MAP_SLOTS = 8 /* entries of a bucket, and of a group */ };

struct owners_map_rules {
	bool swiss;	   /* tables of groups, 1.24 on; else buckets */
	uint64_t header;   /* bytes of the map's own record, which grew in 1.24 for maps of buckets */
	bool type_headers; /* objects with pointers over 512 bytes have their type in front of them */
	bool pointers;	   /* buckets or groups have pointers */
	uint64_t part;	   /* bytes of a bucket or group */
};

/* Bytes of the slot or span that the allocator takes for so many bytes. */
uint64_t owners_slot_bytes(uint64_t bytes, bool pointers, bool type_headers);

/* With its header. UINT64_MAX when no such map can be. */
uint64_t owners_map_bytes(const struct owners_map_rules *r, uint64_t entries);
