/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/goroutine_groups - goroutines that are alike, together: what `ullage goroutines` lists.
 *
 * Cost: one pass over the goroutines; each different stack is looked at once.
 * A stack in `stacks` has no addresses and no functions of the runtime that a dump leaves out, so that a live process,
 * its dump and its profile group alike. Strings are interned in stacks.strings.
 */

#include "model/goroutine.h"

enum goroutine_group_by {
	GOROUTINE_BY_SITE,  /* who started it, and where it is blocked */
	GOROUTINE_BY_STATE, /* state and wait reason */
	GOROUTINE_BY_STACK, /* the whole stack and who started it */
	GOROUTINE_BY_NONE,  /* each goroutine (or row of a profile) alone */
};

struct goroutine_group {
	uint64_t count;
	const char *state, *wait_reason;	 /* of all of it */
	int64_t wait_min, wait_median, wait_max; /* ns, of those whose wait is known; -1: of none */
	uint64_t stack_bytes;			 /* of those that are known; ACCOUNT_UNKNOWN: of none */
	uint32_t stack, created_by;		 /* of most of it, in `stacks` */
	uint32_t n_stacks;			 /* different ones */
	uint32_t blocked;			 /* frame of `stack` where it is blocked, see goroutine_blocked() */
	unsigned flags;				 /* of any */
	size_t at, n;				 /* in `members` */
};

VEC_TYPE(goroutine_group_vec, struct goroutine_group);

struct goroutine_groups {
	struct stacks stacks;
	struct goroutine_group_vec v; /* by count, largest first; GOROUTINE_BY_NONE: in the order of the source */
	struct u32_vec members;	      /* numbers of goroutines, group by group */
	struct u32_vec stack_of;      /* of each stack of the goroutines: its number in `stacks` */
};

/* Groups all of gs, but for the runtime's own unless `system`. *ret is to be given to goroutine_groups_deinit(). */
void goroutine_groups_make(const struct goroutines *gs, enum goroutine_group_by by, bool system,
			   struct goroutine_groups *ret);
void goroutine_groups_deinit(struct goroutine_groups *g);

/*
 * Number of the frame of stack `id` that says where a goroutine is blocked: the innermost outside of packages that
 * only carry a wait (sync, net, io...), else the outermost; 0 for an empty stack too.
 */
uint32_t goroutine_blocked(const struct stacks *s, uint32_t id);
