/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>

#include "base/parallel.h"

enum { PIECES = 10000 };

struct counts {
	unsigned char calls[PIECES];
	size_t by_worker[PARALLEL_MAX];
};

static void count(void *ctx, size_t piece, unsigned worker)
{
	struct counts *c = ctx;
	c->calls[piece]++;
	c->by_worker[worker]++;
}

static void each_piece_is_done_once(void **state)
{
	struct counts c = { 0 };
	parallel_for(PIECES, count, &c);
	for (size_t i = 0; i < PIECES; i++)
		assert_int_equal(c.calls[i], 1);
}

static void workers_are_within_what_was_said(void **state)
{
	struct counts c = { 0 };
	size_t sum = 0;
	parallel_for(PIECES, count, &c);
	for (unsigned w = 0; w < PARALLEL_MAX; w++) {
		sum += c.by_worker[w];
		if (w >= parallel_workers())
			assert_int_equal(c.by_worker[w], 0);
	}
	assert_int_equal(sum, PIECES);
}

static void nothing_to_do_is_nothing_done(void **state)
{
	struct counts c = { 0 };
	parallel_for(0, count, &c);
	for (unsigned w = 0; w < PARALLEL_MAX; w++)
		assert_int_equal(c.by_worker[w], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_piece_is_done_once),
		cmocka_unit_test(workers_are_within_what_was_said),
		cmocka_unit_test(nothing_to_do_is_nothing_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
