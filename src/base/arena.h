/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/arena - many small objects that die together.
 *
 * Memory from an arena is zeroed, aligned to 16 and valid until arena_deinit(). Nothing is freed one by one.
 */

#include <stddef.h>

#include "base/err.h"

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t used; /* bytes handed out, for budgets */
};

void arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);

NEVER_NULL void *arena_alloc(struct arena *arena, size_t size); /* aborts when there is no memory, like xmalloc() */
NEVER_NULL char *arena_strdup(struct arena *arena, const char *s);
NEVER_NULL char *arena_strndup(struct arena *arena, const char *s, size_t n);
NEVER_NULL char *arena_printf(struct arena *arena, const char *fmt, ...) ERR_PRINTF(2, 3);

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
