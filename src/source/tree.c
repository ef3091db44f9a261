/* SPDX-License-Identifier: Apache-2.0 */
#include "source/tree.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

const TSLanguage *tree_sitter_go(void); /* the grammar's parser.c has no header */

enum { PATIENCE_US = 300000 };
static const clock_t PATIENCE = PATIENCE_US * (CLOCKS_PER_SEC / 1000000);

struct err *source_tree_parse(char *text, size_t len, const char *name, struct source_tree *ret)
{
	*ret = (struct source_tree){ 0 };
	if (len > SOURCE_TREE_LEN) {
		free(text);
		return err_new(ERR_LIMIT, "%s has a declaration of more than %d bytes", name, SOURCE_TREE_LEN);
	}
	TSParser *parser = ts_parser_new();
	bool fits = ts_parser_set_language(parser, tree_sitter_go());
	ts_parser_set_timeout_micros(parser, PATIENCE_US);
	TSTree *tree = NULL;
	/* Its patience is of the clock on the wall, ours of the processor: what was put off goes on where it stood. */
	for (clock_t began = clock(); fits && !tree && clock() - began < PATIENCE;)
		tree = ts_parser_parse_string(parser, NULL, text, (uint32_t)len);
	ts_parser_delete(parser);
	if (tree) {
		*ret = (struct source_tree){ text, len, tree };
		return NULL;
	}
	free(text);
	if (!fits)
		return err_new(ERR_UNSUPPORTED, "the grammar of Go is of another version than this tree-sitter reads");
	return err_new(ERR_LIMIT, "%s takes more than %d ms of processor time to parse", name, PATIENCE_US / 1000);
}

void source_tree_free(struct source_tree *t)
{
	if (t->tree)
		ts_tree_delete(t->tree);
	free(t->text);
	*t = (struct source_tree){ 0 };
}

void source_walk_start(struct source_walk *w, TSNode root)
{
	*w = (struct source_walk){ .cursor = ts_tree_cursor_new(root), .node = root };
}

void source_walk_end(struct source_walk *w)
{
	if (!w->done)
		ts_tree_cursor_delete(&w->cursor);
	w->done = true;
}

/* The next sibling of this node or of the nearest ancestor inside of the subtree that has one. */
static bool onward(struct source_walk *w)
{
	while (w->depth) {
		if (ts_tree_cursor_goto_next_sibling(&w->cursor))
			return true;
		ts_tree_cursor_goto_parent(&w->cursor);
		w->depth--;
	}
	return false;
}

static bool arrive(struct source_walk *w, bool there)
{
	if (!there) {
		source_walk_end(w);
		return false;
	}
	w->node = ts_tree_cursor_current_node(&w->cursor);
	w->above[w->depth % SOURCE_ABOVE] = w->node;
	return true;
}

bool source_walk_on(struct source_walk *w)
{
	if (w->done)
		return false;
	if (!w->begun) {
		w->begun = true;
		return arrive(w, true);
	}
	if (ts_tree_cursor_goto_first_child(&w->cursor)) {
		w->depth++;
		return arrive(w, true);
	}
	return arrive(w, onward(w));
}

TSNode source_above(const struct source_walk *w, unsigned up)
{
	return up <= w->depth && up < SOURCE_ABOVE ? w->above[(w->depth - up) % SOURCE_ABOVE] : (TSNode){ 0 };
}

void source_walk_over(struct source_walk *w)
{
	/* Its last descendant is next: then the walk goes on behind it. */
	while (!w->done && ts_tree_cursor_goto_first_child(&w->cursor)) {
		w->depth++;
		while (ts_tree_cursor_goto_next_sibling(&w->cursor))
			continue;
	}
}

struct source_word source_text(const struct source_tree *t, TSNode node)
{
	if (ts_node_is_null(node))
		return (struct source_word){ "", 0 };
	uint32_t start = ts_node_start_byte(node), end = ts_node_end_byte(node);
	if (end > t->len || start > end)
		return (struct source_word){ "", 0 };
	return (struct source_word){ t->text + start, end - start };
}

bool source_same(struct source_word a, struct source_word b)
{
	return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

bool source_is(const struct source_tree *t, TSNode node, const char *text)
{
	return source_same(source_text(t, node), (struct source_word){ text, strlen(text) });
}

bool source_type(TSNode node, const char *type)
{
	return !ts_node_is_null(node) && strcmp(ts_node_type(node), type) == 0;
}

TSNode source_field(TSNode node, const char *name)
{
	if (ts_node_is_null(node))
		return node;
	return ts_node_child_by_field_name(node, name, (uint32_t)strlen(name));
}

uint32_t source_line(TSNode node)
{
	return ts_node_start_point(node).row + 1;
}

bool source_spans(TSNode node, uint32_t line)
{
	return source_line(node) <= line && line <= ts_node_end_point(node).row + 1;
}
