/* SPDX-License-Identifier: Apache-2.0 */
#include "owners/roots.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { WORD = 8 };

struct key_match {
	const struct roots_maker *m;
	const struct roots_key *key;
};

static bool same_key(const void *ctx, uint32_t id)
{
	const struct key_match *c = ctx;
	return memcmp(&c->m->keys.v[id], c->key, sizeof(*c->key)) == 0;
}

uint32_t roots_group(struct roots_maker *m, const struct roots_key *key, bool *fresh)
{
	const struct key_match match = { m, key };
	uint64_t hash = hash_bytes(key, sizeof(*key));
	uint32_t id = hash_index_find(&m->by_key, hash, same_key, &match);
	*fresh = id == HASH_NONE;
	if (!*fresh)
		return id;
	id = (uint32_t)m->keys.n;
	hash_index_add(&m->by_key, hash, id);
	*vec_push(&m->keys) = *key;
	*vec_push(&m->w->out->roots) = (struct owners_root){
		.name = "",
		.site = { .function = "", .file = "" },
		.reached = ACCOUNT_UNKNOWN,
	};
	return id;
}

void roots_edge(struct roots_maker *m, uint32_t root, uint32_t object, uint64_t value, uint64_t word)
{
	struct goheap_object_at at = goheap_object_get(&m->w->objects, object);
	uint64_t begins = at.start + goheap_object_header(&m->w->objects, at.span);
	bool interior = value != begins && value != at.start;
	*vec_push(&m->edges) = (struct roots_edge){ root, graph_edge_make(object, word, interior) };
}

graph_edge *roots_edges_of(struct roots_maker *m, uint32_t object, uint32_t *n)
{
	struct graph *g = &m->w->graph;
	const struct graph_block *b = object < g->n_inner ? &g->blocks[object >> GRAPH_BLOCK_SHIFT] : NULL;
	uint32_t at = object & (GRAPH_BLOCK - 1);
	*n = b && b->first ? b->first[at + 1] - b->first[at] : 0;
	return *n ? b->edges + b->first[at] : NULL;
}

void roots_move(struct roots_maker *m, uint32_t object, graph_edge *edge, uint32_t root)
{
	*vec_push(&m->edges) = (struct roots_edge){ root, *edge };
	*edge = graph_edge_make(object, graph_word(*edge), false);
}

uint32_t roots_word(const struct owners_work *w, uint32_t object, uint64_t offset)
{
	uint32_t span = goheap_object_get(&w->objects, object).span;
	return (uint32_t)((goheap_object_header(&w->objects, span) + offset) / WORD);
}

uint32_t roots_object(const struct roots_maker *m, uint64_t value)
{
	struct goheap_object_at at;
	return value && goheap_object_find(&m->w->objects, value, &at) && at.allocated ? at.number : GRAPH_NONE;
}

const char *roots_function(const struct roots_maker *m, uint64_t closure)
{
	const struct gort *g = m->w->in->g;
	size_t f = 0;
	uint64_t pc = closure ? memsrc_ptr(g->src, closure) : 0;
	if (!pc || !g->pclntab || !sym_pclntab_find(g->pclntab, pc, &f))
		return "?";
	return arena_strdup(&m->w->snapshot->arena, sym_pclntab_name(g->pclntab, f));
}

/* The edges so far become those of the graph's roots. */
static struct err *take(struct roots_maker *m)
{
	struct graph *g = &m->w->graph;
	size_t n = m->keys.n;
	if (m->edges.n >= UINT32_MAX)
		return err_new(ERR_LIMIT, "the roots have %zu pointers, more than can be numbered", m->edges.n);
	uint32_t *first = xcalloc(n + 2, sizeof(*first));
	graph_edge *edges = xmalloc((m->edges.n + 1) * sizeof(*edges));
	for (size_t i = 0; i < m->edges.n; i++)
		first[m->edges.v[i].root + 2]++;
	for (size_t i = 2; i < n + 2; i++)
		first[i] += first[i - 1];
	for (size_t i = 0; i < m->edges.n; i++)
		edges[first[m->edges.v[i].root + 1]++] = m->edges.v[i].edge;
	free(g->roots.first);
	free(g->roots.edges);
	return graph_roots_take(g, (uint32_t)n, first, edges);
}

static void note_missing(struct owners_work *w)
{
	const struct goheap_roots *r = &w->raw_roots;
	if (r->no_finalizer_queue)
		snapshot_note(w->snapshot, "the queue of finalizers was not found: what waits in it is not counted");
	if (r->no_cleanup_queue)
		snapshot_note(w->snapshot, "the queue of cleanups was not found: what waits in it is not counted");
	if (r->damaged)
		snapshot_note(w->snapshot, "some lists of roots changed or are damaged: roots may be missing");
	if (r->unreadable)
		snapshot_note(w->snapshot,
			      "%llu bytes of data and stacks could not be read: what only they hold "
			      "counts as unreachable",
			      (unsigned long long)r->unreadable);
}

/*
 * A stack points for a moment at what it works on. What a variable leads to, too, is the variable's: without it one
 * goroutine that looks into a cache would make of it something that several roots hold.
 */
static void leave_to_globals(struct roots_maker *m)
{
	struct owners_work *w = m->w;
	const struct owners_root *rows = w->out->roots.v;
	size_t kept = 0;
	graph_reach_init(&w->reach, &w->graph);
	for (uint32_t r = 0; r < w->graph.n_roots; r++) {
		if (rows[r].kind == OWNERS_GLOBAL)
			graph_reach_from(&w->reach, w->graph.n + r);
	}
	for (size_t i = 0; i < m->edges.n; i++) {
		struct roots_edge e = m->edges.v[i];
		if (rows[e.root].kind != OWNERS_STACK || !graph_reached(&w->reach, graph_target(e.edge)))
			m->edges.v[kept++] = e;
	}
	m->edges.n = kept;
	graph_reach_all_roots(&w->reach);
}

struct err *owners_roots_make(struct owners_work *w)
{
	struct roots_maker m = { .w = w };
	roots_add_goroutines(&m); /* before the others: they make leaves of what the runtime lists them by */
	roots_add_timers(&m);
	roots_add_globals(&m);
	roots_add_specials(&m);
	note_missing(w);
	struct err *err = take(&m);
	if (!err) {
		leave_to_globals(&m);
		roots_add_finalized(&m);
		err = take(&m);
	}
	vec_reserve(&w->root_of, m.keys.n);
	for (size_t i = 0; i < m.keys.n; i++)
		*vec_push(&w->root_of) = (uint32_t)i;
	vec_deinit(&m.keys);
	vec_deinit(&m.edges);
	hash_index_deinit(&m.by_key);
	return err;
}
