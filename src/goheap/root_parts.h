/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/root_parts - what the files that read roots share: root.c (data and bss), root_stack.c, root_special.c.
 */

#include "base/hash.h"
#include "goheap/root.h"

struct roots_reader {
	const struct goheap_objects *o;
	const struct gort *g;
	struct goheap_roots *out;
	uint64_t lo, hi;      /* no heap outside */
	struct hash_map seen; /* members of linked lists */
};

/* Enters a word of data, bss or a stack when it points to an object. */
void roots_take_word(struct roots_reader *r, const struct goheap_root *root);

/* Enters a root whatever it points to. */
void roots_take(struct roots_reader *r, const struct goheap_root *root);

/* False when addr is no address or was met before, which a list that leads back to itself does. */
bool roots_next(struct roots_reader *r, uint64_t addr);

MUST_CHECK struct err *roots_read_stacks(struct roots_reader *r);
void roots_read_specials(struct roots_reader *r);
void roots_read_queues(struct roots_reader *r);
