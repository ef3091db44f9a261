/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/heap - what the C allocator itself says: how much is in use, of which sizes, and whether blocks are.
 *
 * Only glibc's is read (account/c_heap). Cost: half a millisecond a MiB of its heaps, so heaps over RECORD_HEAP_MAX are not.
 */

#include "record/watch.h"

#define RECORD_HEAP_MAX (UINT64_C(4) << 30)

/* Goes through the heap of a target. `ret` is left unknown where that cannot be. */
void record_heap_read(struct record_target *t, struct record_heap *ret);

/*
 * The same, and asks of the blocks in the target's book: those that are not in use as they should be go from it. Gives
 * how many went.
 */
uint64_t record_heap_confirm(struct record_target *t, struct record_heap *ret);
