/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/embed - which structs begin with a struct of another type: what a pointer to the inner one may really point to.
 *
 * Nodes of trees and lists are often kept by a pointer to a header that all sorts of nodes begin with (sync.Map since 1.24).
 * The image's type descriptors are searched once for structs, and these sorted by the type of their first field.
 * Cost: one copy of the descriptors and a pass over it. Memory: as much for a moment, at most GOHEAP_EMBED_MAX; 16 bytes a
 * struct.
 */

#include "goheap/shape.h"

enum { GOHEAP_EMBED_MAX = 64 << 20 };

struct goheap_outer {
	uint64_t inner, rtype; /* addresses of types */
};

VEC_TYPE(goheap_outer_vec, struct goheap_outer);

struct goheap_embed {
	bool read;
	struct goheap_outer_vec v; /* by inner */
};

void goheap_embed_deinit(struct goheap_embed *e);

/* The structs that begin with one of the type at `inner`, *n of them. */
const struct goheap_outer *goheap_embed_outer(struct goheap_embed *e, const struct gort_types *types, uint64_t inner,
					      size_t *n);
