/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/intern - strings kept once: equal text gives the same pointer.
 */

#include <stddef.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/vec.h"

struct intern {
	struct arena arena;
	struct hash_index index;
	VEC(const char *) list;
	VEC(size_t) lengths;
};

void intern_init(struct intern *in);
void intern_deinit(struct intern *in);

/* Valid until intern_deinit(). A NUL inside ends the string for its readers, but not for the comparison. */
NEVER_NULL const char *intern_mem(struct intern *in, const char *s, size_t len);
NEVER_NULL const char *intern_str(struct intern *in, const char *s); /* NULL is "" */
