/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "owners/words.h"

enum { SIZES_SHIFT = 3 };

#define MIXED UINT32_MAX

/* ---- names ---- */

/* Types of the parts of maps, where an object's own header tells its type: they belong to a map all the same. */
static const struct {
	const char *begin;
	bool tells_map; /* "map.group[K]V" */
} map_parts[] = {
	{ "map.group[", true },	       { "map.bucket[", true }, { "noalg.map.group[", true },
	{ "noalg.map.bucket[", true }, { "maps.table", false }, { "internal/runtime/maps.table", false },
};

enum { MAP_PARTS = sizeof(map_parts) / sizeof(map_parts[0]) };

/* Which of them a name is, apart from "*" and "[]" in front. */
static size_t map_part(const char *name)
{
	size_t i = 0;
	name += strspn(name, "*[]");
	while (i < MAP_PARTS && strncmp(name, map_parts[i].begin, strlen(map_parts[i].begin)) != 0)
		i++;
	return i;
}

/* What a map or a channel is made of goes by its name; typing adds which part it is. */
static const char *whole_name(struct owners_words *n, const struct goheap_kind *k)
{
	const char *part = strrchr(k->name, '(');
	bool is_part = k->form == GOHEAP_FORM_MAP_PART || k->form == GOHEAP_FORM_CHAN_PART;
	size_t i = map_part(k->name);
	if (i < MAP_PARTS && map_parts[i].tells_map)
		return arena_printf(&n->w->snapshot->arena, "map%s", strchr(k->name + strspn(k->name, "*[]"), '['));
	if (!is_part || !part || part < k->name + 2 || part[-1] != ' ')
		return k->name;
	return arena_strndup(&n->w->snapshot->arena, k->name, (size_t)(part - 1 - k->name));
}

/* One of a type is held through a pointer to it. */
static const char *step_name(struct owners_words *n, const struct goheap_kind *k, const char *type)
{
	if (k->form != GOHEAP_FORM_VALUE || strncmp(type, "map[", 4) == 0)
		return type;
	return arena_printf(&n->w->snapshot->arena, "*%s", type);
}

static uint8_t what_is(const struct goheap_kind *k)
{
	if (k->form == GOHEAP_FORM_MAP_PART || (k->name && map_part(k->name) < MAP_PARTS))
		return WORDS_PART | WORDS_OF_MAP;
	return k->form == GOHEAP_FORM_MAP ? WORDS_OF_MAP : k->form == GOHEAP_FORM_CHAN_PART ? WORDS_PART : 0;
}

static bool same_name(const void *ctx, uint32_t kind)
{
	const struct owners_words *n = ((const void *const *)ctx)[0];
	return strcmp(n->types[kind], ((const void *const *)ctx)[1]) == 0;
}

static void name_kinds(struct owners_words *n)
{
	const struct goheap_kind_vec *kinds = &n->w->typing.kinds;
	struct hash_index index = { 0 };
	n->n_kinds = kinds->n ? (uint32_t)kinds->n : 1;
	n->types = xcalloc(n->n_kinds, sizeof(*n->types));
	n->steps = xcalloc(n->n_kinds, sizeof(*n->steps));
	n->alike = xcalloc(n->n_kinds, sizeof(*n->alike));
	n->what = xcalloc(n->n_kinds, sizeof(*n->what));
	n->types[0] = n->steps[0] = "(no type)";
	for (uint32_t k = 1; k < n->n_kinds; k++) {
		const struct goheap_kind *kind = &kinds->v[k];
		const char *name = kind->name ? whole_name(n, kind) : "?";
		const void *ctx[] = { n, name };
		uint64_t hash = hash_bytes(name, strlen(name));
		uint32_t first = hash_index_find(&index, hash, same_name, ctx);
		n->alike[k] = first == HASH_NONE ? k : first;
		n->what[k] = what_is(kind);
		n->types[k] = first == HASH_NONE ? arena_strdup(&n->w->snapshot->arena, name) : n->types[first];
		n->steps[k] = step_name(n, kind, n->types[k]);
		if (first == HASH_NONE)
			hash_index_add(&index, hash, k);
	}
	hash_index_deinit(&index);
}

static void add_about(struct strbuf *sb, size_t *n, const char *before, const char *what)
{
	strbuf_printf(sb, "%s%s%s", (*n)++ ? ", " : " (", before, what);
}

