/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/sites.h"

#include <stdlib.h>

#include "analysis/rules.h"

enum { SITES_MAX = 4096 }; /* go statements and callbacks followed; further ones are left out */

void sites_init(struct sites *s, const char *module)
{
	*s = (struct sites){ .module = module };
	intern_init(&s->strings);
}

void sites_deinit(struct sites *s)
{
	for (size_t i = 0; i < s->v.n; i++)
		vec_deinit(&s->v.v[i].counts);
	vec_deinit(&s->v);
	vec_deinit(&s->alive);
	vec_deinit(&s->before);
	vec_deinit(&s->view);
	hash_map_deinit(&s->index);
	intern_deinit(&s->strings);
}

/* ---- looks ---- */

void sites_begin(struct sites *s)
{
	for (size_t i = 0; i < s->v.n; i++)
		*vec_push(&s->v.v[i].counts) = 0;
	s->before.n = 0;
	for (size_t i = 0; i < s->alive.n; i++)
		*vec_push(&s->before) = s->alive.v[i];
	s->alive.n = 0;
}

static int by_id(const void *a, const void *b)
{
	const struct site_alive *x = a, *y = b;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Those of the last look that are not there any more. */
static void count_gone(struct sites *s)
{
	for (size_t i = 0, k = 0; i < s->before.n; i++) {
		while (k < s->alive.n && s->alive.v[k].id < s->before.v[i].id)
			k++;
		bool there = k < s->alive.n && s->alive.v[k].id == s->before.v[i].id;
		if (!there && s->before.v[i].site < s->v.n)
			s->v.v[s->before.v[i].site].gone++;
	}
}

void sites_end(struct sites *s)
{
	vec_sort(&s->alive, by_id);
	if (s->looks)
		count_gone(s);
	s->looks++;
}

/* ---- sites ---- */

static void add_site(struct sites *s, enum diagnosis_site_kind kind, const char *function, const char *file,
		     uint32_t line)
{
	struct site *site = vec_push(&s->v);
	*site = (struct site){ .kind = kind, .function = function, .file = file, .line = line };
	site->library = rule_of_library(function, s->module);
	for (size_t i = 0; i <= s->looks; i++)
		*vec_push(&site->counts) = 0;
}

/* Entered when it is new; SITES_MAX when there is no room. */
static uint32_t find_site(struct sites *s, enum diagnosis_site_kind kind, unsigned sort, const struct frame *at)
{
	/* Interned strings are the same when their addresses are. */
	const char *function = intern_str(&s->strings, at->function ? at->function : "");
	const char *file = intern_str(&s->strings, at->file ? at->file : "");
	uint64_t key =
		hash_u64((uint64_t)(uintptr_t)function) ^ hash_u64(hash_u64((uint64_t)(uintptr_t)file) + at->line);
	key = hash_u64(key + sort * (uint64_t)(DIAGNOSIS_TIMER + 1) + kind);
	const uint64_t *found = hash_map_get(&s->index, key);
	if (found)
		return (uint32_t)*found;
	if (s->v.n == SITES_MAX)
		return SITES_MAX;
	*hash_map_at(&s->index, key, NULL) = s->v.n;
	add_site(s, kind, function, file, at->line);
	return (uint32_t)(s->v.n - 1);
}

static void count(struct sites *s, uint32_t site, uint64_t n)
{
	if (site < s->v.n)
		s->v.v[site].counts.v[s->looks] += n;
}

uint32_t sites_of_go(struct sites *s, const struct frame *at)
{
	return find_site(s, DIAGNOSIS_GOROUTINE, 0, at);
}

void sites_goroutine(struct sites *s, uint32_t site, uint64_t id, uint64_t n)
{
	count(s, site, n);
	if (id)
		*vec_push(&s->alive) = (struct site_alive){ id, site };
}

void sites_timers(struct sites *s, const struct timers *timers)
{
	for (size_t i = 0; i < timers->groups.n; i++) {
		const struct timer_group *g = &timers->groups.v[i];
		if (g->kind != TIMER_DEADLINE && stacks_depth(&timers->stacks, g->callback))
			count(s, find_site(s, DIAGNOSIS_TIMER, g->kind, stacks_at(&timers->stacks, g->callback, 0)),
			      g->count);
	}
}

const struct diagnosis_site *sites_view(struct sites *s, size_t *n)
{
	s->view.n = 0;
	for (size_t i = 0; i < s->v.n; i++) {
		const struct site *from = &s->v.v[i];
		*vec_push(&s->view) = (struct diagnosis_site){
			.kind = from->kind,
			.function = from->function,
			.file = from->file,
			.line = from->line,
			.library = from->library,
			.counts = from->counts.v,
			.gone = from->gone,
			.gone_known = from->kind == DIAGNOSIS_GOROUTINE,
		};
	}
	*n = s->view.n;
	return s->view.v;
}
