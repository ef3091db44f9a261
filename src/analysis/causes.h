/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/causes - one cause is one finding: a goroutine that leaks keeps stack, heap, perhaps a timer, a descriptor or
 * a thread with it. What belongs to the same cause becomes a word in `also` of the finding that names it best.
 */

#include "analysis/rules.h"

void causes_merge(struct rule_context *c);
