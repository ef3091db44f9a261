/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "model/memsrc.h"
#include "owners/holders.h"

enum { DEPTH_MAX = 16 };

/* Structs that hold objects in a way of their own. */
static const struct library {
	const char *name;
	enum holder_place_what what;
	enum gort_field size; /* names of types lack the way to their package: another "list.List" is told by this */
} libraries[] = {
	{ "sync.Map", PLACE_SYNC_MAP, GORT_syncMap_SIZEOF },
	{ "sync.Pool", PLACE_POOL, GORT_pool_SIZEOF },
	{ "list.List", PLACE_LIST, GORT_list_SIZEOF },
};

/* Places of one type, under construction. */
struct flat {
	struct gort_types *types;
	struct holder_place_vec pointers, inside;
	size_t steps;
	bool lost; /* too many, or no type */
};

static void add(struct holder_place_vec *v, uint64_t offset, enum holder_place_what what, uint64_t bytes)
{
	uint32_t size = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
	*vec_push(v) = (struct holder_place){ (uint32_t)offset, size, (uint8_t)what };
}

/* Bytes of a type that something points to; 0 where a pointer says little about what is used: bytes, and nothing. */
static uint64_t size_of(struct flat *f, uint64_t addr)
{
	const struct gort_type *t = addr ? gort_type_any(f->types, addr) : NULL;
	return t ? t->size : 0;
}

static void flatten(struct flat *f, uint64_t addr, uint64_t offset, unsigned depth);

static void flatten_struct(struct flat *f, uint64_t addr, const struct gort_type *t, uint64_t offset, unsigned depth)
{
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		if (strcmp(t->name, libraries[i].name) == 0 &&
		    t->size == gort_sizeof(f->types->g->layout, libraries[i].size))
			add(&f->inside, offset, libraries[i].what, t->size);
	uint32_t n = 0;
	gort_type_fields(f->types, addr, &n);
	for (uint32_t i = 0; i < n && !f->lost; i++) {
		const struct gort_type_field *fields = gort_type_fields(f->types, addr, &n); /* may have moved */
		if (!fields || i >= n || fields[i].offset > t->size)
			f->lost = true;
		else
			flatten(f, fields[i].type, offset + fields[i].offset, depth + 1);
	}
}

static void flatten(struct flat *f, uint64_t addr, uint64_t offset, unsigned depth)
{
	const struct gort_type *found = gort_type_any(f->types, addr);
	if (!found || depth > DEPTH_MAX || ++f->steps > HOLDER_PLACES || offset > UINT32_MAX) {
		f->lost = true;
		return;
	}
	struct gort_type t = *found;
	if (!t.ptrdata)
		return;
	switch (t.kind) {
	case GORT_KIND_STRUCT:
		flatten_struct(f, addr, &t, offset, depth);
		break;
	case GORT_KIND_ARRAY:
		for (uint64_t i = 0; i < t.len && !f->lost; i++)
			flatten(f, t.elem, offset + i * size_of(f, t.elem), depth + 1);
		break;
	case GORT_KIND_POINTER:
		/* a pointer to a byte is how unsafe code points to many */
		if (size_of(f, t.elem) > 1)
			add(&f->pointers, offset, PLACE_POINTER, size_of(f, t.elem));
		else
			add(&f->pointers, offset, PLACE_OTHER, 0);
		break;
	case GORT_KIND_STRING:
		add(&f->pointers, offset, PLACE_STRING, 1);
		break;
	case GORT_KIND_SLICE:
		add(&f->pointers, offset, PLACE_SLICE, size_of(f, t.elem));
		break;
	case GORT_KIND_INTERFACE:
		add(&f->pointers, offset + 8, PLACE_OTHER, 0);
		break;
	default:
		add(&f->pointers, offset, PLACE_OTHER, 0);
	}
}

