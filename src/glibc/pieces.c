/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/pieces.h"

#include "base/cursor.h"
#include "base/num.h"
#include "model/memcache.h"

enum {
	PAGE = 4096,
	BLOCK_MIN = 128 * 1024, /* DEFAULT_MMAP_THRESHOLD; smaller only where it was tuned */
	CACHE_BLOCK = 65536,
	CACHE_BLOCKS = 32,
	CHAINS_MAX = 4096, /* followed without success */
	PIECES_MAX = 1 << 20,
};

#define LOOKS_MAX (UINT64_C(1) << 19) /* pages without one: 2 GiB */

/* ---- pieces of the main arena ---- */

/* Where the chunks from `at` on end, or 0 when they do not end as a piece does. */
static uint64_t chain_end(struct memsrc *src, const struct vma *v, uint64_t at, uint64_t top)
{
	unsigned posts = 0;
	while (v->end - at >= GLIBC_CHUNK_HEAD) {
		uint64_t head = 0;
		if (!memsrc_u64(src, at + 8, &head))
			return 0;
		uint64_t size = head & ~(uint64_t)GLIBC_FLAGS;
		if (!size || size % GLIBC_CHUNK_ALIGN || head & (GLIBC_IS_MMAPPED | GLIBC_NON_MAIN) ||
		    size > v->end - at)
			return 0;
		if (at == top)
			return at + size;
		posts = size == GLIBC_CHUNK_HEAD ? posts + 1 : 0;
		at += size;
		if (posts >= 2 &&
		    at % PAGE == 0) /* what was left of the top chunk may have been as short as they are */
			return at;
	}
	return 0;
}

static bool may_begin(struct memsrc *src, uint64_t at)
{
	unsigned char head[GLIBC_CHUNK_HEAD];
	if (!memsrc_read(src, at, head, sizeof(head)))
		return false;
	uint64_t word = load_u64(head + 8);
	return !load_u64(head) && (word & GLIBC_FLAGS) == GLIBC_PREV_INUSE && (word & 8) == 0 && word >> 4;
}

void glibc_pieces_find(const struct glibc_piece_search *s, struct glibc_piece_vec *ret)
{
	const struct glibc_where *w = &s->g->where;
	struct memcache cache AUTO(memcache);
	memcache_init_sized(&cache, w->src, CACHE_BLOCK, CACHE_BLOCKS);
	uint64_t left = s->bytes, looks = LOOKS_MAX;
	unsigned chains = CHAINS_MAX;
	for (size_t i = 0; i < w->maps->n && left; i++) {
		const struct vma *v = &w->maps->v[i];
		if (w->kinds[i] != GLIBC_MAP_ANON)
			continue;
		for (uint64_t at = v->start; at < v->end && left && looks && chains; looks--) {
			uint64_t end = 0;
			if (at == s->first || may_begin(&cache.src, at)) {
				end = chain_end(&cache.src, v, at, s->top);
				chains -= !end;
			}
			if (end && end - at <= left) {
				*vec_push(ret) = (struct glibc_piece){ at, end };
				left -= end - at;
			}
			at = end ? (end + PAGE - 1) / PAGE * PAGE : at + PAGE;
		}
	}
}

/* ---- large blocks ---- */

/*
 * The head of a large block: what lies before it in its mapping (alignment that was asked for) is in the first word, and
 * both together are whole pages, in 2.43 but for the length of a head. Fills its mapping.
 */
static bool is_block(const unsigned char *head, uint64_t at, const struct vma *v, uint64_t min, struct glibc_piece *ret)
{
	uint64_t before = load_u64(head), word = load_u64(head + 8), size = word & ~(uint64_t)GLIBC_FLAGS;
	if ((word & GLIBC_FLAGS) != GLIBC_IS_MMAPPED || size < min || size > v->end - at || before > at - v->start ||
	    (at - before) % PAGE)
		return false;
	uint64_t end = (at + size + PAGE - 1) / PAGE * PAGE;
	*ret = (struct glibc_piece){ at - before, end };
	return end - (at + size) == 0 || end - (at + size) == GLIBC_CHUNK_HEAD;
}

struct look {
	const struct glibc_piece_search *s;
	struct memsrc *src;
	struct glibc_piece_vec known, *found;
	uint64_t left, looks;
	bool aligned; /* heads behind a page's start, too */
};

/* A block whose head is in that page. */
static bool find_in_page(const struct look *l, const struct vma *v, uint64_t page, struct glibc_piece *ret)
{
	unsigned char head[PAGE];
	size_t len = l->aligned ? PAGE : GLIBC_CHUNK_HEAD;
	uint64_t min = l->s->blocks == UINT64_MAX ? BLOCK_MIN : GLIBC_CHUNK_MIN;
	if (!memsrc_read(l->src, page, head, len))
		return false;
	for (size_t i = 0; i < len; i += GLIBC_CHUNK_HEAD) {
		if (is_block(head + i, page + i, v, min, ret))
			return true;
	}
	return false;
}

static void look_in(struct look *l, const struct vma *v, uint64_t start, uint64_t end)
{
	for (uint64_t at = start; at < end && l->left && l->looks && l->found->n < PIECES_MAX;) {
		struct glibc_piece p;
		if (!find_in_page(l, v, at, &p) || p.start < start || p.end > end) {
			at += PAGE;
			l->looks--;
			continue;
		}
		*vec_push(l->found) = p;
		l->left--;
		at = p.end;
	}
}

/* In a mapping, between what is known. */
static void look_between(struct look *l, const struct vma *v)
{
	uint64_t at = v->start;
	for (size_t i = 0; i < l->known.n && at < v->end; i++) {
		if (l->known.v[i].end <= at || l->known.v[i].start >= v->end)
			continue;
		look_in(l, v, at, l->known.v[i].start);
		at = l->known.v[i].end;
	}
	look_in(l, v, at, v->end);
}

static int by_start(const void *x, const void *y)
{
	const struct glibc_piece *a = x, *b = y;
	return a->start < b->start ? -1 : a->start > b->start;
}

static void now_known(struct look *l)
{
	vec_sort(l->found, by_start);
	l->known.n = 0;
	vec_reserve(&l->known, l->found->n);
	for (size_t i = 0; i < l->found->n; i++)
		*vec_push(&l->known) = l->found->v[i];
}

void glibc_blocks_find(const struct glibc_piece_search *s, struct glibc_piece_vec *ret)
{
	const struct glibc_where *w = &s->g->where;
	struct memcache cache AUTO(memcache);
	memcache_init_sized(&cache, w->src, CACHE_BLOCK, CACHE_BLOCKS);
	struct look l = { .s = s, .src = &cache.src, .found = ret, .left = s->blocks, .looks = LOOKS_MAX };
	now_known(&l);
	/* heads are at a page's start unless alignment was asked for, which is looked for where some are missing */
	for (int pass = 0; pass < 2 && l.left && (pass == 0 || s->blocks != UINT64_MAX); pass++) {
		l.aligned = pass > 0;
		for (size_t i = 0; i < w->maps->n && l.left; i++) {
			if (w->kinds[i] == GLIBC_MAP_ANON)
				look_between(&l, &w->maps->v[i]);
		}
		now_known(&l);
	}
	vec_deinit(&l.known);
}
