/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * source/tree - parsed Go source, and walks over its syntax. Nothing here recurses: foreign code nests as deep as it
 * likes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <tree_sitter/api.h>

#include "base/err.h"

/*
 * The library's error recovery writes past its memory when more than 65535 tokens are on its stack, which takes that many
 * bytes of text. So a longer text is not parsed.
 */
enum { SOURCE_TREE_LEN = 60000 };

struct source_tree {
	char *text; /* owned */
	size_t len;
	TSTree *tree;
};

/* Takes text, of at most SOURCE_TREE_LEN bytes. LIMIT when it is longer or takes too long; then ret is empty. */
MUST_CHECK struct err *source_tree_parse(char *text, size_t len, const char *name, struct source_tree *ret);
void source_tree_free(struct source_tree *t);

/* All nodes of a subtree, the root first:  for (source_walk_start(&w, root); source_walk_on(&w);) use(w.node); */
enum { SOURCE_ABOVE = 8 };

struct source_walk {
	TSTreeCursor cursor;
	TSNode node;
	TSNode above[SOURCE_ABOVE]; /* the last nodes on the way here, by depth */
	unsigned depth;
	bool begun, done;
};

void source_walk_start(struct source_walk *w, TSNode root);
bool source_walk_on(struct source_walk *w);   /* false at the end, which also frees */
void source_walk_end(struct source_walk *w);  /* for leaving before the end */
void source_walk_over(struct source_walk *w); /* what is below this node is passed over */
/* The ancestor `up` levels above this node, up to SOURCE_ABOVE - 1; a null node beyond the subtree's root. */
TSNode source_above(const struct source_walk *w, unsigned up);

/* [start, end) of a node's text. */
struct source_word {
	const char *s;
	size_t len;
};

struct source_word source_text(const struct source_tree *t, TSNode node);
bool source_is(const struct source_tree *t, TSNode node, const char *text);
bool source_same(struct source_word a, struct source_word b);
bool source_type(TSNode node, const char *type);
TSNode source_field(TSNode node, const char *name); /* a null node where there is none */

/* Lines from 1. */
uint32_t source_line(TSNode node);
bool source_spans(TSNode node, uint32_t line);
