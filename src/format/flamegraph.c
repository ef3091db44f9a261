/* SPDX-License-Identifier: Apache-2.0 */
#include "format/flamegraph.h"

#include <string.h>

#include "base/num.h"
#include "format/page.h"

/*
 * The stacks become a tree of functions from the root. Nodes are numbered as they are made, so a parent comes before
 * its children; node 0 is the root of all. The page gets them as columns, in the order of drawing.
 */
struct node {
	uint32_t parent, name;
	uint32_t first, n; /* children, in `order` */
	int64_t self, base;
	uint64_t weight; /* with all below: what they are sorted by */
};

struct name {
	const char *function, *file;
};

struct tree {
	const struct flamegraph *f;
	VEC(struct node) nodes;
	VEC(struct name) names;
	struct hash_map name_ids, children; /* by address of the text; by parent and name */
	uint32_t *order;		    /* nodes sorted by parent, then by weight */
	uint64_t cut;			    /* samples */
};

static uint64_t weight(int64_t v)
{
	return v < 0 ? -(uint64_t)v : (uint64_t)v;
}

static int64_t plus(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* ---- making the tree ---- */

static uint32_t name_id(struct tree *t, const struct frame *f)
{
	bool fresh = false;
	uint64_t *id = hash_map_at(&t->name_ids, (uint64_t)(uintptr_t)f->function, &fresh);
	if (fresh) {
		*id = t->names.n;
		*vec_push(&t->names) = (struct name){ f->function, f->file };
	}
	return (uint32_t)*id;
}

static uint32_t child(struct tree *t, uint32_t parent, uint32_t name)
{
	bool fresh = false;
	uint64_t *id = hash_map_at(&t->children, (uint64_t)parent << 32 | name, &fresh);
	if (fresh) {
		*id = t->nodes.n;
		*vec_push(&t->nodes) = (struct node){ .parent = parent, .name = name };
	}
	return (uint32_t)*id;
}

static int64_t base_of(const struct flamegraph *f, size_t sample)
{
	return f->base_type < 0 ? 0 : profile_values(f->profile, sample)[f->base_type];
}

static void add_sample(struct tree *t, size_t sample)
{
	const struct profile *p = t->f->profile;
	int64_t value = profile_values(p, sample)[t->f->type], base = base_of(t->f, sample);
	uint32_t stack = p->samples.v[sample].stack, at = 0, i = stacks_depth(&p->stacks, stack);
	if (!value && !base)
		return;
	while (i && t->nodes.n < FLAMEGRAPH_NODES_MAX)
		at = child(t, at, name_id(t, stacks_at(&p->stacks, stack, --i)));
	t->cut += i != 0;
	struct node *n = &t->nodes.v[at];
	n->self = plus(n->self, value);
	n->base = plus(n->base, base);
}

struct sample {
	uint64_t weight;
	size_t at;
};

static int by_weight(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* The largest first, so that what is cut is small. */
static void add_samples(struct tree *t)
{
	VEC(struct sample) v = { 0 };
	size_t n = t->f->profile->samples.n;
	vec_reserve(&v, n);
	for (size_t i = 0; i < n; i++)
		*vec_push(&v) = (struct sample){
			weight(profile_values(t->f->profile, i)[t->f->type]) + weight(base_of(t->f, i)), i
		};
	vec_sort(&v, by_weight);
	for (size_t i = 0; i < n; i++)
		add_sample(t, v.v[i].at);
	vec_deinit(&v);
}

static int in_order(const void *a, const void *b, void *ctx)
{
	const struct tree *t = ctx;
	const struct node *x = &t->nodes.v[*(const uint32_t *)a], *y = &t->nodes.v[*(const uint32_t *)b];
	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return strcmp(t->names.v[x->name].function, t->names.v[y->name].function);
}

/* Children become runs in `order`, the heaviest first. */
static void sort_children(struct tree *t)
{
	size_t n = t->nodes.n;
	for (size_t i = n; i-- > 0;) {
		struct node *node = &t->nodes.v[i];
		node->weight += weight(node->self) + weight(node->base);
		if (i)
			t->nodes.v[node->parent].weight += node->weight;
	}
	t->order = xcalloc(n, sizeof(*t->order));
	for (uint32_t i = 0; i < n; i++)
		t->order[i] = i;
	qsort_r(t->order + 1, n - 1, sizeof(*t->order), in_order, t);
	for (size_t i = n; i-- > 1;) {
		struct node *parent = &t->nodes.v[t->nodes.v[t->order[i]].parent];
		parent->first = (uint32_t)i;
		parent->n++;
	}
}

/* ---- the page's data ---- */

struct step {
	uint32_t node, depth;
};

/* `order` becomes the order of drawing: a node, then what is below it. Depths go to `depth`. */
static void walk(struct tree *t, uint32_t *depth)
{
	VEC(struct step) todo = { 0 };
	uint32_t *drawn = xcalloc(t->nodes.n, sizeof(*drawn));
	*vec_push(&todo) = (struct step){ 0, 0 };
	for (size_t i = 0; todo.n; i++) {
		struct step s = todo.v[--todo.n];
		const struct node *node = &t->nodes.v[s.node];
		drawn[i] = s.node;
		depth[i] = s.depth;
		for (uint32_t k = node->n; k-- > 0;)
			*vec_push(&todo) = (struct step){ t->order[node->first + k], s.depth + 1 };
	}
	vec_deinit(&todo);
	free(t->order);
	t->order = drawn;
}

static void put_nodes(struct json *j, struct tree *t)
{
	AUTO_FREE uint32_t *depth = xcalloc(t->nodes.n, sizeof(*depth));
	walk(t, depth);
	json_array(j, "depth");
	for (size_t i = 0; i < t->nodes.n; i++)
		json_u64(j, NULL, depth[i]);
	json_array_end(j);
	json_array(j, "name");
	for (size_t i = 0; i < t->nodes.n; i++)
		json_u64(j, NULL, t->nodes.v[t->order[i]].name);
	json_array_end(j);
	json_array(j, "self");
	for (size_t i = 0; i < t->nodes.n; i++)
		json_i64(j, NULL, t->nodes.v[t->order[i]].self);
	json_array_end(j);
	if (t->f->base_type < 0)
		return;
	json_array(j, "base");
	for (size_t i = 0; i < t->nodes.n; i++)
		json_i64(j, NULL, t->nodes.v[t->order[i]].base);
	json_array_end(j);
}

/* [number of a name, text] for the names that fn() has a text for. */
static void put_extra(struct json *j, const char *key, const struct tree *t, const char *(*fn)(const char *function))
{
	json_array(j, key);
	for (size_t i = 1; fn && i < t->names.n; i++) {
		const char *text = fn(t->names.v[i].function);
		if (!text)
			continue;
		json_array(j, NULL);
		json_u64(j, NULL, i);
		json_str(j, NULL, text);
		json_array_end(j);
	}
	json_array_end(j);
}

/* Files are few and long: a table, and for each name its number there. */
static void put_files(struct json *j, const struct tree *t)
{
	struct hash_map ids = { 0 };
	json_array(j, "files");
	for (size_t i = 0; i < t->names.n; i++) {
		bool fresh = false;
		uint64_t *id = hash_map_at(&ids, (uint64_t)(uintptr_t)t->names.v[i].file, &fresh);
		if (fresh) {
			*id = ids.n - 1;
			json_str(j, NULL, t->names.v[i].file);
		}
	}
	json_array_end(j);
	json_array(j, "file");
	for (size_t i = 0; i < t->names.n; i++)
		json_u64(j, NULL, *hash_map_at(&ids, (uint64_t)(uintptr_t)t->names.v[i].file, NULL));
	json_array_end(j);
	hash_map_deinit(&ids);
}

static void put_data(struct json *j, struct tree *t)
{
	const struct flamegraph *f = t->f;
	const struct profile_type *type = &f->profile->types[f->type];
	json_object(j, NULL);
	json_str(j, "title", f->title);
	json_str(j, "subtitle", f->subtitle);
	json_str(j, "type", type->type);
	json_str(j, "unit", type->unit);
	json_u64(j, "cut", t->cut);
	json_array(j, "names");
	for (size_t i = 0; i < t->names.n; i++)
		json_str(j, NULL, t->names.v[i].function);
	json_array_end(j);
	put_files(j, t);
	put_extra(j, "colors", t, f->color);
	put_extra(j, "about", t, f->about);
	put_nodes(j, t);
	json_object_end(j);
}

void flamegraph_put(const struct flamegraph *f, struct strbuf *out)
{
	AUTO(strbuf) struct strbuf data;
	struct json j;
	struct tree t = { .f = f };
	strbuf_init(&data);
	json_init(&j, &data);
	*vec_push(&t.names) = (struct name){ "all", "" };
	*vec_push(&t.nodes) = (struct node){ 0 };
	add_samples(&t);
	sort_children(&t);
	put_data(&j, &t);
	page_put(&page_flame, &data, out);
	vec_deinit(&t.nodes);
	vec_deinit(&t.names);
	hash_map_deinit(&t.name_ids);
	hash_map_deinit(&t.children);
	free(t.order);
}
