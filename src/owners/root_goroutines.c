/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gort/goroutine.h"
#include "gort/parked.h"
#include "owners/roots.h"

enum { REASONS = 256, SUDOGS_MAX = 1 << 16 };

struct namer {
	struct roots_maker *m;
	const struct gort *g;
	struct stacks *stacks;
	struct gort_unwinder *unwinder; /* NULL: there are no names */
	struct gort_parked_vec parked;
	struct hash_map by_g;	   /* address of a g -> index in parked + 1 */
	struct hash_map creators;  /* pc of a go statement -> stack */
	struct hash_map functions; /* pc where a goroutine starts -> stack */
	struct hash_map systems;   /* the same -> is it the runtime's own */
	struct hash_map roots;	   /* object of a g -> its root + 1 */
	const char *reasons[REASONS];
	bool asked[REASONS];
};

static void look_at_stacks(struct namer *k)
{
	k->unwinder = gort_unwinder_new(k->g, k->stacks);
	struct err *err = k->unwinder ? gort_parked_read(k->g, k->unwinder, &k->parked) : NULL;
	if (err || !k->unwinder)
		snapshot_note(k->m->w->snapshot, "stacks of goroutines could not be followed: they are told apart by "
						 "where they were made only");
	err_free(err);
	for (size_t i = 0; i < k->parked.n; i++)
		*hash_map_at(&k->by_g, k->parked.v[i].g, NULL) = i + 1;
}

/* What the second look saw of it, or NULL where it has moved since the copy. */
static const struct gort_parked *parked_of(const struct namer *k, const struct goheap_stack_copy *s)
{
	const uint64_t *at = hash_map_get(&k->by_g, s->g);
	const struct gort_parked *p = at ? &k->parked.v[*at - 1] : NULL;
	if (!p || p->id != s->goid || p->flags & GORT_PARKED_MOVING || s->running || p->sp != s->sp)
		return NULL;
	return p;
}

static uint32_t place_of(struct namer *k, struct hash_map *known, uint64_t pc,
			 uint32_t (*find)(struct gort_unwinder *u, uint64_t pc))
{
	bool fresh = false;
	if (!pc || !k->unwinder)
		return 0;
	uint64_t *id = hash_map_at(known, pc, &fresh);
	if (fresh)
		*id = find(k->unwinder, pc);
	return (uint32_t)*id;
}

static bool is_system(struct namer *k, uint64_t startpc)
{
	bool fresh = false;
	uint64_t *is = hash_map_at(&k->systems, startpc, &fresh);
	if (fresh)
		*is = gort_goroutine_system(k->g, startpc);
	return *is;
}

static const char *state_of(struct namer *k, const struct goheap_stack_copy *s)
{
	if (s->status != GORT_G_WAITING && s->status != GORT_G_LEAKED)
		return gort_g_status_names[s->status];
	if (!k->asked[s->reason])
		k->reasons[s->reason] = gort_wait_reason(k->g, s->reason, &k->stacks->strings);
	k->asked[s->reason] = true;
	return k->reasons[s->reason] ? k->reasons[s->reason] : gort_g_status_names[s->status];
}

/* The innermost frame outside of Go's own packages; else the innermost of all. NULL: none is known. */
static const struct frame *user_frame(const struct namer *k, uint32_t stack)
{
	uint32_t n = stack ? stacks_depth(k->stacks, stack) : 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct frame *f = stacks_at(k->stacks, stack, i);
		if (roots_whose(k->g, f->function) < ROOTS_STANDARD)
			return f;
	}
	return n ? stacks_at(k->stacks, stack, 0) : NULL;
}

/* The function that the go statement called: the outermost frame, since what starts may be a wrapper of it. */
static const char *entry_of(struct namer *k, const struct goheap_stack_copy *s, uint32_t stack)
{
	if (s->goid == 1)
		return "main goroutine";
	uint32_t n = stack ? stacks_depth(k->stacks, stack) : 0;
	if (n)
		return stacks_at(k->stacks, stack, n - 1)->function;
	uint32_t place = place_of(k, &k->functions, s->startpc, gort_unwind_function);
	return place ? stacks_at(k->stacks, place, 0)->function : "goroutine";
}

static void describe(struct namer *k, const struct goheap_stack_copy *s, const struct owners_goroutine *gr,
		     const struct frame *at, struct owners_root *ret)
{
	struct arena *arena = &k->m->w->snapshot->arena;
	ret->kind = gr->system ? OWNERS_OTHER : OWNERS_STACK;
	if (gr->system) {
		ret->name = "goroutines of the runtime";
		return;
	}
	const char *entry = entry_of(k, s, gr->stack);
	const struct frame *site = gr->created_by ? stacks_at(k->stacks, gr->created_by, 0) : NULL;
	if (site)
		ret->site = *site;
	ret->name = site ? arena_printf(arena, "%s created by %s", entry, site->function) : arena_strdup(arena, entry);
	ret->blocked_at = at ? arena_printf(arena, "%s (%s)", at->function, gr->state) : gr->state;
}

