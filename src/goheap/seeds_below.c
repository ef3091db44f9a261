/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps and channels in structs that nothing tells the type of.
 *
 * Maps by their parts: the buckets or groups of a larger map carry their type, or were sampled; what holds the map may be
 * a struct that nothing tells the type of. So the pointers are followed upwards: from groups to tables, from tables to
 * their directory, from that to the header. Which map a type of groups is of, the map types of the image say.
 * Channels by what is in them: the type of their elements, its size, and a buffer that is as large as both say.
 */
#include <string.h>

#include "base/cursor.h"
#include "goheap/typing.h"

enum {
	WORD = 8,
	CHUNK = 256 * 1024,
	TABLE_SLOT = 32,
	RECORD = 48,
	B_MAX = 48,
	BATCH = 128,	/* slots that are looked at together */
	CHAN_MAX = 160, /* bytes of a channel's record */
};

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
	uint64_t header; /* bytes of the slot that a map's record takes */
	struct goheap_seed_vec *out;
	struct level parts, tables, directories;
	struct hash_map maps;  /* type of a part -> type of the map, 0: not found yet */
	struct hash_map chans; /* type of an element -> type of a channel of it */
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

/* A word of the image's types that is a type of `known`: is it at the place of a type of this kind that is made of it? */
static void try_type(struct upwards *u, struct hash_map *known, enum gort_field place, enum gort_kind kind, uint64_t at,
		     uint64_t word)
{
	uint64_t *whole = hash_map_get(known, word), addr = at - (uint64_t)(uint32_t)u->l->f[place].off;
	if (!whole || *whole)
		return;
	const struct gort_type *t = gort_type_at(u->types, addr);
	if (t && t->kind == kind && (kind == GORT_KIND_MAP ? t->part : t->elem) == word)
		*whole = addr;
}

