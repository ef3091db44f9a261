/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/heap_groups.h"

#include "base/hash.h"

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

static struct heap_group_row *row_of(struct heap_groups *g, struct hash_map *rows, uint64_t key)
{
	bool fresh = false;
	uint64_t *row = hash_map_at(rows, key, &fresh);
	if (fresh) {
		*row = g->v.n;
		*vec_push(&g->v) = (struct heap_group_row){ .stack = (uint32_t)key, .stacks = 1 };
	}
	return &g->v.v[*row];
}

static void group_by_stack(const struct profile *p, struct heap_groups *g)
{
	struct hash_map rows = { 0 };
	vec_reserve(&g->v, FEW);
	for (size_t i = 0; i < p->samples.n; i++) {
		const int64_t *v = profile_values(p, i);
		add(row_of(g, &rows, p->samples.v[i].stack)->v, v);
		add(g->total, v);
	}
	for (size_t i = 0; i < g->v.n; i++)
		g->v.v[i].stack_bytes = g->v.v[i].v[HEAP_INUSE_SPACE];
	hash_map_deinit(&rows);
}

/* Rows of stacks, largest first, become rows of places. */
static void merge_places(const struct profile *p, struct heap_groups *g)
{
	struct heap_group_vec stacks = g->v;
	struct stacks places;
	struct hash_map rows = { 0 };
	stacks_init(&places);
	g->v = (struct heap_group_vec){ 0 };
	vec_reserve(&g->v, FEW);
	for (size_t i = 0; i < stacks.n; i++) {
		const struct heap_group_row *from = &stacks.v[i];
		uint32_t place = 0;
		if (stacks_depth(&p->stacks, from->stack)) {
			const struct frame *f = stacks_at(&p->stacks, from->stack, 0);
			place = stacks_place(&places, f->function, f->file, f->line);
		}
		size_t before = g->v.n;
		struct heap_group_row *row = row_of(g, &rows, place);
		if (g->v.n > before) {
			*row = *from;
		} else {
			add(row->v, from->v);
			row->stacks++;
		}
	}
	stacks_deinit(&places);
	hash_map_deinit(&rows);
	vec_deinit(&stacks);
}

void heap_groups_make(const struct profile *p, enum heap_group_by by, struct heap_groups *ret)
{
	*ret = (struct heap_groups){ 0 };
	group_by_stack(p, ret);
	vec_sort(&ret->v, by_bytes);
	if (by == HEAP_BY_PLACE) {
		merge_places(p, ret);
		vec_sort(&ret->v, by_bytes);
	}
}

void heap_groups_deinit(struct heap_groups *g)
{
	vec_deinit(&g->v);
}
