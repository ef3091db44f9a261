/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync.Map of both generations, wherever it is: in objects, by their types; in globals, by the code that uses them.
 *
 * To 1.23 it is two maps from keys to entries: `read`, and `dirty` when something was stored since. A deleted key stays in
 * `read` with an entry that points to nothing. Since 1.24 it is a trie of nodes with 16 children, which keeps nothing that
 * was deleted. The table of cgo.Handle is such a map.
 */
#include "owners/holders.h"

#include <inttypes.h>
#include <string.h>

enum {
	CHILDREN = 16,
	NODE = 24 + CHILDREN * 8,		      /* of the trie */
	OVERFLOW_AT = 8,			      /* in an entry of it: the next with the same hash */
	BUCKET = OWNERS_MAP_SLOTS * (1 + 16 + 8) + 8, /* of map[any]*entry */
	VALUES = OWNERS_MAP_SLOTS * (1 + 16),	      /* where its entries are */
	CHAIN_MAX = 1 << 16,
};

/* What one of them holds: in use, deleted but kept; the bytes of its own parts. */
struct contents {
	uint64_t live, dead, bytes;
};

/* ---- two maps ---- */

enum side { DIRTY, READ_BESIDE_DIRTY, READ_ALONE };

/*
 * Whether an entry is in use. While there is a dirty map, all that are in use are in it, and those of `read` that were
 * deleted point to a mark (expunged); without one they point to nothing.
 */
static bool in_use(struct holders *h, uint32_t entry, enum side side)
{
	uint32_t n = 0;
	if (side == READ_BESIDE_DIRTY)
		return h->seen[entry >> 6] >> (entry & 63) & 1;
	graph_out(&h->w->graph, entry, &n);
	if (side == DIRTY)
		holder_first_time(h, entry);
	return n > 0;
}

static void count_entries(struct holders *h, uint32_t bucket, enum side side, struct contents *c)
{
	struct owners_work *w = h->w;
	struct goheap_object_at at = goheap_object_get(&w->objects, bucket);
	uint64_t header = holder_header(h, at.span);
	uint32_t n = 0;
	const graph_edge *e = graph_out(&w->graph, bucket, &n);
	c->bytes += at.size;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t in = (graph_word(e[i]) * UINT64_C(8) - header) % BUCKET;
		if (in < VALUES || in >= BUCKET - 8 || graph_target(e[i]) >= w->graph.n)
			continue;
		bool live = in_use(h, graph_target(e[i]), side);
		c->live += live;
		c->dead += !live;
		if (side != READ_BESIDE_DIRTY || !live)
			c->bytes += goheap_object_get(&w->objects, graph_target(e[i])).size;
	}
}

/* The buckets that follow those of an array. */
static void count_chains(struct holders *h, uint32_t array, enum side side, struct contents *c)
{
	uint32_t n = 0;
	const graph_edge *e = graph_out(&h->w->graph, array, &n);
	uint64_t header = holder_header(h, goheap_object_get(&h->w->objects, array).span);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t next = graph_target(e[i]);
		if ((graph_word(e[i]) * UINT64_C(8) - header) % BUCKET != BUCKET - 8 || next == array)
			continue;
		for (unsigned steps = 0; next < h->w->graph.n && steps < CHAIN_MAX; steps++) {
			count_entries(h, next, side, c);
			next = holder_follow(h, next, BUCKET - 8);
		}
	}
}

static struct contents map_contents(struct holders *h, uint64_t header, enum side side)
{
	const struct gort_layout *l = h->w->in->g->layout;
	struct contents c = { 0 };
	struct goheap_object_at at;
	if (!header || !goheap_object_find(&h->w->objects, header, &at) || !gort_has(l, GORT_hmap_buckets))
		return c;
	const enum gort_field arrays[] = { GORT_hmap_buckets, GORT_hmap_oldbuckets };
	c.bytes = at.size;
	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		uint32_t array = holder_follow(h, at.number, (uint64_t)(uint32_t)l->f[arrays[i]].off);
		if (array == GRAPH_NONE)
			continue;
		count_entries(h, array, side, &c);
		count_chains(h, array, side, &c);
	}
	return c;
}

/* Returns the object that a global map is found by: the larger of its two. */
static uint32_t two_maps(struct holders *h, uint64_t at, struct contents *c)
{
	const struct gort *g = h->w->in->g;
	struct goheap_object_at o;
	uint64_t readonly = gort_word(g, at, GORT_syncMap_read), dirty = gort_word(g, at, GORT_syncMap_dirty), read = 0;
	struct contents d = map_contents(h, dirty, DIRTY), r = { 0 };
	if (goheap_object_find(&h->w->objects, readonly, &o)) {
		read = gort_word(g, readonly, GORT_readOnly_m);
		r = map_contents(h, read, dirty ? READ_BESIDE_DIRTY : READ_ALONE);
	}
	c->live = dirty ? d.live : r.live;
	c->dead = r.dead + d.dead;
	c->bytes = r.bytes + d.bytes;
	return goheap_object_find(&h->w->objects, dirty ? dirty : read, &o) ? o.number : GRAPH_NONE;
}

