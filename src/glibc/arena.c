/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/arena.h"

#include "base/num.h"

struct reading {
	struct glibc_arenas *ret;
	struct glibc_pages *pages;
};

static bool was_used(enum glibc_state s)
{
	return s == GLIBC_FAST || s == GLIBC_CACHED;
}

static void count(void *ctx, const struct glibc_chunk *c)
{
	struct reading *r = ctx;
	struct glibc_sums *s = &r->ret->sums[r->ret->heaps.regions.v[c->region].arena];
	if (was_used(c->state)) {
		if (s->bytes[GLIBC_USED] < c->size || !s->chunks[GLIBC_USED])
			return; /* a target that changes: it was not seen as used */
		s->bytes[GLIBC_USED] -= c->size;
		s->chunks[GLIBC_USED]--;
	}
	s->bytes[c->state] += c->size;
	s->chunks[c->state]++;
	if (r->pages)
		glibc_pages_chunk(r->pages, c);
}

static void read_blocks(const struct glibc *g, struct glibc_arenas *ret)
{
	const struct glibc_heaps *h = &ret->heaps;
	struct glibc_piece_vec found = { 0 };
	ret->mmapped = ret->mmapped_blocks = 0;
	for (size_t i = 0; i < g->n; i++) {
		uint64_t blocks = 0, bytes = 0;
		if (!glibc_mmapped(g, &g->v[i], &blocks, &bytes)) {
			ret->mmapped = ret->mmapped_blocks = UINT64_MAX;
			break;
		}
		ret->mmapped += bytes;
		ret->mmapped_blocks += blocks;
	}
	for (size_t i = 0; i < h->regions.n; i++) /* not there */
		*vec_push(&found) = (struct glibc_piece){ h->regions.v[i].start, h->regions.v[i].limit };
	const struct glibc_piece_search search = { .g = g, .blocks = ret->mmapped_blocks };
	glibc_blocks_find(&search, &found);
	for (size_t i = 0; i < found.n; i++) {
		if (glibc_region_at(h, found.v[i].start))
			continue;
		*vec_push(&ret->blocks) = found.v[i];
		ret->blocks_bytes += found.v[i].end - found.v[i].start;
	}
	vec_deinit(&found);
	if (ret->blocks.n == ret->mmapped_blocks)
		ret->mmapped = ret->blocks_bytes;
}

struct err *glibc_arenas_read(const struct glibc *g, struct glibc_pages *pages, struct glibc_arenas *ret)
{
	*ret = (struct glibc_arenas){ 0 };
	if (pages)
		*pages = (struct glibc_pages){ 0 };
	TRY(glibc_heaps_read(g, &ret->heaps));
	ret->sums = xcalloc(ret->heaps.arenas.n + 1, sizeof(*ret->sums));
	if (pages)
		TRY(glibc_pages_init(pages, &ret->heaps));
	struct reading r = { ret, pages };
	ret->whole = glibc_walk(g, &ret->heaps, count, &r) && !ret->heaps.cut;
	read_blocks(g, ret);
	for (size_t i = 0; i < ret->heaps.arenas.n; i++)
		ret->sums[i].bytes[GLIBC_UNKNOWN] += ret->heaps.arenas.v[i].missing;
	return NULL;
}

void glibc_arenas_deinit(struct glibc_arenas *a)
{
	glibc_heaps_deinit(&a->heaps);
	free(a->sums);
	vec_deinit(&a->blocks);
	*a = (struct glibc_arenas){ 0 };
}

struct glibc_sums glibc_arenas_sum(const struct glibc_arenas *a)
{
	struct glibc_sums sum = { 0 };
	for (size_t i = 0; i < a->heaps.arenas.n; i++) {
		for (int s = 0; s < GLIBC_STATE_MAX_; s++) {
			sum.bytes[s] += a->sums[i].bytes[s];
			sum.chunks[s] += a->sums[i].chunks[s];
		}
	}
	return sum;
}
