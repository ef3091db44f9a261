/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/type.h"

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"

enum {
	NAME_MAX_BYTES = 4096, /* a longer name is cut */
	KIND_MASK = 31,
	KIND_DIRECT = 32,     /* to 1.25 */
	TFLAG_UNCOMMON = 1,   /* what named types have more stands behind the descriptor */
	TFLAG_EXTRA_STAR = 2, /* the string has a "*" in front that is not part of it */
	TFLAG_DIRECT = 32,    /* 1.26 on */
	MINOR_TFLAG_DIRECT = 26,
	NAME_EMBEDDED = 8,
	RECORD_MAX = 128,
	WORD = 8,
	SLICE_HEADER = 24,
	CACHE_BLOCK = 16 << 10,
	CACHE_BLOCKS = 512,
	MADE_DEPTH = 8,	      /* types that are made at run time, one of another */
	MADE_MAX = 1 << 20,   /* addresses outside of the image that are remembered */
	FIELDS_ALL = 8 << 20, /* of all structs together */
};

static const uint64_t SIZE_MAX_BYTES = UINT64_C(1) << 47;

/* ---- the modules ---- */

static bool add_module(struct gort_types *ts, uint64_t moduledata)
{
	const struct gort_layout *l = ts->g->layout;
	struct gort_range r = { memsrc_ptr(ts->g->src, gort_at(l, moduledata, GORT_moduledata_types)),
				memsrc_ptr(ts->g->src, gort_at(l, moduledata, GORT_moduledata_etypes)) };
	if (r.start >= r.end || ts->n_modules == GORT_TYPES_MODULES)
		return false;
	ts->modules[ts->n_modules++] = r;
	return true;
}

void gort_types_init(struct gort_types *ts, const struct gort *g)
{
	*ts = (struct gort_types){ .g = g };
	intern_init(&ts->strings);
	memcache_init_sized(&ts->mem, g->src, CACHE_BLOCK, CACHE_BLOCKS);
	uint64_t at = g->module.moduledata;
	while (at && add_module(ts, at))
		at = gort_word(g, at, GORT_moduledata_next);
}

void gort_types_deinit(struct gort_types *ts)
{
	memcache_deinit(&ts->mem);
	hash_map_deinit(&ts->known);
	hash_map_deinit(&ts->itabs);
	hash_map_deinit(&ts->made);
	intern_deinit(&ts->strings);
	vec_deinit(&ts->list);
	vec_deinit(&ts->fields);
}

static const struct gort_range *module_of(const struct gort_types *ts, uint64_t addr)
{
	for (size_t i = 0; i < ts->n_modules; i++) {
		if (addr >= ts->modules[i].start && addr < ts->modules[i].end)
			return &ts->modules[i];
	}
	return NULL;
}

/* ---- names ---- */

/* A name: flags, length in sevens of bits, text. NULL when it is not all below `end`. */
static const char *read_name(struct gort_types *ts, uint64_t at, uint64_t end, bool star, bool *embedded)
{
	unsigned char head[4] = { 0 };
	uint64_t len = 0, i = 1;
	if (at >= end || end - at < sizeof(head) || !memsrc_read(&ts->mem.src, at, head, sizeof(head)))
		return NULL;
	for (unsigned shift = 0; i < sizeof(head); shift += 7) {
		len |= (uint64_t)(head[i] & 0x7f) << shift;
		if (!(head[i++] & 0x80))
			break;
	}
	char text[NAME_MAX_BYTES];
	uint64_t keep = len < sizeof(text) ? len : sizeof(text);
	if (!len || head[i - 1] & 0x80 || len > end - at - i || !memsrc_read(&ts->mem.src, at + i, text, keep))
		return NULL;
	if (embedded)
		*embedded = head[0] & NAME_EMBEDDED;
	bool drop = star && text[0] == '*' && keep > 1;
	return intern_mem(&ts->strings, text + drop, keep - drop);
}

