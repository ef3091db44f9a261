/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync.Pool: how many objects wait in each, and how large they are. The runtime has a list of all pools that hold
 * something, which the function that empties them is seen to read: first those of the last cycle, then those in use.
 */
#include "owners/holders.h"

#include <inttypes.h>
#include <string.h>

#include "model/memcache.h"
#include "sym/disasm.h"

enum {
	POOLS_MAX = 1 << 16,
	PROCESSORS_MAX = 1 << 16,
	CHAIN_MAX = 64,
	VALUES_MAX = 1 << 20,
	CODE_MAX = 4096,
	REFS_MAX = 64
};

struct pool_walk {
	struct holders *h;
	const struct gort *g;
	const struct gort_layout *l;
	struct memcache cache;
	uint64_t objects, bytes, largest, victims;
	uint32_t one; /* an object that it holds */
};

static uint64_t word(struct pool_walk *p, uint64_t base, enum gort_field f)
{
	return memsrc_ptr(&p->cache.src, gort_at(p->l, base, f));
}

/* An object that a pool gives out again: the data word of an interface. */
static void add_value(struct pool_walk *p, uint64_t interface, bool victim)
{
	struct goheap_object_at at;
	if (!memsrc_ptr(&p->cache.src, interface))
		return;
	p->objects++;
	p->victims += victim;
	if (!goheap_object_find(&p->h->w->objects, memsrc_ptr(&p->cache.src, interface + 8), &at))
		return;
	p->one = at.number;
	p->bytes += at.size;
	p->largest = at.size > p->largest ? at.size : p->largest;
}

/* A ring of interfaces; the next older one is its `prev`. */
static void add_chain(struct pool_walk *p, uint64_t element, bool victim)
{
	for (unsigned i = 0; element && i < CHAIN_MAX; i++) {
		uint64_t ends = word(p, element, GORT_poolChainElt_headTail);
		uint64_t values = word(p, element, GORT_poolChainElt_vals);
		uint64_t room = memsrc_ptr(&p->cache.src, gort_at(p->l, element, GORT_poolChainElt_vals) + 8);
		uint32_t n = (uint32_t)(ends >> 32) - (uint32_t)ends;
		if (!values || !room || room & (room - 1) || room > VALUES_MAX || n > room) {
			p->h->moved++;
			return;
		}
		for (uint32_t v = 0; v < n; v++)
			add_value(p, values + (((uint32_t)ends + v) & (room - 1)) * 16, victim);
		element = word(p, element, GORT_poolChainElt_prev);
	}
}

static void add_locals(struct pool_walk *p, uint64_t local, uint64_t n, bool victim)
{
	struct goheap_object_at at;
	uint64_t size = gort_sizeof(p->l, GORT_poolLocal_SIZEOF);
	if (!local || !n || n > PROCESSORS_MAX || !goheap_object_find(&p->h->w->objects, local, &at) ||
	    n * size > at.size)
		return;
	holder_in_pool(p->h, at.number);
	for (uint64_t i = 0; i < n; i++) {
		add_value(p, gort_at(p->l, local + i * size, GORT_poolLocal_private), victim);
		add_chain(p, word(p, local + i * size, GORT_poolLocal_head), victim);
	}
}

/* Of a pool in the heap: its object; of a global one: its array, which leads to the variable. */
static uint32_t place(struct pool_walk *p, uint64_t pool)
{
	struct goheap_object_at at;
	const uint64_t tried[] = { pool, word(p, pool, GORT_pool_local), word(p, pool, GORT_pool_victim) };
	for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++)
		if (tried[i] && goheap_object_find(&p->h->w->objects, tried[i], &at))
			return at.number;
	return GRAPH_NONE;
}

static void say(struct pool_walk *p, uint32_t object)
{
	struct holders *h = p->h;
	struct holder_rows rows = { 0 };
	const char *name = h->w->typing.kind[p->one] ? holder_kind(h, p->one)->name : NULL;
	struct holder_row *row = holder_row(h, &rows, object, PLACE_POOL);
	row->count = 1;
	row->elements = p->objects;
	row->bytes = p->bytes;
	holder_say(h, "sync.Pool", "sync.Pool", row,
		   arena_printf(&h->w->snapshot->arena,
				"%" PRIu64 " objects%s%s, the largest of %" PRIu64 " bytes; %" PRIu64
				" of them go with the next collection",
				p->objects, name ? " of " : "", name ? name : "", p->largest, p->victims));
	holder_rows_deinit(&rows);
}

static void add_pool(struct pool_walk *p, uint64_t pool)
{
	uint32_t object = place(p, pool);
	p->objects = p->bytes = p->largest = p->victims = 0;
	add_locals(p, word(p, pool, GORT_pool_local), word(p, pool, GORT_pool_localSize), false);
	add_locals(p, word(p, pool, GORT_pool_victim), word(p, pool, GORT_pool_victimSize), true);
	if (p->objects && object != GRAPH_NONE)
		say(p, object);
}

/* Pairs of words that are loaded one after the other are a slice's start and length. */
static size_t slices_read(const struct gort *g, const char *function, uint64_t *ret, size_t max)
{
	size_t f = 0, n = 0;
	if (!g->pclntab || !sym_pclntab_find_name(g->pclntab, function, &f))
		return 0;
	uint64_t start = sym_pclntab_entry(g->pclntab, f), end = sym_pclntab_entry(g->pclntab, f + 1);
	unsigned char code[CODE_MAX];
	struct sym_ref refs[REFS_MAX];
	size_t len = end > start && end - start < CODE_MAX ? (size_t)(end - start) : 0;
	if (!len || !memsrc_read(g->src, start, code, len))
		return 0;
	size_t count = sym_disasm_refs(code, len, start, refs, REFS_MAX);
	for (size_t i = 0; i + 1 < count && n < max; i++) {
		if (refs[i].kind == SYM_REF_LOAD && refs[i + 1].kind == SYM_REF_LOAD &&
		    refs[i + 1].target == refs[i].target + 8)
			ret[n++] = refs[i].target;
	}
	return n;
}

void holder_pools(struct holders *h)
{
	struct pool_walk p = { .h = h, .g = h->w->in->g, .l = h->w->in->g->layout };
	struct hash_map known = { 0 };
	uint64_t lists[2] = { 0 };
	size_t n = slices_read(p.g, "sync.poolCleanup", lists, 2);
	memcache_init(&p.cache, p.g->src);
	for (size_t i = 0; i < n; i++) {
		uint64_t at = memsrc_ptr(&p.cache.src, lists[i]), count = memsrc_ptr(&p.cache.src, lists[i] + 8);
		for (uint64_t k = 0; count < POOLS_MAX && k < count; k++) {
			bool fresh = false;
			uint64_t pool = memsrc_ptr(&p.cache.src, at + 8 * k);
			hash_map_at(&known, pool, &fresh);
			if (pool && fresh)
				add_pool(&p, pool);
		}
	}
	memcache_deinit(&p.cache);
	hash_map_deinit(&known);
}