/* "main.Sessions (global, used by main.leak)", "main.worker created by main.start (200 goroutines, in chan receive)" */
static const char *root_text(struct arena *arena, const struct owners_root *r)
{
	char count[64];
	size_t n = 0;
	AUTO(strbuf) struct strbuf sb;
	strbuf_init(&sb);
	strbuf_puts(&sb, r->name && *r->name ? r->name : "(unknown)");
	snprintf(count, sizeof(count), "%llu goroutine%s", (unsigned long long)r->goroutines,
		 r->goroutines == 1 ? "" : "s");
	if (r->goroutines)
		add_about(&sb, &n, "", count);
	else if (r->kind != OWNERS_OTHER)
		add_about(&sb, &n, "", owners_root_kinds[r->kind]);
	if (r->used_by)
		add_about(&sb, &n, "used by ", r->used_by);
	if (r->blocked_at)
		add_about(&sb, &n, "in ", r->blocked_at);
	if (n)
		strbuf_putc(&sb, ')');
	return arena_strdup(arena, sb.buf);
}

static void name_roots(struct owners_words *n)
{
	const struct owners_root_vec *roots = &n->w->out->roots;
	n->roots = xcalloc(roots->n + 1, sizeof(*n->roots));
	for (size_t i = 0; i < roots->n; i++)
		n->roots[i] = root_text(&n->w->snapshot->arena, &roots->v[i]);
}

static const char *kind_word(void *ctx, uint32_t kind)
{
	return ((const struct owners_words *)ctx)->steps[kind];
}

static const char *field_word(void *ctx, uint32_t field)
{
	const struct owners_words *n = ctx;
	return field && field <= n->fields.n ? n->fields.v[field - 1] : NULL;
}

/* ---- what retain_find() asks ---- */

static uint32_t no_kind(void *ctx, uint32_t object)
{
	return 0;
}

static uint64_t bytes_of(void *ctx, uint32_t object)
{
	const struct owners_words *n = ctx;
	uint32_t size = n->sizes[object >> SIZES_SHIFT];
	return size != MIXED ? size : goheap_object_get(&n->w->objects, object).size;
}

/* Most objects are asked for in no order, and most neighbours are of one size. */
static void find_sizes(struct owners_words *n)
{
	const struct goheap_objects *o = &n->w->objects;
	n->sizes = xcalloc((o->n >> SIZES_SHIFT) + 1, sizeof(*n->sizes));
	for (size_t s = 0; s < o->spans.n; s++) {
		uint32_t from = o->spans.v[s].first;
		uint64_t bytes = goheap_object_get(o, from).size;
		uint32_t size = bytes < MIXED ? (uint32_t)bytes : MIXED;
		uint32_t end = s + 1 < o->spans.n ? o->spans.v[s + 1].first : o->n;
		for (uint32_t i = from >> SIZES_SHIFT; from < end && i <= (end - 1) >> SIZES_SHIFT; i++)
			n->sizes[i] = n->sizes[i] && n->sizes[i] != size ? MIXED : size;
	}
}

/* The number of the name of a field; 0: an element of an array, or not known. */
static uint32_t field_at(struct owners_words *n, uint32_t kind, uint32_t word)
{
	uint64_t at = (uint64_t)kind << 32 | word;
	struct words_place *p = &n->recent[(at * UINT64_C(0x9e3779b97f4a7c15)) >> 52];
	if (p->known && p->at == at)
		return p->field;
	const char *name = goheap_typing_field(&n->w->typing, kind, &word);
	*p = (struct words_place){ .at = at, .known = true };
	if (!name || strcmp(name, "[]") == 0)
		return 0;
	bool fresh = false;
	uint64_t *id = hash_map_at(&n->ids, (uintptr_t)name, &fresh);
	if (fresh) {
		size_t skip = strncmp(name, "[].", 3) == 0 ? 3 : 0; /* of which element says nothing */
		*vec_push(&n->fields) = arena_strdup(&n->w->snapshot->arena, name + skip);
		*id = n->fields.n;
	}
	p->field = (uint32_t)*id;
	return p->field;
}

/* A part of a map may be held by any other; which map it is only some of them tell. */
static struct retain_step step_of(void *ctx, uint32_t holder_kind, uint32_t kind, uint32_t word)
{
	struct owners_words *n = ctx;
	unsigned what = n->what[kind];
	bool alike = n->alike[kind] == n->alike[holder_kind], maps = what & n->what[holder_kind] & WORDS_OF_MAP;
	return (struct retain_step){
		.part = what & WORDS_PART && (alike || maps),
		.field = word == GRAPH_WORD_MAX || what & WORDS_PART ? 0 : field_at(n, holder_kind, word),
	};
}

/* ---- sums ---- */

static int more_retained(const void *a, const void *b)
{
	const struct owners_root *const *x = a, *const *y = b;
	if ((*x)->retained != (*y)->retained)
		return (*x)->retained < (*y)->retained ? 1 : -1;
	return *x < *y ? -1 : *x > *y;
}

