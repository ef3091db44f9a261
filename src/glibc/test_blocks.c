/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture/chunks.h"

#define PAGE UINT64_C(4096)

enum { HEAD = GLIBC_CHUNK_HEAD };

static void expect_block(const struct glibc_block *b, enum glibc_state state, uint64_t size)
{
	assert_int_equal(b->state, state);
	assert_int_equal(b->size, size);
}

static void blocks_are_told_by_the_chunks_they_are_in(void **state)
{
	struct chunks c;
	struct glibc g;
	chunks_init(&c, &glibc_arena_layouts[0], &glibc_par_layouts[1]);
	uint64_t used = chunks_add(&c, CHUNKS_MAIN, 64, true), freed = chunks_add(&c, CHUNKS_MAIN, 4096, false);
	uint64_t fast = chunks_add(&c, CHUNKS_MAIN, 48, true), other = chunks_add(&c, CHUNKS_OTHER, 1 << 15, true);
	chunks_finish(&c);
	chunks_put(&c, CHUNKS_ARENA + c.arena->fast + 8, fast);
	chunks_link(&c, fast + 16, 0, true);
	chunks_put(&c, CHUNKS_ANON + PAGE + 8, 2 * PAGE | GLIBC_IS_MMAPPED);
	const struct glibc_where where = chunks_where(&c);
	assert_null(glibc_find(&where, &g));

	struct glibc_block b[] = {
		{ .addr = 0x10000 },			    /* unmapped since */
		{ .addr = used + HEAD },		    /* still there */
		{ .addr = used + HEAD + 16 },		    /* began there once: the chunk is longer now */
		{ .addr = freed + HEAD },		    /* in a bin */
		{ .addr = freed + 512 },		    /* joined with its neighbours */
		{ .addr = fast + HEAD },		    /* looks used */
		{ .addr = CHUNKS_BRK + CHUNKS_BYTES - 64 }, /* in the top chunk */
		{ .addr = CHUNKS_ANON + PAGE + HEAD },	    /* large, with its own mapping */
		{ .addr = CHUNKS_ANON + 5 * PAGE },	    /* not malloc's */
		{ .addr = other + HEAD },
	};
	struct glibc_size_vec sizes = { 0 };
	assert_null(glibc_blocks_tell(&g, b, sizeof(b) / sizeof(b[0]), &sizes));
	expect_block(&b[0], GLIBC_FREE, 0);
	expect_block(&b[1], GLIBC_USED, 64);
	expect_block(&b[2], GLIBC_FREE, 0);
	expect_block(&b[3], GLIBC_FREE, 0);
	expect_block(&b[4], GLIBC_FREE, 0);
	expect_block(&b[5], GLIBC_FREE, 0);
	expect_block(&b[6], GLIBC_FREE, 0);
	expect_block(&b[7], GLIBC_USED, 2 * PAGE);
	expect_block(&b[8], GLIBC_UNKNOWN, 0);
	expect_block(&b[9], GLIBC_USED, 1 << 15);
	assert_int_equal(sizes.n, 2);
	assert_int_equal(sizes.v[0].size, 1 << 15);
	assert_int_equal(sizes.v[1].size, 64);
	assert_int_equal(sizes.v[1].count, 1);
	vec_deinit(&sizes);
	chunks_deinit(&c);
}

static void what_fits_no_chunk_is_unknown(void **state)
{
	struct chunks c;
	struct glibc g;
	chunks_init(&c, &glibc_arena_layouts[0], &glibc_par_layouts[1]);
	uint64_t torn = chunks_add(&c, CHUNKS_MAIN, 320, true), next = chunks_add(&c, CHUNKS_MAIN, 96, true);
	chunks_finish(&c);
	chunks_put(&c, torn + 8, 0x1234567);
	const struct glibc_where where = chunks_where(&c);
	assert_null(glibc_find(&where, &g));
	struct glibc_block b[] = { { .addr = torn + HEAD }, { .addr = next + HEAD } };
	assert_null(glibc_blocks_tell(&g, b, 2, NULL));
	expect_block(&b[0], GLIBC_UNKNOWN, 0);
	expect_block(&b[1], GLIBC_USED, 96);
	chunks_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_told_by_the_chunks_they_are_in),
		cmocka_unit_test(what_fits_no_chunk_is_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
