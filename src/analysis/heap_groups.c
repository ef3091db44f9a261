/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/heap_groups.h"

#include "base/alloc.h"
#include "base/num.h"

enum { FEW = 64 };

static int by_bytes(const void *a, const void *b)
{
	static const int order[] = { HEAP_INUSE_SPACE, HEAP_ALLOC_SPACE, HEAP_INUSE_OBJECTS, HEAP_ALLOC_OBJECTS };
	const struct heap_group_row *x = a, *y = b;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (x->v[order[i]] != y->v[order[i]])
			return x->v[order[i]] > y->v[order[i]] ? -1 : 1;
	}
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

/* Sums of hostile files may overflow: they wrap, as the profile's own readers' do. */
static void add(int64_t *sum, const int64_t *v)
{
	for (int i = 0; i < HEAP_VALUES; i++)
		sum[i] = (int64_t)((uint64_t)sum[i] + (uint64_t)v[i]);
}

/* The row of something numbered: `rows` holds its index + 1, 0 is none yet. */
static struct heap_group_row *row_of(struct heap_groups *g, uint32_t *rows, uint32_t id)
{
	if (!rows[id]) {
		*vec_push(&g->v) = (struct heap_group_row){ .stacks = 0 };
		rows[id] = (uint32_t)g->v.n;
	}
	return &g->v.v[rows[id] - 1];
}

static void group_by_stack(const struct profile *p, struct heap_groups *g)
{
	AUTO_FREE uint32_t *rows = xcalloc(p->stacks.v.n + 1, sizeof(*rows));
	vec_reserve(&g->v, num_min(p->samples.n, p->stacks.v.n) + 1);
	for (size_t i = 0; i < p->samples.n; i++) {
		const int64_t *v = profile_values(p, i);
		struct heap_group_row *row = row_of(g, rows, p->samples.v[i].stack);
		row->stack = p->samples.v[i].stack;
		row->stacks = 1;
		add(row->v, v);
		add(g->total, v);
	}
	for (size_t i = 0; i < g->v.n; i++)
		g->v.v[i].stack_bytes = g->v.v[i].v[HEAP_INUSE_SPACE];
}

/* Frames differ by address too; a place is a function, a file and a line. Place 0 is that of an empty stack. */
static uint32_t place_of(const struct profile *p, uint32_t stack, struct stacks *places, uint32_t *known)
{
	if (!stacks_depth(&p->stacks, stack))
		return 0;
	uint32_t frame = p->stacks.pool.v[p->stacks.v.v[stack].at];
	const struct frame *f = &p->stacks.frames.v[frame];
	if (!known[frame])
		known[frame] = stacks_place(places, f->function, f->file, f->line);
	return known[frame];
}

/* Rows of stacks become rows of places, each with the largest of its stacks. */
static void merge_places(const struct profile *p, struct heap_groups *g)
{
	struct heap_group_vec stacks = g->v;
	struct stacks places;
	AUTO_FREE uint32_t *known = xcalloc(p->stacks.frames.n + 1, sizeof(*known));
	AUTO_FREE uint32_t *rows = xcalloc(p->stacks.frames.n + 1, sizeof(*rows));
	AUTO_FREE uint32_t *largest = xcalloc(p->stacks.frames.n + 1, sizeof(*largest)); /* by row: in `stacks` */
	stacks_init(&places);
	g->v = (struct heap_group_vec){ 0 };
	vec_reserve(&g->v, FEW);
	for (uint32_t i = 0; i < stacks.n; i++) {
		uint32_t place = place_of(p, stacks.v[i].stack, &places, known);
		struct heap_group_row *row = row_of(g, rows, place);
		add(row->v, stacks.v[i].v);
		uint32_t *best = &largest[rows[place] - 1];
		if (!row->stacks++ || by_bytes(&stacks.v[i], &stacks.v[*best]) < 0)
			*best = i;
	}
	for (size_t i = 0; i < g->v.n; i++) {
		g->v.v[i].stack = stacks.v[largest[i]].stack;
		g->v.v[i].stack_bytes = stacks.v[largest[i]].stack_bytes;
	}
	stacks_deinit(&places);
	vec_deinit(&stacks);
}

void heap_groups_make(const struct profile *p, enum heap_group_by by, struct heap_groups *ret)
{
	*ret = (struct heap_groups){ 0 };
	group_by_stack(p, ret);
	if (by == HEAP_BY_PLACE)
		merge_places(p, ret);
	vec_sort(&ret->v, by_bytes);
}

void heap_groups_deinit(struct heap_groups *g)
{
	vec_deinit(&g->v);
}
