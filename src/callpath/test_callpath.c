/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "callpath/callpath.h"
#include "fixture/ok.h"
#include "fixture/sanitized.h"

enum { STACK = 3000 };

/* This process as the target. */
struct fixture {
	struct target target;
	struct stacks stacks;
	struct callpath *paths;
};

static int set_up(void **state)
{
	static struct fixture f;
	stacks_init(&f.stacks);
	ok(target_open("/proc", getpid(), &f.target));
	ok(callpath_new(&f.target, &f.stacks, &f.paths));
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	callpath_free(f->paths);
	target_close(&f->target);
	stacks_deinit(&f->stacks);
	return 0;
}

static struct {
	struct callpath_raw raw;
	uint64_t user[2];
	unsigned char bytes[STACK];
} taken;

/* What a probe would hand over of where this is called. */
static __attribute__((noinline, no_sanitize("address"))) void take(void)
{
	ucontext_t here;
	assert_int_equal(getcontext(&here), 0);
	const greg_t *g = here.uc_mcontext.gregs;
	taken.raw = (struct callpath_raw){ .ip = (uint64_t)g[REG_RIP],
					   .sp = (uint64_t)g[REG_RSP],
					   .bp = (uint64_t)g[REG_RBP],
					   .regs = { (uint64_t)g[REG_RBX], (uint64_t)g[REG_R12], (uint64_t)g[REG_R13] },
					   .user = taken.user,
					   .n_user = 1,
					   .bytes = taken.bytes,
					   .n_bytes = STACK,
					   .flags = CALLPATH_NO_GO };
	taken.user[0] = taken.raw.ip;
	for (size_t i = 0; i < STACK; i++) /* not memcpy(): a checker would object */
		taken.bytes[i] = ((volatile const unsigned char *)g[REG_RSP])[i];
}

static __attribute__((noinline)) int compare(const void *a, const void *b)
{
	take();
	return *(const int *)a - *(const int *)b;
}

static __attribute__((noinline)) void sort_and_take(void)
{
	int v[] = { 3, 1, 2 };
	qsort(v, 3, sizeof(v[0]), compare);
}

static size_t find(const struct stacks *s, uint32_t id, const char *function)
{
	for (uint32_t i = 0; i < stacks_depth(s, id); i++) {
		if (strcmp(stacks_at(s, id, i)->function, function) == 0)
			return i;
	}
	return SIZE_MAX;
}

static void a_copied_stack_is_followed_through_libc(void **state)
{
	struct fixture *f = *state;
	bool whole = false;
	if (SANITIZED)
		return; /* the plain build runs it */
	sort_and_take();
	uint32_t id = callpath_resolve(f->paths, &taken.raw, &whole);
	assert_int_equal(find(&f->stacks, id, "take"), 0);
	assert_int_equal(find(&f->stacks, id, "compare"), 1);
	size_t sort = find(&f->stacks, id, "qsort_r"), own = find(&f->stacks, id, "sort_and_take");
	assert_true(sort > 1 && own > sort && own != SIZE_MAX);
	for (size_t i = 0; i < own; i++)
		assert_string_not_equal(stacks_at(&f->stacks, id, (uint32_t)i)->function, "(unknown)");
	assert_non_null(strstr(stacks_at(&f->stacks, id, (uint32_t)sort)->file, "libc"));
}

static void a_stack_seen_before_is_the_same(void **state)
{
	struct fixture *f = *state;
	bool first = false, second = true;
	sort_and_take();
	uint32_t id = callpath_resolve(f->paths, &taken.raw, &first);
	taken.bytes[0] ^= 1; /* contents of frames are no part of it */
	assert_int_equal(callpath_resolve(f->paths, &taken.raw, &second), id);
	assert_int_equal(first, second);
}

static void the_rest_of_a_copy_that_is_cut_is_marked(void **state)
{
	struct fixture *f = *state;
	bool whole = true;
	sort_and_take();
	taken.raw.n_bytes = 64;
	uint32_t id = callpath_resolve(f->paths, &taken.raw, &whole), n = stacks_depth(&f->stacks, id);
	assert_false(whole);
	assert_string_equal(stacks_at(&f->stacks, id, 0)->function, "take");
	assert_string_equal(stacks_at(&f->stacks, id, n - 1)->function, "(unknown)");
	assert_int_equal(find(&f->stacks, id, "sort_and_take"), SIZE_MAX);
}

static void nowhere_is_unknown(void **state)
{
	struct fixture *f = *state;
	bool whole = true;
	struct callpath_raw raw = { .ip = 0x10, .user = (uint64_t[]){ 0x10, 0x20, UINT64_MAX }, .n_user = 3 };
	uint32_t id = callpath_resolve(f->paths, &raw, &whole);
	assert_false(whole);
	assert_int_equal(stacks_depth(&f->stacks, id), 1);
	assert_string_equal(stacks_at(&f->stacks, id, 0)->function, "(unknown)");
	callpath_remap(f->paths);
	assert_int_equal(callpath_resolve(f->paths, &raw, &whole), id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copied_stack_is_followed_through_libc),
		cmocka_unit_test(a_stack_seen_before_is_the_same),
		cmocka_unit_test(the_rest_of_a_copy_that_is_cut_is_marked),
		cmocka_unit_test(nowhere_is_unknown),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
