/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/heap_groups.h"

static uint32_t stack(struct profile *p, uint32_t line, const char *caller)
{
	uint32_t frames[] = {
		stacks_frame(&p->stacks, &(struct frame){ .function = "main.make", .file = "make.go", .line = line }),
		stacks_frame(&p->stacks, &(struct frame){ .function = caller, .file = "call.go", .line = 1 }),
	};
	return stacks_add(&p->stacks, frames, 2);
}

static void sample(struct profile *p, uint32_t id, int64_t objects, int64_t bytes)
{
	int64_t *v = profile_sample_add(p, id);
	v[HEAP_ALLOC_OBJECTS] = objects * 2;
	v[HEAP_ALLOC_SPACE] = bytes * 2;
	v[HEAP_INUSE_OBJECTS] = objects;
	v[HEAP_INUSE_SPACE] = bytes;
}

static void fill(struct heap_view *h)
{
	heap_view_init(h);
	struct profile *p = &h->profile;
	sample(p, stack(p, 10, "main.a"), 1, 100);
	sample(p, stack(p, 10, "main.b"), 2, 300);
	sample(p, stack(p, 10, "main.b"), 1, 50); /* of another size */
	sample(p, stack(p, 20, "main.a"), 9, 420);
	sample(p, 0, 1, 7); /* without a stack */
}

static void buckets_of_a_stack_are_one_site(void **state)
{
	(void)state;
	struct heap_view h;
	struct heap_groups g;
	fill(&h);
	heap_groups_make(&h.profile, HEAP_BY_STACK, &g);
	assert_int_equal(g.v.n, 4);
	assert_int_equal(g.v.v[0].v[HEAP_INUSE_SPACE], 420);
	assert_int_equal(g.v.v[1].v[HEAP_INUSE_SPACE], 350);
	assert_int_equal(g.v.v[1].v[HEAP_INUSE_OBJECTS], 3);
	assert_int_equal(g.v.v[1].v[HEAP_ALLOC_SPACE], 700);
	assert_int_equal(g.v.v[3].stack, 0);
	assert_int_equal(g.total[HEAP_INUSE_SPACE], 877);
	heap_groups_deinit(&g);
	heap_view_deinit(&h);
}

static void lines_are_one_place_whoever_calls(void **state)
{
	(void)state;
	struct heap_view h;
	struct heap_groups g;
	fill(&h);
	heap_groups_make(&h.profile, HEAP_BY_PLACE, &g);
	assert_int_equal(g.v.n, 3);
	assert_int_equal(g.v.v[0].v[HEAP_INUSE_SPACE], 450);
	assert_int_equal(g.v.v[0].stacks, 2);
	assert_int_equal(g.v.v[0].stack_bytes, 350);
	assert_string_equal(stacks_at(&h.profile.stacks, g.v.v[0].stack, 1)->function, "main.b");
	assert_int_equal(g.v.v[1].stacks, 1);
	assert_int_equal(g.total[HEAP_INUSE_SPACE], 877);
	heap_groups_deinit(&g);
	heap_view_deinit(&h);
}

static void sums_beyond_all_numbers_wrap(void **state)
{
	(void)state;
	struct heap_view h;
	struct heap_groups g;
	heap_view_init(&h);
	sample(&h.profile, 0, INT64_MAX / 2, INT64_MAX / 2);
	sample(&h.profile, 0, INT64_MAX / 2, INT64_MAX / 2);
	sample(&h.profile, 0, 4, 4);
	heap_groups_make(&h.profile, HEAP_BY_STACK, &g);
	assert_int_equal(g.v.n, 1);
	heap_groups_deinit(&g);
	heap_view_deinit(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_of_a_stack_are_one_site),
		cmocka_unit_test(lines_are_one_place_whoever_calls),
		cmocka_unit_test(sums_beyond_all_numbers_wrap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
