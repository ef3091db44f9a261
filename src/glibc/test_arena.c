/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture/chunks.h"

#define PAGE UINT64_C(4096)

enum { RECORDS_OTHER = 0x30 + 2200 + 8 };

static void read_all(struct chunks *c, struct glibc *g, struct glibc_pages *pages, struct glibc_arenas *ret)
{
	const struct glibc_where where = chunks_where(c);
	assert_null(glibc_find(&where, g));
	assert_null(glibc_arenas_read(g, pages, ret));
}

static void build(struct chunks *c)
{
	chunks_init(c, &glibc_arena_layouts[0], &glibc_par_layouts[1]);
}

static void expect_all_told(const struct glibc_arenas *a)
{
	struct glibc_sums sum = glibc_arenas_sum(a);
	uint64_t all = 0;
	for (int s = 0; s < GLIBC_STATE_MAX_; s++)
		all += sum.bytes[s];
	assert_int_equal(all, 2 * CHUNKS_BYTES);
}

/* ---- finding ---- */

static void every_layout_is_told_from_the_others(void **state)
{
	for (unsigned a = 0; a < glibc_n_arena_layouts; a++) {
		for (unsigned p = 0; p < glibc_n_par_layouts; p++) {
			struct chunks c;
			struct glibc g;
			chunks_init(&c, &glibc_arena_layouts[a], &glibc_par_layouts[p]);
			chunks_add(&c, CHUNKS_MAIN, 64, true);
			chunks_finish(&c);
			const struct glibc_where where = chunks_where(&c);
			assert_null(glibc_find(&where, &g));
			assert_int_equal(g.n, 1);
			assert_ptr_equal(g.v[0].arena, &glibc_arena_layouts[a]);
			assert_ptr_equal(g.v[0].params, &glibc_par_layouts[p]);
			assert_int_equal(g.v[0].main_arena, CHUNKS_ARENA);
			assert_int_equal(g.v[0].par, CHUNKS_PAR);
			assert_int_equal(g.v[0].brk, CHUNKS_BRK);
			assert_string_equal(g.version, "");
			chunks_deinit(&c);
		}
	}
}

static void expect_not_found(struct chunks *c)
{
	struct glibc g;
	const struct glibc_where where = chunks_where(c);
	struct err *err = glibc_find(&where, &g);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
	err_free(err);
}

static void what_only_looks_like_an_arena_is_none(void **state)
{
	struct chunks c;
	build(&c);
	expect_not_found(&c); /* nobody called malloc yet */
	chunks_finish(&c);
	const struct glibc_arena_layout *l = c.arena;
	uint64_t other = CHUNKS_HEAP + CHUNKS_INFO, bin = CHUNKS_ARENA + l->bins + 160;

	chunks_put(&c, other + l->next, CHUNKS_HEAP + 0x2000); /* the ring leads astray */
	expect_not_found(&c);
	chunks_put(&c, other + l->next, CHUNKS_ARENA);
	chunks_put(&c, bin + 8, CHUNKS_BRK + 8); /* one bin is neither empty nor a list */
	expect_not_found(&c);
	chunks_put(&c, bin + 8, bin - 16);
	chunks_put(&c, CHUNKS_ARENA + l->system, CHUNKS_BYTES * 2); /* more than it ever had */
	expect_not_found(&c);
	chunks_deinit(&c);
}

static void counts_that_contradict_are_not_those_of_mp(void **state)
{
	struct chunks c;
	struct glibc g;
	struct glibc_arenas a;
	build(&c);
	chunks_finish(&c);
	chunks_put(&c, CHUNKS_PAR + c.par->mmapped, 4096); /* bytes of no blocks */
	read_all(&c, &g, NULL, &a);
	assert_int_equal(g.v[0].par, 0);
	assert_true(a.mmapped == UINT64_MAX && a.mmapped_blocks == UINT64_MAX);
	expect_all_told(&a); /* the heap begins where its mapping does */
	assert_int_equal(glibc_arenas_sum(&a).bytes[GLIBC_UNKNOWN], 0);
	glibc_arenas_deinit(&a);
	chunks_deinit(&c);
}

/* ---- chunks ---- */

