/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/typing.h"

#include <stdlib.h>

#include "base/alloc.h"

struct err *goheap_typing_run(const struct goheap_objects *o, const struct graph *g, const struct goheap_seen_vec *seen,
			      const struct goheap_seed_vec *seeds, struct goheap_typing *ret)
{
	*ret = (struct goheap_typing){ .objects = o, .graph = g };
	gort_types_init(&ret->types, o->g);
	*vec_push(&ret->kinds) = (struct goheap_kind){ .name = "(no type)" };
	ret->kind = xcalloc(o->n + 1, sizeof(*ret->kind));
	return NULL;
}

void goheap_typing_deinit(struct goheap_typing *t)
{
	gort_types_deinit(&t->types);
	vec_deinit(&t->kinds);
	free(t->kind);
}

const char *goheap_typing_field(struct goheap_typing *t, uint32_t kind, uint32_t *word)
{
	return NULL;
}
