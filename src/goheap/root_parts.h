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

/* Which words of stacks are alive, by the maps of the frames. Remembers the maps of each place in code. */
struct roots_frames;
NEVER_NULL struct roots_frames *roots_frames_new(const struct gort *g);
void roots_frames_free(struct roots_frames *f);

/* What there is to say of the words of a stack. */
struct roots_live {
	uint64_t *bits;	 /* a bit a word that is alive; room for one word of bits more than that takes */
	uint32_t *place; /* its number in roots_frames_places(), counted from 1; 0: in none. Or NULL */
};

/*
 * Of the `len` bytes of a stack from `sp` to its end, with `pc` in the innermost frame. False where a frame's maps cannot be
 * told: any word may be alive.
 */
bool roots_frames_live(struct roots_frames *f, uint64_t pc, uint64_t sp, const unsigned char *bytes, size_t len,
		       const struct roots_live *ret);
/* The places met so far, which are the caller's from then on. */
void roots_frames_places(struct roots_frames *f, struct goheap_frame_place_vec *ret);

MUST_CHECK struct err *roots_read_stacks(struct roots_reader *r);
void roots_read_specials(struct roots_reader *r);
void roots_read_queues(struct roots_reader *r);
