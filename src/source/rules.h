/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * source/rules - what may be lacking, as a table: a name, where it is looked for, and a function over the syntax.
 */

#include "source/lacks.h"
#include "source/tree.h"

/* One place in a parsed declaration. */
struct source_look {
	const struct source_tree *tree;
	const char *path;
	uint32_t base;	    /* lines in front of the piece that was parsed */
	uint32_t line;	    /* in that piece, from 1 */
	TSNode function;    /* the innermost function or literal with that line */
	TSNode declaration; /* the declaration that it is part of */
	struct arena *arena;
	struct source_lack_vec *out;
};

struct source_rule {
	const char *name;
	bool creation; /* looked for at the go statement; else where it is blocked */
	void (*look)(struct source_look *l, const struct source_rule *self);
};

extern const struct source_rule source_rule_table[]; /* ends with a NULL name */