/* ---- descriptors ---- */

struct record {
	unsigned char bytes[RECORD_MAX];
	uint64_t len;
};

static uint64_t load(const struct gort_types *ts, const struct record *r, enum gort_field f)
{
	return gort_load(ts->g->layout, r->bytes, r->len, f);
}

/* What all types have; false when it cannot be a type. */
static bool read_common(const struct gort_types *ts, const struct record *r, struct gort_type *ret)
{
	uint64_t align = load(ts, r, GORT_type_align), kind = load(ts, r, GORT_type_kind);
	*ret = (struct gort_type){
		.size = load(ts, r, GORT_type_size),
		.ptrdata = load(ts, r, GORT_type_ptrdata),
		.hash = (uint32_t)load(ts, r, GORT_type_hash),
		.kind = (unsigned)kind & KIND_MASK,
		.direct = ts->g->layout->minor < MINOR_TFLAG_DIRECT ? kind & KIND_DIRECT
								    : load(ts, r, GORT_type_tflag) & TFLAG_DIRECT,
	};
	return ret->kind && ret->kind <= GORT_KIND_UNSAFEPOINTER && ret->ptrdata <= ret->size &&
	       ret->size <= SIZE_MAX_BYTES && align && !(align & (align - 1));
}

/* What follows, by kind. An address that is of no use stays 0. */
static void read_parts(const struct gort_types *ts, const struct record *r, struct gort_type *t)
{
	static const struct {
		unsigned kind;
		enum gort_field elem;
	} elems[] = {
		{ GORT_KIND_POINTER, GORT_ptrtype_elem }, { GORT_KIND_SLICE, GORT_slicetype_elem },
		{ GORT_KIND_ARRAY, GORT_arraytype_elem }, { GORT_KIND_CHAN, GORT_chantype_elem },
		{ GORT_KIND_MAP, GORT_maptype_elem },
	};
	for (size_t i = 0; i < sizeof(elems) / sizeof(elems[0]); i++) {
		if (t->kind == elems[i].kind)
			t->elem = load(ts, r, elems[i].elem);
	}
	if (t->kind == GORT_KIND_ARRAY)
		t->len = load(ts, r, GORT_arraytype_len);
	if (t->kind == GORT_KIND_MAP) {
		t->key = load(ts, r, GORT_maptype_key);
		t->part = load(ts, r, GORT_maptype_part);
	}
}

static bool read_record(struct gort_types *ts, uint64_t addr, uint64_t end, struct record *ret)
{
	size_t common = gort_sizeof(ts->g->layout, GORT_type_SIZEOF);
	ret->len = num_min(end - addr, sizeof(ret->bytes));
	if (common > ret->len)
		return false;
	if (memsrc_read(&ts->mem.src, addr, ret->bytes, ret->len))
		return true;
	ret->len = common; /* at the end of what is mapped */
	return memsrc_read(&ts->mem.src, addr, ret->bytes, ret->len);
}

static bool read_type(struct gort_types *ts, uint64_t addr, const struct gort_range *m, struct gort_type *ret)
{
	struct record r;
	if (!read_record(ts, addr, m->end, &r) || !read_common(ts, &r, ret))
		return false;
	uint64_t str = load(ts, &r, GORT_type_str);
	if (str > INT32_MAX)
		return false;
	ret->name = read_name(ts, m->start + str, m->end, load(ts, &r, GORT_type_tflag) & TFLAG_EXTRA_STAR, NULL);
	read_parts(ts, &r, ret);
	return ret->name != NULL;
}

static const struct gort_type *known_type(struct gort_types *ts, uint64_t value)
{
	return value ? &ts->list.v[value - 1] : NULL;
}

