/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/blocks.h"

#include "base/bisect.h"
#include "base/cursor.h"
#include "base/num.h"
#include "model/memcache.h"

enum {
	PAGE = 4096,
	SMALL = 1 << 20, /* sizes up to here are counted in an array, ... */
	SMALL_SIZES = SMALL / GLIBC_CHUNK_ALIGN,
	LARGE_MAX = 1 << 20, /* ... and so many longer ones one by one */
};

struct telling {
	struct glibc_block *blocks;
	size_t n, at;	  /* the first block that is not below the chunk */
	uint64_t *counts; /* of small sizes, NULL: not wanted */
	struct u64_vec large;
};

/* ---- sizes ---- */

static void count_size(struct telling *t, uint64_t size, bool more)
{
	if (!t->counts || size >= SMALL) {
		if (t->counts && more && t->large.n < LARGE_MAX)
			*vec_push(&t->large) = size;
		return;
	}
	uint64_t *count = &t->counts[size / GLIBC_CHUNK_ALIGN];
	*count = more ? *count + 1 : num_sub(*count, 1);
}

static int by_sum(const void *x, const void *y)
{
	const struct glibc_size *a = x, *b = y;
	uint64_t left = a->size * a->count, right = b->size * b->count;
	if (left != right)
		return left < right ? 1 : -1;
	return a->size < b->size ? -1 : a->size > b->size;
}

static int by_value(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
	return a < b ? -1 : a > b;
}

static void list_sizes(struct telling *t, struct glibc_size_vec *ret)
{
	for (uint64_t i = 0; i < SMALL_SIZES; i++) {
		if (t->counts[i])
			*vec_push(ret) = (struct glibc_size){ i * GLIBC_CHUNK_ALIGN, t->counts[i] };
	}
	vec_sort(&t->large, by_value);
	for (size_t i = 0; i < t->large.n; i++) {
		if (ret->n && ret->v[ret->n - 1].size == t->large.v[i])
			ret->v[ret->n - 1].count++;
		else
			*vec_push(ret) = (struct glibc_size){ t->large.v[i], 1 };
	}
	vec_sort(ret, by_sum);
}

/* ---- blocks ---- */

/* One that is in a fast bin or in a cache. */
static void tell_cached(struct telling *t, const struct glibc_chunk *c)
{
	uint64_t addr = c->addr + GLIBC_CHUNK_HEAD;
	size_t lo = bisect(t->n, i, t->blocks[i].addr < addr);
	for (; lo < t->n && t->blocks[lo].addr == addr; lo++) {
		t->blocks[lo].state = GLIBC_FREE;
		t->blocks[lo].size = 0;
	}
	count_size(t, c->size, false);
}

/*
 * A block within a chunk that does not begin there was given back: its memory is part of something else now. The first
 * word behind a chunk's end belongs to it, but no block begins there.
 */
static void tell(void *ctx, const struct glibc_chunk *c)
{
	struct telling *t = ctx;
	if (c->state == GLIBC_FAST || c->state == GLIBC_CACHED) {
		tell_cached(t, c);
		return;
	}
	if (c->state == GLIBC_USED)
		count_size(t, c->size, true);
	uint64_t block = c->addr + GLIBC_CHUNK_HEAD;
	while (t->at < t->n && t->blocks[t->at].addr < c->addr)
		t->at++;
	for (; t->at < t->n && t->blocks[t->at].addr < c->addr + c->size; t->at++) {
		struct glibc_block *b = &t->blocks[t->at];
		bool used = c->state == GLIBC_USED && b->addr == block;
		b->state = used ? GLIBC_USED : c->state == GLIBC_UNKNOWN ? GLIBC_UNKNOWN : GLIBC_FREE;
		b->size = used ? c->size : 0;
	}
}

/* A block that is in no heap: one with a mapping of its own, or what was one. */
static void tell_large(const struct glibc *g, struct memsrc *src, struct glibc_block *b)
{
	unsigned char head[GLIBC_CHUNK_HEAD];
	uint64_t at = b->addr - GLIBC_CHUNK_HEAD;
	const struct vma *v = NULL;
	glibc_map_at(&g->where, at, &v);
	if (!v || !(v->flags & VMA_WRITE)) {
		b->state = GLIBC_FREE;
		return;
	}
	if (!memsrc_read(src, at, head, sizeof(head)))
		return;
	uint64_t before = load_u64(head), word = load_u64(head + 8), size = word & ~(uint64_t)GLIBC_FLAGS;
	if ((word & GLIBC_FLAGS) == GLIBC_IS_MMAPPED && size >= GLIBC_CHUNK_MIN && size <= v->end - at &&
	    before <= at - v->start && (at - before) % PAGE == 0) {
		b->state = GLIBC_USED;
		b->size = size;
	}
}

struct err *glibc_blocks_tell(const struct glibc *g, struct glibc_block *blocks, size_t n, struct glibc_size_vec *sizes)
{
	struct glibc_heaps h;
	struct telling t = { .blocks = blocks, .n = n };
	for (size_t i = 0; i < n; i++) {
		blocks[i].state = GLIBC_UNKNOWN;
		blocks[i].size = 0;
	}
	struct err *err = glibc_heaps_read(g, &h);
	if (!err) {
		t.counts = sizes ? xcalloc(SMALL_SIZES, sizeof(*t.counts)) : NULL;
		glibc_walk(g, &h, tell, &t);
		if (sizes)
			list_sizes(&t, sizes);
		struct memcache cache AUTO(memcache);
		memcache_init(&cache, g->where.src);
		for (size_t i = 0; i < n; i++) {
			if (!glibc_region_at(&h, blocks[i].addr))
				tell_large(g, &cache.src, &blocks[i]);
		}
	}
	free(t.counts);
	vec_deinit(&t.large);
	glibc_heaps_deinit(&h);
	return err;
}
