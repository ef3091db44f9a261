/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/heap_groups - the samples of a heap profile as allocation sites: summed up by stack, or by the line that
 * allocates.
 */

#include "model/heap.h"

struct heap_group_row {
	int64_t v[HEAP_VALUES];
	int64_t stack_bytes; /* by place: in use by that stack alone */
	uint32_t stack;	     /* of the profile; by place: the one with most bytes in use */
	uint32_t stacks;     /* how many different ones there are */
};

VEC_TYPE(heap_group_vec, struct heap_group_row);

struct heap_groups {
	struct heap_group_vec v; /* by bytes in use, then by bytes allocated, largest first */
	int64_t total[HEAP_VALUES];
};

enum heap_group_by { HEAP_BY_STACK, HEAP_BY_PLACE };

/* The profile has the values of a heap view, in its order. */
void heap_groups_make(const struct profile *p, enum heap_group_by by, struct heap_groups *ret);
void heap_groups_deinit(struct heap_groups *g);
