/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps: what their parts take is told by the pointers between them, each object once; entries by the header's count.
 *
 * Buckets (to 1.23): an array of 2^B, each with its overflow bucket as its last word; of buckets without pointers the
 * overflow buckets are in a list of mapextra. Tables (1.24 on): a group, or a directory of tables of groups each.
 */
#include "owners/holders.h"

#include <string.h>

#include "gort/census.h"

enum { RECORD_MAX = 64, BATCH = 4096, B_MAX = 48, STOCK_FROM = 4 /* B from which buckets are made in stock */ };

struct map_walk {
	struct holders *h;
	const struct gort_layout *l;
	struct owners_map_rules rules;
	uint64_t bytes, slots;
};

static uint64_t word_of(const struct gort_layout *l, enum gort_field f)
{
	return (uint64_t)(uint32_t)l->f[f].off;
}

/* Counts an object as a part of the map; false when it was counted before, and should not be followed again. */
static bool take(struct map_walk *m, uint32_t object)
{
	if (object == GRAPH_NONE || !holder_first_time(m->h, object))
		return false;
	m->bytes += goheap_object_get(&m->h->w->objects, object).size;
	return true;
}

/* ---- buckets ---- */

/* The overflow bucket that follows a bucket which stands alone. */
static uint32_t next_bucket(const struct map_walk *m, uint32_t bucket)
{
	return holder_follow(m->h, bucket, m->rules.part - 8);
}

/* An array of buckets and all chains that leave it. Returns how many buckets of these chains are outside of it. */
static uint64_t take_buckets(struct map_walk *m, uint32_t array)
{
	if (!take(m, array))
		return 0;
	struct owners_work *w = m->h->w;
	struct goheap_object_at at = goheap_object_get(&w->objects, array);
	uint64_t header = holder_header(m->h, at.span), followers = 0;
	uint32_t n = 0;
	const graph_edge *e = graph_out(&w->graph, array, &n);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t in = graph_word(e[i]) * UINT64_C(8) - header;
		uint32_t target = graph_target(e[i]);
		if (in % m->rules.part != m->rules.part - 8 || target >= w->graph.n || target == array)
			continue;
		for (uint32_t next = target; take(m, next); next = next_bucket(m, next))
			followers++;
	}
	return followers;
}

/*
 * Buckets in stock stand behind the 2^B of the array, for those that overflow first; mapextra points to the next that is
 * not used, or to nothing when all are. Returns how many are used.
 */
static uint64_t stock_used(const struct map_walk *m, uint32_t array, uint64_t b, uint64_t extra)
{
	struct goheap_object_at at = goheap_object_get(&m->h->w->objects, array);
	uint64_t start = at.start + holder_header(m->h, at.span);
	uint64_t all = (at.start + at.size - start) / m->rules.part, base = UINT64_C(1) << b;
	uint64_t next = gort_word(m->h->w->in->g, extra, GORT_mapextra_nextOverflow);
	if (next)
		all = next > start ? (next - start) / m->rules.part : 0;
	return b >= STOCK_FROM && all > base && all - base <= base ? all - base : 0;
}

/* The list of overflow buckets of a map without pointers: a slice. */
static uint64_t take_list(struct map_walk *m, uint32_t extra, enum gort_field field, uint32_t array)
{
	uint32_t slice = holder_follow(m->h, extra, word_of(m->l, field));
	if (!take(m, slice))
		return 0;
	uint32_t list = holder_follow(m->h, slice, 0), n = 0;
	if (!take(m, list))
		return 0;
	const graph_edge *e = graph_out(&m->h->w->graph, list, &n);
	for (uint32_t i = 0; i < n; i++)
		if (graph_target(e[i]) != array && graph_target(e[i]) < m->h->w->graph.n)
			take(m, graph_target(e[i]));
	return n;
}

static uint64_t walk_buckets(struct map_walk *m, uint32_t header, const unsigned char *rec)
{
	const struct gort_layout *l = m->l;
	uint64_t b = gort_load(l, rec, RECORD_MAX, GORT_hmap_B);
	uint32_t array = holder_follow(m->h, header, word_of(l, GORT_hmap_buckets));
	uint64_t followers = array == GRAPH_NONE ? 0 : take_buckets(m, array);
	take_buckets(m, holder_follow(m->h, header, word_of(l, GORT_hmap_oldbuckets)));
	uint32_t extra = holder_follow(m->h, header, word_of(l, GORT_hmap_extra));
	if (take(m, extra)) {
		followers += take_list(m, extra, GORT_mapextra_overflow, array);
		take_list(m, extra, GORT_mapextra_oldoverflow, array);
		if (m->rules.pointers && array != GRAPH_NONE && b < B_MAX) /* else they are in the list */
			followers += stock_used(m, array, b, gort_load(l, rec, RECORD_MAX, GORT_hmap_extra));
	}
	if (array != GRAPH_NONE && b < B_MAX)
		m->slots = ((UINT64_C(1) << b) + followers) * OWNERS_MAP_SLOTS;
	return gort_load(l, rec, RECORD_MAX, GORT_hmap_count);
}

/* ---- tables ---- */

