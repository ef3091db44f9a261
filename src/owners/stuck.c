/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "gort/goroutine.h"
#include "owners/roots.h"

/*
 * What the runtime's own search for leaked goroutines does (runtime/mgc.go, findGoroutineLeaks), without a GC: everything is
 * marked that the roots lead to, but for the stacks of goroutines that wait for each other. One whose channel or lock was
 * marked may be woken, so its stack is marked as well, until no more come. Those that are left nobody can wake.
 * The runtime's lists of goroutines and of waiting records lead to all of them, so a g leads nowhere (owners/roots.c), and
 * the pointers from a waiting record to what it waits for are cut meanwhile.
 */

enum {
	WORD = 8,
	ROUNDS_MAX = 1000,    /* in which at least one is found alive; chains of many come in few of them */
	SUDOGS_MAX = 1 << 16, /* of one goroutine: a select has at most as many cases */
	NEXT_MAX = 1 << 20,   /* waiters on one condition variable */
	SLACK = 32,	      /* a slot is larger than a sudog by less */
};

/* sudog: g, next, prev and elem come first in all versions. */
enum { SUDOG_NEXT = 1, SUDOG_ELEM = 3 };

enum wait { WAIT_NOT, WAIT_FOREVER, WAIT_CHANNEL, WAIT_LOCK, WAIT_COND };

static const struct {
	const char *state;
	enum wait wait;
} waits[] = {
	{ "chan receive (nil chan)", WAIT_FOREVER },
	{ "chan send (nil chan)", WAIT_FOREVER },
	{ "select (no cases)", WAIT_FOREVER },
	{ "chan receive", WAIT_CHANNEL },
	{ "chan send", WAIT_CHANNEL },
	{ "select", WAIT_CHANNEL },
	{ "sync.Cond.Wait", WAIT_COND },
	{ "sync.Mutex.Lock", WAIT_LOCK },
	{ "sync.RWMutex.RLock", WAIT_LOCK },
	{ "sync.RWMutex.Lock", WAIT_LOCK },
	{ "sync.WaitGroup.Wait", WAIT_LOCK },
	{ "semacquire", WAIT_LOCK }, /* a WaitGroup to 1.24, any lock to 1.19 */
};

/* A goroutine that may be stuck, and what would wake it: objects of the graph. */
struct candidate {
	uint32_t goroutine; /* in work->goroutines */
	uint32_t at, n;	    /* in search->wakers */
	bool alive;
};

struct cut {
	graph_edge *edge, was;
};

struct search {
	struct owners_work *w;
	struct graph_reach reach;
	VEC(struct candidate) v;
	struct u32_vec wakers;
	VEC(struct cut) cuts;
	uint32_t g_word, c_word, waitlink_word; /* of a sudog */
	uint64_t waiting;			/* offset in a g */
	size_t sudog_size;
};

static graph_edge *edges_of(struct graph *g, uint32_t v, uint32_t *n)
{
	const graph_edge *e = graph_out(g, v, n);
	struct graph_block *b = v < g->n_inner ? &g->blocks[v >> GRAPH_BLOCK_SHIFT] : &g->roots;
	return e ? b->edges + (e - b->edges) : NULL;
}

/* The edge at a word of an object, or NULL. */
static graph_edge *edge_at(struct search *k, uint32_t v, uint32_t word)
{
	uint32_t n = 0;
	graph_edge *e = v == GRAPH_NONE ? NULL : edges_of(&k->w->graph, v, &n);
	for (uint32_t i = 0; e && i < n; i++) {
		if (graph_word(e[i]) == word)
			return &e[i];
	}
	return NULL;
}

static uint32_t follow(struct search *k, uint32_t v, uint32_t word)
{
	const graph_edge *e = edge_at(k, v, word);
	return e ? graph_target(*e) : GRAPH_NONE;
}

static void cut(struct search *k, uint32_t v, uint32_t word)
{
	graph_edge *e = edge_at(k, v, word);
	if (!e)
		return;
	*vec_push(&k->cuts) = (struct cut){ e, *e };
	*e = graph_edge_make(v, word, false);
}

/* ---- what a goroutine waits for ---- */

/* Is it a waiting record of that goroutine? */
static bool is_sudog(struct search *k, uint32_t v, uint32_t g)
{
	if (v >= k->w->graph.n_inner || follow(k, v, k->g_word) != g)
		return false;
	uint64_t size = goheap_object_get(&k->w->objects, v).size;
	return size >= k->sudog_size && size < k->sudog_size + SLACK;
}

