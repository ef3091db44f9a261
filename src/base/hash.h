/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/hash - hashes of bytes and words, and the tables made with them.
 *
 * The hash is XXH3 with a seed of this run's own, so that keys that come from outside cannot be chosen to collide.
 * Two tables: hash_index finds things that the caller keeps in an array of its own; hash_map is u64 to u64.
 * Both grow by doubling and abort when there is no memory; callers bound what comes from outside.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *data, size_t len);
uint64_t hash_u64(uint64_t v);

#define HASH_NONE UINT32_MAX

struct hash_slot {
	uint32_t hash; /* its lower half: enough to tell most others apart, and twice as many slots in the cache */
	uint32_t id;   /* HASH_NONE: empty */
};

/* ids by hash; the things themselves are the caller's. Zeroed memory is an empty index. */
struct hash_index {
	struct hash_slot *slots;
	size_t n, cap;
};

typedef bool (*hash_same_fn)(const void *ctx, uint32_t id);

void hash_index_deinit(struct hash_index *ix);
/* The first id entered under `hash` for which `same` holds, or HASH_NONE. */
uint32_t hash_index_find(const struct hash_index *ix, uint64_t hash, hash_same_fn same, const void *ctx);
void hash_index_add(struct hash_index *ix, uint64_t hash, uint32_t id);
/* Room for n ids at once, where many are expected. */
void hash_index_reserve(struct hash_index *ix, size_t n);

struct hash_pair {
	uint64_t key, value;
};

/* u64 to u64. Zeroed memory is an empty map. */
struct hash_map {
	struct hash_pair *slots;
	unsigned char *used;
	size_t n, cap;
};

void hash_map_deinit(struct hash_map *m);
/* Where the value of `key` is, or NULL; valid until the next hash_map_at(). */
uint64_t *hash_map_get(const struct hash_map *m, uint64_t key);
/* The same, entered with value 0 where it was not there; *fresh (may be NULL) tells. */
uint64_t *hash_map_at(struct hash_map *m, uint64_t key, bool *fresh);
