/* SPDX-License-Identifier: Apache-2.0 */
#include "record/heap.h"

#include "account/c_heap.h"
#include "base/num.h"
#include "glibc/blocks.h"

/* Blocks with a mapping of their own say so in their heads. */
static void ask_large(struct record_target *t, struct glibc_block *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t word = 0;
		if (blocks[i].state == GLIBC_UNKNOWN && memsrc_u64(t->t.mem, blocks[i].addr - 8, &word) &&
		    (word & GLIBC_IS_MMAPPED)) {
			blocks[i].state = GLIBC_USED;
			blocks[i].size = word & ~(uint64_t)GLIBC_FLAGS;
		}
	}
}

static void fill(const struct glibc *g, const struct glibc_size_vec *sizes, const struct glibc_totals *totals,
		 struct record_heap *ret)
{
	for (size_t i = 0; i < g->n; i++) {
		uint64_t n = 0, bytes = 0;
		if (glibc_mmapped(g, &g->v[i], &n, &bytes)) {
			ret->large += n;
			ret->large_bytes += bytes;
		}
	}
	for (size_t i = 0; i < sizes->n; i++) {
		*vec_push(&ret->sizes) = (struct record_size){ sizes->v[i].size, sizes->v[i].count };
		ret->inuse += sizes->v[i].size * sizes->v[i].count;
	}
	ret->free = num_sub(totals->system, ret->inuse);
	ret->inuse += totals->mmapped != UINT64_MAX ? totals->mmapped : 0;
	ret->known = true;
}

/* Fills `blocks` (sorted), and `ret`. */
static void ask(struct record_target *t, struct glibc_block *blocks, size_t n, struct record_heap *ret)
{
	if (!t->t.mem || t->foreign)
		return;
	callpath_remap(t->paths);
	struct c_heap h;
	struct glibc_totals totals = { 0 };
	struct glibc_size_vec sizes = { 0 };
	c_heap_find(&t->t, NULL, NULL, &t->arena, &h);
	ret->name = h.allocator;
	if (h.found && glibc_totals(&h.g, &totals)) {
		t->heap_is_large = totals.system > RECORD_HEAP_MAX;
		struct err *err AUTO(err) = t->heap_is_large ? NULL : glibc_blocks_tell(&h.g, blocks, n, &sizes);
		if (!err && !t->heap_is_large) {
			ask_large(t, blocks, n);
			fill(&h.g, &sizes, &totals, ret);
		}
	}
	vec_deinit(&sizes);
	c_heap_deinit(&h);
}

void record_heap_read(struct record_target *t, struct record_heap *ret)
{
	ask(t, NULL, 0, ret);
}

uint64_t record_heap_confirm(struct record_target *t, struct record_heap *ret)
{
	struct record_block_vec book = { 0 };
	record_blocks_list(&t->blocks, &book);
	AUTO_FREE struct glibc_block *blocks = xcalloc(book.n + 1, sizeof(*blocks));
	AUTO_FREE uint64_t *addrs = xcalloc(book.n + 1, sizeof(*addrs)), *chunks = xcalloc(book.n + 1, sizeof(*chunks));
	uint64_t gone = 0;
	for (size_t i = 0; i < book.n; i++)
		addrs[i] = blocks[i].addr = book.v[i].addr;
	ask(t, blocks, book.n, ret);
	for (size_t i = 0; i < book.n; i++)
		chunks[i] = blocks[i].state == GLIBC_USED ? blocks[i].size : 0;
	if (ret->known)
		gone = record_blocks_confirm(&t->blocks, addrs, chunks, book.n);
	vec_deinit(&book);
	return gone;
}