static void each_chunk_counts_once_by_its_state(void **state)
{
	struct chunks c;
	struct glibc g;
	struct glibc_arenas a;
	build(&c);
	chunks_add(&c, CHUNKS_MAIN, 64, true);
	chunks_add(&c, CHUNKS_MAIN, 4096, false);
	chunks_add(&c, CHUNKS_MAIN, 48, true);
	chunks_add(&c, CHUNKS_OTHER, 128, true);
	chunks_add(&c, CHUNKS_OTHER, 256, true);
	chunks_finish(&c);
	read_all(&c, &g, NULL, &a);
	assert_true(a.whole);
	assert_int_equal(a.heaps.arenas.n, 2);
	const struct glibc_sums *main = &a.sums[0], *other = &a.sums[1];
	assert_true(a.heaps.arenas.v[0].main && !a.heaps.arenas.v[1].main);
	assert_int_equal(main->bytes[GLIBC_USED], 64 + 48);
	assert_int_equal(main->chunks[GLIBC_USED], 2);
	assert_int_equal(main->bytes[GLIBC_FREE], 4096);
	assert_int_equal(main->bytes[GLIBC_TOP], CHUNKS_BYTES - 64 - 4096 - 48);
	assert_int_equal(other->bytes[GLIBC_USED], 128 + 256);
	assert_int_equal(other->bytes[GLIBC_RECORD], RECORDS_OTHER);
	assert_int_equal(a.heaps.arenas.v[1].threads, 3);
	expect_all_told(&a);
	glibc_arenas_deinit(&a);
	chunks_deinit(&c);
}

static void fast_bins_hold_free_chunks(void **state)
{
	for (int hidden = 0; hidden < 2; hidden++) {
		struct chunks c;
		struct glibc g;
		struct glibc_arenas a;
		build(&c);
		uint64_t first = chunks_add(&c, CHUNKS_MAIN, 48, true), second = chunks_add(&c, CHUNKS_MAIN, 48, true);
		uint64_t wrong = chunks_add(&c, CHUNKS_MAIN, 64, true);
		chunks_finish(&c);
		chunks_put(&c, CHUNKS_ARENA + c.arena->fast + 8, first);
		chunks_link(&c, first + 16, second, hidden);
		chunks_link(&c, second + 16, 0, hidden);
		read_all(&c, &g, NULL, &a);
		assert_int_equal(a.sums[0].bytes[GLIBC_FAST], 96);
		assert_int_equal(a.sums[0].bytes[GLIBC_USED], 64);
		assert_true(a.whole);
		glibc_arenas_deinit(&a);
		chunks_link(&c, second + 16, wrong, hidden); /* of another size: not of that list */
		read_all(&c, &g, NULL, &a);
		assert_int_equal(a.sums[0].bytes[GLIBC_FAST], 96);
		assert_false(a.whole);
		expect_all_told(&a);
		glibc_arenas_deinit(&a);
		chunks_deinit(&c);
	}
}

static void a_list_in_a_circle_is_left(void **state)
{
	struct chunks c;
	struct glibc g;
	struct glibc_arenas a;
	build(&c);
	uint64_t one = chunks_add(&c, CHUNKS_MAIN, 48, true), two = chunks_add(&c, CHUNKS_MAIN, 48, true);
	chunks_finish(&c);
	chunks_put(&c, CHUNKS_ARENA + c.arena->fast + 8, one);
	chunks_link(&c, one + 16, two, true);
	chunks_link(&c, two + 16, one, true);
	read_all(&c, &g, NULL, &a);
	assert_false(a.whole);
	assert_int_equal(a.sums[0].bytes[GLIBC_FAST], 96); /* and not more than there is */
	expect_all_told(&a);
	glibc_arenas_deinit(&a);
	chunks_deinit(&c);
}

