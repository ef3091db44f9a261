/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/meta.h"

#include "base/num.h"

enum {
	PERSISTENT_CHUNK = 256 << 10,
	GC_BITS_ARENA = 64 << 10,
	LIST_MAX = 1 << 20, /* chunks or arenas in a list: 256 GiB of chunks */
	BUCKET_HASH = 179999 * 8,
	SUMMARY_LEVELS = 5,
	CHUNKS_L1 = 8192, /* pageAlloc.chunks: pointers to 1 MiB of bitmaps each */
	CHUNKS_L2_BYTES = 8192 * 128,
	ARENA_L2_BYTES = 32 << 20, /* 4M pointers */
	PROCS_MAX = 1 << 16,
	STACK_MAX = 1024, /* frames in a profile bucket */
	BUCKETS_MAX = 4 << 20,
};

/* Mspan structures: allocated from chunks in the order of the list, so the runs are few. */
static void claim_spans(const struct gort *g, const struct gort_heap *h, struct claim_vec *claims)
{
	for (size_t i = 0; i < h->structs.n; i++)
		claim_add(claims, h->structs.v[i].start, h->structs.v[i].end, CLASS_GO_META_SPANS, 0);
	claim_add(claims, h->allspans, h->allspans + h->allspans_cap * 8, CLASS_GO_META_SPANS, 0);
	uint64_t l2 = memsrc_ptr(g->src, gort_at(g->layout, gort_var(g, GORT_VAR_MHEAP), GORT_mheap_arenas));
	if (l2)
		claim_add(claims, l2, l2 + ARENA_L2_BYTES, CLASS_GO_META_SPANS, 0);
}

/* A heapArena: page-to-span table, and bitmaps for the collector around it. */
static void claim_arenas(const struct gort *g, const struct gort_heap *h, struct claim_vec *claims)
{
	const struct gort_offset spans = g->layout->f[GORT_heapArena_spans];
	uint64_t size = gort_sizeof(g->layout, GORT_heapArena_SIZEOF);
	for (size_t i = 0; i < h->arenas.n; i++) {
		uint64_t at = h->arenas.v[i].meta;
		if (!at)
			continue;
		uint64_t table = at + (uint64_t)spans.off;
		claim_add(claims, at, table, CLASS_GO_META_GC, 0);
		claim_add(claims, table, table + spans.size, CLASS_GO_META_SPANS, 0);
		claim_add(claims, table + spans.size, at + size, CLASS_GO_META_GC, 0);
	}
}

static void claim_caches(const struct gort *g, struct claim_vec *claims)
{
	uint64_t var = gort_var(g, GORT_VAR_ALLP);
	if (!var)
		return;
	uint64_t list = memsrc_ptr(g->src, var), n = memsrc_ptr(g->src, var + 8);
	for (uint64_t i = 0; i < num_min(n, PROCS_MAX); i++) {
		uint64_t p = memsrc_ptr(g->src, list + i * 8);
		uint64_t cache = p ? gort_word(g, p, GORT_p_mcache) : 0;
		if (cache)
			claim_add(claims, cache, cache + gort_sizeof(g->layout, GORT_mcache_SIZEOF),
				  CLASS_GO_META_CACHES, 0);
	}
}

