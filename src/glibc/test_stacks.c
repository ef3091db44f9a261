/* SPDX-License-Identifier: Apache-2.0 */
#include "glibc/stacks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture/chunks.h"

#define PAGE UINT64_C(4096)

enum { LIST = 0x2c0, TID = 0x2d0, STACK = 0x690, TCB = 0x700 };

/* A descriptor near the end of a stack of that many pages, linked behind `prev` and before `next`. */
static uint64_t add_stack(struct chunks *c, uint64_t start, unsigned pages, uint32_t tid)
{
	uint64_t at = start + pages * PAGE - TCB;
	chunks_put(c, at, at);
	chunks_put(c, at + 16, at);
	chunks_put(c, at + TID, tid);
	chunks_put(c, at + STACK, start);
	chunks_put(c, at + STACK + 8, pages * PAGE);
	return at;
}

/* A list of n nodes, the head among them. */
static void ring(struct chunks *c, const uint64_t *nodes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		chunks_put(c, nodes[i], nodes[(i + 1) % n]);
		chunks_put(c, nodes[i] + 8, nodes[(i + n - 1) % n]);
	}
}

static void lists_lead_to_all_stacks(void **state)
{
	struct chunks c;
	struct glibc_stack_vec found = { 0 };
	chunks_init(&c, &glibc_arena_layouts[0], &glibc_par_layouts[1]);
	uint64_t head = CHUNKS_DATA + 0x100; /* in use, the program's own, kept */
	/* only the last one is at the end of its mapping */
	uint64_t kept = add_stack(&c, CHUNKS_ANON, 4, UINT32_MAX), first = add_stack(&c, CHUNKS_ANON + 4 * PAGE, 4, 12);
	uint64_t gone = add_stack(&c, CHUNKS_ANON + 8 * PAGE, 4, 0);
	uint64_t last = add_stack(&c, CHUNKS_ANON + 12 * PAGE, 4, 11);
	ring(&c, (uint64_t[]){ head, last + LIST, first + LIST }, 3);
	ring(&c, (uint64_t[]){ head + 16 }, 1);
	ring(&c, (uint64_t[]){ head + 32, kept + LIST, gone + LIST }, 3);
	const struct glibc_where where = chunks_where(&c);
	glibc_stacks_find(&where, &found);
	assert_int_equal(found.n, 4);
	static const uint32_t tids[] = { 0, 12, 0, 11 };
	for (uint64_t i = 0; i < 4; i++) {
		assert_int_equal(found.v[i].start, CHUNKS_ANON + i * 4 * PAGE);
		assert_int_equal(found.v[i].end, CHUNKS_ANON + (i + 1) * 4 * PAGE);
		assert_int_equal(found.v[i].tid, tids[i]);
	}
	vec_deinit(&found);
	chunks_deinit(&c);
}

static void the_main_thread_has_no_such_stack(void **state)
{
	struct chunks c;
	struct glibc_stack_vec found = { 0 };
	chunks_init(&c, &glibc_arena_layouts[0], &glibc_par_layouts[1]);
	uint64_t at = add_stack(&c, CHUNKS_ANON + 12 * PAGE, 4, 11);
	chunks_put(&c, at + STACK, 0);
	chunks_put(&c, at + STACK + 8, UINT64_C(0x7ffc12340000));
	const struct glibc_where where = chunks_where(&c);
	glibc_stacks_find(&where, &found);
	assert_int_equal(found.n, 0);
	vec_deinit(&found);
	chunks_deinit(&c);
}

static void a_stack_that_says_nothing_is_told_by_its_guard(void **state)
{
	struct chunks c;
	struct glibc_stack_vec found = { 0 };
	chunks_init(&c, &glibc_arena_layouts[0], &glibc_par_layouts[1]);
	c.vmas[CHUNKS_MAP_BRK] = (struct vma){ .start = CHUNKS_ANON - PAGE, .end = CHUNKS_ANON, .name = "" };
	c.kinds[CHUNKS_MAP_BRK] = GLIBC_MAP_OTHER;
	uint64_t at = add_stack(&c, CHUNKS_ANON + 12 * PAGE, 4, 11);
	chunks_put(&c, at + STACK, 1);
	const struct glibc_where where = chunks_where(&c);
	glibc_stacks_find(&where, &found);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.v[0].start, CHUNKS_ANON);
	assert_int_equal(found.v[0].end, CHUNKS_ANON + CHUNKS_BYTES);
	vec_deinit(&found);
	chunks_deinit(&c);
}

static void lists_that_lead_astray_end(void **state)
{
	struct chunks c;
	struct glibc_stack_vec found = { 0 };
	chunks_init(&c, &glibc_arena_layouts[0], &glibc_par_layouts[1]);
	uint64_t at = add_stack(&c, CHUNKS_ANON + 12 * PAGE, 4, 11);
	uint64_t other = add_stack(&c, CHUNKS_ANON + 8 * PAGE, 4, 12);
	chunks_put(&c, at + LIST, other + LIST);
	chunks_put(&c, other + LIST, other + LIST); /* never comes back */
	const struct glibc_where where = chunks_where(&c);
	glibc_stacks_find(&where, &found);
	assert_int_equal(found.n, 2);
	vec_deinit(&found);
	chunks_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_lead_to_all_stacks),
		cmocka_unit_test(the_main_thread_has_no_such_stack),
		cmocka_unit_test(a_stack_that_says_nothing_is_told_by_its_guard),
		cmocka_unit_test(lists_that_lead_astray_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
