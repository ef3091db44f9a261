/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that hold: closures and what they capture, arrays of callbacks, timers and what they call. */
#include "owners/holders.h"

#include <inttypes.h>

#include "base/strbuf.h"
#include "model/memsrc.h"

enum { NAMES = 6 /* kinds of captured objects that are told */ };

/* The kind of an object; a closure that was typed by its struct has its function in the first word. */
static const char *name_of(struct holders *h, uint32_t kind, uint32_t object)
{
	const struct goheap_kind *k = &h->w->typing.kinds.v[kind];
	const struct gort *g = h->w->in->g;
	struct goheap_object_at at = goheap_object_get(&h->w->objects, object);
	size_t f = 0;
	if (h->what[kind] != HOLDER_CLOSURE || k->form == GOHEAP_FORM_CLOSURE || !g->pclntab ||
	    !sym_pclntab_find(g->pclntab, memsrc_ptr(g->src, at.start + holder_header(h, at.span)), &f))
		return k->name ? k->name : "?";
	return arena_printf(&h->w->snapshot->arena, "func %s", sym_pclntab_name(g->pclntab, f));
}

/* What a row's objects point to: the kinds of them, as many as are told, in the order they were met. */
struct pointed {
	uint32_t kind[NAMES], object[NAMES];
	unsigned n;
};

static void add_pointed(struct pointed *p, uint32_t kind, uint32_t object)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->kind[i] == kind)
			return;
	if (!kind || p->n == NAMES)
		return;
	p->object[p->n] = object;
	p->kind[p->n++] = kind;
}

static uint64_t pointers_of(struct holders *h, uint32_t object, struct pointed *p)
{
	uint32_t n = 0;
	uint64_t found = 0;
	const graph_edge *e = graph_out(&h->w->graph, object, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (graph_target(e[i]) >= h->w->graph.n)
			continue;
		found++;
		if (p)
			add_pointed(p, h->w->typing.kind[graph_target(e[i])], graph_target(e[i]));
	}
	return found;
}

static const char *list_kinds(struct holders *h, const char *before, const struct pointed *p)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	for (unsigned i = 0; i < p->n; i++)
		strbuf_printf(&text, "%s%s", i ? ", " : before, name_of(h, p->kind[i], p->object[i]));
	return p->n ? arena_strdup(&h->w->snapshot->arena, text.buf) : NULL;
}

/* The rows of one sort of object; `pointed` goes row by row with them. */
struct funcs {
	struct holder_rows rows;
	VEC(struct pointed) pointed;
};

static void add(struct holders *h, struct funcs *f, uint32_t object, enum holder_what what)
{
	struct holder_row *row = holder_row(h, &f->rows, object, what);
	size_t at = (size_t)(row - f->rows.list.v);
	while (f->pointed.n <= at)
		vec_push(&f->pointed);
	row->count++;
	row->bytes += goheap_object_get(&h->w->objects, object).size;
	row->elements += pointers_of(h, object, &f->pointed.v[at]);
}

static const struct func_sort {
	enum holder_what what;
	const char *kind, *before; /* text before the kinds it points to */
} sorts[] = {
	{ HOLDER_CLOSURE, "closure", "captures " },
	{ HOLDER_FUNCS, "callbacks", "calls " },
	{ HOLDER_TIMER, "timer", "calls " },
};

/* A closure that captures nothing that is in the heap holds nothing. */
static bool worth(const struct holder_row *row)
{
	return row->what != HOLDER_CLOSURE || row->elements;
}

void holder_funcs(struct holders *h)
{
	for (size_t s = 0; s < sizeof(sorts) / sizeof(sorts[0]); s++) {
		const struct func_sort *sort = &sorts[s];
		const struct u32_vec *objects = &h->of[sort->what];
		struct funcs f = { 0 };
		for (size_t i = 0; i < objects->n; i++)
			add(h, &f, objects->v[i], sort->what);
		for (size_t i = 0; i < f.rows.list.n; i++) {
			const struct holder_row *row = &f.rows.list.v[i];
			if (worth(row))
				holder_say(h, sort->kind, name_of(h, h->w->typing.kind[row->object], row->object), row,
					   list_kinds(h, sort->before, &f.pointed.v[i]));
		}
		holder_rows_deinit(&f.rows);
		vec_deinit(&f.pointed);
	}
}
