/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts: how many children hang on a parent that nobody cancels, and how long chains of values are.
 *
 * The children of a cancelCtx are the keys of a map, which is there only until it is cancelled.
 */
#include "owners/holders.h"

#include <inttypes.h>

enum { CHAIN_MAX = 1 << 16 };

/* a: children; b: contexts that have some; c: the most of one. */
static void add_parent(struct holders *h, struct holder_rows *rows, uint32_t object)
{
	const struct gort_layout *l = h->w->in->g->layout;
	uint32_t map = holder_follow(h, object, (uint64_t)(uint32_t)l->f[GORT_cancelCtx_children].off);
	uint64_t children = holder_map_entries(h, map);
	struct holder_row *row = holder_row(h, rows, object, HOLDER_CONTEXT);
	if (children > h->w->graph.n) {
		h->moved++;
		children = 0;
	}
	row->count++;
	row->bytes += goheap_object_get(&h->w->objects, object).size;
	row->elements += children;
	row->b += children > 0;
	if (children > row->c) {
		row->c = children;
		row->object = object;
	}
}

/* How many valueCtx stand one above the other from here; what is known of those above is used, and kept for all passed. */
static uint64_t chain(struct holders *h, uint32_t object, struct hash_map *known)
{
	uint64_t offset = (uint64_t)(uint32_t)h->w->in->g->layout->f[GORT_valueCtx_parent].off + 8, n = 0, above = 0;
	uint32_t at = object;
	for (; n < CHAIN_MAX && at != GRAPH_NONE && h->what[h->w->typing.kind[at]] == HOLDER_VALUE_CTX; n++) {
		const uint64_t *length = hash_map_get(known, at);
		above = length ? *length : 0;
		if (length)
			break;
		at = holder_follow(h, at, offset);
	}
	at = object;
	for (uint64_t i = 0; i < n; i++, at = holder_follow(h, at, offset))
		*hash_map_at(known, at, NULL) = n + above - i;
	return n + above;
}

static void add_value(struct holders *h, struct holder_rows *rows, uint32_t object, struct hash_map *known)
{
	uint64_t length = chain(h, object, known);
	struct holder_row *row = holder_row(h, rows, object, HOLDER_VALUE_CTX);
	row->count++;
	row->elements++;
	row->bytes += goheap_object_get(&h->w->objects, object).size;
	if (length > row->c) {
		row->c = length;
		row->object = object;
	}
}

static void say(struct holders *h, const struct holder_row *row)
{
	struct arena *arena = &h->w->snapshot->arena;
	const char *text = NULL;
	if (row->what == HOLDER_VALUE_CTX)
		text = arena_printf(arena, "the longest chain of values is %" PRIu64, row->c);
	else if (row->b)
		text = arena_printf(arena, "%" PRIu64 " children hang on %" PRIu64 ", the most on one are %" PRIu64,
				    row->elements, row->b, row->c);
	else
		text = "without children";
	holder_say(h, "context", h->w->typing.kinds.v[row->kind].name, row, text);
}

void holder_contexts(struct holders *h)
{
	struct holder_rows rows = { 0 };
	struct hash_map known = { 0 };
	for (size_t i = 0; i < h->of[HOLDER_CONTEXT].n; i++)
		add_parent(h, &rows, h->of[HOLDER_CONTEXT].v[i]);
	for (size_t i = 0; i < h->of[HOLDER_VALUE_CTX].n; i++)
		add_value(h, &rows, h->of[HOLDER_VALUE_CTX].v[i], &known);
	for (size_t i = 0; i < rows.list.n; i++)
		say(h, &rows.list.v[i]);
	hash_map_deinit(&known);
	holder_rows_deinit(&rows);
}