/* The type of what repeats in an object of a kind; 0: not known. */
static uint64_t element_type(struct holders *h, const struct goheap_kind *k)
{
	switch (k->form) {
	case GOHEAP_FORM_VALUE:
	case GOHEAP_FORM_ARRAY:
	case GOHEAP_FORM_CHAN_PART:
		return k->rtype;
	case GOHEAP_FORM_MAP_PART: {
		bool parts = k->part == GOHEAP_MAP_GROUPS || k->part == GOHEAP_MAP_BUCKETS;
		const struct gort_type *t = parts ? gort_type_any(&h->w->typing.types, k->rtype) : NULL;
		return t ? t->part : 0;
	}
	default:
		return 0;
	}
}

static void keep(struct holders *h, const struct holder_place_vec *v, uint32_t *first, uint32_t *n)
{
	*first = (uint32_t)h->places.n;
	*n = (uint32_t)v->n;
	for (size_t i = 0; i < v->n; i++)
		*vec_push(&h->places) = v->v[i];
}

const struct holder_plan *holder_plan(struct holders *h, uint32_t kind)
{
	struct holder_plan *p = &h->plans[kind];
	if (p->made)
		return p;
	p->made = true;
	struct goheap_typing *typing = &h->w->typing;
	uint64_t type = element_type(h, &typing->kinds.v[kind]);
	struct flat f = { .types = &typing->types };
	const struct gort_type *t = type ? gort_type_any(&typing->types, type) : NULL;
	uint64_t stride = t ? t->size : 0;
	if (stride)
		flatten(&f, type, 0, 0);
	if (stride && !f.lost) {
		p->stride = stride;
		keep(h, &f.pointers, &p->first, &p->n);
		keep(h, &f.inside, &p->inside_first, &p->inside_n);
	}
	vec_deinit(&f.pointers);
	vec_deinit(&f.inside);
	return p;
}

const struct holder_place *holder_place_at(struct holders *h, const struct holder_plan *p, uint64_t offset)
{
	if (!p->stride)
		return NULL;
	uint64_t in = offset % p->stride;
	uint32_t lo = p->first, hi = p->first + p->n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (h->places.v[mid].offset < in)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->first + p->n && h->places.v[lo].offset == in ? &h->places.v[lo] : NULL;
}

void holder_each_inside(struct holders *h, uint32_t object, enum holder_place_what what, holder_inside_fn fn, void *ctx)
{
	const struct holder_plan *p = holder_plan(h, h->w->typing.kind[object]);
	struct goheap_object_at at = goheap_object_get(&h->w->objects, object);
	bool many = holder_kind(h, object)->form != GOHEAP_FORM_VALUE;
	uint64_t header = holder_header(h, at.span), step = p->stride;
	for (uint64_t from = header; step && from + step <= at.size; from += step) {
		for (uint32_t i = 0; i < p->inside_n; i++) {
			struct holder_place place = h->places.v[p->inside_first + i];
			if (place.what == what)
				fn(h, ctx, object, at.start + from + place.offset);
		}
		if (!many)
			break;
	}
}

uint32_t holder_follow(const struct holders *h, uint32_t object, uint64_t offset)
{
	uint32_t n = 0;
	const graph_edge *e = graph_out(&h->w->graph, object, &n);
	if (!n)
		return GRAPH_NONE;
	struct goheap_object_at at = goheap_object_get(&h->w->objects, object);
	uint64_t word = (offset + holder_header(h, at.span)) / 8;
	for (uint32_t i = 0; i < n; i++)
		if (graph_word(e[i]) == word)
			return graph_target(e[i]) < h->w->graph.n ? graph_target(e[i]) : GRAPH_NONE;
	return GRAPH_NONE;
}

void holder_read(const struct holders *h, const uint32_t *objects, size_t n, size_t size, void *out, bool *ok)
{
	AUTO_FREE uint64_t *addrs = xmalloc((n ? n : 1) * sizeof(*addrs));
	for (size_t i = 0; i < n; i++) {
		struct goheap_object_at at = goheap_object_get(&h->w->objects, objects[i]);
		addrs[i] = at.start + holder_header(h, at.span);
	}
	memsrc_gather(h->w->in->g->src, addrs, n, size, out, ok);
}
