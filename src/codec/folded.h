/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/folded - stacks as lines, "root;...;leaf VALUE", which flame graph tools read.
 */

#include "base/strbuf.h"
#include "model/profile.h"

/*
 * One line for each different stack of functions with a value of this type, sorted by text. In names ";" becomes ":",
 * and control characters become spaces; a function without a name is "?".
 */
void folded_write(const struct profile *p, size_t type, struct strbuf *out);
