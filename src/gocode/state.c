/* SPDX-License-Identifier: Apache-2.0 */
#include "gocode/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void gocode_state_drop(struct gocode_pool *pool, struct gocode_page **page)
{
	if (*page && --(*page)->refs == 0) {
		pool->live--;
		free(*page);
	}
	*page = NULL;
}

struct gocode_page *gocode_state_own(struct gocode_pool *pool, struct gocode_page **page)
{
	struct gocode_page *mine = *page;
	if (mine && mine->refs == 1)
		return mine;
	mine = xcalloc(1, sizeof(*mine));
	if (*page) {
		memcpy(mine->v, (*page)->v, sizeof(mine->v));
		(*page)->refs--;
	}
	mine->refs = 1;
	*page = mine;
	pool->full |= ++pool->live > GOCODE_PAGES_MAX;
	return mine;
}

void gocode_state_put(struct gocode_pool *pool, struct gocode_page **s, size_t i, struct gocode_value v)
{
	struct gocode_page **page = &s[i / GOCODE_PAGE];
	if (v.what == GOCODE_NOTHING && (!*page || (*page)->v[i % GOCODE_PAGE].what == GOCODE_NOTHING))
		return;
	gocode_state_own(pool, page)->v[i % GOCODE_PAGE] = v;
}

void gocode_state_copy(const struct gocode_pool *pool, struct gocode_page **to, struct gocode_page *const *from)
{
	for (size_t i = 0; i < pool->n; i++) {
		to[i] = from[i];
		if (to[i])
			to[i]->refs++;
	}
}

void gocode_state_clear(struct gocode_pool *pool, struct gocode_page **s)
{
	for (size_t i = 0; i < pool->n; i++)
		gocode_state_drop(pool, &s[i]);
}
