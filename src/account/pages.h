/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/pages - walk every resident page once and hand it to the tally, split by what lies there.
 *
 * Order of belief: Go arenas (gort/heap), then malloc's heaps (glibc/pages), then claims (runtime metadata, thread stacks,
 * large blocks), then the mapping's role.
 */

#include <signal.h>

#include "account/c_heap.h"
#include "analysis/tally.h"
#include "gort/heap.h"

struct page_walk {
	struct target *t;
	const struct role *roles;
	const struct gort_heap *heap;	/* NULL: none */
	const struct claim_vec *stacks; /* of goroutines; settled */
	const struct claim_vec *claims; /* settled */
	const struct c_heap *c_heap;
	struct tally *tally;
	bool owners; /* name owners of the Go image's text and data */
	const volatile sig_atomic_t *interrupted;
};

/* GONE, DENIED. On interrupt it ends early and says so in the account's notes. */
MUST_CHECK struct err *pages_walk(struct page_walk *w);
