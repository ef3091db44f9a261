/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/meta - where the runtime keeps its own memory outside the heap: claims on address ranges.
 *
 * Source: runtime/malloc.go (persistentalloc, 256 kB chunks), mheap.go, mpagealloc.go, mprof.go, mgc.go.
 */

#include "gort/heap.h"

/* Appends claims (not settled; the more particular first). What cannot be read is left out. */
void gort_meta_claims(const struct gort *g, const struct gort_heap *h, struct claim_vec *claims);
