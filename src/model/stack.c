/* SPDX-License-Identifier: Apache-2.0 */
#include "model/stack.h"

#include <string.h>

#include "base/num.h"

void stacks_init(struct stacks *s)
{
	*s = (struct stacks){ 0 };
	intern_init(&s->strings);
	stacks_add(s, NULL, 0);
}

void stacks_deinit(struct stacks *s)
{
	intern_deinit(&s->strings);
	vec_deinit(&s->frames);
	vec_deinit(&s->pool);
	vec_deinit(&s->v);
	hash_index_deinit(&s->frame_index);
	hash_index_deinit(&s->stack_index);
}

struct wanted_frame {
	const struct stacks *s;
	const struct frame *frame;
};

static bool same_frame(const void *ctx, uint32_t id)
{
	const struct wanted_frame *w = ctx;
	const struct frame *a = &w->s->frames.v[id], *b = w->frame;
	return a->function == b->function && a->file == b->file && a->line == b->line && a->inlined == b->inlined &&
	       a->addr == b->addr;
}

uint32_t stacks_frame(struct stacks *s, const struct frame *frame)
{
	struct frame own = *frame;
	own.function = intern_str(&s->strings, frame->function);
	own.file = intern_str(&s->strings, frame->file);
	uint64_t hash =
		hash_u64((uint64_t)(uintptr_t)own.function ^ hash_u64((uint64_t)(uintptr_t)own.file ^ own.addr) ^
			 (uint64_t)own.line << 1 ^ (uint64_t)own.inlined);
	struct wanted_frame w = { s, &own };
	uint32_t id = hash_index_find(&s->frame_index, hash, same_frame, &w);
	if (id != HASH_NONE)
		return id;
	id = (uint32_t)s->frames.n;
	hash_index_add(&s->frame_index, hash, id);
	*vec_push(&s->frames) = own;
	return id;
}

struct wanted_stack {
	const struct stacks *s;
	const uint32_t *frames;
	uint32_t n;
};

static bool same_stack(const void *ctx, uint32_t id)
{
	const struct wanted_stack *w = ctx;
	const struct stack *st = &w->s->v.v[id];
	return st->n == w->n && (!w->n || memcmp(w->s->pool.v + st->at, w->frames, w->n * sizeof(*w->frames)) == 0);
}

uint32_t stacks_add(struct stacks *s, const uint32_t *frames, size_t n)
{
	struct wanted_stack w = { s, frames, (uint32_t)num_min(n, STACK_FRAMES_MAX) };
	uint64_t hash = hash_bytes(frames, w.n * sizeof(*frames));
	uint32_t id = hash_index_find(&s->stack_index, hash, same_stack, &w);
	if (id != HASH_NONE)
		return id;
	id = (uint32_t)s->v.n;
	hash_index_add(&s->stack_index, hash, id);
	*vec_push(&s->v) = (struct stack){ (uint32_t)s->pool.n, w.n };
	if (s->pool.n + w.n > s->pool.cap)
		vec_reserve(&s->pool, 2 * (s->pool.n + w.n));
	if (w.n)
		memcpy(s->pool.v + s->pool.n, frames, w.n * sizeof(*frames));
	s->pool.n += w.n;
	return id;
}

uint32_t stacks_place(struct stacks *s, const char *function, const char *file, uint32_t line)
{
	uint32_t frame = stacks_frame(s, &(struct frame){ .function = function, .file = file, .line = line });
	return stacks_add(s, &frame, 1);
}

uint32_t stacks_copy(struct stacks *to, const struct stacks *from, uint32_t id, bool addresses)
{
	uint32_t frames[STACK_FRAMES_MAX], n = stacks_depth(from, id);
	for (uint32_t i = 0; i < n; i++) {
		struct frame f = *stacks_at(from, id, i);
		if (!addresses)
			f.addr = 0;
		frames[i] = stacks_frame(to, &f);
	}
	return stacks_add(to, frames, n);
}

size_t stack_package(const char *function)
{
	size_t end = strcspn(function, "[(");
	const char *slash = memrchr(function, '/', end);
	const char *base = slash ? slash + 1 : function;
	const char *dot = strchr(base, '.');
	return dot && dot != base ? (size_t)(dot - function) : 0;
}

bool stack_is_runtime(const char *function)
{
	static const char name[] = "runtime.";
	const size_t n = sizeof(name) - 1;
	return strncmp(function, name, n) == 0 && (function[n] < 'A' || function[n] > 'Z');
}
