/* SPDX-License-Identifier: Apache-2.0 */
#include "source/lacks.h"

#include <string.h>

#include "base/hash.h"
#include "source/files.h"
#include "source/rules.h"

enum {
	TREES_MAX = 256, /* declarations parsed */
	SLOW_MAX = 5,	 /* that took too long: then no more are tried */
};

struct parsed {
	const char *path;	 /* below the directory */
	uint32_t base;		 /* lines of the file in front of it */
	struct source_tree tree; /* empty when it cannot be parsed */
};

struct source {
	struct source_files files;
	VEC(struct parsed) trees;
	unsigned slow;
};

struct err *source_open(const char *dir, struct source **ret)
{
	*ret = xcalloc(1, sizeof(**ret));
	struct err *err = source_files_open(dir, &(*ret)->files);
	if (err) {
		free(*ret);
		*ret = NULL;
	}
	return err;
}

void source_close(struct source *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->trees.n; i++)
		source_tree_free(&s->trees.v[i].tree);
	vec_deinit(&s->trees);
	source_files_close(&s->files);
	free(s);
}

/* ---- one declaration of a file ---- */

static bool begins_declaration(const char *line)
{
	static const char *const words[] = { "func ", "func(", "var ", "const ", "type ", "import ", "package " };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncmp(line, words[i], strlen(words[i])) == 0)
			return true;
	}
	return false;
}

/*
 * The declaration that has the line: from the last line that begins one, at its margin as gofmt writes it, up to the
 * next. `text` ends with a NUL. NULL where there is none.
 */
static const char *declaration(const char *text, uint32_t line, uint32_t *base, size_t *len)
{
	const char *start = NULL;
	uint32_t n = 1;
	for (const char *s = text; *s; n++) {
		bool begins = begins_declaration(s);
		if (begins && n > line && start) {
			*len = (size_t)(s - start);
			return start;
		}
		if (begins) {
			start = s;
			*base = n - 1;
		}
		s += strcspn(s, "\n");
		s += *s == '\n';
	}
	*len = start ? strlen(start) : 0;
	return line < n ? start : NULL;
}

/* Of a declaration that does not parse nothing is said: what seems to be lacking might be in what was not understood. */
static void parse(struct source *s, const char *text, size_t len, struct parsed *one)
{
	if (len > SOURCE_TREE_LEN || s->slow >= SLOW_MAX)
		return;
	struct err *err AUTO(err) = source_tree_parse(xstrndup(text, len), len, one->path, &one->tree);
	s->slow += err != NULL;
	if (!err && ts_node_has_error(ts_tree_root_node(one->tree.tree)))
		source_tree_free(&one->tree);
}

/* NULL when it cannot be read or parsed; tried once. */
static const struct parsed *parsed_at(struct source *s, const char *path, uint32_t line)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	uint32_t base = 0;
	struct err *err AUTO(err) = source_files_read(&s->files, path, &text, &len);
	const char *start = err ? NULL : declaration(text, line, &base, &len);
	if (!start || !line)
		return NULL;
	for (size_t i = 0; i < s->trees.n; i++) {
		const struct parsed *one = &s->trees.v[i];
		if (one->path == path && one->base == base)
			return one->tree.tree ? one : NULL;
	}
	if (s->trees.n >= TREES_MAX)
		return NULL;
	struct parsed *one = vec_push(&s->trees);
	one->path = path;
	one->base = base;
	parse(s, start, len, one);
	return one->tree.tree ? one : NULL;
}

/* ---- the function of a line ---- */

static bool is_function(TSNode node)
{
	return source_type(node, "function_declaration") || source_type(node, "method_declaration") ||
	       source_type(node, "func_literal");
}

/* The functions around a line: the outermost, and the innermost. */
static void around(const struct source_tree *t, uint32_t line, TSNode *outer, TSNode *inner)
{
	struct source_walk w;
	*outer = *inner = (TSNode){ 0 };
	for (source_walk_start(&w, ts_tree_root_node(t->tree)); source_walk_on(&w);) {
		if (!source_spans(w.node, line)) {
			source_walk_over(&w);
			continue;
		}
		if (!is_function(w.node))
			continue;
		*inner = w.node;
		if (ts_node_is_null(*outer))
			*outer = w.node;
	}
}

/* "run" is part of "example.com/pkg.(*T).run.func1"; the package's path is not looked at. */
static bool names(const char *function, struct source_word name)
{
	const char *s = strrchr(function, '/');
	for (s = strchr(s ? s : function, '.'); s; s = strchr(s + 1, '.')) {
		size_t n = strcspn(s + 1, ".[");
		if (n == name.len && memcmp(s + 1, name.s, n) == 0)
			return true;
	}
	return false;
}

/* A literal outside of all functions initializes a variable of the package: it has no name to compare. */
static bool is_of(const struct source_tree *t, const char *function, TSNode outer)
{
	if (ts_node_is_null(outer))
		return false;
	if (source_type(outer, "func_literal"))
		return strstr(function, ".func") != NULL;
	return names(function, source_text(t, source_field(outer, "name")));
}

static void drop_repeated(struct source_lack_vec *v, size_t from)
{
	size_t n = from;
	for (size_t i = from; i < v->n; i++) {
		bool known = false;
		for (size_t k = 0; k < n && !known; k++)
			known = strcmp(v->v[k].text, v->v[i].text) == 0 && strcmp(v->v[k].rule, v->v[i].rule) == 0;
		if (!known)
			v->v[n++] = v->v[i];
	}
	v->n = n;
}

bool source_lacks(struct source *s, const struct source_place *place, struct arena *arena, struct source_lack_vec *ret)
{
	const char *path = source_files_find(&s->files, place->file);
	const struct parsed *at = path ? parsed_at(s, path, place->line) : NULL;
	if (!at)
		return false;
	struct source_look l = {
		.tree = &at->tree,
		.path = path,
		.base = at->base,
		.line = place->line - at->base,
		.arena = arena,
		.out = ret,
	};
	around(l.tree, l.line, &l.declaration, &l.function);
	if (!is_of(l.tree, place->function, l.declaration))
		return false;
	size_t before = ret->n;
	for (const struct source_rule *r = source_rule_table; r->name; r++) {
		if (r->creation == place->creation)
			r->look(&l, r);
	}
	drop_repeated(ret, before);
	return true;
}