/* The records that the g itself points to. */
static uint32_t own_sudog(const struct search *k, const struct owners_goroutine *gr)
{
	uint32_t word = roots_word(k->w, gr->object, k->waiting);
	for (uint32_t i = 0; i < gr->edge_n; i++) {
		graph_edge e = k->w->g_edges.v[gr->edge_at + i];
		if (graph_word(e) == word)
			return graph_target(e);
	}
	return GRAPH_NONE;
}

/* To 1.25 only the frame that waits for a lock knows the record: it is on the stack. */
static uint32_t stack_sudog(struct search *k, uint32_t goroutine, uint32_t word)
{
	const struct goheap_stack_copy *s = &k->w->raw_roots.stacks.v[goroutine];
	uint32_t g = k->w->goroutines.v[goroutine].object;
	for (uint32_t i = s->first; i < s->first + s->n; i++) {
		uint32_t v = k->w->raw_roots.v.v[i].object;
		if (is_sudog(k, v, g) && (word == 0 || edge_at(k, v, word)))
			return v;
	}
	return GRAPH_NONE;
}

/* The channels of a receive, a send, a select; the pointers to them are cut. Any that is not in the heap keeps it alive. */
static bool find_channels(struct search *k, uint32_t goroutine)
{
	uint32_t sudog = own_sudog(k, &k->w->goroutines.v[goroutine]);
	for (int i = 0; sudog != GRAPH_NONE && i < SUDOGS_MAX; i++) {
		uint32_t c = follow(k, sudog, k->c_word);
		if (c == GRAPH_NONE)
			return false;
		*vec_push(&k->wakers) = c;
		sudog = follow(k, sudog, k->waitlink_word);
	}
	return sudog == GRAPH_NONE;
}

static bool find_lock(struct search *k, uint32_t goroutine)
{
	uint32_t sudog = own_sudog(k, &k->w->goroutines.v[goroutine]);
	if (sudog == GRAPH_NONE)
		sudog = stack_sudog(k, goroutine, SUDOG_ELEM);
	uint32_t lock = follow(k, sudog, SUDOG_ELEM);
	if (lock == GRAPH_NONE)
		return false;
	*vec_push(&k->wakers) = lock;
	return true;
}

/* To 1.25 a record does not know its condition variable; that points to the last of the records, and the stack to it. */
static bool find_cond(struct search *k, uint32_t goroutine)
{
	if (find_lock(k, goroutine))
		return true;
	const struct goheap_stack_copy *s = &k->w->raw_roots.stacks.v[goroutine];
	uint32_t last = stack_sudog(k, goroutine, 0), next = last;
	for (int i = 0; next != GRAPH_NONE && i < NEXT_MAX; i++) {
		last = next;
		next = follow(k, last, SUDOG_NEXT);
	}
	for (uint32_t i = s->first; last != GRAPH_NONE && i < s->first + s->n; i++) {
		uint32_t n = 0, v = k->w->raw_roots.v.v[i].object;
		const graph_edge *e = graph_out(&k->w->graph, v, &n);
		for (uint32_t j = 0; j < n; j++) {
			if (graph_target(e[j]) != last || v == last || follow(k, v, SUDOG_NEXT) == last)
				continue;
			*vec_push(&k->wakers) = v;
			return true;
		}
	}
	return false;
}

static bool find_wakers(struct search *k, uint32_t goroutine, enum wait wait)
{
	switch (wait) {
	case WAIT_FOREVER:
		return true;
	case WAIT_CHANNEL:
		return find_channels(k, goroutine);
	case WAIT_LOCK:
		return find_lock(k, goroutine);
	case WAIT_COND:
		return find_cond(k, goroutine);
	case WAIT_NOT:
		break;
	}
	return false;
}

static enum wait wait_of(const struct owners_work *w, uint32_t goroutine)
{
	const struct owners_goroutine *gr = &w->goroutines.v[goroutine];
	uint8_t status = w->raw_roots.stacks.v[goroutine].status;
	if (gr->system || gr->object == GRAPH_NONE || !gr->stack ||
	    (status != GORT_G_WAITING && status != GORT_G_LEAKED))
		return WAIT_NOT;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		if (strcmp(gr->state, waits[i].state) == 0)
			return waits[i].wait;
	}
	return WAIT_NOT;
}

/* Nobody knows a lock or a channel by the records of those who wait for it. */
static void cut_sudogs(struct search *k, uint32_t goroutine, enum wait wait)
{
	uint32_t word = wait == WAIT_CHANNEL ? k->c_word : SUDOG_ELEM;
	uint32_t sudog = own_sudog(k, &k->w->goroutines.v[goroutine]);
	if (sudog == GRAPH_NONE && wait != WAIT_CHANNEL)
		sudog = stack_sudog(k, goroutine, SUDOG_ELEM);
	for (int i = 0; sudog != GRAPH_NONE && i < SUDOGS_MAX; i++) {
		cut(k, sudog, word);
		sudog = wait == WAIT_CHANNEL ? follow(k, sudog, k->waitlink_word) : GRAPH_NONE;
	}
}

