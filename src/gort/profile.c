/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/profile.h"

#include <math.h>

#include "base/cursor.h"
#include "model/memcache.h"

enum {
	MEM_PROFILE = 1, /* bucketType memProfile */
	FUTURES = 3,
	HEAD_MAX = 128,
	RECORD_MAX = 512,
	BLOCK = 64 << 10,
	BLOCKS = 32, /* each P has a chunk of its own, so the list jumps between as many places */
	WALKS = 3,
};

static const double INT64_CEILING = 0x1p63;

struct counts {
	uint64_t allocs, frees, alloc_bytes, free_bytes;
};

VEC_TYPE(counts_vec, struct counts);

struct walk {
	const struct gort *g; /* reads through a cache */
	unsigned cycle;
	struct gort_profile *p;
	struct counts_vec fresh; /* row by row with the buckets */
	bool published;		 /* some bucket has published counts */
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

/* The counts of a bucket whose record is `rec`, in both views. */
static void take_counts(struct walk *w, const unsigned char *rec, struct gort_bucket *b)
{
	const struct gort_layout *l = w->g->layout;
	size_t cycle = gort_sizeof(l, GORT_memRecordCycle_SIZEOF), future = (size_t)l->f[GORT_memRecord_future].off;
	struct counts now = { 0 };
	add_cycle(l, rec + l->f[GORT_memRecord_active].off, b->size, &now);
	struct counts fresh = now;
	for (size_t i = 0; i < FUTURES; i++) {
		if (i == w->cycle)
			add_cycle(l, rec + future + i * cycle, b->size, &now);
		add_cycle(l, rec + future + i * cycle, b->size, &fresh);
	}
	w->published = w->published || now.allocs || now.frees;
	b->allocs = now.allocs;
	b->frees = now.frees;
	b->alloc_bytes = now.alloc_bytes;
	b->free_bytes = now.free_bytes;
	*vec_push(&w->fresh) = fresh;
}

/* The bucket at `at`; *next is the one after it. False when it cannot be read or is none. */
static bool take_bucket(struct walk *w, uint64_t at, uint64_t *next)
{
	const struct gort_layout *l = w->g->layout;
	unsigned char head[HEAD_MAX], body[GORT_PROFILE_STACK * 8 + RECORD_MAX];
	size_t len = gort_sizeof(l, GORT_bucket_SIZEOF), record = gort_sizeof(l, GORT_memRecord_SIZEOF);
	if (!memsrc_read(w->g->src, at, head, len) || gort_load(l, head, len, GORT_bucket_typ) != MEM_PROFILE)
		return false;
	uint64_t nstk = gort_load(l, head, len, GORT_bucket_nstk);
	if (nstk > GORT_PROFILE_STACK || w->p->pcs.n + nstk > GORT_PROFILE_FRAMES ||
	    !memsrc_read(w->g->src, at + len, body, nstk * 8 + record))
		return false;
	struct gort_bucket *b = vec_push(&w->p->buckets);
	b->size = gort_load(l, head, len, GORT_bucket_size);
	b->at = (uint32_t)w->p->pcs.n;
	b->depth = (uint32_t)nstk;
	for (size_t i = 0; i < nstk; i++)
		*vec_push(&w->p->pcs) = load_u64(body + i * 8);
	take_counts(w, body + nstk * 8, b);
	*next = gort_load(l, head, len, GORT_bucket_allnext);
	return true;
}

static void use_freshest(struct walk *w)
{
	for (size_t i = 0; i < w->p->buckets.n; i++) {
		struct gort_bucket *b = &w->p->buckets.v[i];
		const struct counts *c = &w->fresh.v[i];
		b->allocs = c->allocs;
		b->frees = c->frees;
		b->alloc_bytes = c->alloc_bytes;
		b->free_bytes = c->free_bytes;
	}
}

static bool layout_fits(const struct gort_layout *l)
{
	size_t record = gort_sizeof(l, GORT_memRecord_SIZEOF), cycle = gort_sizeof(l, GORT_memRecordCycle_SIZEOF);
	return gort_sizeof(l, GORT_bucket_SIZEOF) <= HEAD_MAX && record <= RECORD_MAX &&
	       (size_t)l->f[GORT_memRecord_future].off + FUTURES * cycle <= record;
}

static void walk(const struct gort *g, enum gort_profile_view view, unsigned cycle, struct gort_profile *p)
{
	struct memcache cache AUTO(memcache);
	memcache_init_sized(&cache, g->src, BLOCK, BLOCKS);
	struct gort cached = *g;
	cached.src = &cache.src;
	struct walk w = { .g = &cached, .cycle = cycle, .p = p };
	p->buckets.n = p->pcs.n = 0;
	uint64_t var = gort_var(g, GORT_VAR_MBUCKETS), at = var ? memsrc_ptr(g->src, var) : 0;
	p->cut = false;
	uint64_t seen = 0; /* an earlier bucket, at a power of two: a list that runs in a circle meets it again */
	while (at && !p->cut) {
		size_t n = p->buckets.n;
		if (!(n & (n - 1)))
			seen = at;
		p->cut = n == GORT_PROFILE_BUCKETS || !take_bucket(&w, at, &at) || at == seen;
	}
	if (view == GORT_PROFILE_FRESHEST || !w.published)
		use_freshest(&w);
	vec_deinit(&w.fresh);
}

/* mProfCycle counts GCs twice over: the lowest bit tells whether the counts of the cycle were published. */
static uint32_t read_cycle(const struct gort *g)
{
	uint32_t v = 0;
	uint64_t var = gort_var(g, GORT_VAR_MPROFCYCLE);
	return var && memsrc_u32(g->src, var, &v) ? v >> 1 : 0;
}

void gort_profile_read(const struct gort *g, enum gort_profile_view view, struct gort_profile *ret)
{
	uint64_t var = gort_var(g, GORT_VAR_MEMPROFILERATE);
	*ret = (struct gort_profile){ .rate = UINT64_MAX };
	if (var && !memsrc_u64(g->src, var, &ret->rate))
		ret->rate = UINT64_MAX;
	if (!layout_fits(g->layout))
		return;
	uint32_t cycle = read_cycle(g);
	for (unsigned i = 0; i < WALKS; i++) {
		walk(g, view, cycle % FUTURES, ret);
		uint32_t after = read_cycle(g);
		ret->moved = after != cycle;
		if (!ret->moved)
			break;
		cycle = after;
	}
}

void gort_profile_deinit(struct gort_profile *p)
{
	vec_deinit(&p->buckets);
	vec_deinit(&p->pcs);
}

static int64_t truncated(double v)
{
	return v >= INT64_CEILING ? INT64_MAX : v <= -INT64_CEILING ? INT64_MIN : (int64_t)v;
}

void gort_profile_scale(uint64_t count, uint64_t bytes, uint64_t rate, int64_t *objects, int64_t *space)
{
	int64_t n = (int64_t)count, sum = (int64_t)bytes; /* a torn read may have more frees than allocations */
	*objects = n && sum ? n : 0;
	*space = n && sum ? sum : 0;
	if (!*objects || rate <= 1 || rate > INT64_MAX)
		return;
	double scale = 1 / (1 - exp(-((double)sum / (double)n) / (double)rate));
	*objects = truncated((double)n * scale);
	*space = truncated((double)sum * scale);
}
