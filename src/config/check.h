/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config/check - what no key can be asked alone: one value against another, what a kind of action needs, names.
 */

#include "config/problems.h"

/* Also fills what follows from other values: names of actions, a command's dry run, a last policy for all others. */
void check(const struct yaml *root, struct config *c, struct config_problems *problems);
