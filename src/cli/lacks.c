/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lacks.h"

#include <string.h>

enum {
	DEPTH_MAX = 32,	  /* frames of a stack looked up */
	PLACES_MAX = 4,	  /* of these, found in the source */
	GROUPS_MAX = 500, /* the largest ones */
};

static bool add_place(struct source *source, const struct frame *f, bool creation, struct arena *arena,
		      struct source_lack_vec *lacks)
{
	struct source_place place = { f->function, f->file, f->line, creation };
	return f->line && source_lacks(source, &place, arena, lacks);
}

/* Innermost frames first, then where it was started. */
static size_t look(struct source *source, const struct goroutine_groups *sites, const struct goroutine_group *g,
		   struct arena *arena, struct source_lack_vec *lacks)
{
	const struct stacks *stacks = &sites->stacks;
	size_t found = 0;
	for (uint32_t i = 0; i < stacks_depth(stacks, g->stack) && i < DEPTH_MAX && found < PLACES_MAX; i++)
		found += add_place(source, stacks_at(stacks, g->stack, i), false, arena, lacks);
	if (stacks_depth(stacks, g->created_by))
		found += add_place(source, stacks_at(stacks, g->created_by, 0), true, arena, lacks);
	return found;
}

static void append(const struct source_lack_vec *lacks, size_t from, struct suspicion_vec *to)
{
	for (size_t i = 0; i < lacks->n; i++) {
		bool known = false;
		for (size_t k = from; k < to->n && !known; k++)
			known = strcmp(to->v[k].text, lacks->v[i].text) == 0;
		if (!known)
			*vec_push(to) = (struct suspicion){ lacks->v[i].rule, lacks->v[i].text };
	}
}

size_t lacks_add(struct source *source, const struct goroutine_groups *sites, struct suspicions *s)
{
	struct suspicion_vec all = { 0 };
	struct source_lack_vec lacks = { 0 };
	size_t found = 0;
	for (size_t i = 0; i < sites->v.n; i++) {
		size_t from = all.n;
		for (uint32_t k = s->at.v[i]; k < s->at.v[i + 1]; k++)
			*vec_push(&all) = s->v.v[k];
		s->at.v[i] = (uint32_t)from;
		lacks.n = 0;
		if (i < GROUPS_MAX)
			found += look(source, sites, &sites->v.v[i], &s->arena, &lacks);
		append(&lacks, from, &all);
	}
	s->at.v[sites->v.n] = (uint32_t)all.n;
	vec_deinit(&s->v);
	vec_deinit(&lacks);
	s->v = all;
	return found;
}
