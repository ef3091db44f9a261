/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * core/parts - the table of mappings of a core, put together from what its segments and notes say of them.
 */

#include "base/hash.h"
#include "base/intern.h"
#include "core/core.h"

VEC_TYPE(core_index_vec, uint32_t);

struct core_parts {
	struct intern names;
	struct vma_vec listed;	       /* of NT_FILE */
	struct core_index_vec file_of; /* row by row with core.maps: 1 + number in core.files, or 0 */
	struct hash_map by_name;       /* address of an interned name -> 1 + number in core.files */
};

/* One mapping as a note has it; the name is copied. What is no mapping of whole pages is left out. */
void core_parts_add(struct core *c, struct vma_vec *to, const struct vma *v);

/* Sorts, and cuts what overlaps: from here on maps, files and segments are what core.h says. */
void core_parts_finish(struct core *c);
