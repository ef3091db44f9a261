/* SPDX-License-Identifier: Apache-2.0 */
#include "config/problems.h"

void config_problems_init(struct config_problems *p)
{
	*p = (struct config_problems){ 0 };
	arena_init(&p->arena);
}

void config_problems_deinit(struct config_problems *p)
{
	vec_deinit(&p->v);
	arena_deinit(&p->arena);
}

void problems_add(struct config_problems *p, const struct yaml *at, bool warning, const char *path, const char *text)
{
	if (p->v.n == CONFIG_PROBLEMS) {
		p->more++;
		return;
	}
	*vec_push(&p->v) = (struct config_problem){
		.line = at->line,
		.column = at->column,
		.warning = warning,
		.key = arena_strdup(&p->arena, path),
		.text = arena_strdup(&p->arena, text),
	};
}

static int by_place(const void *a, const void *b)
{
	const struct config_problem *x = a, *y = b;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->column < y->column ? -1 : x->column > y->column;
}

void problems_sort(struct config_problems *p)
{
	vec_sort(&p->v, by_place);
}

bool problems_refuse(const struct config_problems *p)
{
	for (size_t i = 0; i < p->v.n; i++) {
		if (!p->v.v[i].warning)
			return true;
	}
	return p->more > 0;
}

bool problems_at(const struct config_problems *p, const struct yaml *at)
{
	for (size_t i = 0; i < p->v.n; i++) {
		if (!p->v.v[i].warning && p->v.v[i].line == at->line && p->v.v[i].column == at->column)
			return true;
	}
	return false;
}
