/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"

enum {
	STRING = 16, /* bytes of a string header */
	PAIR = 2 * STRING,
	/* A bucket of map[string]string: 8 hash bytes, keys, values, the next bucket (internal/abi/map.go). */
	SLOTS = 8,
	BUCKET = SLOTS + SLOTS * PAIR + 8,
	HASH_FULL = 5, /* smallest hash byte of a slot in use */
	B_MAX = 8,     /* log2 of the buckets */
	CHAIN_MAX = 32,
};

struct labels {
	const struct gort *g;
	struct intern *strings;
	struct goroutine_label_vec *out;
	size_t first;
};

/* The string with this header; NULL when it cannot be read. */
static const char *string_at(const struct labels *l, const unsigned char *header)
{
	char text[GORT_LABEL_LEN_MAX];
	uint64_t at = load_u64(header);
	size_t len = (size_t)num_min(load_u64(header + 8), sizeof(text));
	if (len && !memsrc_read(l->g->src, at, text, len))
		return NULL;
	return intern_mem(l->strings, text, len);
}

static void add(const struct labels *l, const unsigned char *key, const unsigned char *value)
{
	if (l->out->n - l->first >= GORT_LABELS_MAX)
		return;
	const char *k = string_at(l, key), *v = string_at(l, value);
	if (k && v)
		*vec_push(l->out) = (struct goroutine_label){ k, v };
}

static void read_list(const struct labels *l, uint64_t slice)
{
	unsigned char pair[PAIR];
	uint64_t at = memsrc_ptr(l->g->src, slice), n = num_min(memsrc_ptr(l->g->src, slice + 8), GORT_LABELS_MAX);
	for (uint64_t i = 0; i < n && memsrc_read(l->g->src, at + i * PAIR, pair, PAIR); i++)
		add(l, pair, pair + STRING);
}

static void read_buckets(const struct labels *l, uint64_t buckets, uint64_t n)
{
	unsigned char b[BUCKET];
	for (uint64_t i = 0; buckets && i < n; i++) {
		uint64_t at = buckets + i * BUCKET;
		for (int chain = 0; at && chain < CHAIN_MAX && memsrc_read(l->g->src, at, b, BUCKET); chain++) {
			const unsigned char *keys = b + SLOTS, *values = keys + (size_t)SLOTS * STRING;
			for (size_t k = 0; k < SLOTS; k++) {
				if (b[k] >= HASH_FULL)
					add(l, keys + k * STRING, values + k * STRING);
			}
			at = load_u64(b + BUCKET - 8);
		}
	}
}

static void read_map(const struct labels *l, uint64_t map)
{
	const struct gort_layout *lay = l->g->layout;
	uint8_t log2 = 0;
	if (!map || !memsrc_u8(l->g->src, gort_at(lay, map, GORT_hmap_B), &log2) || log2 > B_MAX)
		return;
	read_buckets(l, gort_word(l->g, map, GORT_hmap_buckets), UINT64_C(1) << log2);
	/* While a map grows, what was not moved yet is in the old buckets, half as many. */
	read_buckets(l, gort_word(l->g, map, GORT_hmap_oldbuckets), (UINT64_C(1) << log2) / 2);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct goroutine_label *)a)->key, ((const struct goroutine_label *)b)->key);
}

void gort_labels_read(const struct gort *g, uint64_t labels, struct intern *strings, struct goroutine_label_vec *ret)
{
	struct labels l = { g, strings, ret, ret->n };
	if (!labels)
		return;
	if (gort_has(g->layout, GORT_labelMap_list))
		read_list(&l, gort_at(g->layout, labels, GORT_labelMap_list));
	else if (gort_has(g->layout, GORT_hmap_buckets))
		read_map(&l, memsrc_ptr(g->src, labels));
	if (ret->n - l.first > 1)
		qsort(ret->v + l.first, ret->n - l.first, sizeof(*ret->v), by_key);
}
