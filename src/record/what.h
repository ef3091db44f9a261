/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/what - what memory is, by what the kernel says of its mapping and its pages when the window ends.
 */

#include "record/watch.h"

/* Of the process as it is now; borrowed from the target, whose mappings were read again. */
struct record_what_source {
	struct record_target *t;
	bool *dirty; /* of each mapping: the kernel has pages to write back to its file */
};

/* `dirty` is read from smaps where a file is mapped shared and may be written: that costs a walk over the page table. */
void record_what_init(struct record_what_source *s, struct record_target *t);
void record_what_deinit(struct record_what_source *s);

/*
 * At addr; `flags`: those of the mmap(2) that made it, or 0; `kind`: of a page there, where `page` says that one is known.
 */
enum record_what record_what_at(const struct record_what_source *s, uint64_t addr, uint32_t flags, bool page,
				enum page_kind kind);
