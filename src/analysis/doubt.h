/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/doubt - what keeps growth that was proved from being called a leak.
 *
 * That a heap grew, in an order that chance does not give, is no proof that it has no bound: whatever starts, or is asked
 * for more than before, fills what it has. A leak is one thing that grows and goes on. So it must be told who it is, by the
 * function that allocates or by the holder, and where it began not long before the window it must be most of what grew,
 * much, and hardly slower in the second half than in the first.
 *
 * A cache that fills for the whole window from the start of the process does all this too: only time tells them apart. Whoever
 * looks at a young process that grows by half asks because it does, and is better served by the place, marked as less
 * sure, than by none. Short of that the verdict is inconclusive.
 */

#include "analysis/rules.h"

/* The call stack of the heap profile that grew most, by several objects: one that was allocated once is no growth. Or NULL. */
const struct heap_growth *doubt_top_site(const struct rule_context *c);

/* The share of what grew that comes from the function of that site; NAN: there is none, or only the runtime's. */
double doubt_share_of_function(const struct rule_context *c);

/* The share of what became reachable that one path, or one root, holds. 0: several roots and no path in common. NAN: unknown. */
double doubt_share_of_holder(const struct rule_context *c);

/* Takes from the confidence of a finding about the heap what speaks against it, with evidence. t is the trend of s. */
void doubt_heap(struct rule_context *c, struct finding *f, const struct trend *t, const struct series *s);
