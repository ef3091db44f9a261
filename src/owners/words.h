/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * owners/words - what the numbers of kinds, fields, roots and paths mean: what paths.c knows, and sampled.c needs.
 */

#include "base/hash.h"
#include "graph/paths.h"
#include "owners/owners.h"

enum { WORDS_PLACES = 4096 }; /* of fields, asked last */

enum words_what { WORDS_PART = 1u << 0, WORDS_OF_MAP = 1u << 1 };

struct words_place {
	uint64_t at; /* kind << 32 | word */
	uint32_t field;
	bool known;
};

struct owners_words {
	struct owners_work *w;
	uint32_t n_kinds;    /* 1 at least */
	const char **types;  /* by kind: as in the list of types */
	const char **steps;  /* by kind: as a step of a path */
	uint32_t *alike;     /* by kind: the first of the same name */
	uint8_t *what;	     /* by kind: enum words_what */
	uint32_t *sizes;     /* by number >> 3: of the objects there, when they are alike */
	const char **roots;  /* by row of out->roots: how a path begins */
	struct hash_map ids; /* name of a field, by its address -> number */
	VEC(const char *) fields;
	struct words_place recent[WORDS_PLACES];
	struct hash_map texts; /* node -> its text */
	struct u32_vec nodes;  /* by row of out->paths */
	struct paths_words paths;
};

/* Of the paths that begin at no root alone: which roots lead there. owners/several.c */
void owners_several_fill(struct owners_work *w);
