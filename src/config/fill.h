/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config/fill - values of a YAML tree into the structs that the tables of config/schema describe.
 */

#include "config/schema.h"

/* All keys of `root` into *c, which holds the defaults. What is wrong goes into *problems and keeps its default. */
void fill(const struct yaml *root, struct config *c, struct config_problems *problems);
