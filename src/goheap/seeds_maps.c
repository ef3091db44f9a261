/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps by their parts: the buckets or groups of a larger map carry their type, or were sampled; what holds the map may be
 * a struct that nothing tells the type of. So the pointers are followed upwards: from groups to tables, from tables to
 * their directory, from that to the header. Which map a type of groups is of, the map types of the image say.
 */
#include <string.h>

#include "base/cursor.h"
#include "goheap/typing.h"

enum { WORD = 8, CHUNK = 256 * 1024, HEADER_SLOT = 48, TABLE_SLOT = 32, RECORD = 48, B_MAX = 48 };

static const uint64_t SLOTS = 8; /* entries of a bucket or group */

/* Objects of one level, with the type of the map that they are of. */
struct level {
	uint64_t *bits;
	struct hash_map map; /* object -> address of the map's type, or of its part's */
};

struct upwards {
	const struct goheap_objects *o;
	const struct graph *graph;
	struct gort_types *types;
	const struct gort_layout *l;
	struct goheap_seed_vec *out;
	struct level parts, tables, directories;
	struct hash_map maps; /* type of a part -> type of the map, 0: not found yet */
};

static void level_add(struct level *level, uint32_t object, uint64_t map)
{
	level->bits[object >> 6] |= UINT64_C(1) << (object & 63);
	*hash_map_at(&level->map, object, NULL) = map;
}

static bool level_has(const struct level *level, uint32_t object)
{
	return level->bits[object >> 6] >> (object & 63) & 1;
}

/* ---- which map a part is of ---- */

static bool is_part(const char *name)
{
	return name && (strncmp(name, "map.bucket[", 11) == 0 || strncmp(name, "map.group[", 10) == 0);
}

/* A word of the image's types that is the type of a part: is it that of a map type? */
static void try_map(struct upwards *u, uint64_t at, uint64_t word)
{
	uint64_t *map = hash_map_get(&u->maps, word);
	uint64_t addr = at - (uint64_t)u->l->f[GORT_maptype_part].off;
	if (!map || *map)
		return;
	const struct gort_type *t = gort_type_at(u->types, addr);
	if (t && t->kind == GORT_KIND_MAP && t->part == word)
		*map = addr;
}

static void find_maps(struct upwards *u)
{
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK);
	for (size_t m = 0; m < u->types->n_modules && u->maps.n; m++) {
		struct gort_range range = u->types->modules[m];
		for (uint64_t at = range.start; at < range.end; at += CHUNK) {
			size_t len = range.end - at < CHUNK ? (size_t)(range.end - at) : CHUNK;
			if (!memsrc_read(u->types->g->src, at, buf, len))
				continue;
			for (size_t i = 0; i + WORD <= len; i += WORD)
				try_map(u, at + i, load_u64(buf + i));
		}
	}
}

static void collect_parts(struct upwards *u, const struct goheap_seen_vec *seen)
{
	for (size_t i = 0; i < seen->n; i++) {
		const struct goheap_seen *s = &seen->v[i];
		if (s->how == GOHEAP_SEEN_IFACE || !is_part(gort_type_name(u->types, s->rtype)))
			continue;
		hash_map_at(&u->maps, s->rtype, NULL);
		level_add(&u->parts, s->object, s->rtype);
	}
	for (size_t i = 0; i < u->out->n; i++) {
		struct goheap_object_at at;
		const struct goheap_seed *s = &u->out->v[i];
		const struct gort_type *t = s->part ? gort_type_any(u->types, s->rtype) : NULL;
		if (!t || t->kind != GORT_KIND_MAP || !t->part || !goheap_object_find(u->o, s->addr, &at))
			continue;
		*hash_map_at(&u->maps, t->part, NULL) = s->rtype;
		level_add(&u->parts, at.number, t->part);
	}
}

/* ---- upwards ---- */