static void caches_of_threads_hold_free_chunks(void **state)
{
	for (unsigned i = 0; i < glibc_n_cache_layouts; i++) {
		const struct glibc_cache_layout *l = &glibc_cache_layouts[i];
		struct chunks c;
		struct glibc g;
		struct glibc_arenas a;
		build(&c);
		uint64_t cache = chunks_cache(&c, CHUNKS_OTHER, l), block = chunks_add(&c, CHUNKS_OTHER, 64, true) + 16;
		uint64_t next = chunks_add(&c, CHUNKS_MAIN, 64, true) + 16; /* of another arena */
		chunks_add(&c, CHUNKS_MAIN, l->chunk, true);		    /* the program's, of that size */
		chunks_finish(&c);
		chunks_cache_set(&c, cache, l, 2, 2, block);
		chunks_link(&c, block, next, i < 2);
		chunks_link(&c, next, 0, i < 2);
		read_all(&c, &g, NULL, &a);
		assert_true(a.whole);
		assert_int_equal(a.sums[0].bytes[GLIBC_CACHED], 64);
		assert_int_equal(a.sums[1].bytes[GLIBC_CACHED], 64);
		assert_int_equal(a.sums[0].bytes[GLIBC_USED], l->chunk);
		assert_int_equal(a.sums[1].bytes[GLIBC_USED], l->chunk);
		expect_all_told(&a);
		glibc_arenas_deinit(&a);
		chunks_deinit(&c);
	}
}

static void a_quick_look_has_the_same_totals(void **state)
{
	struct chunks c;
	struct glibc g;
	struct glibc_arenas a;
	struct glibc_totals t;
	build(&c);
	chunks_add(&c, CHUNKS_MAIN, 64, true);
	chunks_finish(&c);
	read_all(&c, &g, NULL, &a);
	assert_true(glibc_totals(&g, &t));
	assert_int_equal(t.system, 2 * CHUNKS_BYTES);
	assert_int_equal(t.top, glibc_arenas_sum(&a).bytes[GLIBC_TOP]);
	assert_int_equal(t.arenas, 2);
	assert_int_equal(t.mmapped, 0);
	glibc_arenas_deinit(&a);
	chunks_deinit(&c);
}

/* ---- what does not fit ---- */

static void a_head_that_fits_nothing_makes_a_gap(void **state)
{
	struct chunks c;
	struct glibc g;
	struct glibc_arenas a;
	build(&c);
	chunks_add(&c, CHUNKS_MAIN, 64, true);
	uint64_t torn = chunks_add(&c, CHUNKS_MAIN, 320, true);
	chunks_add(&c, CHUNKS_MAIN, 96, true);
	chunks_finish(&c);
	chunks_put(&c, torn + 8, 0x1234567);
	read_all(&c, &g, NULL, &a);
	/* the chunk before it is told by its head: it is lost too */
	assert_int_equal(a.sums[0].bytes[GLIBC_UNKNOWN], 64 + 320);
	assert_int_equal(a.sums[0].bytes[GLIBC_USED], 96);
	expect_all_told(&a);
	glibc_arenas_deinit(&a);
	chunks_deinit(&c);
}

static void the_end_may_have_moved(void **state)
{
	struct chunks c;
	struct glibc g;
	struct glibc_arenas a;
	build(&c);
	chunks_add(&c, CHUNKS_MAIN, 64, true);
	chunks_finish(&c);
	uint64_t top = CHUNKS_BRK + 64;
	chunks_put(&c, top + 8, 1024 | GLIBC_PREV_INUSE); /* a block was taken from the top chunk, ... */
	chunks_put(&c, top + 1024 + 8, (CHUNKS_BYTES * 2) | GLIBC_PREV_INUSE); /* which was then extended */
	const struct glibc_where where = chunks_where(&c);
	assert_null(glibc_find(&where, &g));
	struct glibc_heaps h;
	assert_null(glibc_heaps_read(&g, &h));
	assert_int_equal(h.regions.n, 2);
	assert_int_equal(h.regions.v[0].end, top + 1024); /* by the head of what was the top chunk */
	glibc_heaps_deinit(&h);
	assert_null(glibc_arenas_read(&g, NULL, &a));
	assert_int_equal(a.sums[0].bytes[GLIBC_UNKNOWN], CHUNKS_BYTES - 64 - 1024); /* by the arena's own count */
	expect_all_told(&a);
	glibc_arenas_deinit(&a);
	chunks_deinit(&c);
}