static void take_groups(struct map_walk *m, uint32_t groups)
{
	if (!take(m, groups))
		return;
	struct goheap_object_at at = goheap_object_get(&m->h->w->objects, groups);
	uint64_t n = (at.size - holder_header(m->h, at.span)) / m->rules.part, power = 1;
	while (power * 2 <= n)
		power *= 2;
	m->slots += n ? power * OWNERS_MAP_SLOTS : 0;
}

static uint64_t walk_tables(struct map_walk *m, uint32_t header, const unsigned char *rec)
{
	struct owners_work *w = m->h->w;
	uint32_t first = holder_follow(m->h, header, word_of(m->l, GORT_map_dirPtr)), n = 0;
	if (gort_load(m->l, rec, RECORD_MAX, GORT_map_dirLen) == 0) {
		take_groups(m, first);
	} else if (take(m, first)) {
		const graph_edge *e = graph_out(&w->graph, first, &n);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t table = graph_target(e[i]);
			if (table < w->graph.n && take(m, table))
				take_groups(m, holder_follow(m->h, table, word_of(m->l, GORT_table_groups_data)));
		}
	}
	return gort_load(m->l, rec, RECORD_MAX, GORT_map_used);
}

uint64_t holder_map_entries(const struct holders *h, uint32_t map)
{
	const struct gort *g = h->w->in->g;
	if (map == GRAPH_NONE || holder_kind(h, map)->form != GOHEAP_FORM_MAP)
		return 0;
	struct goheap_object_at at = goheap_object_get(&h->w->objects, map);
	return gort_word(g, at.start, gort_has(g->layout, GORT_map_used) ? GORT_map_used : GORT_hmap_count);
}

/* ---- rows ---- */

static bool rules_of(struct holders *h, uint32_t object, struct owners_map_rules *ret)
{
	struct gort_types *types = &h->w->typing.types;
	const struct gort_layout *l = h->w->in->g->layout;
	const struct gort_type *map = gort_type_any(types, holder_kind(h, object)->rtype);
	const struct gort_type *part = map && map->part ? gort_type_any(types, map->part) : NULL;
	if (!part || part->size < 16)
		return false;
	*ret = (struct owners_map_rules){
		.swiss = gort_has(l, GORT_map_used),
		.header = gort_sizeof(l, gort_has(l, GORT_map_used) ? GORT_map_SIZEOF : GORT_hmap_SIZEOF),
		.type_headers = gort_census_headers(h->w->in->g),
		.pointers = part->ptrdata > 0,
		.part = part->size,
	};
	return true;
}

/* A count that the parts have no room for is of another moment. */
static void add_map(struct holders *h, struct holder_rows *rows, uint32_t object, const unsigned char *rec)
{
	struct map_walk m = { .h = h, .l = h->w->in->g->layout };
	if (!rules_of(h, object, &m.rules) || !take(&m, object))
		return;
	uint64_t entries = m.rules.swiss ? walk_tables(&m, object, rec) : walk_buckets(&m, object, rec);
	uint64_t need = owners_map_bytes(&m.rules, entries);
	if (entries > m.slots) {
		h->moved++;
		return;
	}
	struct holder_row *row = holder_row(h, rows, object, HOLDER_MAP);
	row->count++;
	row->elements += entries;
	row->bytes += m.bytes;
	row->a += m.slots;
	row->b += need < m.bytes ? m.bytes - need : 0;
}

static void say(struct holders *h, const struct holder_row *row)
{
	*vec_push(&h->w->out->maps) = (struct owners_map){
		.type = arena_strdup(&h->w->snapshot->arena, h->w->typing.kinds.v[row->kind].name),
		.owner = holder_owner(h, row),
		.maps = row->count,
		.entries = row->elements,
		.capacity = row->a,
		.bytes = row->bytes,
		.recoverable = row->b,
	};
	if (row->b * 2 >= row->bytes)
		holder_waste(h, WASTE_MAP_CAPACITY, row, row->bytes, row->bytes - row->b);
}

void holder_maps(struct holders *h)
{
	const struct gort_layout *l = h->w->in->g->layout;
	const struct u32_vec *maps = &h->of[HOLDER_MAP];
	uint32_t size = gort_sizeof(l, gort_has(l, GORT_map_used) ? GORT_map_SIZEOF : GORT_hmap_SIZEOF);
	if (!maps->n || !size || size > RECORD_MAX)
		return;
	struct holder_rows rows = { 0 };
	AUTO_FREE unsigned char *recs = xmalloc(BATCH * (size_t)size);
	AUTO_FREE bool *ok = xcalloc(BATCH, sizeof(*ok));
	for (size_t from = 0; from < maps->n; from += BATCH) {
		size_t n = maps->n - from < BATCH ? maps->n - from : BATCH;
		memset(ok, 0, BATCH * sizeof(*ok));
		holder_read(h, maps->v + from, n, size, recs, ok);
		for (size_t i = 0; i < n; i++) {
			unsigned char rec[RECORD_MAX] = { 0 };
			memcpy(rec, recs + i * size, size);
			if (ok[i])
				add_map(h, &rows, maps->v[from + i], rec);
		}
	}
	for (size_t i = 0; i < rows.list.n; i++)
		say(h, &rows.list.v[i]);
	holder_rows_deinit(&rows);
}
