/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/strbuf.h"
#include "owners/words.h"

enum {
	NODES_MAX = 64, /* topmost nodes that are asked about, the largest */
	NAMED = 3,
};

static const uint64_t SHARE = 200; /* of the reachable bytes: what retains less is not asked about */

/* What no root holds alone, of one node: rows of out->roots that lead there. */
struct shared {
	uint32_t node;
	uint64_t retained;
	struct u32_vec rows;
};

struct finder {
	struct owners_work *w;
	struct shared v[NODES_MAX];
	size_t n;
	uint64_t *
		tops; /* a bit by number of object: it belongs to one of them, and only the virtual root dominates it */
};

static int by_retained(const void *a, const void *b)
{
	const struct shared *x = a, *y = b;
	return x->retained < y->retained ? 1 : x->retained > y->retained ? -1 : 0;
}

/* Nodes come in no order of size: the least of those kept gives way. */
static void choose(struct finder *f)
{
	const struct retain_path_vec *paths = &f->w->retain.paths;
	uint64_t least = f->w->out->reachable / SHARE + 1;
	for (size_t i = 0; i < paths->n; i++) {
		const struct retain_path *p = &paths->v[i];
		if (p->parent != GRAPH_NONE || p->root != f->w->graph.n_roots || p->sum.retained < least)
			continue;
		size_t at = f->n < NODES_MAX ? f->n++ : NODES_MAX - 1;
		if (f->v[at].retained >= p->sum.retained)
			continue;
		f->v[at] = (struct shared){ .node = (uint32_t)i, .retained = p->sum.retained };
		if (f->n == NODES_MAX)
			qsort(f->v, f->n, sizeof(f->v[0]), by_retained);
	}
	qsort(f->v, f->n, sizeof(f->v[0]), by_retained);
}

static struct shared *shared_of(struct finder *f, uint32_t node)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].node == node)
			return &f->v[i];
	return NULL;
}

static void mark_tops(struct finder *f)
{
	const struct dominators *d = &f->w->dominators;
	f->tops = xcalloc(f->w->graph.n / 64 + 1, sizeof(*f->tops));
	for (uint32_t i = 1; i < d->n; i++) {
		uint32_t v = d->vertex[i];
		if (!d->idom[i] && v < f->w->graph.n && shared_of(f, f->w->retain.path_of[i]))
			f->tops[v / 64] |= UINT64_C(1) << v % 64;
	}
}

/* The row of the root that leads to a vertex; GRAPH_NONE where several do. */
static uint32_t row_of(const struct finder *f, uint32_t v)
{
	const struct owners_work *w = f->w;
	uint32_t root = v - w->graph.n;
	if (v < w->graph.n) {
		uint32_t node = w->retain.path_of[w->dominators.order[v]];
		root = node == GRAPH_NONE ? w->graph.n_roots : w->retain.paths.v[node].root;
	}
	return root >= w->graph.n_roots ? GRAPH_NONE : w->root_of.v[root];
}

static void add_row(struct shared *s, uint32_t row)
{
	for (size_t i = 0; i < s->rows.n; i++)
		if (s->rows.v[i] == row)
			return;
	*vec_push(&s->rows) = row;
}

/* Whoever points to one of them from below a single root: that root leads there. */
static void find_rows(struct finder *f)
{
	const struct owners_work *w = f->w;
	for (uint32_t v = 0; v < graph_vertices(&w->graph); v++) {
		uint32_t n = 0;
		const graph_edge *out = graph_out(&w->graph, v, &n);
		for (uint32_t e = 0; e < n; e++) {
			uint32_t to = graph_target(out[e]);
			if (to >= w->graph.n || !(f->tops[to / 64] >> to % 64 & 1) ||
			    w->dominators.order[v] == GRAPH_NONE)
				continue;
			uint32_t row = row_of(f, v);
			struct shared *s = shared_of(f, w->retain.path_of[w->dominators.order[to]]);
			if (s && row != GRAPH_NONE)
				add_row(s, row);
		}
	}
}

/* Variables say more than stacks, so they come first; then in the order of the list. */
static int by_kind(const void *a, const void *b, void *ctx)
{
	const struct owners_root_vec *roots = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	if (roots->v[x].kind != roots->v[y].kind)
		return roots->v[x].kind < roots->v[y].kind ? -1 : 1;
	return x < y ? -1 : x > y;
}

static const char *rows_text(struct finder *f, struct shared *s)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	if (!s->rows.n)
		return NULL;
	qsort_r(s->rows.v, s->rows.n, sizeof(s->rows.v[0]), by_kind, &f->w->out->roots);
	for (size_t i = 0; i < s->rows.n && i < NAMED; i++)
		strbuf_printf(&text, "%s%s", i ? "; " : "", f->w->words->roots[s->rows.v[i]]);
	if (s->rows.n > NAMED)
		strbuf_printf(&text, "; and %zu more", s->rows.n - NAMED);
	return arena_strdup(&f->w->snapshot->arena, text.buf);
}

static uint32_t top_of(const struct retain *r, uint32_t node)
{
	while (r->paths.v[node].parent != GRAPH_NONE)
		node = r->paths.v[node].parent;
	return node;
}

static void write_rows(struct finder *f)
{
	struct owners *out = f->w->out;
	const struct u32_vec *nodes = &f->w->words->nodes;
	const char *texts[NODES_MAX] = { 0 };
	for (size_t i = 0; i < f->n; i++)
		texts[i] = rows_text(f, &f->v[i]);
	for (size_t i = 0; i < out->paths.n && i < nodes->n; i++) {
		const struct shared *s = shared_of(f, top_of(&f->w->retain, nodes->v[i]));
		if (s)
			out->paths.v[i].held_by = texts[s - f->v];
	}
}

void owners_several_fill(struct owners_work *w)
{
	if (!w->retain.path_of)
		return;
	struct finder *f = xcalloc(1, sizeof(*f));
	f->w = w;
	choose(f);
	if (f->n) {
		mark_tops(f);
		find_rows(f);
		write_rows(f);
	}
	for (size_t i = 0; i < f->n; i++)
		vec_deinit(&f->v[i].rows);
	free(f->tops);
	free(f);
}
