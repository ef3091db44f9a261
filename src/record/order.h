/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/order - events in the order in which they happened, whatever order the processors handed them over in.
 *
 * An event's stack is a number by then. The queue holds what is younger than the watermark: the time up to which no
 * further event can come. At most RECORD_ORDER_MAX wait; then the oldest half is let go at once, and `forced` counts them.
 */

#include <stdbool.h>

#include "base/vec.h"

enum { RECORD_ORDER_MAX = 1024 * 1024 };

struct record_op {
	int64_t time, began; /* as in ebpf/event */
	uint64_t addr, len, old_addr, old_len, arg;
	uint32_t pid, tid, path, weight;
	unsigned kind; /* enum ebpf_kind */
	uint32_t seq;  /* of arrival: keeps the order of equals */
};

struct record_order {
	VEC(struct record_op) v;
	uint32_t seq;
	uint64_t forced;
};

typedef void (*record_op_fn)(void *arg, const struct record_op *op);

void record_order_deinit(struct record_order *o);

/* Takes a copy; `op->seq` is given here. */
void record_order_add(struct record_order *o, const struct record_op *op, record_op_fn fn, void *arg);

/* Hands on, by time, all that is not younger than `watermark`. */
void record_order_flush(struct record_order *o, int64_t watermark, record_op_fn fn, void *arg);
