/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gort/timer.h"
#include "owners/roots.h"

enum { WORD = 8 };

/* ---- timers ---- */

/* Which timer a heap object is (part of), by number of object. */
struct timer_taker {
	struct roots_maker *m;
	struct gort_timer_vec v;
	struct hash_map by_object; /* -> index in v + 1 */
};

static void name_timer(struct timer_taker *k, const struct gort_timer *t, struct owners_root *ret)
{
	const struct gort *g = k->m->w->in->g;
	size_t f = 0;
	static const char *const channels[TIMER_KIND_MAX_] = {
		[TIMER_TIMER] = "time.Timer",
		[TIMER_TICKER] = "time.Ticker",
	};
	bool known = t && t->func && g->pclntab && sym_pclntab_find(g->pclntab, t->func, &f);
	ret->kind = OWNERS_TIMER;
	ret->name = t && channels[t->kind] ? channels[t->kind]
		    : known		   ? arena_strdup(&k->m->w->snapshot->arena, sym_pclntab_name(g->pclntab, f))
					   : "timers";
}

/* Does it wake a goroutine that sleeps? Its g points to it, and needs no other root. */
static bool is_sleep(struct timer_taker *k, const struct gort_timer *t)
{
	const struct gort *g = k->m->w->in->g;
	size_t f = 0;
	return t->kind == TIMER_OTHER && t->holder && g->pclntab && sym_pclntab_find(g->pclntab, t->func, &f) &&
	       strcmp(sym_pclntab_name(g->pclntab, f), "runtime.goroutineReady") == 0;
}

/* The objects in a P's heap of timers become roots by what they call; the heap itself leads nowhere any more. */
static void take_heap(struct timer_taker *k, uint32_t heap)
{
	uint32_t n = 0;
	graph_edge *e = roots_edges_of(k->m, heap, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (graph_target(e[i]) == heap)
			continue;
		const uint64_t *at = hash_map_get(&k->by_object, graph_target(e[i]));
		const struct gort_timer *t = at ? &k->v.v[*at - 1] : NULL;
		if (t && is_sleep(k, t)) {
			e[i] = graph_edge_make(heap, graph_word(e[i]), false);
			continue;
		}
		bool fresh = false;
		const struct roots_key key = { .kind = OWNERS_TIMER, .a = t ? t->func : 0, .b = t ? t->kind : 0 };
		uint32_t root = roots_group(k->m, &key, &fresh);
		if (fresh) {
			name_timer(k, t, &k->m->w->out->roots.v[root]);
			k->m->tiers.v[root] = ROOTS_TIER_TIMERS;
		}
		roots_move(k->m, heap, &e[i], root);
	}
}

/* Where a P points to its heap of timers. */
static uint64_t heap_offset(const struct gort_layout *l)
{
	uint64_t at = gort_at(l, 0, GORT_p_timers);
	return gort_has(l, GORT_timers_heap) ? gort_at(l, at, GORT_timers_heap) : at;
}

static void take_p(struct timer_taker *k, uint32_t p)
{
	uint32_t n = 0, word = roots_word(k->m->w, p, heap_offset(k->m->w->in->g->layout));
	const graph_edge *e = roots_edges_of(k->m, p, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (graph_word(e[i]) == word && graph_target(e[i]) != p)
			take_heap(k, graph_target(e[i]));
	}
}

static void index_timers(struct timer_taker *k)
{
	bool complete = true;
	struct err *err = gort_timers_read(k->m->w->in->g, &k->v, &complete);
	err_free(err); /* without them they are timers without names */
	for (size_t i = 0; i < k->v.n; i++) {
		uint32_t object = roots_object(k->m, k->v.v[i].addr);
		if (object != GRAPH_NONE)
			*hash_map_at(&k->by_object, object, NULL) = i + 1;
	}
}

void roots_add_timers(struct roots_maker *m)
{
	const struct goheap_root_vec *raw = &m->w->raw_roots.v;
	uint64_t allp = gort_var(m->w->in->g, GORT_VAR_ALLP);
	struct timer_taker k = { .m = m };
	if (!allp || !gort_has(m->w->in->g->layout, GORT_p_timers))
		return;
	index_timers(&k);
	for (size_t i = 0; i < raw->n; i++) {
		if (raw->v[i].kind != GOHEAP_ROOT_GLOBAL || raw->v[i].at != allp)
			continue;
		uint32_t n = 0;
		const graph_edge *e = roots_edges_of(m, raw->v[i].object, &n);
		for (uint32_t j = 0; j < n; j++)
			take_p(&k, graph_target(e[j]));
	}
	hash_map_deinit(&k.by_object);
	vec_deinit(&k.v);
}