/* ---- a trie ---- */

static void push_children(struct holders *h, uint32_t node, struct u32_vec *todo)
{
	uint32_t n = 0;
	const graph_edge *e = graph_out(&h->w->graph, node, &n);
	for (uint32_t i = 0; i < n; i++)
		if (graph_target(e[i]) < h->w->graph.n)
			*vec_push(todo) = graph_target(e[i]);
}

static uint32_t trie(struct holders *h, uint64_t at, struct contents *c)
{
	struct owners_work *w = h->w;
	struct goheap_object_at root;
	uint64_t node = owners_slot_bytes(NODE, true, false);
	uint64_t addr = gort_word(w->in->g, at, GORT_syncMap_root);
	if (!addr || !goheap_object_find(&w->objects, addr, &root) || root.offset || root.size != node)
		return GRAPH_NONE;
	struct u32_vec todo = { 0 };
	*vec_push(&todo) = root.number;
	while (todo.n) {
		uint32_t o = todo.v[--todo.n];
		if (!holder_first_time(h, o))
			continue;
		uint64_t size = goheap_object_get(&w->objects, o).size;
		c->bytes += size;
		if (size == node) {
			push_children(h, o, &todo);
			continue;
		}
		c->live++;
		uint32_t next = holder_follow(h, o, OVERFLOW_AT);
		if (next != GRAPH_NONE)
			*vec_push(&todo) = next;
	}
	vec_deinit(&todo);
	return root.number;
}

/* ---- rows ---- */

struct sync_maps {
	struct holder_rows rows;
	struct hash_map known; /* addresses that were looked at */
	bool handles;	       /* of cgo.Handle, those looked at now */
};

enum { ROW_MAP = PLACE_SYNC_MAP, ROW_HANDLES = PLACE_WHAT_MAX_ };

static void add_map(struct holders *h, struct sync_maps *s, uint32_t object, uint64_t at)
{
	struct contents c = { 0 };
	bool fresh = false;
	hash_map_at(&s->known, at, &fresh);
	uint32_t found = GRAPH_NONE;
	if (fresh)
		found = gort_has(h->w->in->g->layout, GORT_syncMap_root) ? trie(h, at, &c) : two_maps(h, at, &c);
	if (found == GRAPH_NONE || !(c.live + c.dead))
		return;
	struct holder_row *row =
		holder_row(h, &s->rows, object == GRAPH_NONE ? found : object, s->handles ? ROW_HANDLES : ROW_MAP);
	row->count++;
	row->elements += c.live;
	row->bytes += c.bytes;
	row->a += c.dead;
}

static void add_inside(struct holders *h, void *ctx, uint32_t object, uint64_t at)
{
	add_map(h, ctx, object, at);
}

static void globals(struct holders *h, struct sync_maps *s)
{
	const struct gort *g = h->w->in->g;
	const struct gocode_map_use_vec *found = &h->w->sync_maps;
	for (size_t i = 0; i < found->n; i++) {
		const char *caller = sym_pclntab_name(g->pclntab, found->v[i].caller);
		s->handles = strncmp(caller, "runtime/cgo.", 12) == 0;
		add_map(h, s, GRAPH_NONE, found->v[i].addr);
	}
	s->handles = false;
}

static void say(struct holders *h, const struct holder_row *row)
{
	struct arena *arena = &h->w->snapshot->arena;
	const char *text =
		row->a ? arena_printf(arena, "%" PRIu64 " entries, and %" PRIu64 " that were deleted and are kept",
				      row->elements, row->a)
		       : arena_printf(arena, "%" PRIu64 " entries", row->elements);
	if (row->what == ROW_HANDLES)
		holder_say(h, "cgo.Handle", "runtime/cgo.Handle", row,
			   arena_printf(arena, "%" PRIu64 " handles that were not deleted", row->elements));
	else
		holder_say(h, "sync.Map", "sync.Map", row, text);
}

void holder_sync_maps(struct holders *h)
{
	struct sync_maps s = { 0 };
	for (size_t i = 0; i < h->of[HOLDER_INSIDE].n; i++)
		holder_each_inside(h, h->of[HOLDER_INSIDE].v[i], PLACE_SYNC_MAP, add_inside, &s);
	globals(h, &s);
	for (size_t i = 0; i < s.rows.list.n; i++)
		say(h, &s.rows.list.v[i]);
	hash_map_deinit(&s.known);
	holder_rows_deinit(&s.rows);
}
