/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jvm/ids - the numbers of objects by their identifiers, which are addresses in the dumped heap.
 *
 * A set of addresses as bits, 512 to a page, with running counts: an object's number is the count of those before it. Those
 * that may refer to others come first, as struct graph wants it; within both halves the order is that of addresses.
 * Memory: some 170 bytes for 4 KiB of heap where objects lie side by side (5 bytes an object and less); at worst, for
 * identifiers far from each other, 230 bytes each.
 */

#include <stdbool.h>

#include "base/hash.h"
#include "base/vec.h"
#include "graph/graph.h"

enum { JVM_IDS_WORDS = 8, JVM_IDS_PAGE_SHIFT = 9 };

struct jvm_ids_page {
	uint64_t key;
	uint64_t present[JVM_IDS_WORDS], inner[JVM_IDS_WORDS];
	uint32_t first_inner, first_leaf;
	uint16_t inners[JVM_IDS_WORDS], leaves[JVM_IDS_WORDS]; /* of the page, before each word */
};

VEC_TYPE(jvm_ids_page_vec, struct jvm_ids_page);

struct jvm_ids {
	struct jvm_ids_page_vec pages; /* by key, once numbered */
	uint32_t n, n_inner;
	unsigned shift; /* identifiers are multiples of 1 << shift */
	/* private */
	struct hash_map index; /* key to page */
	uint32_t *table;       /* the same by key - table_first, where keys lie close to each other */
	uint64_t table_first, table_n;
	uint64_t last_key, last_page; /* the last one that was added to */
	uint64_t count;
};

void jvm_ids_init(struct jvm_ids *ids);
void jvm_ids_deinit(struct jvm_ids *ids);

/* Enters one. False when it is there already; it then stays what it was. */
bool jvm_ids_add(struct jvm_ids *ids, uint64_t id, bool inner);

/* Numbers all; none can be added afterwards. LIMIT when they are too many. */
MUST_CHECK struct err *jvm_ids_number(struct jvm_ids *ids);

uint64_t jvm_ids_bytes(const struct jvm_ids *ids); /* of memory */

static inline const struct jvm_ids_page *jvm_ids_page(const struct jvm_ids *ids, uint64_t key)
{
	uint32_t at = 0;
	if (ids->table) {
		at = key - ids->table_first < ids->table_n ? ids->table[key - ids->table_first] : HASH_NONE;
		return at == HASH_NONE ? NULL : &ids->pages.v[at];
	}
	const uint64_t *slot = hash_map_get(&ids->index, key);
	return slot ? &ids->pages.v[*slot] : NULL;
}

/* The number of an object; GRAPH_NONE. */
static inline uint32_t jvm_ids_find(const struct jvm_ids *ids, uint64_t id)
{
	const uint64_t slot = id >> ids->shift;
	const struct jvm_ids_page *p = jvm_ids_page(ids, slot >> JVM_IDS_PAGE_SHIFT);
	const unsigned w = (unsigned)(slot >> 6) % JVM_IDS_WORDS;
	const uint64_t bit = UINT64_C(1) << (slot & 63);
	if (!p || !(p->present[w] & bit) || id != slot << ids->shift)
		return GRAPH_NONE;
	if (p->inner[w] & bit)
		return p->first_inner + p->inners[w] + (uint32_t)__builtin_popcountll(p->inner[w] & (bit - 1));
	return p->first_leaf + p->leaves[w] + (uint32_t)__builtin_popcountll(p->present[w] & ~p->inner[w] & (bit - 1));
}
