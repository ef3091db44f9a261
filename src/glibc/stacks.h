/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glibc/stacks - the threads of glibc and their stacks, in use or kept for the next thread, by the descriptor that stands at
 * the top of each.
 *
 * A descriptor (struct pthread) points at itself twice, and says where its stack is. Some are found in the last page of a
 * mapping; these lead to all others of the same list, and by the list's head, where it is beside that of the cache (2.34
 * and later: in ld.so), to those that are kept. Since 2.42 there may be no guard mapping below a stack, and the kernel may
 * have merged several stacks into one mapping: their descriptors are found by the lists alone.
 * The kernel clears the thread's id in its descriptor when it ends, pthread_join(3) makes it -1: the stack is kept for reuse,
 * or until somebody joins.
 * Source: nptl/descr.h; the fields are at the same place in 2.31, 2.36, 2.41 and 2.43.
 */

#include "glibc/glibc.h"

enum { GLIBC_STACKS_MAX = 65536 };

struct glibc_stack {
	uint64_t descriptor, start, end;
	uint32_t tid; /* in the target's pid namespace; 0: ended */
};

VEC_TYPE(glibc_stack_vec, struct glibc_stack);

/* All that are found, by address. The main thread, whose stack is the kernel's, is not among them. */
void glibc_stacks_find(const struct glibc_where *w, struct glibc_stack_vec *ret);
