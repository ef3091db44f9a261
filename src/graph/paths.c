/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/paths.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/num.h"
#include "base/strbuf.h"

enum { NODE_TEXT_MAX = 256 }; /* steps of a text */

struct writer {
	const struct retain *r;
	const struct paths_words *w;
	struct arena *arena;
	struct owners *out;
	uint32_t *chosen; /* nodes, largest first */
	size_t n;
	bool *wanted;		   /* by node */
	const char **text;	   /* by node */
	uint32_t *steps_at;	   /* by node; GRAPH_NONE: not written yet */
	struct hash_map namesakes; /* parent (or root) and kind to how many nodes there are */
};

/* ---- types ---- */

static int more_bytes(const void *a, const void *b)
{
	const struct owners_type *x = a, *y = b;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->type, y->type);
}

void paths_types_fill(const struct retain *r, const struct paths_words *w, struct owners *out)
{
	for (uint32_t k = 0; k < w->n_kinds; k++) {
		const struct retain_sum *sum = &r->kinds[k];
		if (!sum->objects || (w->alike && w->alike[k] != k))
			continue;
		*vec_push(&out->types) = (struct owners_type){
			.type = w->kind(w->ctx, k),
			.objects = sum->objects,
			.bytes = sum->bytes,
			.retained = sum->retained,
		};
	}
	vec_sort(&out->types, more_bytes);
}

/* ---- which paths ---- */

struct ranked {
	uint64_t retained;
	uint32_t node;
};

/* What stands above another node is before it, also where it retains no more. */
static int more_retained(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->retained != y->retained)
		return x->retained < y->retained ? 1 : -1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static void choose(struct writer *p)
{
	const struct retain_path_vec *paths = &p->r->paths;
	AUTO_FREE struct ranked *all = xcalloc(paths->n + 1, sizeof(*all));
	const char *type = p->w->type;
	uint64_t least = type ? 1 : num_max(p->out->reachable / PATHS_SHARE, 1);
	size_t n = 0;
	for (size_t i = 0; i < paths->n; i++) {
		uint64_t retained = paths->v[i].sum.retained;
		if (retained >= least && (!type || owners_type_is(p->w->kind(p->w->ctx, paths->v[i].kind), type)))
			all[n++] = (struct ranked){ retained, (uint32_t)i };
	}
	if (n)
		qsort(all, n, sizeof(*all), more_retained);
	p->n = num_min(n, PATHS_MAX);
	for (size_t i = 0; i < p->n; i++) {
		p->chosen[i] = all[i].node;
		p->wanted[all[i].node] = true;
	}
}

/* ---- words ---- */

static uint64_t namesake_key(const struct retain_path *path)
{
	uint32_t above = path->parent != GRAPH_NONE ? path->parent : GRAPH_NONE - 1 - path->root;
	return (uint64_t)above << 32 | path->kind;
}

static const char *field_of(const struct writer *p, const struct retain_path *path)
{
	return path->field && p->w->field ? p->w->field(p->w->ctx, path->field) : NULL;
}

/* A parent is chosen where its child is, and stands before it; but where only one type is asked for. */
static void write_text(struct writer *p, uint32_t node)
{
	const struct retain_path *path = &p->r->paths.v[node];
	const char *above = path->parent != GRAPH_NONE ? p->text[path->parent] : p->w->root[p->w->root_of[path->root]];
	if (!above)
		above = paths_node_text(p->r, p->w, path->parent, p->arena);
	const char *field = field_of(p, path);
	const uint64_t *same = hash_map_get(&p->namesakes, namesake_key(path));
	bool doubt = field && same && *same > 1;
	bool dot = doubt && field[0] != '['; /* "[key]" stands for itself */
	p->text[node] = arena_printf(p->arena, "%s -> %s%s%s%s", above, dot ? "." : "", doubt ? field : "",
				     doubt ? " " : "", p->w->kind(p->w->ctx, path->kind));
}

/* The steps down to a node; the paths to those above it are the beginning of the same steps. */
static void write_steps(struct writer *p, uint32_t node)
{
	uint32_t depth = 0;
	for (uint32_t i = node; i != GRAPH_NONE; i = p->r->paths.v[i].parent)
		depth++;
	uint32_t at = (uint32_t)p->out->steps.n, left = depth;
	for (uint32_t i = 0; i < depth; i++)
		vec_push(&p->out->steps);
	for (uint32_t i = node; i != GRAPH_NONE; i = p->r->paths.v[i].parent) {
		const struct retain_path *path = &p->r->paths.v[i];
		p->steps_at[i] = at;
		p->out->steps.v[at + --left] = (struct owners_step){
			.type = p->w->kind(p->w->ctx, path->kind),
			.field = field_of(p, path),
			.objects = path->sum.objects,
			.bytes = path->sum.bytes,
		};
	}
}

static uint32_t depth_of(const struct writer *p, uint32_t node)
{
	uint32_t depth = 0;
	for (uint32_t i = node; i != GRAPH_NONE; i = p->r->paths.v[i].parent)
		depth++;
	return depth;
}

static void fill_paths(struct writer *p)
{
	const struct retain_path_vec *paths = &p->r->paths;
	for (size_t i = 0; i < paths->n; i++) {
		if (p->wanted[i])
			(*hash_map_at(&p->namesakes, namesake_key(&paths->v[i]), NULL))++;
	}
	for (size_t i = p->n; i-- > 0;) { /* the small ones lead through the large ones */
		if (p->steps_at[p->chosen[i]] == GRAPH_NONE)
			write_steps(p, p->chosen[i]);
	}
	for (size_t i = 0; i < p->n; i++) {
		uint32_t node = p->chosen[i];
		const struct retain_path *path = &paths->v[node];
		write_text(p, node);
		if (p->w->nodes)
			*vec_push(p->w->nodes) = node;
		*vec_push(&p->out->paths) = (struct owners_path){
			.root = p->w->root_of[path->root],
			.step_at = p->steps_at[node],
			.step_n = depth_of(p, node),
			.retained = path->sum.retained,
			.objects = path->sum.retained_objects,
			.text = p->text[node],
		};
	}
}

void paths_fill(const struct retain *r, const struct paths_words *w, struct arena *arena, struct owners *out)
{
	struct writer p = { .r = r, .w = w, .arena = arena, .out = out };
	const size_t n = r->paths.n + 1;
	p.chosen = xcalloc(n, sizeof(*p.chosen));
	p.wanted = xcalloc(n, sizeof(*p.wanted));
	p.text = xcalloc(n, sizeof(*p.text));
	p.steps_at = xmalloc(n * sizeof(*p.steps_at));
	memset(p.steps_at, 0xff, n * sizeof(*p.steps_at));
	choose(&p);
	fill_paths(&p);
	hash_map_deinit(&p.namesakes);
	free(p.chosen);
	free(p.wanted);
	free(p.text);
	free(p.steps_at);
}

const char *paths_node_text(const struct retain *r, const struct paths_words *w, uint32_t node, struct arena *arena)
{
	uint32_t way[NODE_TEXT_MAX], n = 0, root = w->root_of[r->paths.v[node].root];
	for (uint32_t i = node; i != GRAPH_NONE; i = r->paths.v[i].parent)
		if (n < NODE_TEXT_MAX)
			way[n++] = r->paths.v[i].kind;
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	strbuf_puts(&text, w->root[root]);
	while (n-- > 0)
		strbuf_printf(&text, " -> %s", w->kind(w->ctx, way[n]));
	return arena_strdup(arena, text.buf);
}
