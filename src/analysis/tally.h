/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/tally - add up pieces of resident memory: by class, by mapping, by owner, and by cell of a picture.
 *
 * Pure: takes pieces (model/split.h), fills an account. Mappings come in address order.
 */

#include "model/account.h"
#include "model/split.h"

struct tally_owner {
	enum mem_class class;
	const char *name;
	uint64_t resident;
};

VEC_TYPE(tally_owner_vec, struct tally_owner);

struct tally {
	struct account *a;	       /* borrowed; owner names live in its arena */
	struct tally_owner_vec owners; /* [0] is nobody */
	uint32_t *index;	       /* hash table over owners, power of two */
	size_t index_size;
	bool cells;
	size_t vma, first_cell, ncells; /* the mapping now being read */
};

void tally_init(struct tally *t, struct account *a, bool cells);
void tally_deinit(struct tally *t);

/* Number of the owner `name` in `class`, the same for equal pairs; the name is copied. */
uint32_t tally_owner(struct tally *t, enum mem_class class, const char *name);

/* Start on mapping `vma` of account.maps (rows of account.vmas are made here, one each). */
void tally_vma(struct tally *t, size_t vma);

/* A split_fn; ctx is the struct tally *. Swapped pages count as swap, not as resident. */
void tally_piece(void *ctx, const struct piece *p);

/* Bytes that an owner holds by other evidence than pages (the sampled profile). */
void tally_credit(struct tally *t, uint32_t owner, uint64_t bytes);

/*
 * Fill account.owners: sorted, with a last row in each class whose owners do not add up to it: "(not sampled)" for the
 * live heap, whose owners come from samples, "(no owner known)" elsewhere.
 */
void tally_finish(struct tally *t);
