/* SPDX-License-Identifier: Apache-2.0 */
#include "callpath/callpath.h"

#include <string.h>

#include "callpath/parts.h"

enum {
	KEYS_MAX = 8 << 20, /* words kept of stacks seen; more than that and all are forgotten once */
	OVERLAP_MAX = 64,   /* steps at the end of a copy that are looked for in a chain */
	ROUNDS_MAX = 64,    /* of C calling Go calling C */
};

struct err *callpath_new(struct target *t, struct stacks *out, struct callpath **ret)
{
	struct callpath *c = xcalloc(1, sizeof(*c));
	c->target = t;
	c->out = out;
	arena_init(&c->arena);
	if (t->is_go)
		c->go = gort_unwinder_new(&t->gort, out);
	c->unknown = stacks_frame(out, &(struct frame){ .function = "(unknown)" });
	modules_refresh(c);
	*ret = c;
	return NULL;
}

void callpath_free(struct callpath *c)
{
	if (!c)
		return;
	places_forget(c);
	vec_deinit(&c->places);
	vec_deinit(&c->rows);
	vec_deinit(&c->pool);
	vec_deinit(&c->seen);
	vec_deinit(&c->keys);
	vec_deinit(&c->key);
	modules_free(c);
	gort_unwinder_free(c->go);
	arena_deinit(&c->arena);
	free(c);
}

void callpath_remap(struct callpath *c)
{
	struct err *err = target_remap(c->target);
	if (!err && modules_refresh(c))
		places_forget(c);
	err_free(err); /* it has ended: what was known stays */
}

/* ---- joining ---- */

static enum place_kind kind_at(struct callpath *c, uint64_t ra)
{
	return (enum place_kind)place_at(c, ra, false)->kind;
}

static bool is_switch(enum place_kind kind)
{
	return kind == PLACE_SWITCH || kind == PLACE_MCALL || kind == PLACE_ASMCGOCALL;
}

static size_t position(const uint64_t *v, size_t n, uint64_t pc)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i] == pc)
			return i;
	}
	return n;
}

/*
 * The chain goes on after the step of the path that is in it and nearest to its end, if one is. What lies between
 * that and the end of the path, the chain has skipped, and so there may be more.
 */
static void follow(struct callpath *c, const uint64_t *chain, size_t n, bool *top)
{
	for (size_t back = 1; back <= c->path.n && back <= OVERLAP_MAX; back++) {
		uint64_t step = c->path.v[c->path.n - back];
		size_t at = step == STEP_UNKNOWN ? n : position(chain, n, STEP_PC(step));
		if (at == n)
			continue;
		if (back > 1)
			path_gap(&c->path);
		*top = chain_add(c, chain + at + 1, n - at - 1);
		return;
	}
}

/* Of `user`, what lies below the goroutine's stack: up to the switch, or to where it is the same as `go`. */
static size_t system_part(struct callpath *c, const struct callpath_raw *raw)
{
	for (size_t i = 0; i < raw->n_user; i++) {
		if (i && is_switch(kind_at(c, raw->user[i])))
			return i + 1;
		if (i && raw->n_go > 1 && position(raw->go + 1, raw->n_go - 1, raw->user[i]) < raw->n_go - 1)
			return i;
	}
	return raw->n_user;
}

static bool last_is_switch(struct callpath *c)
{
	return is_switch((enum place_kind)place_of(c, path_last(&c->path)).kind);
}

/* The C code that called back into Go: a part of the copy, whose place in c->walk is *at. True: a thread began there. */
static bool add_caller(struct callpath *c, size_t *at)
{
	while (*at < c->walk.n && c->walk.v[*at] != STEP_CALLBACK)
		++*at;
	bool there = *at < c->walk.n;
	for (++*at; *at < c->walk.n && c->walk.v[*at] != STEP_CALLBACK; ++*at)
		path_add(&c->path, c->walk.v[*at]);
	if (there && *at == c->walk.n && c->walk_top)
		return true;
	if (!last_is_switch(c))
		path_gap(&c->path);
	return false;
}

/* Where frame pointers led from C right into the goroutine: the address in `go` that is in `user` as well; 0: none. */
static size_t led_to(const struct callpath_raw *raw)
{
	for (size_t at = 1; at < raw->n_go; at++) {
		if (position(raw->user, raw->n_user, raw->go[at]) < raw->n_user)
			return at;
	}
	return 0;
}

/* The goroutine's chain, after its system stack. */
static bool add_goroutine(struct callpath *c, const struct callpath_raw *raw)
{
	bool joined = last_is_switch(c);
	size_t at = place_is_mark(c, raw->go[0]), led = joined ? 0 : led_to(raw), part = 0;
	if (led && path_last(&c->path) != STEP_UNKNOWN)
		at = led;
	else if (!joined)
		path_gap(&c->path);
	for (;;) {
		size_t end = at;
		while (end < raw->n_go && !place_is_mark(c, raw->go[end]))
			end++;
		bool top = chain_add(c, raw->go + at, end - at);
		bool called_back = place_of(c, path_last(&c->path)).kind == PLACE_CGOCALLBACK;
		if (top || (end == raw->n_go && !called_back))
			return top;
		if (add_caller(c, &part))
			return true;
		if (end == raw->n_go)
			return false;
		at = end + 1;
	}
}

static void add_known(struct callpath *c, uint64_t step)
{
	if (place_of(c, step).kind == PLACE_NOWHERE)
		path_gap(&c->path);
	else
		path_add(&c->path, step);
}