static void every_read_may_fail(void **state)
{
	for (unsigned n = 1;; n++) {
		struct chunks c;
		struct glibc g;
		struct glibc_arenas a = { 0 };
		struct glibc_pages pages = { 0 };
		build(&c);
		chunks_add(&c, CHUNKS_MAIN, 64, true);
		chunks_add(&c, CHUNKS_MAIN, 9000, false);
		chunks_add(&c, CHUNKS_MAIN, 64, true);
		chunks_add(&c, CHUNKS_OTHER, 64, true);
		chunks_finish(&c);
		c.fail_at = n;
		const struct glibc_where where = chunks_where(&c);
		struct err *err = glibc_find(&where, &g);
		bool found = !err;
		err_free(err);
		if (found)
			err_free(glibc_arenas_read(&g, &pages, &a));
		bool done = c.reads < n;
		if (found && a.heaps.arenas.n == 2)
			expect_all_told(&a);
		glibc_pages_deinit(&pages);
		glibc_arenas_deinit(&a);
		chunks_deinit(&c);
		if (done)
			break;
		assert_true(n < 1000);
	}
}

/* ---- pages ---- */

static void a_page_is_divided_by_its_chunks(void **state)
{
	struct chunks c;
	struct glibc g;
	struct glibc_arenas a;
	struct glibc_pages pages;
	build(&c);
	chunks_add(&c, CHUNKS_MAIN, 1024, true);
	chunks_add(&c, CHUNKS_MAIN, 2 * PAGE, false);
	chunks_add(&c, CHUNKS_MAIN, 512, true);
	chunks_finish(&c);
	read_all(&c, &g, &pages, &a);
	const struct glibc_region *r = glibc_region_at(&a.heaps, CHUNKS_BRK + 5);
	assert_non_null(r);
	struct glibc_pages_sum one = glibc_pages_sum(&pages, r, CHUNKS_BRK, CHUNKS_BRK + PAGE);
	assert_int_equal(one.used, 1024);
	assert_int_equal(one.free, PAGE - 1024);
	struct glibc_pages_sum third = glibc_pages_sum(&pages, r, CHUNKS_BRK + 2 * PAGE, CHUNKS_BRK + 3 * PAGE);
	assert_int_equal(third.used, 512);
	struct glibc_pages_sum all = glibc_pages_sum(&pages, r, CHUNKS_BRK, CHUNKS_BRK + CHUNKS_BYTES);
	assert_int_equal(all.used, 1536);
	assert_int_equal(all.used + all.free + all.unknown, CHUNKS_BYTES);
	assert_null(glibc_region_at(&a.heaps, CHUNKS_BRK - 1));
	assert_null(glibc_region_at(&a.heaps, CHUNKS_BRK + CHUNKS_BYTES));
	glibc_pages_deinit(&pages);
	glibc_arenas_deinit(&a);
	chunks_deinit(&c);
}

static void no_page_has_more_than_it_is_long(void **state)
{
	struct glibc_region r = { 0x10000, 0x10000, 0x12000, 0x13000, 0 };
	const struct glibc_heaps h = { .regions = { &r, 1, 1 } };
	struct glibc_pages p;
	assert_null(glibc_pages_init(&p, &h));
	const struct glibc_chunk c = { 0x10800, 0x1000, 0, GLIBC_FREE }, again = { 0x10000, 0x9000, 0, GLIBC_UNKNOWN };
	glibc_pages_chunk(&p, &c);
	glibc_pages_chunk(&p, &c);
	glibc_pages_chunk(&p, &again);
	struct glibc_pages_sum sum = glibc_pages_sum(&p, &r, 0x10000, 0x13000);
	assert_int_equal(sum.used, 0);
	assert_int_equal(sum.free, 2 * PAGE + PAGE); /* the last page is behind the heap's end */
	assert_int_equal(sum.unknown, 0);
	glibc_pages_deinit(&p);
}

/* ---- what no list leads to ---- */