static uint32_t group_of(struct namer *k, const struct goheap_stack_copy *s, const struct owners_goroutine *gr)
{
	const struct frame *at = user_frame(k, gr->stack);
	struct roots_key key = { .kind = OWNERS_STACK };
	if (!gr->system) {
		key.a = s->goid == 1 ? 1 : s->gopc;
		key.b = s->startpc;
		key.c = at ? (uintptr_t)at->function : 0; /* equal text is the same pointer */
		key.d = (uintptr_t)gr->state;
	}
	bool fresh = false;
	uint32_t root = roots_group(k->m, &key, &fresh);
	struct owners_root *row = &k->m->w->out->roots.v[root];
	if (fresh)
		describe(k, s, gr, at, row);
	if (fresh && !gr->system) /* they are listed about as they were made */
		k->m->tiers.v[root] = ROOTS_TIER_STACKS + (s->goid == 1 ? 0 : root + 1);
	row->goroutines++;
	return root;
}

/*
 * What a g points to is the goroutine's and not of the list of all goroutines: its record of what it waits for, its labels,
 * its deferred calls. But for the thread that runs it.
 */
static void move_g(struct namer *k, struct owners_goroutine *gr)
{
	uint32_t n = 0, m_word = roots_word(k->m->w, gr->object, gort_at(k->g->layout, 0, GORT_g_m));
	graph_edge *e = roots_edges_of(k->m, gr->object, &n);
	gr->edge_at = (uint32_t)k->m->w->g_edges.n;
	for (uint32_t i = 0; i < n; i++) {
		if (graph_word(e[i]) == m_word || graph_target(e[i]) == gr->object)
			continue;
		*vec_push(&k->m->w->g_edges) = e[i];
		roots_move(k->m, gr->object, &e[i], gr->root);
	}
	gr->edge_n = (uint32_t)k->m->w->g_edges.n - gr->edge_at;
}

/*
 * The records of what it waits for are on the lists of channels too, and lead back to the g, which would be the channel's as
 * well: those pointers lead nowhere.
 */
static void cut_sudogs(struct namer *k, const struct owners_goroutine *gr)
{
	const struct gort_layout *l = k->g->layout;
	uint32_t waiting = roots_word(k->m->w, gr->object, gort_at(l, 0, GORT_g_waiting));
	uint32_t sudog = GRAPH_NONE;
	for (uint32_t i = 0; i < gr->edge_n; i++) {
		graph_edge e = k->m->w->g_edges.v[gr->edge_at + i];
		if (graph_word(e) == waiting)
			sudog = graph_target(e);
	}
	for (int i = 0; sudog != GRAPH_NONE && i < SUDOGS_MAX; i++) {
		uint32_t n = 0, next = GRAPH_NONE;
		uint32_t link = roots_word(k->m->w, sudog, gort_at(l, 0, GORT_sudog_waitlink));
		graph_edge *e = roots_edges_of(k->m, sudog, &n);
		for (uint32_t j = 0; j < n; j++) {
			if (graph_word(e[j]) == link)
				next = graph_target(e[j]);
			if (graph_target(e[j]) == gr->object)
				e[j] = graph_edge_make(sudog, graph_word(e[j]), false);
		}
		sudog = next;
	}
}

/* A g is its goroutine's, and not the list's of all of them. */
static void move_gs(struct namer *k)
{
	const struct goheap_root_vec *raw = &k->m->w->raw_roots.v;
	uint64_t allgs = gort_var(k->g, GORT_VAR_ALLGS);
	for (size_t i = 0; i < raw->n; i++) {
		if (raw->v[i].kind != GOHEAP_ROOT_GLOBAL || raw->v[i].at != allgs)
			continue;
		uint32_t n = 0, list = raw->v[i].object;
		graph_edge *e = roots_edges_of(k->m, list, &n);
		for (uint32_t j = 0; j < n; j++) {
			const uint64_t *root = hash_map_get(&k->roots, graph_target(e[j]));
			if (root && graph_target(e[j]) != list)
				roots_move(k->m, list, &e[j], (uint32_t)*root - 1);
		}
	}
}

static void take(struct namer *k, const struct goheap_stack_copy *s)
{
	const struct gort_parked *p = parked_of(k, s);
	struct owners_goroutine *gr = vec_push(&k->m->w->goroutines);
	*gr = (struct owners_goroutine){
		.object = roots_object(k->m, s->g),
		.stack = p ? p->stack : 0,
		.created_by = s->goid == 1 ? 0 : place_of(k, &k->creators, s->gopc, gort_unwind_place),
		.state = state_of(k, s),
		.system = is_system(k, s->startpc),
	};
	gr->root = group_of(k, s, gr);
	const struct goheap_root_vec *raw = &k->m->w->raw_roots.v;
	for (uint32_t i = s->first; i < s->first + s->n; i++)
		roots_edge(k->m, gr->root, raw->v[i].object, raw->v[i].value, GRAPH_WORD_MAX);
	if (gr->object == GRAPH_NONE)
		return;
	move_g(k, gr);
	cut_sudogs(k, gr);
	*hash_map_at(&k->roots, gr->object, NULL) = gr->root + UINT64_C(1);
}

void roots_add_goroutines(struct roots_maker *m)
{
	struct namer k = { .m = m, .g = m->w->in->g, .stacks = &m->w->out->stacks };
	const struct goheap_stack_copy_vec *stacks = &m->w->raw_roots.stacks;
	look_at_stacks(&k);
	vec_reserve(&m->w->goroutines, stacks->n);
	for (size_t i = 0; i < stacks->n; i++)
		take(&k, &stacks->v[i]);
	move_gs(&k);
	hash_map_deinit(&k.by_g);
	hash_map_deinit(&k.creators);
	hash_map_deinit(&k.functions);
	hash_map_deinit(&k.systems);
	hash_map_deinit(&k.roots);
	vec_deinit(&k.parked);
	gort_unwinder_free(k.unwinder);
}