const struct gort_type *gort_type_at(struct gort_types *ts, uint64_t addr)
{
	const struct gort_range *m = addr % WORD ? NULL : module_of(ts, addr);
	if (!m)
		return NULL;
	bool fresh = false;
	uint64_t *known = hash_map_at(&ts->known, addr, &fresh);
	struct gort_type type;
	if (fresh && read_type(ts, addr, m, &type)) {
		*vec_push(&ts->list) = type;
		*known = ts->list.n;
	}
	return known_type(ts, *known);
}

/* ---- fields ---- */

static uint64_t fields_slice(struct gort_types *ts, uint64_t addr, uint64_t *n)
{
	uint64_t at = gort_at(ts->g->layout, addr, GORT_structtype_fields);
	*n = memsrc_ptr(&ts->mem.src, at + WORD);
	return memsrc_ptr(&ts->mem.src, at);
}

static void take_field(struct gort_types *ts, const struct record *r)
{
	uint64_t name = load(ts, r, GORT_structfield_name), type = load(ts, r, GORT_structfield_typ);
	const struct gort_range *m = module_of(ts, name);
	struct gort_type_field f = { .type = type, .offset = load(ts, r, GORT_structfield_offset) };
	/* The name of a field that reflect made lies in the heap. */
	f.name = read_name(ts, name, m ? m->end : name + NAME_MAX_BYTES, false, &f.embedded);
	if (!f.name)
		f.name = intern_str(&ts->strings, "?");
	*vec_push(&ts->fields) = f;
}

/* Reads the fields of a struct to the end of the list; they follow each other there. */
static uint32_t read_fields(struct gort_types *ts, uint64_t addr)
{
	uint64_t size = gort_sizeof(ts->g->layout, GORT_structfield_SIZEOF), n = 0, at = fields_slice(ts, addr, &n);
	struct record r = { .len = size };
	uint32_t got = 0;
	if (!at || size > sizeof(r.bytes) || ts->fields.n >= FIELDS_ALL)
		return 0;
	for (; got < n && got < GORT_TYPE_FIELDS; got++) {
		if (!memsrc_read(&ts->mem.src, at + got * size, r.bytes, size))
			break;
		take_field(ts, &r);
	}
	return got;
}

const struct gort_type_field *gort_type_fields(struct gort_types *ts, uint64_t addr, uint32_t *n)
{
	const struct gort_type *type = gort_type_any(ts, addr);
	*n = 0;
	if (!type || type->kind != GORT_KIND_STRUCT)
		return NULL;
	size_t index = (size_t)(type - ts->list.v);
	if (!type->fields_known) {
		uint32_t first = (uint32_t)ts->fields.n, got = read_fields(ts, addr);
		ts->list.v[index].fields = first;
		ts->list.v[index].nfields = got;
		ts->list.v[index].fields_known = true;
	}
	*n = ts->list.v[index].nfields;
	return *n ? &ts->fields.v[ts->list.v[index].fields] : NULL;
}

/* ---- types made at run time ---- */

static const struct gort_type *made_type(struct gort_types *ts, uint64_t addr, unsigned depth);

static const char *part_name(struct gort_types *ts, uint64_t addr, unsigned depth)
{
	const struct gort_type *t = addr ? made_type(ts, addr, depth + 1) : NULL;
	return t ? t->name : NULL;
}

/* "[]" and the like in front of the element's name; NULL when the element is no type. */
static const char *name_of_elem(struct gort_types *ts, const struct gort_type *t, unsigned depth)
{
	char text[NAME_MAX_BYTES], in_front[32] = "[]";
	const char *elem = part_name(ts, t->elem, depth), *key = "";
	if (t->kind == GORT_KIND_MAP)
		key = part_name(ts, t->key, depth);
	if (!elem || !key)
		return NULL;
	if (t->kind == GORT_KIND_POINTER)
		snprintf(in_front, sizeof(in_front), "*");
	else if (t->kind == GORT_KIND_CHAN)
		snprintf(in_front, sizeof(in_front), "chan ");
	else if (t->kind == GORT_KIND_ARRAY)
		snprintf(in_front, sizeof(in_front), "[%llu]", (unsigned long long)t->len);
	else if (t->kind == GORT_KIND_MAP)
		snprintf(in_front, sizeof(in_front), "map[");
	snprintf(text, sizeof(text), "%s%s%s%s", in_front, key, *key ? "]" : "", elem);
	return intern_str(&ts->strings, text);
}

