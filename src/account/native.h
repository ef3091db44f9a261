/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/native - memory of the C side, told from other anonymous memory by what the C library leaves in it: thread
 * descriptors at the top of thread stacks, arena headers, headers of large malloc blocks. glibc on amd64.
 *
 * Each test is a strong signature (two or more words that must agree with addresses and sizes); no signature, no claim.
 */

#include "account/c_heap.h"
#include "analysis/tally.h"
#include "gort/goroutine.h"
#include "gort/heap.h"
#include "model/claim.h"

/*
 * Claims on the stacks of threads: by thread descriptor, and by the bounds that the Go runtime knows of its threads
 * (`threads` may be empty). Owners are named "thread TID NAME".
 */
void native_stacks(struct target *t, const struct role *roles, const struct gort_thread_vec *threads,
		   const struct c_heap *c, struct tally *tally, struct claim_vec *claims);

/*
 * Claims on malloc's arenas outside brk, and on its large blocks: by what was read of it, or by their heads where it was
 * not. `heap` (may be NULL) tells Go's arenas apart.
 */
void native_heaps(struct target *t, const struct role *roles, const struct gort_heap *heap, const struct c_heap *c,
		  struct tally *tally, struct claim_vec *claims);
