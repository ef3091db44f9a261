/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/diff_match - the parts of a diff: who is compared with whom. For analysis/diff only.
 */

#include "analysis/diff.h"

/* Are these two of one process? 1 yes, 0 no, -1 not known. */
int diff_same_process(const struct diff_input *a, const struct diff_input *b);

/*
 * Sets survived, new and gone of each group, where base and last input are one process; group_of[0] and [1] have the
 * group of each of their goroutines, HASH_NONE for none.
 */
void diff_survivors(struct diff *d, const struct u32_vec *group_of);

/* Finds the nodes that differ. */
void diff_find_outliers(struct diff *d);

/* Adds to the group of that name. */
void diff_add_named(struct diff *d, const char *name, size_t input, uint64_t bytes, uint64_t objects);

/* Groups of dominator paths, of types of reachable objects: of inputs that have owners. */
void diff_by_paths(struct diff *d);
void diff_by_owned_types(struct diff *d);
/* Of ranked paths: marks those of which a longer one tells nearly all the growth. */
void diff_mark_told(struct diff *d);

void diff_note(struct diff *d, const char *fmt, ...) ERR_PRINTF(2, 3);

/* Sentences on clocks and the GC cycle, and the seconds from the base to each target. */
void diff_times(struct diff *d);
