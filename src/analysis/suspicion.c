/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/suspicion.h"

#include <string.h>

#include "base/alloc.h"
#include "base/num.h"

enum { LOOKED_AT = 4096 }; /* members of a group whose creators are looked for: enough to know most of it */

static bool matches(const char *pattern, const char *function)
{
	size_t n = strlen(pattern);
	if (n && pattern[n - 1] == '*')
		return strncmp(pattern, function, n - 1) == 0;
	return strcmp(pattern, function) == 0;
}

/* ---- the scene ---- */

/* An address or an id means something within its input only. */
static uint64_t within(const struct goroutine *g, uint64_t v)
{
	return v ^ (uint64_t)g->input << 48;
}

static bool repeats(const struct stacks *s, uint32_t id, uint32_t i)
{
	enum { BACK = 64 }; /* deeper recursion is counted more than once; nobody looks at its number */
	const char *function = stacks_at(s, id, i)->function;
	for (uint32_t k = i > BACK ? i - BACK : 0; k < i; k++) {
		if (stacks_at(s, id, k)->function == function)
			return true;
	}
	return false;
}

/* The goroutines of each stack, to the functions on it. */
static void count_functions(struct suspicion_scene *s, const uint64_t *counts)
{
	const struct stacks *stacks = &s->groups->stacks;
	for (uint32_t id = 0; id < stacks->v.n; id++) {
		for (uint32_t i = 0; counts[id] && i < stacks_depth(stacks, id); i++) {
			if (!repeats(stacks, id, i))
				*hash_map_at(&s->on_stack, (uint64_t)(uintptr_t)stacks_at(stacks, id, i)->function,
					     NULL) += counts[id];
		}
	}
}

static void set_scene(struct suspicion_scene *s)
{
	AUTO_FREE uint64_t *counts = xcalloc(s->groups->stacks.v.n, sizeof(*counts));
	for (size_t i = 0; i < s->gs->v.n; i++) {
		const struct goroutine *g = &s->gs->v.v[i];
		counts[s->groups->stack_of.v[g->stack]] += g->count;
		if (g->id)
			*hash_map_at(&s->by_id, within(g, g->id), NULL) = i + 1;
		if (g->wait_on)
			*hash_map_at(&s->waiters, within(g, g->wait_on), NULL) += g->count;
		s->cut = s->cut || g->flags & GOROUTINE_END;
	}
	count_functions(s, counts);
}

static void clear_scene(struct suspicion_scene *s)
{
	hash_map_deinit(&s->on_stack);
	hash_map_deinit(&s->by_id);
	hash_map_deinit(&s->waiters);
}

uint64_t suspicion_on_stack(const struct suspicion_scene *s, const char *pattern)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s->on_stack.cap; i++) {
		if (s->on_stack.used[i] && matches(pattern, (const char *)(uintptr_t)s->on_stack.slots[i].key))
			n += s->on_stack.slots[i].value;
	}
	return n;
}

bool suspicion_has(const struct suspicion_scene *s, const struct goroutine_group *g, const char *pattern)
{
	for (uint32_t i = 0; i < stacks_depth(&s->groups->stacks, g->stack); i++) {
		if (matches(pattern, stacks_at(&s->groups->stacks, g->stack, i)->function))
			return true;
	}
	return false;
}

/* ---- facts of a group ---- */

static bool stack_contains(const struct stacks *s, uint32_t id, const char *function)
{
	for (uint32_t i = 0; i < stacks_depth(s, id); i++) {
		if (stacks_at(s, id, i)->function == function)
			return true;
	}
	return false;
}

/*
 * Has the function that started it returned? With a known parent (Go 1.21) its stack tells; without one, that the function
 * is on no stack at all. A parent that is not there may only be missing when the dump is cut.
 */
