/* SPDX-License-Identifier: Apache-2.0 */
#include "jvm/ids.h"

#include <stdlib.h>

enum {
	ALIGNED_SHIFT = 3, /* of HotSpot's objects */
	TABLE_SPREAD = 16, /* entries a page that a table may have */
	TABLE_MIN = 1 << 16,
};

void jvm_ids_init(struct jvm_ids *ids)
{
	*ids = (struct jvm_ids){ .shift = ALIGNED_SHIFT, .last_key = UINT64_MAX };
}

void jvm_ids_deinit(struct jvm_ids *ids)
{
	vec_deinit(&ids->pages);
	hash_map_deinit(&ids->index);
	free(ids->table);
	*ids = (struct jvm_ids){ 0 };
}

uint64_t jvm_ids_bytes(const struct jvm_ids *ids)
{
	return ids->pages.cap * sizeof(*ids->pages.v) + ids->index.cap * (sizeof(*ids->index.slots) + 1) +
	       ids->table_n * sizeof(*ids->table);
}

static struct jvm_ids_page *page_at(struct jvm_ids *ids, uint64_t key)
{
	bool fresh = false;
	if (key == ids->last_key && ids->pages.n)
		return &ids->pages.v[ids->last_page];
	uint64_t *at = hash_map_at(&ids->index, key, &fresh);
	if (fresh) {
		*at = ids->pages.n;
		vec_push(&ids->pages)->key = key;
	}
	ids->last_key = key;
	ids->last_page = *at;
	return &ids->pages.v[*at];
}

static bool add(struct jvm_ids *ids, uint64_t slot, bool inner)
{
	struct jvm_ids_page *p = page_at(ids, slot >> JVM_IDS_PAGE_SHIFT);
	const unsigned w = (unsigned)(slot >> 6) % JVM_IDS_WORDS;
	const uint64_t bit = UINT64_C(1) << (slot & 63);
	if (p->present[w] & bit)
		return false;
	p->present[w] |= bit;
	p->inner[w] |= inner ? bit : 0;
	return true;
}

/* One that is no multiple of 8 came: all are entered again by single bytes. */
static void refine(struct jvm_ids *ids)
{
	struct jvm_ids old = *ids;
	jvm_ids_init(ids);
	ids->shift = 0;
	ids->count = old.count;
	for (size_t i = 0; i < old.pages.n; i++) {
		const struct jvm_ids_page *p = &old.pages.v[i];
		for (uint64_t s = 0; s < 1u << JVM_IDS_PAGE_SHIFT; s++) {
			if (p->present[s >> 6] >> (s & 63) & 1)
				add(ids, (p->key << JVM_IDS_PAGE_SHIFT | s) << old.shift,
				    p->inner[s >> 6] >> (s & 63) & 1);
		}
	}
	jvm_ids_deinit(&old);
}

bool jvm_ids_add(struct jvm_ids *ids, uint64_t id, bool inner)
{
	if (id & ((UINT64_C(1) << ids->shift) - 1))
		refine(ids);
	bool fresh = add(ids, id >> ids->shift, inner);
	ids->count += fresh;
	return fresh;
}

static int by_key(const void *a, const void *b)
{
	const struct jvm_ids_page *x = a, *y = b;
	return x->key < y->key ? -1 : x->key > y->key;
}

/* Where the pages are, now that they are sorted. */
static void index_pages(struct jvm_ids *ids)
{
	const struct jvm_ids_page *v = ids->pages.v;
	const size_t n = ids->pages.n;
	hash_map_deinit(&ids->index);
	ids->index = (struct hash_map){ 0 };
	uint64_t span = n ? v[n - 1].key - v[0].key : 0;
	if (span >= TABLE_MIN + TABLE_SPREAD * (uint64_t)n) {
		for (size_t i = 0; i < n; i++)
			*hash_map_at(&ids->index, v[i].key, NULL) = i;
		return;
	}
	ids->table_first = n ? v[0].key : 0;
	ids->table_n = span + 1;
	ids->table = xmalloc(ids->table_n * sizeof(*ids->table));
	memset(ids->table, 0xff, ids->table_n * sizeof(*ids->table));
	for (size_t i = 0; i < n; i++)
		ids->table[v[i].key - ids->table_first] = (uint32_t)i;
}

static void count_page(struct jvm_ids_page *p, uint32_t *inners, uint32_t *leaves)
{
	uint16_t i = 0, l = 0;
	p->first_inner = *inners;
	p->first_leaf = *leaves;
	for (unsigned w = 0; w < JVM_IDS_WORDS; w++) {
		p->inners[w] = i;
		p->leaves[w] = l;
		i = (uint16_t)(i + __builtin_popcountll(p->inner[w]));
		l = (uint16_t)(l + __builtin_popcountll(p->present[w] & ~p->inner[w]));
	}
	*inners += i;
	*leaves += l;
}

struct err *jvm_ids_number(struct jvm_ids *ids)
{
	if (ids->count >= GRAPH_NONE / 2)
		return err_new(ERR_LIMIT, "%llu objects are more than can be numbered", (unsigned long long)ids->count);
	vec_sort(&ids->pages, by_key);
	index_pages(ids);
	uint32_t inners = 0, leaves = 0;
	for (size_t i = 0; i < ids->pages.n; i++)
		count_page(&ids->pages.v[i], &inners, &leaves);
	for (size_t i = 0; i < ids->pages.n; i++)
		ids->pages.v[i].first_leaf += inners;
	ids->n_inner = inners;
	ids->n = inners + leaves;
	return NULL;
}
