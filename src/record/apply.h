/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/apply - events, in order, entered into the books of their processes.
 */

#include "record/watch.h"

/* An event as it arrives: its stack becomes a call path, and it waits for its turn. `arg` of ebpf_event_fn is the watch. */
void record_apply_event(void *watch, const struct ebpf_event *ev);

/* An event whose turn it is; of record_op_fn. */
void record_apply_op(void *watch, const struct record_op *op);