static void find_types(struct upwards *u)
{
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK);
	for (size_t m = 0; m < u->types->n_modules && u->maps.n + u->chans.n; m++) {
		struct gort_range range = u->types->modules[m];
		for (uint64_t at = range.start; at < range.end; at += CHUNK) {
			size_t len = range.end - at < CHUNK ? (size_t)(range.end - at) : CHUNK;
			if (!memsrc_read(u->types->g->src, at, buf, len))
				continue;
			for (size_t i = 0; i + WORD <= len; i += WORD) {
				uint64_t word = load_u64(buf + i);
				try_type(u, &u->maps, GORT_maptype_part, GORT_KIND_MAP, at + i, word);
				try_type(u, &u->chans, GORT_chantype_elem, GORT_KIND_CHAN, at + i, word);
			}
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
	bool header = size == u->header && word == (uint64_t)(uint32_t)u->l->f[place].off / WORD;
	bool table =
		tables && size == TABLE_SLOT && word == (uint64_t)(uint32_t)u->l->f[GORT_table_groups_data].off / WORD;
	if (below != &u->tables && header)
		found(u, object, graph_target(e), part);
	else if (below == &u->tables || (above && table))
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

/* ---- channels ---- */

struct found_chan {
	uint64_t addr, elem;
};

VEC_TYPE(found_chan_vec, struct found_chan);

/* The type of the elements of what looks like a channel in all that it says, 0: it does not. */
static uint64_t chan_elem(struct upwards *u, uint64_t addr, const unsigned char *rec, size_t len)
{
	const struct gort_layout *l = u->l;
	struct goheap_object_at buf;
	uint64_t elem = gort_load(l, rec, len, GORT_hchan_elemtype), size = gort_load(l, rec, len, GORT_hchan_elemsize);
	uint64_t queued = gort_load(l, rec, len, GORT_hchan_qcount), room = gort_load(l, rec, len, GORT_hchan_dataqsiz);
	uint64_t at = gort_load(l, rec, len, GORT_hchan_buf);
	if (!room || queued > room || gort_load(l, rec, len, GORT_hchan_sendx) >= room ||
	    gort_load(l, rec, len, GORT_hchan_recvx) >= room || !goheap_object_find(u->o, at, &buf))
		return 0;
	const struct gort_type *t = gort_type_at(u->types, elem);
	bool fits = t && size && t->size == size && t->ptrdata &&
		    buf.start + goheap_object_header(u->o, buf.span) == at && buf.start != addr &&
		    room <= buf.size / size;
	return fits ? elem : 0;
}

static void chans_of_span(struct upwards *u, uint32_t span, size_t len, struct found_chan_vec *ret)
{
	const struct goheap_place *p = &u->o->places[span];
	unsigned char recs[BATCH * CHAN_MAX];
	uint64_t addrs[BATCH];
	bool ok[BATCH];
	for (uint32_t from = 0; from < p->slots; from += BATCH) {
		size_t n = 0;
		for (uint32_t i = from; i < p->slots && n < BATCH; i++)
			addrs[n++] = p->start + (uint64_t)i * p->size;
		memsrc_gather(u->o->g->src, addrs, n, len, recs, ok);
		for (size_t i = 0; i < n; i++) {
			bool there = ok[i] && goheap_object_allocated(u->o, p->first + from + (uint32_t)i);
			uint64_t elem = there ? chan_elem(u, addrs[i], recs + i * len, len) : 0;
			if (elem)
				*vec_push(ret) = (struct found_chan){ addrs[i], elem };
		}
	}
}

static uint32_t slot_of(size_t len)
{
	uint32_t slot = 0;
	for (unsigned c = GORT_SIZE_CLASSES; c-- > 1;)
		slot = gort_class_sizes[c] >= len ? gort_class_sizes[c] : slot;
	return slot;
}

/* Slots with pointers of the size that a channel takes. */
static void collect_chans(struct upwards *u, struct found_chan_vec *ret)
{
	size_t len = gort_sizeof(u->l, GORT_hchan_SIZEOF);
	uint32_t slot = slot_of(len);
	if (!len || len > CHAN_MAX)
		return;
	for (size_t i = 0; i < u->o->spans.n; i++) {
		const struct goheap_place *p = &u->o->places[u->o->spans.v[i].span];
		if (p->size == slot && !(p->flags & GOHEAP_PLACE_NOSCAN))
			chans_of_span(u, u->o->spans.v[i].span, len, ret);
	}
	for (size_t i = 0; i < ret->n; i++)
		hash_map_at(&u->chans, ret->v[i].elem, NULL);
}

static void seed_chans(struct upwards *u, const struct found_chan_vec *chans)
{
	for (size_t i = 0; i < chans->n; i++) {
		const uint64_t *type = hash_map_get(&u->chans, chans->v[i].elem);
		if (type && *type)
			*vec_push(u->out) =
				(struct goheap_seed){ .addr = chans->v[i].addr, .rtype = *type, .object = true };
	}
}

void goheap_seeds_below(const struct goheap_objects *o, const struct graph *g, const struct goheap_seen_vec *seen,
			struct gort_types *types, struct goheap_seed_vec *ret)
{
	struct upwards u = { .o = o, .graph = g, .types = types, .l = types->g->layout, .out = ret };
	struct level *const levels[] = { &u.parts, &u.tables, &u.directories };
	struct found_chan_vec chans = { 0 };
	u.header = slot_of(gort_sizeof(u.l, gort_has(u.l, GORT_map_used) ? GORT_map_SIZEOF : GORT_hmap_SIZEOF));
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		levels[i]->bits = xcalloc(o->n / 64 + 1, sizeof(*levels[i]->bits));
	collect_parts(&u, seen);
	collect_chans(&u, &chans);
	find_types(&u);
	seed_chans(&u, &chans);
	climb(&u, &u.parts, &u.tables);
	climb(&u, &u.tables, &u.directories);
	climb(&u, &u.directories, NULL);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		free(levels[i]->bits);
		hash_map_deinit(&levels[i]->map);
	}
	hash_map_deinit(&u.maps);
	hash_map_deinit(&u.chans);
	vec_deinit(&chans);
}
