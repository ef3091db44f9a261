/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/go_owners - names for Go memory: creation sites of goroutine stacks, allocation sites of the live heap.
 */

#include "analysis/tally.h"
#include "gort/goroutine.h"
#include "target/target.h"

/* Claims on goroutine stacks, and on the stacks of the runtime's threads (g0, gsignal) that lie in the Go heap. */
void go_owners_stacks(struct target *t, const struct gort_goroutines *gs, const struct gort_thread_vec *threads,
		      struct tally *tally, struct claim_vec *stacks);

/* Credit the live heap to allocation sites, where the runtime keeps samples; says in a note when it does not. */
void go_owners_heap(struct target *t, struct tally *tally);
