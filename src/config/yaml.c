/* SPDX-License-Identifier: Apache-2.0 */
#include "config/yaml.h"

#include <string.h>
#include <yaml.h>

#include "config/config.h"

enum { ANCHORS = 100 };

/* A collection that is open, and where its next item goes. */
struct level {
	struct yaml *node;
	struct yaml_item **tail;
	const struct yaml *key;
};

struct reader {
	yaml_parser_t parser;
	const char *text;
	size_t len;
	struct arena *arena;
	struct yaml_fault *fault;
	struct level levels[CONFIG_DEPTH];
	size_t depth, nodes;
	struct {
		const char *name;
		const struct yaml *node;
	} anchors[ANCHORS];
	size_t n_anchors;
	const struct yaml *root;
};

static bool fail_at(struct reader *r, const yaml_mark_t *mark, const char *text)
{
	*r->fault = (struct yaml_fault){ (unsigned)mark->line + 1, (unsigned)mark->column + 1, text };
	return false;
}

/* The reader is ahead of the parser's marks, and knows an offset only. */
static bool fail_reader(struct reader *r, const char *problem)
{
	size_t offset = r->parser.problem_offset < r->len ? r->parser.problem_offset : r->len;
	yaml_mark_t mark = { 0 };
	for (size_t i = 0; i < offset; i++) {
		bool next = r->text[i] == '\n';
		mark.line += next;
		mark.column = next ? 0 : mark.column + 1;
	}
	return fail_at(r, &mark, arena_printf(r->arena, "this is no text in UTF-8: %s", problem));
}

/* libyaml sees some mistakes a token late: its second mark says where what went wrong began. */
static bool fail_parser(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "not YAML";
	if (p->error == YAML_READER_ERROR)
		return fail_reader(r, problem);
	if (!p->context)
		return fail_at(r, &p->problem_mark, arena_strdup(r->arena, problem));
	return fail_at(r, &p->problem_mark,
		       arena_printf(r->arena, "%s, %s that begins at line %zu, column %zu", problem, p->context,
				    p->context_mark.line + 1, p->context_mark.column + 1));
}

static bool put(struct reader *r, const struct yaml *node, const yaml_mark_t *mark)
{
	if (!r->depth) {
		r->root = node;
		return true;
	}
	struct level *l = &r->levels[r->depth - 1];
	if (l->node->kind == YAML_MAP && !l->key) {
		if (node->kind != YAML_TEXT || node->null)
			return fail_at(r, mark, "a key must be a word");
		l->key = node;
		return true;
	}
	struct yaml_item *item = arena_new(r->arena, struct yaml_item);
	*item = (struct yaml_item){ l->key, node, NULL };
	*l->tail = item;
	l->tail = &item->next;
	l->key = NULL;
	return true;
}

static struct yaml *make(struct reader *r, enum yaml_kind kind, const yaml_event_t *e, const yaml_char_t *anchor,
			 const yaml_char_t *tag)
{
	static const char standard[] = "tag:yaml.org,2002:";
	if (++r->nodes > CONFIG_NODES) {
		fail_at(r, &e->start_mark, arena_printf(r->arena, "more than %d values", CONFIG_NODES));
		return NULL;
	}
	if (tag && strncmp((const char *)tag, standard, sizeof(standard) - 1) != 0) {
		fail_at(r, &e->start_mark, "tags of one's own mean nothing here");
		return NULL;
	}
	struct yaml *node = arena_new(r->arena, struct yaml);
	*node = (struct yaml){ .kind = kind,
			       .line = (unsigned)e->start_mark.line + 1,
			       .column = (unsigned)e->start_mark.column + 1 };
	if (!anchor)
		return node;
	if (r->n_anchors == ANCHORS) {
		fail_at(r, &e->start_mark, arena_printf(r->arena, "more than %d anchors", ANCHORS));
		return NULL;
	}
	r->anchors[r->n_anchors].name = arena_strdup(r->arena, (const char *)anchor);
	r->anchors[r->n_anchors++].node = node;
	return node;
}

static bool has_control(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] < ' ' || s[i] == 0x7f)
			return true;
	}
	return false;
}

static bool on_scalar(struct reader *r, const yaml_event_t *e)
{
	const char *s = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	if (has_control(s, len))
		return fail_at(r, &e->start_mark, "a text of one line, without control characters, is needed");
	struct yaml *node = make(r, YAML_TEXT, e, e->data.scalar.anchor, e->data.scalar.tag);
	if (!node)
		return false;
	node->text = arena_strndup(r->arena, s, len);
	node->null = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		     (!len || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
	return put(r, node, &e->start_mark);
}

static bool on_open(struct reader *r, struct yaml *node, const yaml_event_t *e)
{
	if (!node || !put(r, node, &e->start_mark))
		return false;
	if (r->depth == CONFIG_DEPTH)
		return fail_at(r, &e->start_mark, arena_printf(r->arena, "more than %d levels", CONFIG_DEPTH));
	node->open = true;
	r->levels[r->depth++] = (struct level){ node, &node->items, NULL };
	return true;
}

static bool on_alias(struct reader *r, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;
	for (size_t i = r->n_anchors; i-- > 0;) {
		if (strcmp(r->anchors[i].name, name) != 0)
			continue;
		if (r->anchors[i].node->open)
			return fail_at(r, &e->start_mark, "an alias of what it stands in");
		if (++r->nodes > CONFIG_NODES)
			return fail_at(r, &e->start_mark, arena_printf(r->arena, "more than %d values", CONFIG_NODES));
		return put(r, r->anchors[i].node, &e->start_mark);
	}
	return fail_at(r, &e->start_mark, arena_printf(r->arena, "there is no anchor '&%s' before", name));
}

static bool on_event(struct reader *r, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		return !r->root || fail_at(r, &e->start_mark, "one document is read, and this begins a second");
	case YAML_SCALAR_EVENT:
		return on_scalar(r, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(r, make(r, YAML_LIST, e, e->data.sequence_start.anchor, e->data.sequence_start.tag), e);
	case YAML_MAPPING_START_EVENT:
		return on_open(r, make(r, YAML_MAP, e, e->data.mapping_start.anchor, e->data.mapping_start.tag), e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->levels[--r->depth].node->open = false;
		return true;
	case YAML_ALIAS_EVENT:
		return on_alias(r, e);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return true;
	}
	return true;
}

static bool read_events(struct reader *r)
{
	for (bool more = true; more;) {
		yaml_event_t e;
		if (!yaml_parser_parse(&r->parser, &e))
			return fail_parser(r);
		bool good = on_event(r, &e);
		more = e.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&e);
		if (!good)
			return false;
	}
	return true;
}

const struct yaml *yaml_read(const char *text, size_t len, struct arena *arena, struct yaml_fault *fault)
{
	struct reader r = { .text = text, .len = len, .arena = arena, .fault = fault };
	if (!yaml_parser_initialize(&r.parser)) {
		*fault = (struct yaml_fault){ 1, 1, "no memory to read it" };
		return NULL;
	}
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	bool good = read_events(&r);
	yaml_parser_delete(&r.parser);
	if (good && !r.root) {
		struct yaml *nothing = arena_new(arena, struct yaml);
		*nothing = (struct yaml){ .kind = YAML_TEXT, .null = true, .line = 1, .column = 1, .text = "" };
		r.root = nothing;
	}
	return good ? r.root : NULL;
}
