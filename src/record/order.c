/* SPDX-License-Identifier: Apache-2.0 */
#include "record/order.h"

void record_order_deinit(struct record_order *o)
{
	vec_deinit(&o->v);
}

static int by_time(const void *a, const void *b)
{
	const struct record_op *x = a, *y = b;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void hand_on(struct record_order *o, size_t n, record_op_fn fn, void *arg)
{
	for (size_t i = 0; i < n; i++)
		fn(arg, &o->v.v[i]);
	if (n && n < o->v.n)
		memmove(o->v.v, o->v.v + n, (o->v.n - n) * sizeof(*o->v.v));
	o->v.n -= n;
}

void record_order_flush(struct record_order *o, int64_t watermark, record_op_fn fn, void *arg)
{
	vec_sort(&o->v, by_time);
	size_t n = 0;
	while (n < o->v.n && o->v.v[n].time <= watermark)
		n++;
	hand_on(o, n, fn, arg);
}

void record_order_add(struct record_order *o, const struct record_op *op, record_op_fn fn, void *arg)
{
	if (o->v.n >= RECORD_ORDER_MAX) {
		vec_sort(&o->v, by_time);
		o->forced += o->v.n / 2;
		hand_on(o, o->v.n / 2, fn, arg);
	}
	struct record_op *own = vec_push(&o->v);
	*own = *op;
	own->seq = o->seq++;
}
