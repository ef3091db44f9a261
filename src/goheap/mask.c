/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"
#include "base/num.h"

enum {
	WORD = 8,
	RECORD_MAX = 128, /* bytes of a type descriptor */
	TILE_MAX = 512,	  /* words of a type that gets a tile */
	ON_DEMAND_MINOR = 24,
	ON_DEMAND = 1 << 4, /* of tflag, 1.24 on: GCData is the address of a pointer to the mask */
	PROGRAM = 1 << 6,   /* of kind, to 1.23: GCData is a program */
	KIND_MASK = 31,
	ARRAY = 17,
	STRUCT = 25,
	DEPTH_MAX = 64,	     /* of types in types: each is at most half of what it is in, or there is only one */
	STEPS_MAX = 1 << 18, /* types looked at for masks that are made here, in all */
	TYPES_MAX = 1 << 20,
};

void goheap_masks_init(struct goheap_masks *m, const struct gort *g, struct memsrc *src, uint64_t bytes_max)
{
	*m = (struct goheap_masks){ .g = g, .src = src, .bytes_max = bytes_max };
	parallel_lock_init(&m->lock);
}

void goheap_masks_deinit(struct goheap_masks *m)
{
	for (size_t i = 0; i < m->list.n; i++) {
		if (!m->list.v[i])
			continue;
		free(m->list.v[i]->bits);
		free(m->list.v[i]->tile);
		free(m->list.v[i]);
	}
	vec_deinit(&m->list);
	hash_map_deinit(&m->known);
	parallel_lock_deinit(&m->lock);
}

/* What is needed of a type descriptor. */
struct record {
	uint64_t at, size, ptrdata, gcdata;
	unsigned kind, tflag;
};

static bool read_record(const struct goheap_masks *m, uint64_t at, struct record *ret)
{
	const struct gort_layout *l = m->g->layout;
	unsigned char rec[RECORD_MAX];
	size_t len = gort_sizeof(l, GORT_type_SIZEOF);
	if (!at || at % WORD || len > sizeof(rec) || !memsrc_read(m->src, at, rec, len))
		return false;
	*ret = (struct record){
		.at = at,
		.size = gort_load(l, rec, len, GORT_type_size),
		.ptrdata = gort_load(l, rec, len, GORT_type_ptrdata),
		.gcdata = gort_load(l, rec, len, GORT_type_gcdata),
		.kind = (unsigned)gort_load(l, rec, len, GORT_type_kind),
		.tflag = (unsigned)gort_load(l, rec, len, GORT_type_tflag),
	};
	return ret->size && ret->ptrdata && ret->ptrdata <= ret->size && !(ret->size % WORD) &&
	       !(ret->ptrdata % WORD) && ret->gcdata && ret->ptrdata <= m->bytes_max;
}

static bool on_demand(const struct goheap_masks *m, const struct record *r)
{
	return m->g->layout->minor >= ON_DEMAND_MINOR && r->tflag & ON_DEMAND;
}

/* n bits, little endian, from memory into `bits` from bit `at` on. */
static bool read_bits(const struct goheap_masks *m, uint64_t from, uint64_t *bits, uint64_t at, uint64_t n)
{
	unsigned char some[1024];
	for (uint64_t done = 0; done < n;) {
		uint64_t k = num_min(n - done, (sizeof(some) - 8) * 8), bytes = (k + 7) / 8;
		memset(some + bytes, 0, 8);
		if (!memsrc_read(m->src, from + done / 8, some, bytes))
			return false;
		for (uint64_t i = 0; i < k; i += 64) {
			uint64_t w = load_u64(some + i / 8), to = at + done + i;
			if (k - i < 64)
				w &= (UINT64_C(1) << (k - i)) - 1;
			bits[to / 64] |= w << to % 64;
			if (to % 64)
				bits[to / 64 + 1] |= w >> (64 - to % 64);
		}
		done += k;
	}
	return true;
}

static uint64_t bits_at(const uint64_t *bits, uint64_t at)
{
	return bits[at / 64] >> at % 64 | (at % 64 ? bits[at / 64 + 1] << (64 - at % 64) : 0);
}

/* Bits [from, from + n) once more from `to` on, where they are 0; the two do not overlap. */
static void copy_bits(uint64_t *bits, uint64_t from, uint64_t to, uint64_t n)
{
	for (uint64_t i = 0; i < n; i += 64) {
		uint64_t w = bits_at(bits, from + i), at = to + i;
		if (n - i < 64)
			w &= (UINT64_C(1) << (n - i)) - 1;
		bits[at / 64] |= w << at % 64;
		if (at % 64)
			bits[at / 64 + 1] |= w >> (64 - at % 64);
	}
}

/* A mask that is made from the parts of a type. */
struct building {
	struct goheap_masks *m;
	uint64_t *bits, words; /* there is room for so many */
	unsigned depth;
};

static bool build(struct building *b, uint64_t type, uint64_t at);

/* The first element, and that again and again. */
static bool build_array(struct building *b, const struct record *r, uint64_t at)
{
	const struct goheap_masks *m = b->m;
	struct record elem;
	uint64_t type = memsrc_ptr(m->src, gort_at(m->g->layout, r->at, GORT_arraytype_elem));
	uint64_t n = memsrc_ptr(m->src, gort_at(m->g->layout, r->at, GORT_arraytype_len));
	if (!read_record(m, type, &elem) || !n || n > r->size / elem.size || !build(b, type, at))
		return false;
	uint64_t all = num_min(n * (elem.size / WORD), b->words - at);
	for (uint64_t done = elem.size / WORD; done < all; done *= 2)
		copy_bits(b->bits, at, at + done, num_min(done, all - done));
	return true;
}

