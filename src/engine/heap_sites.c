/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/heap_sites.h"

#include <string.h>

enum {
	FRAMES = 64,	   /* inlined into each other at one address */
	INTERNAL_FROM = 24 /* runtime/pprof hides internal/runtime/ from 1.24 on */
};

void heap_sites_init(struct heap_sites *s, const struct gort *g, struct stacks *out)
{
	*s = (struct heap_sites){ .g = g, .out = out };
}

void heap_sites_deinit(struct heap_sites *s)
{
	hash_map_deinit(&s->known);
	hash_map_deinit(&s->hidden);
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

size_t heap_sites_hidden(struct heap_sites *s, const uint64_t *pcs, size_t n)
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
	if (strcmp(c.f[0].function, "runtime.goexit") == 0)
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

uint32_t heap_sites_stack(struct heap_sites *s, const uint64_t *pcs, size_t n)
{
	s->stack.n = 0;
	for (size_t i = heap_sites_hidden(s, pcs, n); i < n;) {
		bool fresh = false;
		uint64_t *known = hash_map_at(&s->known, pcs[i], &fresh);
		if (fresh) {
			*vec_push(&s->groups) = make_group(s, pcs + i, n - i);
			*known = s->groups.n;
		}
		const struct heap_group *g = &s->groups.v[*known - 1];
		for (uint32_t k = 0; k < g->n; k++)
			*vec_push(&s->stack) = s->pool.v[g->at + k];
		i += g->pcs;
	}
	return stacks_add(s->out, s->stack.v, s->stack.n);
}