/* What it is read again to be: a header that fits what it points to. */
static bool is_header(struct upwards *u, uint64_t addr, uint32_t target, uint64_t part)
{
	unsigned char rec[RECORD];
	const struct gort_type *t = gort_type_any(u->types, part);
	uint64_t room = goheap_object_get(u->o, target).size;
	if (!t || !t->size || !memsrc_read(u->o->g->src, addr, rec, sizeof(rec)))
		return false;
	if (!gort_has(u->l, GORT_map_used)) {
		uint64_t b = gort_load(u->l, rec, sizeof(rec), GORT_hmap_B);
		uint64_t count = gort_load(u->l, rec, sizeof(rec), GORT_hmap_count);
		return b < B_MAX && t->size << b <= room && count / SLOTS <= UINT64_C(2) << b &&
		       t->size << b >= room / 2;
	}
	uint64_t n = gort_load(u->l, rec, sizeof(rec), GORT_map_dirLen);
	uint64_t used = gort_load(u->l, rec, sizeof(rec), GORT_map_used);
	if (!n)
		return used <= SLOTS && t->size <= room;
	return !(n & (n - 1)) && n <= room / WORD && n > room / WORD / 4 && used < UINT32_MAX * UINT64_C(64);
}

static void found(struct upwards *u, uint32_t object, uint32_t target, uint64_t part)
{
	struct goheap_object_at at = goheap_object_get(u->o, object);
	const uint64_t *map = hash_map_get(&u->maps, part);
	if (map && *map && is_header(u, at.start, target, part))
		*vec_push(u->out) = (struct goheap_seed){ .addr = at.start, .rtype = *map, .object = true };
}

/* An edge to a part, a table or a directory, from a slot of `size` bytes. */
static void follow(struct upwards *u, struct level *below, struct level *above, uint32_t object, uint64_t size,
		   graph_edge e)
{
	bool tables = gort_has(u->l, GORT_map_used);
	enum gort_field place = tables ? GORT_map_dirPtr : GORT_hmap_buckets;
	uint64_t part = *hash_map_get(&below->map, graph_target(e)), word = graph_word(e);
	if (e & GRAPH_INTERIOR)
		return;
	if (below == &u->tables)
		level_add(above, object, part);
	else if (size == HEADER_SLOT && word == (uint64_t)u->l->f[place].off / WORD)
		found(u, object, graph_target(e), part);
	else if (above && tables && size == TABLE_SLOT && word == (uint64_t)u->l->f[GORT_table_groups_data].off / WORD)
		level_add(above, object, part);
}

static void climb(struct upwards *u, struct level *below, struct level *above)
{
	for (uint32_t v = 0; below->map.n && v < u->graph->n_inner; v++) {
		uint32_t n = 0;
		uint64_t size = 0;
		const graph_edge *e = graph_out(u->graph, v, &n);
		for (uint32_t i = 0; i < n; i++) {
			if (graph_target(e[i]) >= u->graph->n || !level_has(below, graph_target(e[i])))
				continue;
			if (!size)
				size = goheap_object_get(u->o, v).size;
			follow(u, below, above, v, size, e[i]);
		}
	}
}

void goheap_seeds_maps(const struct goheap_objects *o, const struct graph *g, const struct goheap_seen_vec *seen,
		       struct gort_types *types, struct goheap_seed_vec *ret)
{
	struct upwards u = { .o = o, .graph = g, .types = types, .l = types->g->layout, .out = ret };
	struct level *const levels[] = { &u.parts, &u.tables, &u.directories };
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		levels[i]->bits = xcalloc(o->n / 64 + 1, sizeof(*levels[i]->bits));
	collect_parts(&u, seen);
	find_maps(&u);
	climb(&u, &u.parts, &u.tables);
	climb(&u, &u.tables, &u.directories);
	climb(&u, &u.directories, NULL);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		free(levels[i]->bits);
		hash_map_deinit(&levels[i]->map);
	}
	hash_map_deinit(&u.maps);
}