static void large_blocks_are_found_by_their_heads(void **state)
{
	struct chunks c;
	struct glibc g;
	struct glibc_arenas a;
	build(&c);
	chunks_finish(&c);
	chunks_put(&c, CHUNKS_ANON + PAGE + 8, 2 * PAGE | GLIBC_IS_MMAPPED);
	chunks_put(&c, CHUNKS_ANON + 3 * PAGE + 8, (2 * PAGE - 16) | GLIBC_IS_MMAPPED); /* as in 2.43 */
	chunks_put(&c, CHUNKS_ANON + 6 * PAGE + 48, 48);				/* for an alignment of 64 */
	chunks_put(&c, CHUNKS_ANON + 6 * PAGE + 56, (PAGE - 48) | GLIBC_IS_MMAPPED);
	chunks_put(&c, CHUNKS_ANON + 9 * PAGE + 8, (64 * PAGE) | GLIBC_IS_MMAPPED); /* longer than its mapping */
	chunks_put(&c, CHUNKS_PAR + c.par->n_mmaps, 3 | UINT64_C(65536) << 32);
	chunks_put(&c, CHUNKS_PAR + c.par->n_mmaps + 8, 3);
	chunks_put(&c, CHUNKS_PAR + c.par->mmapped, 5 * PAGE);
	chunks_put(&c, CHUNKS_PAR + c.par->mmapped + 8, 5 * PAGE);
	read_all(&c, &g, NULL, &a);
	assert_int_equal(a.mmapped_blocks, 3);
	assert_int_equal(a.blocks.n, 3);
	assert_int_equal(a.blocks_bytes, 5 * PAGE);
	assert_int_equal(a.mmapped, 5 * PAGE);
	assert_int_equal(a.blocks.v[0].start, CHUNKS_ANON + PAGE);
	assert_int_equal(a.blocks.v[1].end, CHUNKS_ANON + 5 * PAGE);
	assert_int_equal(a.blocks.v[2].start, CHUNKS_ANON + 6 * PAGE);
	glibc_arenas_deinit(&a);
	chunks_deinit(&c);
}

static void the_main_arena_goes_on_in_mappings(void **state)
{
	struct chunks c;
	struct glibc g;
	struct glibc_arenas a;
	build(&c);
	chunks_add(&c, CHUNKS_MAIN, CHUNKS_BYTES - 32, true);
	chunks_add(&c, CHUNKS_MAIN, 16, true); /* fence posts: the heap is full */
	chunks_add(&c, CHUNKS_MAIN, 16, true);
	c.at[CHUNKS_MAIN] = CHUNKS_ANON + 2 * PAGE;
	chunks_add(&c, CHUNKS_MAIN, 4 * PAGE - 48, true);
	for (int i = 0; i < 3; i++) /* what was left of the top chunk, and two fence posts */
		chunks_add(&c, CHUNKS_MAIN, 16, true);
	c.at[CHUNKS_MAIN] = CHUNKS_ANON + 8 * PAGE;
	chunks_add(&c, CHUNKS_MAIN, 128, true);
	uint64_t top = c.at[CHUNKS_MAIN], end = CHUNKS_ANON + 10 * PAGE, system = CHUNKS_BYTES + 6 * PAGE;
	chunks_finish(&c);
	chunks_put(&c, top + 8, (end - top) | GLIBC_PREV_INUSE);
	chunks_put(&c, CHUNKS_ARENA + c.arena->system, system);
	chunks_put(&c, CHUNKS_ARENA + c.arena->system_max, system);
	read_all(&c, &g, NULL, &a);
	assert_int_equal(a.sums[0].bytes[GLIBC_USED], CHUNKS_BYTES - 32 + 4 * PAGE - 48 + 128);
	assert_int_equal(a.sums[0].bytes[GLIBC_RECORD], 5 * 16);
	assert_int_equal(a.sums[0].bytes[GLIBC_TOP], end - top);
	assert_int_equal(a.sums[0].bytes[GLIBC_UNKNOWN], 0);
	glibc_arenas_deinit(&a);
	chunks_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_layout_is_told_from_the_others),
		cmocka_unit_test(what_only_looks_like_an_arena_is_none),
		cmocka_unit_test(counts_that_contradict_are_not_those_of_mp),
		cmocka_unit_test(each_chunk_counts_once_by_its_state),
		cmocka_unit_test(fast_bins_hold_free_chunks),
		cmocka_unit_test(a_list_in_a_circle_is_left),
		cmocka_unit_test(caches_of_threads_hold_free_chunks),
		cmocka_unit_test(a_quick_look_has_the_same_totals),
		cmocka_unit_test(a_head_that_fits_nothing_makes_a_gap),
		cmocka_unit_test(the_end_may_have_moved),
		cmocka_unit_test(every_read_may_fail),
		cmocka_unit_test(a_page_is_divided_by_its_chunks),
		cmocka_unit_test(no_page_has_more_than_it_is_long),
		cmocka_unit_test(large_blocks_are_found_by_their_heads),
		cmocka_unit_test(the_main_arena_goes_on_in_mappings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
