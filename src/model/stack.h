/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/stack - call stacks, each kept once: of profiles, goroutines, timers, whatever has a place in code.
 *
 * A table holds frames and stacks by number; the same frame has the same number, and so has the same stack. Frame
 * order is innermost first; an inlined frame stands before the one it is inlined into. Stack 0 is the empty stack.
 * Strings are interned in the table, so equal text is the same pointer. Everything lives as long as the table.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/intern.h"
#include "base/vec.h"

struct frame {
	const char *function, *file; /* "" = unknown */
	uint32_t line;		     /* 0 = unknown */
	bool inlined;		     /* into the next frame */
	uint64_t addr;		     /* of the instruction (a call: inside it), 0 = unknown; part of what a frame is */
};

struct stack {
	uint32_t at, n; /* in `pool` */
};

VEC_TYPE(frame_vec, struct frame);
VEC_TYPE(u32_vec, uint32_t);

struct stacks {
	struct intern strings;
	struct frame_vec frames;
	struct u32_vec pool; /* frame numbers */
	VEC(struct stack) v;
	struct hash_index frame_index, stack_index;
};

enum { STACK_FRAMES_MAX = 4096 }; /* of one stack; more are cut */

void stacks_init(struct stacks *s);
void stacks_deinit(struct stacks *s);

/* The number of a frame; strings are copied (NULL is ""). */
uint32_t stacks_frame(struct stacks *s, const struct frame *frame);

/* The number of the stack of these frame numbers; at most STACK_FRAMES_MAX count. */
uint32_t stacks_add(struct stacks *s, const uint32_t *frames, size_t n);

/* The number of a stack of one frame: for places ("created by"). */
uint32_t stacks_place(struct stacks *s, const char *function, const char *file, uint32_t line);

/* The number, in `to`, of what is stack `id` in `from`; `addresses` false leaves addresses out, which merges alike ones. */
uint32_t stacks_copy(struct stacks *to, const struct stacks *from, uint32_t id, bool addresses);

/*
 * Length of the package in the name of a Go function: "net/http" of "net/http.(*conn).serve"; 0 where there is none. Type
 * arguments, which hold slashes and dots of their own, are not looked into.
 */
size_t stack_package(const char *function);

/* One of the runtime's own functions, which a goroutine dump leaves out ("runtime.gopark", not "runtime.GC"). */
bool stack_is_runtime(const char *function);

static inline uint32_t stacks_depth(const struct stacks *s, uint32_t id)
{
	return s->v.v[id].n;
}

/* Frame i of a stack, 0 is the innermost. */
static inline const struct frame *stacks_at(const struct stacks *s, uint32_t id, uint32_t i)
{
	return &s->frames.v[s->pool.v[s->v.v[id].at + i]];
}
