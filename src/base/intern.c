/* SPDX-License-Identifier: Apache-2.0 */
#include "base/intern.h"

#include <string.h>

void intern_init(struct intern *in)
{
	*in = (struct intern){ 0 };
	arena_init(&in->arena);
}

void intern_deinit(struct intern *in)
{
	arena_deinit(&in->arena);
	hash_index_deinit(&in->index);
	vec_deinit(&in->list);
	vec_deinit(&in->lengths);
}

struct wanted {
	const struct intern *in;
	const char *s;
	size_t len;
};

static bool same(const void *ctx, uint32_t id)
{
	const struct wanted *w = ctx;
	return w->in->lengths.v[id] == w->len && memcmp(w->in->list.v[id], w->s, w->len) == 0;
}

const char *intern_mem(struct intern *in, const char *s, size_t len)
{
	struct wanted w = { in, s, len };
	uint64_t hash = hash_bytes(s, len);
	uint32_t id = hash_index_find(&in->index, hash, same, &w);
	if (id != HASH_NONE)
		return in->list.v[id];
	hash_index_add(&in->index, hash, (uint32_t)in->list.n);
	char *kept = arena_alloc(&in->arena, len + 1); /* zeroed, so it ends */
	memcpy(kept, s, len);
	*vec_push(&in->list) = kept;
	*vec_push(&in->lengths) = len;
	return kept;
}

const char *intern_str(struct intern *in, const char *s)
{
	return intern_mem(in, s ? s : "", s ? strlen(s) : 0);
}
