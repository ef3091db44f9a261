/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/parallel.h"
#include "fixture/fixture.h"
#include "goheap/sweep.h"

enum { ARENA_PAGES = 2048, BIG_PAGES = 1200, BIG_AT = 16, SPANS_MAX = 8 };

struct heap {
	struct fixture f;
	struct gort g;
	struct gort_heap heap;
	struct goheap_objects objects;
	struct parallel_lock lock;
	uint64_t seen[SPANS_MAX], parts[SPANS_MAX]; /* by span: bytes in order and right; how often */
	bool wrong;
};

/* The fixture heap, its third span grown to more than two windows; each word of memory is its own address. */
static void setup(struct heap *h)
{
	memset(h, 0, sizeof(*h));
	parallel_lock_init(&h->lock);
	fixture_init(&h->f);
	fixture_heap(&h->f, &gort_layouts[0], &h->g);
	uint64_t *words = (uint64_t *)(void *)fixture_region(&h->f, FIXTURE_ARENA, (size_t)ARENA_PAGES * GORT_PAGE);
	for (uint64_t i = 0; i < (uint64_t)ARENA_PAGES * GORT_PAGE / 8; i++)
		words[i] = FIXTURE_ARENA + i * 8;
	uint64_t big = FIXTURE_SPANS + 2 * (uint64_t)gort_sizeof(h->g.layout, GORT_mspan_SIZEOF);
	fixture_put(&h->f, gort_at(h->g.layout, big, GORT_mspan_startAddr),
		    FIXTURE_ARENA + (uint64_t)BIG_AT * GORT_PAGE, 8);
	fixture_put(&h->f, gort_at(h->g.layout, big, GORT_mspan_npages), BIG_PAGES, 8);
	assert_null(gort_heap_read(&h->g, 1, &h->heap));
	assert_null(goheap_objects_init(&h->g, &h->heap, &h->objects));
}

static void teardown(struct heap *h)
{
	goheap_objects_deinit(&h->objects);
	gort_heap_deinit(&h->heap);
	fixture_deinit(&h->f);
	parallel_lock_deinit(&h->lock);
}

static void look(void *ctx, const struct goheap_sweep_part *part)
{
	struct heap *h = ctx;
	const uint64_t *words = (const uint64_t *)(const void *)part->bytes;
	uint64_t start = h->heap.spans.v[part->span].start + part->at;
	parallel_lock(&h->lock);
	h->wrong = h->wrong || part->at != h->seen[part->span] || part->worker >= parallel_workers() ||
		   part->len > GOHEAP_SWEEP_WINDOW;
	for (uint64_t i = 0; i < part->len / 8; i++)
		h->wrong = h->wrong || (words[i] && words[i] != start + i * 8);
	h->seen[part->span] += part->len;
	h->parts[part->span]++;
	parallel_unlock(&h->lock);
}

static bool only_the_first(void *ctx, uint32_t span)
{
	(void)ctx;
	return span == 0;
}

static void every_byte_comes_once_and_in_order(void **state)
{
	(void)state;
	struct heap h;
	setup(&h);
	struct goheap_sweep s = { .objects = &h.objects, .fn = look, .ctx = &h };
	assert_null(goheap_sweep_run(&s));
	assert_false(h.wrong);
	assert_int_equal(h.seen[0], GORT_PAGE);
	assert_int_equal(h.seen[1], GORT_PAGE);
	assert_int_equal(h.seen[2], (uint64_t)BIG_PAGES * GORT_PAGE);
	assert_int_equal(h.parts[2], 3);
	assert_int_equal(s.copied, (uint64_t)(BIG_PAGES + 2) * GORT_PAGE);
	assert_int_equal(s.unreadable, 0);
	teardown(&h);
}

static void only_what_is_wanted_comes(void **state)
{
	(void)state;
	struct heap h;
	setup(&h);
	h.objects.places[1].flags |= GOHEAP_PLACE_NOSCAN;
	struct goheap_sweep s = { .objects = &h.objects, .fn = look, .ctx = &h };
	assert_null(goheap_sweep_run(&s));
	assert_int_equal(h.seen[1], 0);
	s.noscan = true;
	s.wanted = only_the_first;
	memset(h.seen, 0, sizeof(h.seen));
	assert_null(goheap_sweep_run(&s));
	assert_int_equal(h.seen[0], GORT_PAGE);
	assert_int_equal(h.seen[1] + h.seen[2], 0);
	assert_int_equal(s.copied, GORT_PAGE);
	teardown(&h);
}

/* The end of the big span is gone, as if swapped out. */
static void what_cannot_be_read_is_zeros(void **state)
{
	(void)state;
	struct heap h;
	setup(&h);
	h.f.regions.v[h.f.regions.n - 1].len = (size_t)(BIG_AT + BIG_PAGES - 1) * GORT_PAGE;
	struct goheap_sweep s = { .objects = &h.objects, .fn = look, .ctx = &h };
	assert_null(goheap_sweep_run(&s));
	assert_false(h.wrong);
	assert_int_equal(h.seen[2], (uint64_t)BIG_PAGES * GORT_PAGE);
	assert_int_equal(s.unreadable, GORT_PAGE);
	teardown(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_comes_once_and_in_order),
		cmocka_unit_test(only_what_is_wanted_comes),
		cmocka_unit_test(what_cannot_be_read_is_zeros),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
