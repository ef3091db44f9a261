/* SPDX-License-Identifier: Apache-2.0 */
#include "model/goroutine.h"

#include "base/alloc.h"

void goroutines_init(struct goroutines *gs)
{
	*gs = (struct goroutines){ .since_gc_ns = -1 };
	stacks_init(&gs->stacks);
}

void goroutines_deinit(struct goroutines *gs)
{
	stacks_deinit(&gs->stacks);
	vec_deinit(&gs->v);
	vec_deinit(&gs->labels);
}

static const char *keep(struct goroutines *to, const char *text)
{
	return text ? intern_str(&to->stacks.strings, text) : NULL;
}

static uint32_t stack_of(struct goroutines *to, const struct goroutines *from, uint32_t id, uint32_t *memo)
{
	if (!memo[id])
		memo[id] = stacks_copy(&to->stacks, &from->stacks, id, true);
	return memo[id];
}

void goroutines_append(struct goroutines *to, const struct goroutines *from, uint32_t input)
{
	AUTO_FREE uint32_t *memo = xcalloc(from->stacks.v.n, sizeof(*memo)); /* new number of each stack; 0 stays 0 */
	for (size_t i = 0; i < from->v.n; i++) {
		struct goroutine g = from->v.v[i];
		g.state = keep(to, g.state);
		g.wait_reason = keep(to, g.wait_reason);
		g.peer = keep(to, g.peer);
		g.wait_type = keep(to, g.wait_type);
		g.stack = stack_of(to, from, g.stack, memo);
		g.created_by = stack_of(to, from, g.created_by, memo);
		uint32_t at = g.label_at;
		g.label_at = (uint32_t)to->labels.n;
		for (uint32_t l = 0; l < g.label_n; l++) {
			const struct goroutine_label *label = &from->labels.v[at + l];
			*vec_push(&to->labels) =
				(struct goroutine_label){ keep(to, label->key), keep(to, label->value) };
		}
		g.input = input;
		*vec_push(&to->v) = g;
	}
	to->total += from->total;
	to->live = to->live || from->live;
	if (from->since_gc_ns >= 0 && (to->since_gc_ns < 0 || from->since_gc_ns < to->since_gc_ns))
		to->since_gc_ns = from->since_gc_ns;
}
