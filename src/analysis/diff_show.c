/* SPDX-License-Identifier: Apache-2.0 */

/* What a diff is called and drawn as. */

#include "analysis/diff.h"

#include <string.h>

#include "analysis/goroutine_groups.h"
#include "base/strbuf.h"

static const char separator[] = " > ";

const struct stacks *diff_stacks(const struct diff *d, const struct diff_group *g)
{
	const struct snapshot *s = d->inputs[g->input].s;
	return d->of_goroutines ? &s->goroutines.stacks : &s->heap.profile.stacks;
}

static const char *function_of(const struct frame *f)
{
	return f->function[0] ? f->function : "?";
}

/* The frame that a reader looks for: of allocations the innermost that is not the runtime's, of goroutines where it waits. */
static const struct frame *key_frame(const struct diff *d, const struct diff_group *g)
{
	const struct stacks *s = diff_stacks(d, g);
	uint32_t depth = stacks_depth(s, g->stack);
	if (!depth)
		return NULL;
	if (d->of_goroutines)
		return stacks_at(s, g->stack, goroutine_blocked(s, g->stack));
	for (uint32_t i = 0; i < depth; i++) {
		const struct frame *f = stacks_at(s, g->stack, i);
		if (f->function[0] && !stack_is_runtime(f->function))
			return f;
	}
	while (depth > 1 && strcmp(stacks_at(s, g->stack, depth - 1)->function, "runtime.goexit") == 0)
		depth--;
	return stacks_at(s, g->stack, depth - 1); /* all the runtime's: what for is said at the root */
}

const char *diff_place(struct diff *d, const struct diff_group *g)
{
	const struct frame *f = key_frame(d, g);
	if (!f)
		return "";
	const char *slash = strrchr(f->file, '/'), *file = slash ? slash + 1 : f->file;
	if (!*file)
		return arena_strdup(&d->arena, function_of(f));
	return arena_printf(&d->arena, "%s (%s:%u)", function_of(f), file, f->line);
}

const char *diff_key(struct diff *d, const struct diff_group *g)
{
	const char *place = g->name ? g->name : diff_place(d, g);
	return *place ? place : "(no stack)";
}

const char *diff_path(struct diff *d, const struct diff_group *g)
{
	const struct stacks *s = diff_stacks(d, g);
	if (d->by == DIFF_PATH)
		return g->name;
	AUTO(strbuf) struct strbuf path;
	strbuf_init(&path);
	if (stacks_depth(s, g->created_by))
		strbuf_puts(&path, function_of(stacks_at(s, g->created_by, 0)));
	for (uint32_t i = stacks_depth(s, g->stack); i-- > 0;) {
		const char *function = function_of(stacks_at(s, g->stack, i));
		if (stack_is_runtime(function))
			continue;
		if (path.len)
			strbuf_puts(&path, separator);
		strbuf_puts(&path, function);
	}
	return arena_strdup(&d->arena, path.buf);
}

/* ---- as a profile ---- */

/* The stack of a group in `p`; its name as a frame where it has none. */
static uint32_t profile_stack(const struct diff *d, const struct diff_group *g, struct profile *p)
{
	uint32_t frames[STACK_FRAMES_MAX + 1], n = 0;
	const struct stacks *s = diff_stacks(d, g);
	if (g->name)
		return stacks_place(&p->stacks, g->name, NULL, 0);
	for (uint32_t i = 0; i < stacks_depth(s, g->stack); i++) {
		struct frame f = *stacks_at(s, g->stack, i);
		f.addr = 0;
		frames[n++] = stacks_frame(&p->stacks, &f);
	}
	if (stacks_depth(s, g->created_by))
		frames[n++] = stacks_frame(&p->stacks, stacks_at(s, g->created_by, 0));
	return stacks_add(&p->stacks, frames, n);
}

static int64_t or_zero(int64_t v)
{
	return v == DIFF_UNKNOWN ? 0 : v;
}

static void put_sides(const struct diff *d, struct profile *p)
{
	profile_type_add(p, "base", d->unit);
	profile_type_add(p, d->type, d->unit);
	for (size_t i = 0; i < d->groups.n; i++) {
		const struct diff_group *g = &d->groups.v[i];
		const struct diff_value *v = diff_values(d, g);
		int64_t base = or_zero(diff_main(d, v[0])), last = or_zero(diff_main(d, v[d->n - 1]));
		if (!base && !last)
			continue;
		int64_t *to = profile_sample_add(p, profile_stack(d, g, p));
		to[0] = base;
		to[1] = last;
	}
}

/* One sample for each group, in the order in which they were found: group.at / d->n. */
static void put_samples(const struct diff *d, struct profile *p)
{
	AUTO_FREE uint32_t *order = xcalloc(d->groups.n + 1, sizeof(*order));
	for (uint32_t i = 0; i < d->groups.n; i++)
		order[d->groups.v[i].at / d->n] = i;
	for (size_t i = 0; i < d->groups.n; i++)
		profile_sample_add(p, profile_stack(d, &d->groups.v[order[i]], p));
}

/* Adds the values of an input's profile, times `sign`, type by type of the same name. */
static void add_values(const struct diff *d, size_t input, int64_t sign, struct profile *p)
{
	const struct profile *from = &d->inputs[input].s->heap.profile;
	int column[PROFILE_TYPES_MAX];
	for (size_t k = 0; k < p->n_types; k++)
		column[k] = profile_type_find(from, p->types[k].type);
	for (size_t i = 0; i < from->samples.n; i++) {
		uint32_t group = d->group_of[input].v[from->samples.v[i].stack];
		const int64_t *v = profile_values(from, i);
		for (size_t k = 0; group != HASH_NONE && k < p->n_types; k++) {
			int64_t *to = &p->values.v[group * p->n_types + k];
			if (column[k] >= 0 && __builtin_add_overflow(*to, sign * v[column[k]], to))
				*to = sign * INT64_MAX;
		}
	}
}

static void put_difference(const struct diff *d, struct profile *p)
{
	const struct profile *last = &d->inputs[d->n - 1].s->heap.profile;
	for (size_t k = 0; k < last->n_types; k++)
		profile_type_add(p, last->types[k].type, last->types[k].unit);
	p->default_type = intern_str(&p->stacks.strings, d->type);
	p->time_unix_ns = last->time_unix_ns;
	p->period = last->period;
	put_samples(d, p);
	add_values(d, 0, -1, p);
	add_values(d, d->n - 1, 1, p);
}

/* What is not from a profile has two values: objects and bytes. */
static void put_plain_difference(const struct diff *d, struct profile *p)
{
	profile_type_add(p, d->of_goroutines ? "goroutine" : "objects", "count");
	if (d->by_bytes)
		profile_type_add(p, "space", "bytes");
	for (size_t i = 0; i < d->groups.n; i++) {
		const struct diff_group *g = &d->groups.v[i];
		struct diff_value delta = diff_less(diff_values(d, g)[d->n - 1], diff_values(d, g)[0]);
		int64_t *to = profile_sample_add(p, profile_stack(d, g, p));
		to[0] = or_zero(delta.objects);
		if (d->by_bytes)
			to[1] = or_zero(delta.bytes);
	}
}

void diff_profile(const struct diff *d, bool sides, struct profile *ret)
{
	profile_init(ret);
	if (sides)
		put_sides(d, ret);
	else if (d->by == DIFF_SITE && !d->of_goroutines)
		put_difference(d, ret);
	else
		put_plain_difference(d, ret);
}
