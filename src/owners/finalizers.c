/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/hash.h"
#include "gort/goroutine.h"
#include "owners/roots.h"

enum { BUDGET = 64 << 20 }; /* objects looked at for cycles */

/* ---- the goroutines that run them ---- */

/* Does it start in the function that runs finalizers, or cleanups? */
static bool runs_finalizers(const struct gort *g, uint64_t startpc)
{
	static const char *const names[] = {
		"runtime.runfinq",	 /* to 1.24 */
		"runtime.runFinalizers", /* 1.25 on */
		"runtime.runCleanups",
	};
	size_t f = 0;
	if (!g->pclntab || !sym_pclntab_find(g->pclntab, startpc, &f))
		return false;
	const char *name = sym_pclntab_name(g->pclntab, f);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* Where it waits inside a finalizer: the innermost frame that is not Go's own, else the innermost; NULL: it is in none. */
static const char *finalizer_frame(const struct owners_work *w, uint32_t stack)
{
	const struct stacks *s = &w->out->stacks;
	const char *ret = NULL;
	for (uint32_t i = 0; stack && i < stacks_depth(s, stack); i++) {
		const char *function = stacks_at(s, stack, i)->function;
		enum roots_whose whose = roots_whose(w->in->g, function);
		if (whose < ROOTS_STANDARD)
			return function;
		if (!ret && whose != ROOTS_RUNTIME)
			ret = function;
	}
	return ret;
}

static void find_blocked(const struct owners_work *w, struct owners_finalizers *out)
{
	for (size_t i = 0; i < w->goroutines.n; i++) {
		const struct goheap_stack_copy *s = &w->raw_roots.stacks.v[i];
		const struct owners_goroutine *gr = &w->goroutines.v[i];
		if (!gr->system || s->status != GORT_G_WAITING || !runs_finalizers(w->in->g, s->startpc) ||
		    strcmp(gr->state, "finalizer wait") == 0 || strcmp(gr->state, "cleanup wait") == 0)
			continue;
		const char *at = finalizer_frame(w, gr->stack);
		if (!at)
			continue;
		out->blocked = true;
		out->at = at;
		return;
	}
}

/* ---- cycles ---- */

/* Is there a way from v back to v? Looks at no more than *budget objects. */
static bool reaches_itself(const struct owners_work *w, uint32_t v, uint64_t *budget)
{
	struct hash_map seen = { 0 };
	struct u32_vec todo = { 0 };
	bool ret = false;
	*vec_push(&todo) = v;
	while (todo.n && !ret && *budget) {
		uint32_t n = 0;
		const graph_edge *e = graph_out(&w->graph, todo.v[--todo.n], &n);
		for (uint32_t i = 0; i < n && !ret; i++) {
			bool fresh = false;
			hash_map_at(&seen, graph_target(e[i]), &fresh);
			ret = graph_target(e[i]) == v;
			if (fresh)
				*vec_push(&todo) = graph_target(e[i]);
		}
		--*budget;
	}
	hash_map_deinit(&seen);
	vec_deinit(&todo);
	return ret;
}

/*
 * An object with a finalizer that nothing else leads to, but that leads to itself: what it points to is kept for the finalizer,
 * and with that the object, for ever.
 */
static uint64_t count_cycles(const struct owners_work *w)
{
	uint64_t cycles = 0, budget = BUDGET;
	for (size_t i = 0; i < w->finalizable.n && budget; i++) {
		uint32_t v = w->finalizable.v[i];
		if (graph_reached(&w->reach, v) && reaches_itself(w, v, &budget))
			cycles++;
	}
	if (!budget)
		snapshot_note(w->snapshot, "there are more objects behind finalizers than were followed: more of them "
					   "may be in cycles");
	return cycles;
}

/* ---- resurrected ---- */

/* Objects that wait to be finalized: nothing led to them when they were queued. */
static void find_queued(const struct owners_work *w, struct u32_vec *ret)
{
	for (size_t i = 0; i < w->raw_roots.v.n; i++) {
		const struct goheap_root *r = &w->raw_roots.v.v[i];
		if (r->kind == GOHEAP_ROOT_QUEUED && r->part == 1 && r->object != GOHEAP_ROOT_OUTSIDE)
			*vec_push(ret) = r->object;
	}
}

/*
 * Of those that wait to be finalized, the ones that something leads to again: another object's finalizer kept them.
 * One that was finalized already and kept looks like any other object.
 */
static uint64_t count_resurrected(const struct owners_work *w)
{
	struct u32_vec queued = { 0 };
	struct graph_reach r;
	uint64_t ret = 0;
	find_queued(w, &queued);
	if (!queued.n)
		return 0;
	graph_reach_init(&r, &w->graph);
	for (uint32_t i = 0; i < w->graph.n_roots; i++) {
		const struct owners_root *root = &w->out->roots.v[w->root_of.v[i]];
		/* the runtime's goroutine that runs finalizers has the next of them in hand */
		bool runtime_stack = root->kind == OWNERS_OTHER && root->goroutines;
		if (root->kind != OWNERS_FINALIZER && !runtime_stack)
			graph_reach_from(&r, w->graph.n + i);
	}
	for (size_t i = 0; i < queued.n; i++)
		ret += graph_reached(&r, queued.v[i]);
	graph_reach_deinit(&r);
	vec_deinit(&queued);
	return ret;
}

struct err *owners_finalizers_fill(struct owners_work *w)
{
	struct owners_finalizers *out = &w->out->finalizers;
	out->set = w->raw_roots.finalizers;
	out->cleanups = w->raw_roots.cleanups;
	out->queued = w->raw_roots.queued;
	find_blocked(w, out);
	out->cycles = count_cycles(w);
	out->resurrected = count_resurrected(w);
	return NULL;
}
