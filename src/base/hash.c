/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/alloc.h"

enum { FIRST = 64 };

/* The kernel gives each program sixteen random bytes. */
static uint64_t seed(void)
{
	static uint64_t value;
	if (!value) {
		const void *random = (const void *)getauxval(AT_RANDOM);
		if (random)
			memcpy(&value, random, sizeof(value));
		value |= 1;
	}
	return value;
}

uint64_t hash_bytes(const void *data, size_t len)
{
	return XXH3_64bits_withSeed(data, len, seed());
}

uint64_t hash_u64(uint64_t v)
{
	v ^= seed();
	v *= UINT64_C(0x9e3779b97f4a7c15);
	v ^= v >> 32;
	v *= UINT64_C(0xd6e8feb86659fd93);
	return v ^ v >> 32;
}

/* ---- index ---- */

void hash_index_deinit(struct hash_index *ix)
{
	free(ix->slots);
	*ix = (struct hash_index){ 0 };
}

uint32_t hash_index_find(const struct hash_index *ix, uint64_t hash, hash_same_fn same, const void *ctx)
{
	if (!ix->cap)
		return HASH_NONE;
	for (size_t i = hash & (ix->cap - 1);; i = (i + 1) & (ix->cap - 1)) {
		const struct hash_slot *s = &ix->slots[i];
		if (s->id == HASH_NONE)
			return HASH_NONE;
		if (s->hash == (uint32_t)hash && same(ctx, s->id))
			return s->id;
	}
}

static void index_put(struct hash_index *ix, uint64_t hash, uint32_t id)
{
	size_t i = hash & (ix->cap - 1);
	while (ix->slots[i].id != HASH_NONE)
		i = (i + 1) & (ix->cap - 1);
	ix->slots[i] = (struct hash_slot){ (uint32_t)hash, id };
}

static void index_grow(struct hash_index *ix, size_t cap)
{
	struct hash_index old = *ix;
	ix->cap = cap;
	ix->slots = xmalloc(ix->cap * sizeof(*ix->slots));
	for (size_t i = 0; i < ix->cap; i++)
		ix->slots[i].id = HASH_NONE;
	for (size_t i = 0; i < old.cap; i++) {
		if (old.slots[i].id != HASH_NONE)
			index_put(ix, old.slots[i].hash, old.slots[i].id);
	}
	free(old.slots);
}

void hash_index_add(struct hash_index *ix, uint64_t hash, uint32_t id)
{
	if (ix->n >= ix->cap / 2)
		index_grow(ix, ix->cap ? ix->cap * 2 : FIRST);
	index_put(ix, hash, id);
	ix->n++;
}

void hash_index_reserve(struct hash_index *ix, size_t n)
{
	size_t cap = ix->cap ? ix->cap : FIRST;
	while (cap / 2 < n)
		cap *= 2;
	if (cap > ix->cap)
		index_grow(ix, cap);
}

/* ---- map ---- */

void hash_map_deinit(struct hash_map *m)
{
	free(m->slots);
	free(m->used);
	*m = (struct hash_map){ 0 };
}

static size_t map_slot(const struct hash_map *m, uint64_t key)
{
	size_t i = hash_u64(key) & (m->cap - 1);
	while (m->used[i] && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return i;
}

uint64_t *hash_map_get(const struct hash_map *m, uint64_t key)
{
	if (!m->cap)
		return NULL;
	size_t i = map_slot(m, key);
	return m->used[i] ? &m->slots[i].value : NULL;
}

static void map_grow(struct hash_map *m)
{
	struct hash_map old = *m;
	m->cap = old.cap ? old.cap * 2 : FIRST;
	m->slots = xmalloc(m->cap * sizeof(*m->slots));
	m->used = xcalloc(m->cap, 1);
	for (size_t i = 0; i < old.cap; i++) {
		if (!old.used[i])
			continue;
		size_t to = map_slot(m, old.slots[i].key);
		m->slots[to] = old.slots[i];
		m->used[to] = 1;
	}
	free(old.slots);
	free(old.used);
}

uint64_t *hash_map_at(struct hash_map *m, uint64_t key, bool *fresh)
{
	if (m->n >= m->cap / 2)
		map_grow(m);
	size_t i = map_slot(m, key);
	if (fresh)
		*fresh = !m->used[i];
	if (!m->used[i]) {
		m->used[i] = 1;
		m->slots[i] = (struct hash_pair){ key, 0 };
		m->n++;
	}
	return &m->slots[i].value;
}
