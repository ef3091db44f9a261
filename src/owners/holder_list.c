/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists: container/list by its own length; lists and trees that a program makes by itself by nodes of the path tree whose
 * type points to itself; caches, which are a map to elements of a list.
 */
#include "owners/holders.h"

#include <inttypes.h>
#include <string.h>

enum { LINKED_MIN = 64 /* objects that make a list worth a line */ };

/* ---- linked by a field of their own ---- */

/* The first field of a struct that points to its own type, NULL when there is none. */
static const char *own_field(struct holders *h, const struct goheap_kind *k)
{
	struct gort_types *types = &h->w->typing.types;
	uint32_t n = 0;
	if (k->form != GOHEAP_FORM_VALUE || !gort_type_fields(types, k->rtype, &n))
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		const struct gort_type_field *fields = gort_type_fields(types, k->rtype, &n);
		if (!fields || i >= n)
			return NULL;
		const char *name = fields[i].name;
		const struct gort_type *t = fields[i].type ? gort_type_any(types, fields[i].type) : NULL;
		if (t && t->kind == GORT_KIND_POINTER && t->elem == k->rtype && strcmp(k->name, "list.Element") != 0)
			return name;
	}
	return NULL;
}

/* Objects of one node of paths: the first of them, and how many are held by one that is like them. */
struct chain {
	uint32_t head; /* number + 1; 0: none */
	uint32_t links;
};

static void say_linked(struct holders *h, uint32_t node, const struct chain *chain)
{
	struct owners_work *w = h->w;
	const struct retain_path *p = &w->retain.paths.v[node];
	if (p->sum.objects < LINKED_MIN || !chain->head || chain->head > w->graph.n ||
	    chain->links < p->sum.objects / 2)
		return;
	const char *field = own_field(h, &w->typing.kinds.v[p->kind]);
	struct holder_row row = { .kind = p->kind, .node = node, .object = chain->head - 1, .count = 1 };
	row.elements = p->sum.objects;
	row.bytes = p->sum.bytes;
	if (field)
		holder_say(h, "list", w->typing.kinds.v[p->kind].name, &row,
			   arena_printf(&w->snapshot->arena, "%" PRIu64 " linked by their field %s", p->sum.objects,
					field));
}

static void linked(struct holders *h)
{
	struct owners_work *w = h->w;
	const uint32_t *path_of = w->retain.path_of;
	if (!path_of)
		return;
	AUTO_FREE struct chain *chains = xcalloc(w->retain.paths.n + 1, sizeof(*chains));
	for (uint32_t i = 1; i < w->dominators.n; i++) {
		if (path_of[i] >= w->retain.paths.n)
			continue;
		struct chain *c = &chains[path_of[i]];
		c->head = c->head ? c->head : w->dominators.vertex[i] + 1;
		c->links += path_of[w->dominators.idom[i]] == path_of[i];
	}
	for (uint32_t i = 0; i < w->retain.paths.n; i++)
		say_linked(h, i, &chains[i]);
}

/* ---- container/list ---- */

static void add_list(struct holders *h, void *rows, uint32_t object, uint64_t at)
{
	const struct gort *g = h->w->in->g;
	uint64_t len = gort_word(g, at, GORT_list_len);
	if (len > h->w->graph.n) {
		h->moved++;
		return;
	}
	if (!len)
		return;
	struct holder_row *row = holder_row(h, rows, object, PLACE_LIST);
	row->count++;
	row->elements += len;
	row->bytes += len * owners_slot_bytes(gort_sizeof(g->layout, GORT_listElement_SIZEOF), true, false);
}

static void lists(struct holders *h)
{
	struct holder_rows rows = { 0 };
	for (size_t i = 0; i < h->of[HOLDER_INSIDE].n; i++)
		holder_each_inside(h, h->of[HOLDER_INSIDE].v[i], PLACE_LIST, add_list, &rows);
	for (size_t i = 0; i < rows.list.n; i++) {
		const struct holder_row *row = &rows.list.v[i];
		holder_say(h, "list", "container/list.List", row,
			   arena_printf(&h->w->snapshot->arena, "%" PRIu64 " elements in %" PRIu64, row->elements,
					row->count));
	}
	holder_rows_deinit(&rows);
}

/* ---- caches ---- */

/* A map whose values are elements of a list: what is in it goes by the order of the list. */
static void caches(struct holders *h)
{
	struct gort_types *types = &h->w->typing.types;
	struct holder_rows rows = { 0 };
	for (size_t i = 0; i < h->of[HOLDER_MAP].n; i++) {
		uint32_t object = h->of[HOLDER_MAP].v[i];
		const struct gort_type *map = gort_type_any(types, holder_kind(h, object)->rtype);
		const struct gort_type *value = map && map->elem ? gort_type_any(types, map->elem) : NULL;
		if (!value || strcmp(value->name, "*list.Element") != 0)
			continue;
		struct holder_row *row = holder_row(h, &rows, object, HOLDER_MAP);
		row->count++;
		row->elements += holder_map_entries(h, object);
		row->bytes += goheap_object_get(&h->w->objects, object).size;
	}
	for (size_t i = 0; i < rows.list.n; i++)
		holder_say(h, "cache", h->w->typing.kinds.v[rows.list.v[i].kind].name, &rows.list.v[i],
			   "a map to the elements of a list");
	holder_rows_deinit(&rows);
}

void holder_lists(struct holders *h)
{
	lists(h);
	caches(h);
	linked(h);
}
