/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/goproto - goroutines of a goroutine profile, and what a stack alone tells of the state.
 */

#include "base/err.h"
#include "model/goroutine.h"
#include "model/profile.h"

/*
 * Appends the goroutines of a profile whose samples count goroutines ("goroutine", "goroutineleak"): one row for each
 * sample, with `input` as its origin. State and wait reason are what the stack tells; ids and creators are not in a
 * profile. The rows of a goroutineleak profile are flagged GOROUTINE_LEAKED. *ret is initialized by the caller. ARG when it
 * is a profile of something else, FORMAT for a count that cannot be.
 */
MUST_CHECK struct err *goroutines_of_profile(const struct profile *p, uint32_t input, struct goroutines *ret);

/*
 * Sets state, wait_reason and GOROUTINE_SELECT by the functions of g->stack; "unknown" when they tell nothing,
 * "leaked" when it is flagged so.
 */
void goproto_infer(struct goroutines *gs, struct goroutine *g);

/* Flags one of the runtime's own: only functions of the runtime, and not the main goroutine. */
void goproto_mark_system(const struct goroutines *gs, struct goroutine *g);

/*
 * The other way: the goroutine profile of these goroutines, one sample for each different stack, without addresses. The
 * runtime's own goroutines are left out, as its profile leaves them out. *ret is initialized here.
 */
void goroutines_profile(const struct goroutines *gs, int64_t wall_ns, struct profile *ret);