/* ---- finalizers, cleanups, weak pointers ---- */

static const char *const forms[] = {
	[GOHEAP_ROOT_FINALIZER] = "finalizer",
	[GOHEAP_ROOT_CLEANUP] = "cleanup",
	[GOHEAP_ROOT_QUEUED] = "waits to be finalized by",
};

/*
 * To 1.25 the closure of a cleanup is the runtime's, and the user's function is what it captured: as a value, or in 1.25 by the
 * variable.
 */
static const char *function_of(struct roots_maker *m, uint64_t closure)
{
	enum { CAPTURED = 3 };
	struct memsrc *src = m->w->in->g->src;
	const char *name = roots_function(m, closure);
	for (uint64_t i = 1; i <= CAPTURED && strncmp(name, "runtime.AddCleanup", 18) == 0; i++) {
		uint64_t value = memsrc_ptr(src, closure + i * WORD);
		const char *inner = roots_function(m, value);
		if (strcmp(inner, "?") == 0 && value)
			inner = roots_function(m, memsrc_ptr(src, value));
		if (strcmp(inner, "?") != 0)
			return inner;
	}
	return name;
}

static uint32_t group_special(struct roots_maker *m, uint32_t kind, uint64_t closure)
{
	uint64_t pc = closure ? memsrc_ptr(m->w->in->g->src, closure) : 0;
	const char *name = kind == GOHEAP_ROOT_WEAK ? "" : function_of(m, closure);
	const struct roots_key key = {
		.kind = kind == GOHEAP_ROOT_WEAK ? OWNERS_OTHER : OWNERS_FINALIZER,
		.a = kind,
		.b = pc,
		.c = hash_bytes(name, strlen(name)),
	};
	bool fresh = false;
	uint32_t root = roots_group(m, &key, &fresh);
	if (!fresh)
		return root;
	m->tiers.v[root] = ROOTS_TIER_FINALIZERS;
	struct owners_root *row = &m->w->out->roots.v[root];
	row->kind = (enum owners_root_kind)key.kind;
	row->name = kind == GOHEAP_ROOT_WEAK ? "handles of weak pointers"
					     : arena_printf(&m->w->snapshot->arena, "%s %s", forms[kind], name);
	return root;
}

void roots_add_specials(struct roots_maker *m)
{
	const struct goheap_root_vec *raw = &m->w->raw_roots.v;
	uint32_t root = 0; /* an argument follows the function that takes it */
	for (size_t i = 0; i < raw->n; i++) {
		const struct goheap_root *r = &raw->v[i];
		if (r->kind < GOHEAP_ROOT_FINALIZER)
			continue;
		if (!r->part)
			root = group_special(m, r->kind, r->value);
		if (r->object != GOHEAP_ROOT_OUTSIDE)
			roots_edge(m, root, r->object, r->value, GRAPH_WORD_MAX);
	}
}

static void add_finalized(struct roots_maker *m, uint32_t owner, uint64_t closure)
{
	uint32_t n = 0, root = group_special(m, GOHEAP_ROOT_FINALIZER, closure);
	const graph_edge *e = roots_edges_of(m, owner, &n);
	for (uint32_t i = 0; i < n; i++) {
		*vec_push(&m->edges) = (struct owners_edge){ root, e[i] };
		graph_reach_from(&m->w->reach, graph_target(e[i]));
	}
}

void roots_add_finalized(struct roots_maker *m)
{
	const struct goheap_root_vec *raw = &m->w->raw_roots.v;
	struct u64_vec closures = { 0 };
	for (size_t i = 0; i < raw->n; i++) {
		const struct goheap_root *r = &raw->v[i];
		uint32_t owner = r->kind == GOHEAP_ROOT_FINALIZER ? roots_object(m, r->owner) : GRAPH_NONE;
		if (owner == GRAPH_NONE || graph_reached(&m->w->reach, owner))
			continue;
		*vec_push(&m->w->finalizable) = owner;
		*vec_push(&closures) = r->value;
	}
	for (size_t i = 0; i < closures.n; i++)
		add_finalized(m, m->w->finalizable.v[i], closures.v[i]);
	vec_deinit(&closures);
}