/* ---- who is alive ---- */

static void reach_goroutine(struct search *k, uint32_t goroutine)
{
	const struct goheap_stack_copy *s = &k->w->raw_roots.stacks.v[goroutine];
	const struct owners_goroutine *gr = &k->w->goroutines.v[goroutine];
	for (uint32_t i = s->first; i < s->first + s->n; i++)
		graph_reach_from(&k->reach, k->w->raw_roots.v.v[i].object);
	for (uint32_t i = 0; i < gr->edge_n; i++)
		graph_reach_from(&k->reach, graph_target(k->w->g_edges.v[gr->edge_at + i]));
}

/* All that is no stack, and the stacks of those that are no candidates. */
static void reach_others(struct search *k)
{
	struct owners_work *w = k->w;
	for (uint32_t i = 0; i < w->graph.n_roots; i++) {
		if (w->out->roots.v[w->root_of.v[i]].kind != OWNERS_STACK)
			graph_reach_from(&k->reach, w->graph.n + i);
	}
	for (size_t i = 0; i < w->borrowed.n; i++)
		graph_reach_from(&k->reach, graph_target(w->borrowed.v[i].edge));
	size_t next = 0; /* candidates come in the order of goroutines */
	for (uint32_t i = 0; i < w->goroutines.n; i++) {
		if (next < k->v.n && k->v.v[next].goroutine == i)
			next++;
		else
			reach_goroutine(k, i);
	}
	/* what objects with finalizers point to, whoever holds them */
	for (size_t i = 0; i < w->raw_roots.v.n; i++) {
		struct goheap_object_at at;
		const struct goheap_root *r = &w->raw_roots.v.v[i];
		if (r->kind != GOHEAP_ROOT_FINALIZER || !goheap_object_find(&w->objects, r->owner, &at))
			continue;
		uint32_t n = 0;
		const graph_edge *e = graph_out(&w->graph, at.number, &n);
		for (uint32_t j = 0; j < n; j++)
			graph_reach_from(&k->reach, graph_target(e[j]));
	}
}

static bool wake(struct search *k, struct candidate *c)
{
	if (c->alive)
		return false;
	for (uint32_t i = 0; i < c->n && !c->alive; i++)
		c->alive = graph_reached(&k->reach, k->wakers.v[c->at + i]);
	if (c->alive)
		reach_goroutine(k, c->goroutine);
	return c->alive;
}

/* Forwards and backwards in turn, so that a chain in either order takes few rounds. False: there were too many. */
static bool wake_all(struct search *k)
{
	bool found = true;
	for (int round = 0; found && round < ROUNDS_MAX; round++) {
		found = false;
		for (size_t i = 0; i < k->v.n; i++) {
			if (wake(k, &k->v.v[round % 2 ? k->v.n - 1 - i : i]))
				found = true;
		}
	}
	return !found;
}

/* ---- what they keep ---- */

/* Bytes of what v leads to that was not marked before. */
static uint64_t reach_more(struct search *k, uint32_t v)
{
	struct u32_vec todo = { 0 };
	uint64_t bytes = 0;
	*vec_push(&todo) = v;
	while (todo.n) {
		v = todo.v[--todo.n];
		if (graph_reached(&k->reach, v))
			continue;
		graph_reach_block(&k->reach, v);
		bytes += goheap_object_get(&k->w->objects, v).size;
		uint32_t n = 0;
		const graph_edge *e = graph_out(&k->w->graph, v, &n);
		for (uint32_t i = 0; i < n; i++) {
			if (!graph_reached(&k->reach, graph_target(e[i])))
				*vec_push(&todo) = graph_target(e[i]);
		}
	}
	vec_deinit(&todo);
	return bytes;
}

static uint64_t kept_by(struct search *k, uint32_t goroutine)
{
	const struct goheap_stack_copy *s = &k->w->raw_roots.stacks.v[goroutine];
	const struct owners_goroutine *gr = &k->w->goroutines.v[goroutine];
	uint64_t bytes = 0;
	for (uint32_t i = s->first; i < s->first + s->n; i++)
		bytes += reach_more(k, k->w->raw_roots.v.v[i].object);
	for (uint32_t i = 0; i < gr->edge_n; i++)
		bytes += reach_more(k, graph_target(k->w->g_edges.v[gr->edge_at + i]));
	return bytes;
}

