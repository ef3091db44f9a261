/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/unwind - call stacks of goroutines that do not run, from a copy of their stack memory.
 *
 * Source: runtime/traceback.go. The frame sizes of pclntab lead from frame to frame; frame pointers are not used. What
 * is shown is what runtime.Stack shows: frames of the runtime and wrappers are left out, unless nothing else is there.
 * Cost:   a look-up per frame; a place in code and a whole stack seen before cost nothing more.
 * Memory: that of the different stacks, at most GORT_UNWIND_POOL frames of them.
 */

#include "gort/gort.h"
#include "model/stack.h"

enum { GORT_UNWIND_POOL = 32 << 20 };

struct gort_unwinder;

/* Stacks go into `out` (borrowed, as is `g`). NULL when the image has no readable pclntab. */
struct gort_unwinder *gort_unwinder_new(const struct gort *g, struct stacks *out);
void gort_unwinder_free(struct gort_unwinder *u); /* NULL is fine */

/* Memory of a stack: `len` bytes from `addr`. */
struct gort_stack_bytes {
	uint64_t addr;
	const unsigned char *bytes;
	size_t len;
};

enum gort_unwound {
	GORT_UNWOUND_WHOLE, /* to the function that nothing called */
	GORT_UNWOUND_CUT,   /* something on the way made no sense, or there are too many frames */
	GORT_UNWOUND_SHORT, /* it goes on beyond the copy */
};

/* *ret is the number of the stack in `out`, of what could be walked. */
enum gort_unwound gort_unwind(struct gort_unwinder *u, uint64_t pc, uint64_t sp, const struct gort_stack_bytes *mem,
			      uint32_t *ret);

/* The stack of one frame of the statement before `pc`, as "created by" shows it; 0 where there is no function. */
uint32_t gort_unwind_place(struct gort_unwinder *u, uint64_t pc);

/* The same for a function by an address in it: its name, and the line where it begins. */
uint32_t gort_unwind_function(struct gort_unwinder *u, uint64_t pc);

/*
 * The frames, in `out`, of the instruction at pc when `exact`, else of the call before it: innermost first, wrappers left
 * out, the runtime's own not. At most `max`; 0 when no function holds it or all were left out.
 */
size_t gort_unwind_frames(struct gort_unwinder *u, uint64_t pc, bool exact, uint32_t *ret, size_t max);
