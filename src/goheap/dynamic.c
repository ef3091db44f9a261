/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/dynamic.h"

#include "base/alloc.h"
#include "base/num.h"

enum {
	MODULES_MAX = 4096,
	CHUNKS_MAX = 1 << 16,
	CHUNK = 256 << 10,
	KNOWN_MAX =
		1 << 18, /* words remembered: integers that happen to look like addresses must not fill the memory */
	RECORD_MAX = 128,
	KIND_MASK = 31,
	KIND_MAX = 26,
	INTERFACE = 20,
	BLOCKS = 256,
};

static void add_range(struct gort_range_vec *to, uint64_t start, uint64_t end)
{
	if (start && start < end)
		*vec_push(to) = (struct gort_range){ start, end };
}

static void add_modules(struct goheap_dynamic_ranges *r)
{
	const struct gort *g = r->g;
	uint64_t at = g->module.moduledata;
	for (unsigned i = 0; at && i < MODULES_MAX; i++, at = gort_word(g, at, GORT_moduledata_next)) {
		uint64_t types = gort_word(g, at, GORT_moduledata_types);
		uint64_t etypes = gort_word(g, at, GORT_moduledata_etypes);
		add_range(&r->types, types, etypes);
		add_range(&r->all, types, etypes);
		add_range(&r->all, gort_word(g, at, GORT_moduledata_etext), gort_word(g, at, GORT_moduledata_end));
	}
}

void goheap_dynamic_ranges_init(struct goheap_dynamic_ranges *r, const struct gort *g)
{
	*r = (struct goheap_dynamic_ranges){ .g = g };
	add_modules(r);
	uint64_t var = gort_var(g, GORT_VAR_PERSISTENTCHUNKS), at = var ? memsrc_ptr(g->src, var) : 0;
	for (unsigned i = 0; at && i < CHUNKS_MAX; i++, at = memsrc_ptr(g->src, at))
		add_range(&r->all, at, at + CHUNK);
	uint64_t lo = UINT64_MAX, hi = 0;
	for (size_t i = 0; i < r->all.n; i++) {
		lo = num_min(lo, r->all.v[i].start);
		hi = num_max(hi, r->all.v[i].end);
	}
	r->lo = lo;
	r->len = num_sub(hi, lo);
}

void goheap_dynamic_ranges_deinit(struct goheap_dynamic_ranges *r)
{
	vec_deinit(&r->types);
	vec_deinit(&r->all);
}

void goheap_dynamic_init(struct goheap_dynamic *d, const struct goheap_dynamic_ranges *r, struct memsrc *src)
{
	*d = (struct goheap_dynamic){ .ranges = r };
	memcache_init_sized(&d->cache, src, MEMCACHE_BLOCK, BLOCKS);
}

void goheap_dynamic_deinit(struct goheap_dynamic *d)
{
	memcache_deinit(&d->cache);
	hash_map_deinit(&d->known);
}

static bool inside(const struct gort_range_vec *ranges, uint64_t addr)
{
	for (size_t i = 0; i < ranges->n; i++) {
		if (addr >= ranges->v[i].start && addr < ranges->v[i].end)
			return true;
	}
	return false;
}

/* The kind of the type at an address, or 0: there is none. */
static unsigned kind_at(struct goheap_dynamic *d, uint64_t addr)
{
	const struct gort_layout *l = d->ranges->g->layout;
	unsigned char rec[RECORD_MAX];
	size_t len = gort_sizeof(l, GORT_type_SIZEOF);
	if (addr % 8 || !inside(&d->ranges->types, addr) || len > sizeof(rec) ||
	    !memsrc_read(&d->cache.src, addr, rec, len))
		return 0;
	unsigned kind = (unsigned)gort_load(l, rec, len, GORT_type_kind) & KIND_MASK;
	uint64_t align = gort_load(l, rec, len, GORT_type_align);
	bool good = kind <= KIND_MAX && align && !(align & (align - 1)) &&
		    gort_load(l, rec, len, GORT_type_ptrdata) <= gort_load(l, rec, len, GORT_type_size);
	return good ? kind : 0;
}

static uint64_t resolve(struct goheap_dynamic *d, uint64_t word)
{
	if (!inside(&d->ranges->all, word))
		return 0;
	/* The first word of a type is its size, and no type is so large that this were an address. */
	if (kind_at(d, memsrc_ptr(&d->cache.src, word)) == INTERFACE) {
		uint64_t type = memsrc_ptr(&d->cache.src, gort_at(d->ranges->g->layout, word, GORT_itab_type));
		return kind_at(d, type) ? type : 0;
	}
	return kind_at(d, word) ? word : 0;
}

uint64_t goheap_dynamic_type(struct goheap_dynamic *d, uint64_t word)
{
	bool fresh = false;
	if (word - d->ranges->lo >= d->ranges->len || word % 8)
		return 0;
	if (d->known.n >= KNOWN_MAX && !hash_map_get(&d->known, word))
		hash_map_deinit(&d->known);
	uint64_t *known = hash_map_at(&d->known, word, &fresh);
	if (fresh)
		*known = resolve(d, word);
	return *known;
}
