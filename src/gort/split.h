/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/split - how the resident pages of Go's arenas divide among classes.
 *
 * A span that is wholly resident is divided by its counts; of one that is not, each slot is looked at. Object i is
 * allocated when i < freeindex or its allocation bit is set.
 */

#include "gort/heap.h"
#include "model/split.h"

/*
 * Divide one run of pages, which must lie in one arena, by what the spans there hold. `stacks` are the settled claims of
 * goroutine stacks. Pieces add up to the run's length.
 */
void gort_heap_split(const struct gort_heap *h, const struct claim_vec *stacks, const struct page_run *run,
		     split_fn emit, void *ctx);