static const char *name_of_struct(struct gort_types *ts, uint64_t addr, unsigned depth)
{
	uint64_t size = gort_sizeof(ts->g->layout, GORT_structfield_SIZEOF), n = 0, at = fields_slice(ts, addr, &n);
	struct record r = { .len = size };
	char text[NAME_MAX_BYTES] = "struct {";
	size_t len = strlen(text);
	if (n > GORT_TYPE_FIELDS || size > sizeof(r.bytes) || (n && !at))
		return NULL;
	for (uint64_t i = 0; i < n && len < sizeof(text) - 1; i++) {
		if (!memsrc_read(&ts->mem.src, at + i * size, r.bytes, size))
			return NULL;
		uint64_t where = load(ts, &r, GORT_structfield_name);
		const struct gort_range *m = module_of(ts, where);
		const char *name = read_name(ts, where, m ? m->end : where + NAME_MAX_BYTES, false, NULL);
		const char *type = part_name(ts, load(ts, &r, GORT_structfield_typ), depth);
		if (!type)
			return NULL;
		int put = snprintf(text + len, sizeof(text) - len, "%s %s %s", i ? ";" : "", name ? name : "?", type);
		len = num_min(len + (size_t)(put > 0 ? put : 0), sizeof(text) - 1);
	}
	snprintf(text + len, sizeof(text) - len, "%s}", n ? " " : "");
	return intern_str(&ts->strings, text);
}

static bool sizes_agree(struct gort_types *ts, const struct gort_type *t)
{
	const struct gort_type *elem = NULL;
	switch (t->kind) {
	case GORT_KIND_POINTER:
	case GORT_KIND_MAP:
	case GORT_KIND_CHAN:
	case GORT_KIND_FUNC:
		return t->size == WORD && t->ptrdata == WORD && t->direct;
	case GORT_KIND_SLICE:
		return t->size == SLICE_HEADER && t->ptrdata == WORD;
	case GORT_KIND_ARRAY:
		elem = gort_type_any(ts, t->elem);
		return elem && t->len <= SIZE_MAX_BYTES && elem->size <= SIZE_MAX_BYTES / (t->len + 1) &&
		       elem->size * t->len == t->size;
	default:
		return t->kind == GORT_KIND_STRUCT && t->hash;
	}
}

static bool read_made(struct gort_types *ts, uint64_t addr, unsigned depth, struct gort_type *ret)
{
	struct record r;
	if (!read_record(ts, addr, addr + sizeof(r.bytes), &r) || !read_common(ts, &r, ret))
		return false;
	read_parts(ts, &r, ret);
	struct gort_type t = *ret;
	if (!sizes_agree(ts, &t))
		return false;
	if (t.kind == GORT_KIND_STRUCT)
		ret->name = name_of_struct(ts, addr, depth);
	else if (t.kind == GORT_KIND_FUNC)
		ret->name = intern_str(&ts->strings, "func");
	else
		ret->name = name_of_elem(ts, &t, depth);
	return ret->name != NULL;
}

static const struct gort_type *made_type(struct gort_types *ts, uint64_t addr, unsigned depth)
{
	if (module_of(ts, addr))
		return gort_type_at(ts, addr);
	if (addr % WORD || addr < GORT_PAGE || addr > SIZE_MAX_BYTES || depth > MADE_DEPTH)
		return NULL;
	const uint64_t *known = hash_map_get(&ts->made, addr);
	if (known)
		return known_type(ts, *known);
	if (ts->made.n >= MADE_MAX)
		return NULL;
	*hash_map_at(&ts->made, addr, NULL) = 0; /* while it is read: one that is made of itself is none */
	struct gort_type type;
	if (!read_made(ts, addr, depth, &type))
		return NULL;
	*vec_push(&ts->list) = type;
	*hash_map_at(&ts->made, addr, NULL) = ts->list.n;
	return &ts->list.v[ts->list.n - 1];
}

