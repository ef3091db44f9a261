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
	*vec_push(&m->tiers) = ROOTS_TIER_RUNTIME;
	*vec_push(&m->w->out->roots) = (struct owners_root){
		.name = "",
		.site = { .function = "", .file = "" },
	};
	return id;
}

void roots_edge(struct roots_maker *m, uint32_t root, uint32_t object, uint64_t value, uint64_t word)
{
	struct goheap_object_at at = goheap_object_get(&m->w->objects, object);
	uint64_t begins = at.start + goheap_object_header(&m->w->objects, at.span);
	bool interior = value != begins && value != at.start;
	*vec_push(&m->edges) = (struct owners_edge){ root, graph_edge_make(object, word, interior) };
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
	*vec_push(&m->edges) = (struct owners_edge){ root, *edge };
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

/* The edges, root by root; first[root] is where those of a root begin, with one more at the end. */
static void sort_edges(struct roots_maker *m, uint32_t *first)
{
	struct owners_edge *sorted = xmalloc((m->edges.n + 1) * sizeof(*sorted));
	size_t n = m->keys.n;
	for (size_t i = 0; i < m->edges.n; i++)
		first[m->edges.v[i].root + 2]++;
	for (size_t i = 2; i < n + 2; i++)
		first[i] += first[i - 1];
	for (size_t i = 0; i < m->edges.n; i++)
		sorted[first[m->edges.v[i].root + 1]++] = m->edges.v[i];
	free(m->edges.v);
	m->edges.v = sorted;
	m->edges.cap = m->edges.n + 1;
}

static int by_tier(const void *a, const void *b, void *ctx)
{
	const uint32_t *tiers = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	if (tiers[x] != tiers[y])
		return tiers[x] < tiers[y] ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Keeps of the edges of a root, [from, to), those to what no earlier tier reaches. */
static void keep_edges(struct roots_maker *m, uint32_t from, uint32_t to, struct owners_edge_vec *kept)
{
	for (uint32_t i = from; i < to; i++) {
		const struct owners_edge *e = &m->edges.v[i];
		if (!graph_reached(&m->w->reach, graph_target(e->edge)))
			*vec_push(kept) = *e;
		else if (m->w->out->roots.v[e->root].kind != OWNERS_STACK)
			*vec_push(&m->w->borrowed) = *e;
	}
}

/* Tier by tier: marks what they reach in w->reach, and drops what is borrowed. */
static void settle(struct roots_maker *m)
{
	uint32_t n = (uint32_t)m->keys.n;
	AUTO_FREE uint32_t *first = xcalloc((size_t)n + 2, sizeof(*first));
	AUTO_FREE uint32_t *order = xmalloc(((size_t)n + 1) * sizeof(*order));
	struct owners_edge_vec kept = { 0 };
	sort_edges(m, first);
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	if (n)
		qsort_r(order, n, sizeof(*order), by_tier, m->tiers.v);
	for (uint32_t i = 0, j = 0; i < n; i = j) {
		size_t at = kept.n;
		for (j = i; j < n && m->tiers.v[order[j]] == m->tiers.v[order[i]]; j++)
			keep_edges(m, first[order[j]], first[order[j] + 1], &kept);
		for (; at < kept.n; at++)
			graph_reach_from(&m->w->reach, graph_target(kept.v[at].edge));
	}
	vec_deinit(&m->edges);
	m->edges = kept;
}

/* The edges become those of the graph's roots, which are all reached. */
static struct err *take(struct roots_maker *m)
{
	struct graph *g = &m->w->graph;
	uint32_t n = (uint32_t)m->keys.n;
	uint32_t *first = xcalloc((size_t)n + 2, sizeof(*first));
	graph_edge *edges = xmalloc((m->edges.n + 1) * sizeof(*edges));
	sort_edges(m, first);
	for (size_t i = 0; i < m->edges.n; i++)
		edges[i] = m->edges.v[i].edge;
	TRY(graph_roots_take(g, n, first, edges));
	struct graph_reach *r = &m->w->reach;
	size_t old = g->n / 64 + 1, words = graph_vertices(g) / 64 + 1;
	r->marked = xrealloc(r->marked, words * sizeof(*r->marked));
	memset(r->marked + old, 0, (words - old) * sizeof(*r->marked));
	for (uint32_t i = 0; i < n; i++)
		graph_reach_block(r, g->n + i);
	return NULL;
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

struct err *owners_roots_make(struct owners_work *w)
{
	struct roots_maker m = { .w = w };
	roots_add_goroutines(&m); /* before the others: they make leaves of what the runtime lists them by */
	roots_add_timers(&m);
	roots_add_globals(&m);
	roots_add_specials(&m);
	note_missing(w);
	struct err *err = NULL;
	if (m.edges.n >= UINT32_MAX) {
		err = err_new(ERR_LIMIT, "the roots have %zu pointers, more than can be numbered", m.edges.n);
	} else {
		graph_reach_init(&w->reach, &w->graph);
		settle(&m);
		roots_add_finalized(&m);
		err = take(&m);
	}
	vec_reserve(&w->root_of, m.keys.n);
	for (size_t i = 0; i < m.keys.n; i++)
		*vec_push(&w->root_of) = (uint32_t)i;
	vec_deinit(&m.keys);
	vec_deinit(&m.tiers);
	vec_deinit(&m.edges);
	hash_index_deinit(&m.by_key);
	return err;
}