static bool build_struct(struct building *b, const struct record *r, uint64_t at)
{
	const struct goheap_masks *m = b->m;
	const struct gort_layout *l = m->g->layout;
	uint64_t fields = memsrc_ptr(m->src, gort_at(l, r->at, GORT_structtype_fields));
	uint64_t n = memsrc_ptr(m->src, gort_at(l, r->at, GORT_structtype_fields) + WORD);
	if (n > r->size) /* of those that take no room there may be many, but not so many */
		return false;
	for (uint64_t i = 0; i < n; i++, fields += gort_sizeof(l, GORT_structfield_SIZEOF)) {
		struct record field;
		uint64_t type = memsrc_ptr(m->src, gort_at(l, fields, GORT_structfield_typ));
		uint64_t offset = memsrc_ptr(m->src, gort_at(l, fields, GORT_structfield_offset));
		if (++b->m->steps > STEPS_MAX)
			return false;
		if (!read_record(m, type, &field))
			continue; /* it has no pointers */
		if (offset % WORD || offset > r->size || !build(b, type, at + offset / WORD))
			return false;
	}
	return true;
}

/* Adds the mask of a type from bit `at` on. */
static bool build(struct building *b, uint64_t type, uint64_t at)
{
	struct record r;
	if (++b->m->steps > STEPS_MAX || b->depth >= DEPTH_MAX || !read_record(b->m, type, &r) || at > b->words ||
	    r.ptrdata / WORD > b->words - at)
		return false;
	if (!on_demand(b->m, &r))
		return read_bits(b->m, r.gcdata, b->bits, at, r.ptrdata / WORD);
	b->depth++;
	bool ok = (r.kind & KIND_MASK) == ARRAY	   ? build_array(b, &r, at)
		  : (r.kind & KIND_MASK) == STRUCT ? build_struct(b, &r, at)
						   : false;
	b->depth--;
	return ok;
}

/* The runtime's own mask lies outside the image; while it is being made a variable of the image stands for it. */
static bool is_built(const struct goheap_masks *m, uint64_t mask)
{
	const struct gort_module *mod = &m->g->module;
	return mask && (mask < mod->noptrdata.start || mask >= mod->noptrbss.end);
}

static bool fill_bits(struct goheap_masks *m, const struct record *r, struct goheap_mask *mask)
{
	if (!on_demand(m, r))
		return !(m->g->layout->minor < ON_DEMAND_MINOR && r->kind & PROGRAM) &&
		       read_bits(m, r->gcdata, mask->bits, 0, mask->ptr_words);
	uint64_t made = memsrc_ptr(m->src, r->gcdata);
	if (is_built(m, made))
		return read_bits(m, made, mask->bits, 0, mask->ptr_words);
	struct building b = { .m = m, .bits = mask->bits, .words = mask->ptr_words };
	return build(&b, r->at, 0);
}

/* Small types repeat so often that composing their bits each time would cost more than the look at the pointers. */
static void fill_tile(struct goheap_mask *mask)
{
	if (mask->words > TILE_MAX)
		return;
	uint64_t *tile = xmalloc(mask->words * sizeof(*tile));
	for (uint64_t i = 0; i < mask->words; i++) {
		tile[i] = 0;
		for (uint64_t k = 0; k < 64; k++) {
			uint64_t word = (i * 64 + k) % mask->words;
			tile[i] |= (mask->bits[word / 64] >> word % 64 & 1) << k;
		}
	}
	mask->tile = tile;
}

static struct goheap_mask *read_mask(struct goheap_masks *m, uint64_t type)
{
	struct record r;
	if (!read_record(m, type, &r))
		return NULL;
	struct goheap_mask *mask = xcalloc(1, sizeof(*mask));
	mask->words = r.size / WORD;
	mask->ptr_words = r.ptrdata / WORD;
	/* No more than an object of the heap has; tiles want all words of the type. */
	uint64_t room = mask->words <= TILE_MAX ? mask->words : mask->ptr_words;
	mask->bits = xcalloc((size_t)(room / 64 + 3), sizeof(*mask->bits));
	if (!fill_bits(m, &r, mask)) {
		free(mask->bits);
		free(mask);
		return NULL;
	}
	fill_tile(mask);
	return mask;
}

const struct goheap_mask *goheap_mask_of(struct goheap_masks *m, uint64_t type, uint64_t bytes)
{
	const struct goheap_mask *mask = NULL;
	bool fresh = false;
	parallel_lock(&m->lock);
	uint64_t *known = m->list.n < TYPES_MAX ? hash_map_at(&m->known, type, &fresh) : hash_map_get(&m->known, type);
	if (fresh) {
		*vec_push(&m->list) = read_mask(m, type);
		*known = m->list.n;
	}
	if (known)
		mask = m->list.v[*known - 1];
	parallel_unlock(&m->lock);
	return mask && mask->ptr_words * WORD <= bytes ? mask : NULL;
}

uint64_t goheap_mask_wrap(const struct goheap_mask *m, uint64_t word)
{
	uint64_t at = word % m->words, left = m->words - at, bits = 0;
	if (at < m->ptr_words)
		bits = bits_at(m->bits, at);
	return left < 64 ? bits | m->bits[0] << left : bits;
}
