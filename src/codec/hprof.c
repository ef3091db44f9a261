/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hprof.h"

#include <stdio.h>

#include "codec/hprof_walk.h"

enum { CACHE = 1024 };

struct length {
	uint32_t class, length;
	uint64_t objects;
};

struct beyond {
	uint64_t arrays, elements;
};

struct histogram {
	struct hprof h;
	struct snapshot *ret;
	struct hash_map length_index;
	VEC(struct length) lengths;
	VEC(struct beyond) beyond; /* by class: arrays beyond HPROF_LENGTHS_MAX */
	struct {
		uint64_t key;
		uint32_t row;
	} cache[CACHE];
};

/* ---- objects ---- */

static HPROF_INLINE struct err *count_instance(struct histogram *g, const struct hprof_object *o)
{
	uint32_t k = 0;
	TRY(hprof_class_of(&g->h, o->class, &k));
	g->h.classes.v[k].objects++;
	g->h.classes.v[k].body = o->length;
	if (g->h.last.array)
		hprof_place(&g->h, o->id, false, 0, 0);
	return NULL;
}

static void count_new_length(struct histogram *g, uint32_t k, uint32_t length, size_t slot)
{
	const uint64_t key = (uint64_t)k << 32 | length;
	uint64_t *at = hash_map_get(&g->length_index, key);
	if (!at && g->lengths.n < HPROF_LENGTHS_MAX) {
		at = hash_map_at(&g->length_index, key, NULL);
		*at = g->lengths.n;
		*vec_push(&g->lengths) = (struct length){ k, length, 0 };
	}
	if (!at) {
		while (g->beyond.n <= k)
			vec_push(&g->beyond);
		g->beyond.v[k].arrays++;
		g->beyond.v[k].elements += length;
		return;
	}
	g->cache[slot].key = key;
	g->cache[slot].row = (uint32_t)*at;
	g->lengths.v[*at].objects++;
}

static HPROF_INLINE struct err *count_array(struct histogram *g, const struct hprof_object *o)
{
	uint32_t k = o->type;
	if (o->tag == HPROF_OBJECTS)
		TRY(hprof_class_of(&g->h, o->class, &k));
	size_t slot = (o->length ^ k * 61) % CACHE;
	if (g->cache[slot].key == ((uint64_t)k << 32 | o->length)) /* a class is never 0, so neither is a key */
		g->lengths.v[g->cache[slot].row].objects++;
	else
		count_new_length(g, k, o->length, slot);
	if (g->h.votes_left)
		hprof_place(&g->h, o->id, true, o->length, hprof_type_size(o->type));
	return NULL;
}

static HPROF_INLINE struct err *count(struct histogram *g, const struct hprof_object *o)
{
	return o->tag == HPROF_INSTANCE ? count_instance(g, o) : count_array(g, o);
}

static struct err *large(void *ctx, const struct hprof_object *o)
{
	return count(ctx, o);
}

static HPROF_INLINE struct err *count_all(struct histogram *g, size_t w, const unsigned char *p, size_t n, size_t *used)
{
	size_t at = 0;
	while (at < n) {
		struct hprof_object o;
		uint64_t size = hprof_object_at(w, p + at, n - at, &o);
		if (!size || size > n - at)
			break;
		TRY(count(g, &o));
		at += size;
	}
	*used = at;
	return NULL;
}

/* The size of identifiers is a constant in each loop. */
static struct err *objects(void *ctx, const unsigned char *p, size_t n, size_t *used)
{
	struct histogram *g = ctx;
	return g->h.id_size == 8 ? count_all(g, 8, p, n, used) : count_all(g, 4, p, n, used);
}

/* ---- rows ---- */

static void put_row(struct histogram *g, const char *type, uint64_t objects, uint64_t bytes)
{
	*vec_push(&g->ret->heap.types) = (struct heap_type){ type, objects, bytes };
}

/* Every class that was dumped is an object too, with its static fields behind those of java.lang.Class. */
static void put_classes(struct histogram *g, const struct hprof_class *class, const char *name)
{
	uint64_t objects = class->objects, bytes = class->objects * class->size; /* those of primitive types */
	for (uint32_t k = HPROF_PRIMITIVE_CLASSES; k < g->h.classes.n; k++) {
		const struct hprof_class *c = &g->h.classes.v[k];
		objects += c->dumped;
		bytes += c->dumped ? class->size + hprof_statics_size(&g->h, c) : 0;
	}
	put_row(g, name, objects, bytes);
}

static void put_instances(struct histogram *g)
{
	for (uint32_t k = HPROF_PRIMITIVE_CLASSES; k < g->h.classes.n; k++) {
		const struct hprof_class *c = &g->h.classes.v[k];
		bool classes = c->dumped && strcmp(c->text, "java.lang.Class") == 0;
		if (!classes && !c->objects)
			continue;
		const char *name = arena_strdup(&g->ret->arena, c->text);
		if (classes)
			put_classes(g, c, name);
		else
			put_row(g, name, c->objects, c->objects * c->size);
	}
}

static void put_arrays(struct histogram *g)
{
	char first[16];
	for (size_t i = 0; i < g->lengths.n; i++) {
		const struct length *a = &g->lengths.v[i];
		snprintf(first, sizeof(first), "%u", a->length);
		put_row(g, hprof_class_text(&g->h, a->class, first, &g->ret->arena), a->objects,
			a->objects * hprof_array_size(&g->h, a->class, a->length));
	}
	for (uint32_t k = 0; k < g->beyond.n; k++) {
		const struct beyond *b = &g->beyond.v[k];
		uint64_t element = k < HPROF_PRIMITIVE_CLASSES ? hprof_type_size((unsigned char)k) : g->h.layout.ref;
		if (b->arrays) /* padding of those whose lengths were not kept: four bytes each, on average */
			put_row(g, hprof_class_text(&g->h, k, "", &g->ret->arena), b->arrays,
				b->arrays * (g->h.layout.array + 4ULL) + b->elements * element);
	}
}

static int more_bytes(const void *a, const void *b)
{
	const struct heap_type *x = a, *y = b;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->type, y->type);
}

static void finish(struct histogram *g)
{
	if (!hprof_sizes_find(&g->h))
		snapshot_note(g->ret, "nothing in the dump tells how large references and headers were; "
				      "bytes assume compressed references");
	put_instances(g);
	put_arrays(g);
	vec_sort(&g->ret->heap.types, more_bytes);
	g->ret->clock.wall = g->h.wall;
	g->ret->heap.typed_ratio = 1;
	g->ret->parts |= SNAPSHOT_CENSUS;
}

struct err *hprof_read(struct stream *s, struct snapshot *ret)
{
	AUTO_FREE struct histogram *g = xcalloc(1, sizeof(*g)); /* with its caches: too large for the stack */
	const struct hprof_visitor v = { .ctx = g, .objects = objects, .large = large };
	g->ret = ret;
	hprof_init(&g->h);
	struct err *err = hprof_walk(&g->h, s, &v);
	if (!err)
		finish(g);
	hprof_deinit(&g->h);
	hash_map_deinit(&g->length_index);
	vec_deinit(&g->lengths);
	vec_deinit(&g->beyond);
	return err;
}