/* By what they retain; root_of follows. */
static void sort_roots(struct owners_work *w)
{
	struct owners_root_vec *roots = &w->out->roots;
	struct owners_root_vec sorted = { 0 };
	const struct owners_root **order = xcalloc(roots->n + 1, sizeof(const struct owners_root *));
	uint32_t *now = xcalloc(roots->n + 1, sizeof(*now));
	for (size_t i = 0; i < roots->n; i++)
		order[i] = &roots->v[i];
	if (roots->n)
		qsort(order, roots->n, sizeof(const struct owners_root *), more_retained);
	vec_reserve(&sorted, roots->n);
	for (size_t i = 0; i < roots->n; i++) {
		now[order[i] - roots->v] = (uint32_t)i;
		*vec_push(&sorted) = *order[i];
	}
	for (size_t i = 0; i < w->root_of.n; i++)
		w->root_of.v[i] = now[w->root_of.v[i]];
	vec_deinit(roots);
	*roots = sorted;
	free(order);
	free(now);
}

static void sum_roots(struct owners_work *w)
{
	struct owners *out = w->out;
	if (!out->roots.n || w->retain.roots[w->graph.n_roots].retained)
		*vec_push(&out->roots) = (struct owners_root){
			.kind = OWNERS_OTHER,
			.name = OWNERS_SEVERAL,
			.site = { .function = "", .file = "" },
		};
	*vec_push(&w->root_of) = (uint32_t)out->roots.n - 1;
	for (uint32_t r = 0; r <= w->graph.n_roots; r++) {
		struct owners_root *row = &out->roots.v[w->root_of.v[r]];
		row->retained += w->retain.roots[r].retained;
		row->retained_objects += w->retain.roots[r].retained_objects;
	}
	sort_roots(w);
}

/* What has no type comes last, and tells how much of the heap has one. */
static void sum_types(struct owners_work *w)
{
	struct owners *out = w->out;
	paths_types_fill(&w->retain, &w->words->paths, out);
	uint64_t typed = 0, untyped = w->retain.kinds[0].bytes;
	for (size_t i = 0; i < out->types.n; i++)
		typed += out->types.v[i].bytes;
	for (size_t i = 0; untyped && i + 1 < out->types.n; i++) {
		if (out->types.v[i].type != w->words->types[0])
			continue;
		struct owners_type none = out->types.v[i];
		out->types.v[i] = out->types.v[i + 1];
		out->types.v[i + 1] = none;
	}
	if (typed)
		out->typed_ratio = 1 - (double)untyped / (double)typed;
}

static const char *type_word(void *ctx, uint32_t kind)
{
	return ((const struct owners_words *)ctx)->types[kind];
}

struct err *owners_paths_fill(struct owners_work *w)
{
	struct owners_words *n = w->words = xcalloc(1, sizeof(*n));
	n->w = w;
	name_kinds(n);
	find_sizes(n);
	const struct retain_input in = {
		.graph = &w->graph,
		.dominators = &w->dominators,
		.ctx = n,
		.bytes = bytes_of,
		.kinds = w->typing.kind,
		.kind = no_kind,
		.step = w->typing.kind ? step_of : NULL,
		.n_kinds = n->n_kinds,
		.alike = n->alike,
	};
	TRY(retain_find(&in, &w->retain));
	sum_roots(w);
	name_roots(n);
	n->paths = (struct paths_words){
		.ctx = n,
		.kind = type_word,
		.field = field_word,
		.root_of = w->root_of.v,
		.root = n->roots,
		.n_kinds = in.n_kinds,
		.alike = n->alike,
		.type = w->in->type,
		.nodes = &n->nodes,
	};
	sum_types(w);
	n->paths.kind = kind_word;
	paths_fill(&w->retain, &n->paths, &w->snapshot->arena, w->out);
	owners_several_fill(w);
	if (w->retain.cut)
		snapshot_note(w->snapshot, "there are more than %d paths: some are counted into the step above",
			      RETAIN_PATHS_MAX);
	owners_sampled_join(w);
	return NULL;
}

const char *owners_path_text(struct owners_work *w, uint32_t object)
{
	if (!w->words || !w->retain.path_of || object >= w->graph.n)
		return NULL;
	uint32_t i = w->dominators.order[object];
	if (i == GRAPH_NONE)
		return NULL;
	uint32_t node = w->retain.path_of[i];
	bool fresh = false;
	uint64_t *text = hash_map_at(&w->words->texts, node, &fresh);
	if (fresh)
		*text = (uintptr_t)paths_node_text(&w->retain, &w->words->paths, node, &w->snapshot->arena);
	return (const char *)(uintptr_t)*text;
}

void owners_words_free(struct owners_words *n)
{
	if (!n)
		return;
	free(n->types);
	free(n->steps);
	free(n->alike);
	free(n->what);
	free(n->sizes);
	free(n->roots);
	hash_map_deinit(&n->ids);
	vec_deinit(&n->fields);
	vec_deinit(&n->nodes);
	hash_map_deinit(&n->texts);
	free(n);
}
