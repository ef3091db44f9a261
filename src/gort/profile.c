/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/profile.h"

#include <math.h>

#include "base/cursor.h"
#include "base/num.h"
#include "model/memcache.h"

enum {
	BUCKETS_MAX = 4 << 20,
	MEM_PROFILE = 1, /* bucketType memProfile */
	FUTURES = 3,
	RECORD_MAX = 512,
};

static const uint64_t DEFAULT_RATE = UINT64_C(512) * 1024;

struct counts {
	uint64_t allocs, frees, alloc_bytes, free_bytes;
};

static void add_cycle(const struct gort_layout *l, const unsigned char *at, uint64_t size, struct counts *c)
{
	size_t len = gort_sizeof(l, GORT_memRecordCycle_SIZEOF);
	uint64_t allocs = gort_load(l, at, len, GORT_memRecordCycle_allocs);
	uint64_t frees = gort_load(l, at, len, GORT_memRecordCycle_frees);
	c->allocs += allocs;
	c->frees += frees;
	if (gort_has(l, GORT_memRecordCycle_alloc_bytes)) {
		c->alloc_bytes += gort_load(l, at, len, GORT_memRecordCycle_alloc_bytes);
		c->free_bytes += gort_load(l, at, len, GORT_memRecordCycle_free_bytes);
	} else { /* 1.27: all objects of a bucket have its size */
		c->alloc_bytes += allocs * size;
		c->free_bytes += frees * size;
	}
}

static bool read_counts(const struct gort *g, uint64_t at, uint64_t size, struct counts *c)
{
	const struct gort_layout *l = g->layout;
	unsigned char rec[RECORD_MAX];
	size_t len = gort_sizeof(l, GORT_memRecord_SIZEOF), cycle = gort_sizeof(l, GORT_memRecordCycle_SIZEOF);
	size_t future = (size_t)l->f[GORT_memRecord_future].off;
	if (len > sizeof(rec) || future + FUTURES * cycle > len || !memsrc_read(g->src, at, rec, len))
		return false;
	*c = (struct counts){ 0 };
	add_cycle(l, rec + l->f[GORT_memRecord_active].off, size, c);
	for (size_t i = 0; i < FUTURES; i++)
		add_cycle(l, rec + future + i * cycle, size, c);
	return true;
}

static void scale(const struct counts *c, uint64_t rate, struct gort_bucket *b)
{
	b->inuse_objects = (double)(c->allocs - c->frees);
	b->inuse_bytes = (double)(c->alloc_bytes - c->free_bytes);
	if (rate <= 1)
		return;
	double by = 1 / (1 - exp(-(b->inuse_bytes / b->inuse_objects) / (double)rate));
	b->inuse_objects *= by;
	b->inuse_bytes *= by;
}

static bool read_stack(const struct gort *g, uint64_t bucket, struct gort_bucket *b)
{
	uint64_t n = gort_word(g, bucket, GORT_bucket_nstk);
	b->nstk = (size_t)num_min(n, GORT_PROFILE_STACK);
	if (!memsrc_read(g->src, bucket + gort_sizeof(g->layout, GORT_bucket_SIZEOF), b->stk, b->nstk * 8))
		return false;
	for (size_t i = 0; i < b->nstk; i++)
		b->stk[i] = load_u64(&b->stk[i]);
	return true;
}

uint64_t gort_profile_walk(const struct gort *g, gort_bucket_fn fn, void *ctx, uint64_t *rate)
{
	struct memcache cache AUTO(memcache);
	memcache_init(&cache, g->src);
	struct gort cached = *g;
	cached.src = &cache.src;

	uint64_t var = gort_var(g, GORT_VAR_MEMPROFILERATE);
	*rate = var ? memsrc_ptr(g->src, var) : 0;
	uint64_t used = *rate ? *rate : DEFAULT_RATE, buckets = 0;
	var = gort_var(g, GORT_VAR_MBUCKETS);
	uint64_t at = var ? memsrc_ptr(g->src, var) : 0;
	for (; at && buckets < BUCKETS_MAX; at = gort_word(&cached, at, GORT_bucket_allnext)) {
		if (gort_word(&cached, at, GORT_bucket_typ) != MEM_PROFILE)
			break;
		buckets++;
		struct gort_bucket b = { .size = gort_word(&cached, at, GORT_bucket_size) };
		uint64_t nstk = gort_word(&cached, at, GORT_bucket_nstk);
		uint64_t record = at + gort_sizeof(g->layout, GORT_bucket_SIZEOF) + nstk * 8;
		struct counts c;
		if (!read_counts(&cached, record, b.size, &c) || c.allocs <= c.frees || !read_stack(&cached, at, &b))
			continue;
		scale(&c, used, &b);
		fn(ctx, &b);
	}
	return buckets;
}
