/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/whose - whose function it is: the runtime's, the standard library's, or the program's own.
 */

#include <stdbool.h>

#include "model/stack.h"

/* Is the function of the runtime; of the standard library. */
bool rule_of_runtime(const char *function);
bool rule_of_library(const char *function, const char *module);
/* The frame to name: the innermost one of the program's own, else of the library, else NULL. */
const struct frame *rule_own_frame(const struct stacks *s, uint32_t stack, const char *module);