static bool creator_is_gone(const struct suspicion_scene *s, const struct goroutine *g, const char *creator)
{
	if (!g->parent)
		return !s->cut && !hash_map_get(&s->on_stack, (uint64_t)(uintptr_t)creator);
	const uint64_t *row = hash_map_get(&s->by_id, within(g, g->parent));
	if (!row)
		return !s->cut;
	const struct goroutine *parent = &s->gs->v.v[*row - 1];
	if (parent->flags & (GOROUTINE_CUT | GOROUTINE_MOVING))
		return false;
	return !stack_contains(&s->groups->stacks, s->groups->stack_of.v[parent->stack], creator);
}

static void look_at_creator(const struct suspicion_scene *s, const struct goroutine *g, struct suspicion_facts *f)
{
	uint32_t by = s->groups->stack_of.v[g->created_by];
	if (!stacks_depth(&s->groups->stacks, by))
		return;
	f->creators++;
	f->creators_gone += creator_is_gone(s, g, stacks_at(&s->groups->stacks, by, 0)->function);
}

static void look_at_wait(const struct suspicion_scene *s, const struct goroutine *g, struct hash_map *seen,
			 struct suspicion_facts *f)
{
	bool fresh = false;
	if (!g->wait_on)
		return;
	hash_map_at(seen, within(g, g->wait_on), &fresh);
	f->channels += fresh;
	f->on_channels += g->count;
	f->crowd = num_max(f->crowd, *hash_map_get(&s->waiters, within(g, g->wait_on)));
}

static struct suspicion_facts facts_of(const struct suspicion_scene *s, const struct goroutine_group *group)
{
	struct suspicion_facts f = { 0 };
	struct hash_map seen = { 0 };
	uint64_t low = UINT64_MAX, high = 0;
	for (size_t i = 0; i < group->n; i++) {
		const struct goroutine *g = &s->gs->v.v[s->groups->members.v[group->at + i]];
		if (i < LOOKED_AT)
			look_at_creator(s, g, &f);
		look_at_wait(s, g, &seen, &f);
		f.no_deadline += g->flags & GOROUTINE_NO_DEADLINE ? g->count : 0;
		if (!g->id)
			continue;
		f.ids++;
		low = num_min(low, g->id);
		high = num_max(high, g->id);
	}
	f.id_span = f.ids ? high - low : 0;
	hash_map_deinit(&seen);
	return f;
}

/* ---- all ---- */

static void judge(const struct suspicion_scene *s, const struct goroutine_group *g, struct suspicions *ret)
{
	struct suspicion_facts facts = facts_of(s, g);
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	for (const struct suspicion_rule *r = suspicion_rules; r->name; r++) {
		strbuf_clear(&text);
		if (r->holds(s, g, &facts, r, &text))
			*vec_push(&ret->v) = (struct suspicion){ r->name, arena_strdup(&ret->arena, text.buf) };
	}
}

static void set_groups(const struct goroutines *gs, const struct goroutine_groups *groups, struct suspicions *ret)
{
	for (size_t i = 0; i < gs->v.n; i++)
		*vec_push(&ret->group_of) = HASH_NONE;
	for (uint32_t i = 0; i < groups->v.n; i++) {
		for (size_t m = 0; m < groups->v.v[i].n; m++)
			ret->group_of.v[groups->members.v[groups->v.v[i].at + m]] = i;
	}
}

void suspicions_find(const struct goroutines *gs, const struct goroutine_groups *groups, struct suspicions *ret)
{
	struct suspicion_scene scene = { .gs = gs, .groups = groups };
	*ret = (struct suspicions){ 0 };
	arena_init(&ret->arena);
	set_scene(&scene);
	set_groups(gs, groups, ret);
	for (size_t i = 0; i < groups->v.n; i++) {
		*vec_push(&ret->at) = (uint32_t)ret->v.n;
		judge(&scene, &groups->v.v[i], ret);
	}
	*vec_push(&ret->at) = (uint32_t)ret->v.n;
	clear_scene(&scene);
}

void suspicions_deinit(struct suspicions *s)
{
	vec_deinit(&s->v);
	vec_deinit(&s->at);
	vec_deinit(&s->group_of);
	arena_deinit(&s->arena);
}