const struct gort_type *gort_type_any(struct gort_types *ts, uint64_t addr)
{
	return made_type(ts, addr, 0);
}

/* ---- interfaces ---- */

/* An itab: the interface's type, the dynamic type, a copy of that one's hash. */
static uint64_t read_itab(struct gort_types *ts, uint64_t addr)
{
	enum { ITAB = 3 };
	uint64_t w[ITAB];
	uint64_t at = gort_at(ts->g->layout, 0, GORT_itab_type);
	if (at != WORD || !memsrc_read(&ts->mem.src, addr, w, sizeof(w)))
		return 0;
	const struct gort_type *inter = gort_type_any(ts, load_u64(&w[0]));
	if (!inter || inter->kind != GORT_KIND_INTERFACE)
		return 0;
	uint64_t dynamic = load_u64(&w[1]);
	const struct gort_type *type = gort_type_any(ts, dynamic);
	return type && type->hash == load_u32(&w[2]) ? dynamic : 0;
}

uint64_t gort_type_of_interface(struct gort_types *ts, uint64_t word)
{
	if (!word || word % WORD)
		return 0;
	const uint64_t *known = hash_map_get(&ts->itabs, word);
	if (known)
		return *known;
	uint64_t type = gort_type_at(ts, word) ? word : 0;
	if (!type)
		type = read_itab(ts, word);
	if (!type && gort_type_any(ts, word))
		type = word;
	if (ts->itabs.n < MADE_MAX)
		*hash_map_at(&ts->itabs, word, NULL) = type;
	return type;
}

const char *gort_type_name(struct gort_types *ts, uint64_t addr)
{
	const struct gort_type *type = gort_type_at(ts, addr);
	return type ? type->name : NULL;
}

/* Length of what is in front of the package path, by kind. */
static uint64_t descriptor_size(const struct gort_layout *l, unsigned kind)
{
	static const enum gort_field sizes[GORT_KIND_UNSAFEPOINTER + 1] = {
		[GORT_KIND_ARRAY] = GORT_arraytype_SIZEOF, [GORT_KIND_CHAN] = GORT_chantype_SIZEOF,
		[GORT_KIND_FUNC] = GORT_functype_SIZEOF,   [GORT_KIND_INTERFACE] = GORT_interfacetype_SIZEOF,
		[GORT_KIND_MAP] = GORT_maptype_SIZEOF,	   [GORT_KIND_POINTER] = GORT_ptrtype_SIZEOF,
		[GORT_KIND_SLICE] = GORT_slicetype_SIZEOF, [GORT_KIND_STRUCT] = GORT_structtype_SIZEOF,
	};
	return gort_sizeof(l, sizes[kind] ? sizes[kind] : GORT_type_SIZEOF);
}

const char *gort_type_path(struct gort_types *ts, uint64_t addr)
{
	const struct gort_layout *l = ts->g->layout;
	const struct gort_type *type = gort_type_at(ts, addr);
	const struct gort_range *m = module_of(ts, addr);
	uint32_t path = 0;
	uint8_t flags = 0;
	if (!type || !m || !memsrc_u8(&ts->mem.src, gort_at(l, addr, GORT_type_tflag), &flags) ||
	    !(flags & TFLAG_UNCOMMON))
		return NULL;
	uint64_t at = gort_at(l, addr + descriptor_size(l, type->kind), GORT_uncommon_pkgpath);
	if (!memsrc_u32(&ts->mem.src, at, &path) || !path || path > INT32_MAX)
		return NULL;
	return read_name(ts, m->start + path, m->end, false, NULL);
}
