/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "record/order.h"

struct seen {
	int64_t last;
	size_t n;
	uint64_t addrs[8];
};

static void see(void *arg, const struct record_op *op)
{
	struct seen *s = arg;
	assert_true(op->time >= s->last);
	s->last = op->time;
	if (s->n < 8)
		s->addrs[s->n] = op->addr;
	s->n++;
}

static void add(struct record_order *o, struct seen *s, int64_t time, uint64_t addr)
{
	struct record_op op = { .time = time, .addr = addr };
	record_order_add(o, &op, see, s);
}

static void events_come_out_by_time_up_to_the_watermark(void **state)
{
	(void)state;
	struct record_order o = { 0 };
	struct seen s = { 0 };
	add(&o, &s, 30, 3);
	add(&o, &s, 10, 1);
	add(&o, &s, 20, 2);
	add(&o, &s, 20, 4);
	record_order_flush(&o, 20, see, &s);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.addrs[0], 1);
	assert_int_equal(s.addrs[1], 2);
	assert_int_equal(s.addrs[2], 4);
	add(&o, &s, 25, 5);
	record_order_flush(&o, INT64_MAX, see, &s);
	assert_int_equal(s.n, 5);
	assert_int_equal(s.addrs[3], 5);
	assert_int_equal(s.addrs[4], 3);
	assert_int_equal(o.forced, 0);
	record_order_deinit(&o);
}

static void a_queue_that_is_full_lets_the_oldest_go(void **state)
{
	(void)state;
	struct record_order o = { 0 };
	struct seen s = { 0 };
	for (int64_t i = 0; i <= RECORD_ORDER_MAX; i++)
		add(&o, &s, i, 0);
	assert_int_equal(s.n, RECORD_ORDER_MAX / 2);
	assert_int_equal(o.forced, RECORD_ORDER_MAX / 2);
	record_order_deinit(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_out_by_time_up_to_the_watermark),
		cmocka_unit_test(a_queue_that_is_full_lets_the_oldest_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