static bool by_chains(struct callpath *c, const struct callpath_raw *raw)
{
	size_t n = raw->n_user;
	bool go = raw->flags & CALLPATH_ON_SYSTEM && raw->n_go;
	if (go)
		n = system_part(c, raw);
	size_t from = raw->flags & CALLPATH_CALLER_READ && n > 1 ? 2 : 1;
	add_known(c, STEP(raw->ip, 1));
	if (from == 2)
		add_known(c, STEP(raw->user[1], 0));
	bool top = n > from && chain_add(c, raw->user + from, n - from);
	return go && !top ? add_goroutine(c, raw) : top;
}

/* What the copy led to is in c->walk; the rest comes from the chains. True: to where nothing called. */
static bool join(struct callpath *c, const struct callpath_raw *raw, enum walk_end end)
{
	bool top = false;
	if (end == WALK_NONE)
		return by_chains(c, raw);
	while (c->path.n < c->walk.n && c->walk.v[c->path.n] != STEP_CALLBACK)
		c->path.n++;
	memcpy(c->path.v, c->walk.v, c->path.n * sizeof(*c->walk.v));
	bool go = raw->flags & CALLPATH_ON_SYSTEM && raw->n_go;
	/* A goroutine that has been left, and is none now: the thread looks for another one. */
	bool idle = raw->flags & CALLPATH_NO_GO && place_of(c, path_last(&c->path)).kind == PLACE_MCALL;
	if (end == WALK_TOP || idle)
		return true;
	if (end == WALK_SWITCH && go)
		return add_goroutine(c, raw);
	follow(c, raw->user, raw->n_user, &top);
	return top || !go ? top : add_goroutine(c, raw);
}

static uint32_t without_line(struct callpath *c, uint32_t frame)
{
	struct frame f = c->out->frames.v[frame];
	f.line = 0;
	return stacks_frame(c->out, &f);
}

static uint32_t stack_of(struct callpath *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->path.n; i++) {
		uint64_t step = c->path.v[i];
		if (step == STEP_UNKNOWN) {
			if (n < STACK_FRAMES_MAX)
				c->frames[n++] = c->unknown;
			continue;
		}
		struct place p = place_of(c, step);
		if (p.kind == PLACE_MARK)
			continue;
		if (step & STEP_SOMEWHERE && p.n) {
			if (n < STACK_FRAMES_MAX)
				c->frames[n++] = without_line(c, c->pool.v[p.at + p.n - 1]);
			continue;
		}
		for (uint32_t k = 0; k < p.n && n < STACK_FRAMES_MAX; k++)
			c->frames[n++] = c->pool.v[p.at + k];
	}
	return stacks_add(c->out, c->frames, n);
}

/* ---- stacks seen before ---- */

static void key_add(struct callpath *c, const uint64_t *v, size_t n)
{
	*vec_push(&c->key) = n;
	vec_reserve(&c->key, c->key.n + n > c->key.cap ? (c->key.n + n) * 2 : c->key.cap);
	if (n)
		memcpy(c->key.v + c->key.n, v, n * sizeof(*v));
	c->key.n += n;
}

/* Chains that are not looked at are no part of the key: they may hold anything. */
static void make_key(struct callpath *c, const struct callpath_raw *raw, enum walk_end end)
{
	bool go = raw->flags & CALLPATH_ON_SYSTEM && raw->n_go;
	bool user = end != WALK_TOP && (end != WALK_SWITCH || !go);
	c->key.n = 0;
	*vec_push(&c->key) = (uint64_t)raw->flags << 8 | end;
	key_add(c, &raw->ip, 1);
	key_add(c, c->walk.v, c->walk.n);
	key_add(c, raw->go, go && end != WALK_TOP ? raw->n_go : 0);
	key_add(c, raw->user, user ? raw->n_user : 0);
}

static bool same_key(const void *ctx, uint32_t id)
{
	const struct callpath *c = ctx;
	const struct seen *s = &c->seen.v[id];
	return s->n == c->key.n && memcmp(c->keys.v + s->at, c->key.v, s->n * sizeof(*c->key.v)) == 0;
}

static void remember(struct callpath *c, uint64_t hash, uint32_t stack, bool whole)
{
	struct seen s = { (uint32_t)c->keys.n, (uint32_t)c->key.n, stack, whole };
	vec_reserve(&c->keys, c->keys.n + s.n > c->keys.cap ? (c->keys.n + s.n) * 2 : c->keys.cap);
	memcpy(c->keys.v + c->keys.n, c->key.v, s.n * sizeof(*c->key.v));
	c->keys.n += s.n;
	hash_index_add(&c->seen_index, hash, (uint32_t)c->seen.n);
	*vec_push(&c->seen) = s;
}

uint32_t callpath_resolve(struct callpath *c, const struct callpath_raw *raw, bool *whole)
{
	if (c->places.n > CALLPATH_PLACES_MAX || c->keys.n > KEYS_MAX)
		places_forget(c);
	enum walk_end end = walk_bytes(c, raw);
	make_key(c, raw, end);
	uint64_t hash = hash_bytes(c->key.v, c->key.n * sizeof(*c->key.v));
	uint32_t id = hash_index_find(&c->seen_index, hash, same_key, c);
	if (id != HASH_NONE) {
		*whole = c->seen.v[id].whole;
		return c->seen.v[id].stack;
	}
	c->path.n = 0;
	c->path.whole = true;
	if (!join(c, raw, end))
		path_gap(&c->path);
	if (c->seen.n >= CALLPATH_STACKS_MAX) {
		c->path.n = 0;
		path_gap(&c->path);
	}
	*whole = c->path.whole;
	uint32_t stack = stack_of(c);
	remember(c, hash, stack, *whole);
	return stack;
}
