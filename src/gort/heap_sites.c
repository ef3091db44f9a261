/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/heap_sites.h"

#include <string.h>

enum {
	FRAMES = 64,	   /* inlined into each other at one address */
	INTERNAL_FROM = 24 /* runtime/pprof hides internal/runtime/ from 1.24 on */
};

void heap_sites_init(struct heap_sites *s, const struct gort *g, struct stacks *out)
{
	*s = (struct heap_sites){ .g = g, .out = out };
	s->recent = xcalloc(HEAP_SITES_RECENT, sizeof(*s->recent));
}

void heap_sites_deinit(struct heap_sites *s)
{
	hash_map_deinit(&s->known);
	hash_map_deinit(&s->hidden);
	free(s->recent);
	vec_deinit(&s->groups);
	vec_deinit(&s->pool);
	vec_deinit(&s->stack);
}

/* Is it the runtime's? Asked of the return address itself, as runtime.FuncForPC is by the endpoint. */
static bool of_runtime(struct heap_sites *s, uint64_t pc)
{
	bool fresh = false;
	uint64_t *known = hash_map_at(&s->hidden, pc, &fresh);
	if (fresh) {
		struct sym_frame f[2];
		size_t n = sym_pclntab_frames(s->g->pclntab, pc, f, 2);
		bool runtime = n && (strncmp(f[0].function, "runtime.", 8) == 0 ||
				     (s->g->layout->minor >= INTERNAL_FROM &&
				      strncmp(f[0].function, "internal/runtime/", 17) == 0));
		*known = runtime ? 2 : 1;
	}
	return *known == 2;
}

/* How many of the addresses belong to the runtime's part in front; 0 when all do. */
static size_t hidden(struct heap_sites *s, const uint64_t *pcs, size_t n)
{
	size_t i = 0;
	while (i < n && of_runtime(s, pcs[i]))
		i++;
	return i < n ? i : 0;
}

/* Frames of one call on their way into a group. */
struct call {
	struct sym_frame f[FRAMES];
	size_t n, func; /* func: the real function, by its index */
};

/*
 * One more address: does it belong to the call? It does when the last frame is inlined into the same real function; a
 * wrapper that the runtime leaves out of stacks may stand in between, so that it is another one. The same function twice
 * is recursion.
 */
static bool continues(const struct call *c, const struct sym_frame *next, size_t func)
{
	const struct sym_frame *last = &c->f[c->n - 1];
	return last->inlined && func == c->func && strcmp(last->function, next->function) != 0;
}

/*
 * Adds what stands at pc; false when that belongs to the next call. The runtime's limit on the depth may cut a stack
 * inside a call: what it was inlined into is known all the same.
 */
static bool add_address(struct heap_sites *s, struct call *c, uint64_t pc, bool last, uint32_t *pcs)
{
	struct sym_frame f[FRAMES];
	size_t func = SIZE_MAX, n = 0;
	if (sym_pclntab_find(s->g->pclntab, pc - 1, &func))
		n = sym_pclntab_frames(s->g->pclntab, pc - 1, f, FRAMES);
	if (!n)
		f[n++] = (struct sym_frame){ .function = "", .file = "" };
	if (c->n && !continues(c, f, func))
		return false;
	c->func = func;
	*pcs += 1;
	size_t take = last ? n : 1;
	for (size_t i = 0; i < take && c->n < FRAMES; i++)
		c->f[c->n++] = f[i];
	*pcs += (uint32_t)take - 1; /* not cut, it would have been as long */
	return c->n < FRAMES;
}

static struct heap_group make_group(struct heap_sites *s, const uint64_t *pcs, size_t n)
{
	struct heap_group g = { .at = (uint32_t)s->pool.n };
	struct call c = { .n = 0 };
	for (size_t i = 0; i < n && add_address(s, &c, pcs[i], i + 1 == n, &g.pcs); i++)
		;
	if (!c.n || strcmp(c.f[0].function, "runtime.goexit") == 0)
		return g; /* ends every stack, and says nothing */
	g.n = (uint32_t)c.n;
	for (size_t i = 0; i < c.n; i++) {
		*vec_push(&s->pool) = stacks_frame(s->out, &(struct frame){ .function = c.f[i].function,
									    .file = c.f[i].file,
									    .line = c.f[i].line,
									    .inlined = i + 1 < c.n,
									    .addr = pcs[0] - 1 });
	}
	return g;
}

/* The number of the group that begins at pcs[0]. */
static uint64_t group_at(struct heap_sites *s, const uint64_t *pcs, size_t n)
{
	struct hash_pair *recent = &s->recent[pcs[0] % HEAP_SITES_RECENT];
	if (recent->key == pcs[0] && recent->value)
		return recent->value - 1;
	bool fresh = false;
	uint64_t *known = hash_map_at(&s->known, pcs[0], &fresh);
	if (fresh) {
		*vec_push(&s->groups) = make_group(s, pcs, n);
		*known = s->groups.n;
	}
	*recent = (struct hash_pair){ pcs[0], *known };
	return *known - 1;
}

uint32_t heap_sites_stack(struct heap_sites *s, const uint64_t *pcs, size_t n)
{
	s->stack.n = 0;
	for (size_t i = hidden(s, pcs, n); i < n;) {
		uint64_t known = group_at(s, pcs + i, n - i);
		const struct heap_group *g = &s->groups.v[known];
		for (uint32_t k = 0; k < g->n; k++)
			*vec_push(&s->stack) = s->pool.v[g->at + k];
		i += g->pcs;
	}
	return stacks_add(s->out, s->stack.v, s->stack.n);
}

/* A function of the runtime may be inlined into the program's: the call is then the runtime's, the address the same. */
uint64_t heap_sites_call(struct heap_sites *s, const uint64_t *pcs, size_t n)
{
	size_t i = hidden(s, pcs, n), func = 0, before = 0;
	struct sym_frame f[2];
	if (i >= n || of_runtime(s, pcs[i]) || !sym_pclntab_find(s->g->pclntab, pcs[i] - 1, &func))
		return 0;
	while (i && sym_pclntab_find(s->g->pclntab, pcs[i - 1] - 1, &before) && before == func &&
	       sym_pclntab_frames(s->g->pclntab, pcs[i - 1] - 1, f, 2) && f[0].inlined)
		i--;
	return pcs[i];
}
