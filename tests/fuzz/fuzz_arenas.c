/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A malloc with damage: the input chooses layouts, adds chunks to both heaps, and patches {map, where, value}, plain or
 * as an address of one of the maps. Everything that is read of it is.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "fixture/chunks.h"
#include "glibc/arena.h"
#include "glibc/blocks.h"
#include "glibc/stacks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t a_place(struct chunks *c, struct cursor *in)
{
	const struct vma *v = &c->vmas[cursor_u8(in) % CHUNKS_MAPS];
	return v->start + cursor_u16(in) % CHUNKS_BYTES;
}

static void build(struct chunks *c, struct cursor *in)
{
	unsigned n = cursor_u8(in) % 128;
	chunks_init(c, &glibc_arena_layouts[cursor_u8(in) % glibc_n_arena_layouts],
		    &glibc_par_layouts[cursor_u8(in) % glibc_n_par_layouts]);
	for (unsigned i = 0; i < n; i++) {
		unsigned how = cursor_u8(in);
		uint64_t bytes = (uint64_t)(cursor_u16(in) % 512 + 1) * 16;
		enum chunks_heap heap = how & 1 ? CHUNKS_OTHER : CHUNKS_MAIN;
		uint64_t end = (heap == CHUNKS_MAIN ? CHUNKS_BRK : CHUNKS_HEAP) + CHUNKS_BYTES;
		if (c->at[heap] + bytes + 64 < end)
			chunks_add(c, heap, bytes, how & 2);
	}
	chunks_finish(c);
	while (cursor_left(in) && !in->bad) {
		uint64_t at = a_place(c, in) / 8 * 8;
		unsigned how = cursor_u8(in);
		uint64_t word = how & 1 ? a_place(c, in) & ~(uint64_t)(how & 2 ? 15 : 0) : cursor_u32(in);
		chunks_put(c, at, how & 4 ? word ^ at >> 12 : word);
	}
}

/* What the pages say must add up, whatever was read. */
static void check_pages(const struct glibc_pages *pages, const struct glibc_arenas *a)
{
	for (size_t i = 0; pages->v && i < a->heaps.regions.n; i++) {
		const struct glibc_region *r = &a->heaps.regions.v[i];
		uint64_t start = r->start / 4096 * 4096, end = (r->limit + 4095) / 4096 * 4096;
		struct glibc_pages_sum sum = glibc_pages_sum(pages, r, start, end);
		if (sum.used + sum.free + sum.unknown != end - start)
			abort();
	}
}

static void use(const struct glibc *g)
{
	struct glibc_arenas a;
	struct glibc_pages pages;
	struct glibc_totals totals;
	struct glibc_size_vec sizes = { 0 };
	struct glibc_block blocks[] = { { .addr = CHUNKS_BRK + 16 },
					{ .addr = CHUNKS_BRK + 4096 },
					{ .addr = CHUNKS_ANON + 16 },
					{ .addr = CHUNKS_HEAP + 2272 } };
	struct err *err = glibc_arenas_read(g, &pages, &a);
	if (!err)
		check_pages(&pages, &a);
	err_free(err);
	glibc_pages_deinit(&pages);
	glibc_arenas_deinit(&a);
	err_free(glibc_blocks_tell(g, blocks, sizeof(blocks) / sizeof(blocks[0]), &sizes));
	vec_deinit(&sizes);
	(void)glibc_totals(g, &totals);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in;
	struct chunks c;
	struct glibc g;
	struct glibc_stack_vec stacks = { 0 };
	cursor_init(&in, data, size);
	build(&c, &in);
	const struct glibc_where where = chunks_where(&c);
	struct err *err = glibc_find(&where, &g);
	if (!err)
		use(&g);
	err_free(err);
	glibc_stacks_find(&where, &stacks);
	vec_deinit(&stacks);
	chunks_deinit(&c);
	return 0;
}