/* The page allocator: summaries in five levels, bitmaps, and from 1.21 on the scavenger's index. */
static void claim_pages(const struct gort *g, struct claim_vec *claims)
{
	const struct gort_layout *l = g->layout;
	uint64_t mheap = gort_var(g, GORT_VAR_MHEAP);
	uint64_t slice = gort_at(l, mheap, GORT_mheap_pages_summary);
	for (unsigned i = 0; i < SUMMARY_LEVELS; i++, slice += 24) {
		uint64_t at = memsrc_ptr(g->src, slice), cap = memsrc_ptr(g->src, slice + 16);
		if (at && cap < UINT64_C(1) << 40)
			claim_add(claims, at, at + cap * 8, CLASS_GO_META_GC, 0);
	}
	uint64_t chunks = gort_at(l, mheap, GORT_mheap_pages_chunks);
	AUTO_FREE uint64_t *l1 = xcalloc(CHUNKS_L1, sizeof(*l1));
	if (memsrc_read(g->src, chunks, l1, CHUNKS_L1 * sizeof(*l1))) {
		for (unsigned i = 0; i < CHUNKS_L1; i++) {
			if (l1[i])
				claim_add(claims, l1[i], l1[i] + CHUNKS_L2_BYTES, CLASS_GO_META_GC, 0);
		}
	}
	if (!gort_has(l, GORT_mheap_pages_scav_index_chunks))
		return;
	uint64_t scav = gort_at(l, mheap, GORT_mheap_pages_scav_index_chunks);
	uint64_t at = memsrc_ptr(g->src, scav), cap = memsrc_ptr(g->src, scav + 16);
	if (at && cap < UINT64_C(1) << 40)
		claim_add(claims, at, at + cap * 8, CLASS_GO_META_GC, 0);
}

/* gcBitsArenas: {lock, free, next, current, previous}, lists of 64 kB blocks whose second word links them. */
static void claim_gc_bits(const struct gort *g, struct claim_vec *claims)
{
	uint64_t var = gort_var(g, GORT_VAR_GCBITSARENAS);
	for (unsigned list = 1; var && list <= 4; list++) {
		uint64_t at = memsrc_ptr(g->src, var + UINT64_C(8) * list);
		for (unsigned n = 0; at && n < LIST_MAX; n++) {
			claim_add(claims, at, at + GC_BITS_ARENA, CLASS_GO_META_GC, 0);
			at = memsrc_ptr(g->src, at + 8);
		}
	}
}

static uint64_t bucket_size(const struct gort *g, uint64_t bucket, bool memory)
{
	uint64_t nstk = gort_word(g, bucket, GORT_bucket_nstk);
	uint64_t record = memory ? gort_sizeof(g->layout, GORT_memRecord_SIZEOF) : 16; /* blockRecord: count, cycles */
	return gort_sizeof(g->layout, GORT_bucket_SIZEOF) + num_min(nstk, STACK_MAX) * 8 + record;
}

static void claim_profile(const struct gort *g, struct claim_vec *claims)
{
	static const enum gort_global lists[] = { GORT_VAR_MBUCKETS, GORT_VAR_BBUCKETS, GORT_VAR_XBUCKETS };
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		uint64_t var = gort_var(g, lists[i]);
		uint64_t at = var ? memsrc_ptr(g->src, var) : 0;
		for (unsigned n = 0; at && n < BUCKETS_MAX; n++) {
			claim_add(claims, at, at + bucket_size(g, at, lists[i] == GORT_VAR_MBUCKETS),
				  CLASS_GO_META_PROFILE, 0);
			at = gort_word(g, at, GORT_bucket_allnext);
		}
	}
	uint64_t var = gort_var(g, GORT_VAR_BUCKHASH);
	uint64_t hash = var ? memsrc_ptr(g->src, var) : 0;
	if (hash)
		claim_add(claims, hash, hash + BUCKET_HASH, CLASS_GO_META_PROFILE, 0);
}

/* Whatever else lies in the chunks of persistentalloc: specials, itabs, span sets. */
static void claim_persistent(const struct gort *g, struct claim_vec *claims)
{
	uint64_t var = gort_var(g, GORT_VAR_PERSISTENTCHUNKS);
	uint64_t at = var ? memsrc_ptr(g->src, var) : 0;
	for (unsigned n = 0; at && n < LIST_MAX; n++) {
		claim_add(claims, at, at + PERSISTENT_CHUNK, CLASS_GO_META_OTHER, 0);
		at = memsrc_ptr(g->src, at);
	}
}

void gort_meta_claims(const struct gort *g, const struct gort_heap *h, struct claim_vec *claims)
{
	claim_spans(g, h, claims);
	claim_arenas(g, h, claims);
	claim_caches(g, claims);
	claim_pages(g, claims);
	claim_gc_bits(g, claims);
	claim_profile(g, claims);
	claim_persistent(g, claims);
}
