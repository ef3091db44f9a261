/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture/fixture.h"
#include "gort/heap.h"
#include "gort/split.h"
#include "gort/stats.h"

static const struct claim_vec no_stacks;

struct sums {
	uint64_t bytes[CLASS_MAX_];
};

static void add(void *ctx, const struct piece *p)
{
	struct sums *s = ctx;
	s->bytes[p->class] += p->bytes;
}

static struct sums split(const struct gort_heap *h, uint64_t from_page, uint64_t to_page, uint64_t skip)
{
	struct sums s = { { 0 } };
	struct page_run run = { FIXTURE_ARENA + from_page * GORT_PAGE + skip, FIXTURE_ARENA + to_page * GORT_PAGE,
				PAGE_ANON, false };
	gort_heap_split(h, &no_stacks, &run, add, &s);
	uint64_t sum = 0;
	for (int c = 0; c < CLASS_MAX_; c++)
		sum += s.bytes[c];
	assert_int_equal(sum, run.end - run.start);
	return s;
}

/* Every layout: sums, counts and the division of pages are those of the fixture. */
static void reads_every_layout(void **state)
{
	(void)state;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		struct fixture f;
		struct gort g;
		struct gort_heap h;
		fixture_init(&f);
		fixture_heap(&f, &gort_layouts[i], &g);
		assert_null(gort_heap_read(&g, 1, &h));
		gort_heap_marks(&h);
		assert_int_equal(h.heap_bytes, FIXTURE_HEAP_PAGES * GORT_PAGE);
		assert_int_equal(h.stack_bytes, FIXTURE_STACK_PAGES * GORT_PAGE);
		assert_int_equal(h.work_buf_bytes, GORT_PAGE);
		assert_int_equal(h.objects, 201);
		assert_int_equal(h.object_bytes, 200 * 48 + 3 * GORT_PAGE);
		assert_int_equal(h.error_bound, 0);
		struct sums s = split(&h, 0, 12, 0);
		assert_int_equal(s.bytes[CLASS_GO_HEAP_LIVE], 160 * 48 + 3 * GORT_PAGE);
		assert_int_equal(s.bytes[CLASS_GO_HEAP_DEAD], 40 * 48);
		assert_int_equal(s.bytes[CLASS_GO_STACK_FREE], 4 * GORT_PAGE);
		assert_int_equal(s.bytes[CLASS_GO_META_GC], GORT_PAGE);
		assert_int_equal(s.bytes[CLASS_GO_HEAP_IDLE], 2 * GORT_PAGE);
		gort_heap_deinit(&h);
		fixture_deinit(&f);
	}
}

/* Half a span is resident: slot by slot, and a slot across the edge is cut. */
static void splits_part_of_a_span(void **state)
{
	(void)state;
	struct fixture f;
	struct gort g;
	struct gort_heap h;
	fixture_init(&f);
	fixture_heap(&f, &gort_layouts[0], &g);
	assert_null(gort_heap_read(&g, 1, &h));
	gort_heap_marks(&h);
	struct sums s = split(&h, 1, 2, 4096);		  /* second half of the unswept span */
	assert_int_equal(s.bytes[CLASS_GO_HEAP_LIVE], 0); /* objects 0..59 end below 2880 */
	assert_int_equal(s.bytes[CLASS_GO_HEAP_DEAD], 100 * 48 - 4096);
	assert_int_equal(s.bytes[CLASS_GO_HEAP_FREE], 8192 - 100 * 48);
	gort_heap_deinit(&h);
	fixture_deinit(&f);
}

static void stacks_in_use_are_told(void **state)
{
	(void)state;
	struct fixture f;
	struct gort g;
	struct gort_heap h;
	fixture_init(&f);
	fixture_heap(&f, &gort_layouts[0], &g);
	assert_null(gort_heap_read(&g, 1, &h));
	gort_heap_marks(&h);
	struct claim_vec stacks = { 0 };
	uint64_t base = FIXTURE_ARENA + 5 * GORT_PAGE;
	claim_add(&stacks, base + 2048, base + 4096, CLASS_GO_STACK_INUSE, 7);
	claim_settle(&stacks);
	struct sums s = { { 0 } };
	struct page_run run = { base, base + 4096, PAGE_ANON, false };
	gort_heap_split(&h, &stacks, &run, add, &s);
	assert_int_equal(s.bytes[CLASS_GO_STACK_INUSE], 2048);
	assert_int_equal(s.bytes[CLASS_GO_STACK_FREE], 2048);
	vec_deinit(&stacks);
	gort_heap_deinit(&h);
	fixture_deinit(&f);
}

/* Each read fails once in turn: an error or a partial result, never a crash. */
static void survives_every_failing_read(void **state)
{
	(void)state;
	unsigned reads = 1;
	for (unsigned n = 0; n <= reads; n++) {
		struct fixture f;
		struct gort g;
		struct gort_heap h;
		fixture_init(&f);
		fixture_heap(&f, &gort_layouts[gort_layouts_count - 1], &g);
		f.fail_at = n;
		struct err *err = gort_heap_read(&g, 2, &h);
		if (!n)
			reads = f.reads;
		if (!err) {
			gort_heap_marks(&h);
			gort_heap_deinit(&h);
		}
		err_free(err);
		fixture_deinit(&f);
	}
	assert_true(reads > 5);
}

/* Damaged numbers are refused in words. */
static void refuses_damage(void **state)
{
	(void)state;
	static const struct {
		enum gort_field field;
		unsigned plus;
		uint64_t value;
	} damage[] = {
		{ GORT_mheap_allspans, 8, UINT64_MAX },		 { GORT_mheap_allspans, 0, 0 },
		{ GORT_mheap_allspans, 0, 0xdead0000 },		 { GORT_mheap_arenas, 0, 0 },
		{ GORT_mheap_heapArenas, 8, UINT64_C(1) << 40 },
	};
	const struct gort_layout *l = &gort_layouts[gort_layouts_count - 1];
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		struct fixture f;
		struct gort g;
		struct gort_heap h;
		fixture_init(&f);
		fixture_heap(&f, l, &g);
		fixture_put(&f, gort_at(l, FIXTURE_MHEAP, damage[i].field) + damage[i].plus, damage[i].value, 8);
		struct err *err = gort_heap_read(&g, 1, &h);
		assert_non_null(err);
		err_free(err);
		fixture_deinit(&f);
	}
}

static void counters_agree(void **state)
{
	(void)state;
	struct fixture f;
	struct gort g;
	struct gort_stats s;
	fixture_init(&f);
	fixture_heap(&f, &gort_layouts[0], &g);
	assert_true(gort_stats_read(&g, &s));
	assert_int_equal(s.heap_in_use, FIXTURE_HEAP_PAGES * GORT_PAGE);
	assert_int_equal(s.in_stacks, FIXTURE_STACK_PAGES * GORT_PAGE);
	fixture_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_layout),	  cmocka_unit_test(splits_part_of_a_span),
		cmocka_unit_test(stacks_in_use_are_told), cmocka_unit_test(survives_every_failing_read),
		cmocka_unit_test(refuses_damage),	  cmocka_unit_test(counters_agree),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