static int by_group(const void *a, const void *b, void *ctx)
{
	const struct owners_goroutine *v = ctx;
	const struct owners_goroutine *x = &v[*(const uint32_t *)a], *y = &v[*(const uint32_t *)b];
	if (x->stack != y->stack)
		return x->stack < y->stack ? -1 : 1;
	if (x->created_by != y->created_by)
		return x->created_by < y->created_by ? -1 : 1;
	return x->state == y->state ? 0 : strcmp(x->state, y->state);
}

static int by_count(const void *a, const void *b)
{
	const struct owners_stuck *x = a, *y = b;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return x->retained > y->retained ? -1 : x->retained < y->retained;
}

/* The main goroutine may wait for nothing as long as it likes: that is how some programs end their main. */
static bool tell(const struct search *k, const struct candidate *c)
{
	const struct goheap_stack_copy *s = &k->w->raw_roots.stacks.v[c->goroutine];
	return !c->alive && (s->goid != 1 || strcmp(k->w->goroutines.v[c->goroutine].state, "select (no cases)") != 0);
}

static void report(struct search *k)
{
	struct owners_stuck_vec *out = &k->w->out->stuck;
	struct owners_goroutine *all = k->w->goroutines.v;
	struct u32_vec stuck = { 0 };
	for (size_t i = 0; i < k->v.n; i++) {
		if (tell(k, &k->v.v[i]))
			*vec_push(&stuck) = k->v.v[i].goroutine;
	}
	if (stuck.n)
		qsort_r(stuck.v, stuck.n, sizeof(*stuck.v), by_group, all);
	for (size_t i = 0; i < stuck.n; i++) {
		const struct owners_goroutine *gr = &all[stuck.v[i]];
		if (!i || by_group(&stuck.v[i - 1], &stuck.v[i], all) != 0) {
			*vec_push(out) = (struct owners_stuck){
				.reason = gr->state,
				.stack = gr->stack,
				.created_by = gr->created_by,
			};
		}
		out->v[out->n - 1].count++;
		out->v[out->n - 1].retained += kept_by(k, stuck.v[i]);
	}
	vec_sort(out, by_count);
	vec_deinit(&stuck);
}

static bool find_words(struct search *k)
{
	const struct gort_layout *l = k->w->in->g->layout;
	uint64_t c = gort_at(l, 0, GORT_sudog_c), elem = gort_at(l, 0, GORT_sudog_elem);
	k->g_word = (uint32_t)(gort_at(l, 0, GORT_sudog_g) / WORD);
	k->waitlink_word = (uint32_t)(gort_at(l, 0, GORT_sudog_waitlink) / WORD);
	k->waiting = gort_at(l, 0, GORT_g_waiting);
	k->sudog_size = gort_sizeof(l, GORT_sudog_SIZEOF);
	/* from 1.26 on they are a pointer and the same as a number, of which the layout has the number */
	k->c_word = (uint32_t)(c / WORD) - (elem / WORD != SUDOG_ELEM);
	return gort_has(l, GORT_sudog_c) && gort_has(l, GORT_sudog_elem) && gort_has(l, GORT_g_waiting) &&
	       k->g_word == 0;
}

struct err *owners_stuck_fill(struct owners_work *w)
{
	struct search k = { .w = w };
	if (!find_words(&k))
		return NULL;
	for (uint32_t i = 0; i < w->goroutines.n; i++) {
		enum wait wait = wait_of(w, i);
		uint32_t at = (uint32_t)k.wakers.n;
		if (wait != WAIT_NOT && find_wakers(&k, i, wait))
			*vec_push(&k.v) =
				(struct candidate){ .goroutine = i, .at = at, .n = (uint32_t)k.wakers.n - at };
		else
			k.wakers.n = at;
	}
	for (size_t i = 0; i < k.v.n; i++)
		cut_sudogs(&k, k.v.v[i].goroutine, wait_of(w, k.v.v[i].goroutine));
	graph_reach_init(&k.reach, &w->graph);
	if (k.v.n) {
		reach_others(&k);
		if (wake_all(&k))
			report(&k);
		else
			snapshot_note(w->snapshot, "goroutines wait for each other in chains too long to tell which "
						   "of them are stuck");
	}
	for (size_t i = k.cuts.n; i > 0; i--)
		*k.cuts.v[i - 1].edge = k.cuts.v[i - 1].was;
	graph_reach_deinit(&k.reach);
	vec_deinit(&k.v);
	vec_deinit(&k.wakers);
	vec_deinit(&k.cuts);
	return NULL;
}
