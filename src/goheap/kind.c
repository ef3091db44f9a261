/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/kind.h"

#include <stdio.h>
#include <string.h>

enum { WORD = 8, SLICE_HEADER = 24, FIXED = 6, NAME = 4096 };

#define NO_FIELD GORT_FIELD_MAX_

/* A pointer that the runtime's own structures have, by field. */
struct fixed {
	enum gort_field field;
	enum goheap_how how;
	enum goheap_runtime which;
};

static const struct sort {
	enum goheap_form form;
	enum goheap_map_part part;
	const char *suffix;
	enum gort_field size; /* of the structure; NO_FIELD: of the type */
	bool array, loose;
	struct fixed links[FIXED];
} sorts[GOHEAP_SORT_MAX_] = {
	[GOHEAP_SORT_VALUE] = { GOHEAP_FORM_VALUE, 0, "", NO_FIELD, false, false, { { 0 } } },
	[GOHEAP_SORT_ARRAY] = { GOHEAP_FORM_ARRAY, 0, "", NO_FIELD, true, false, { { 0 } } },
	[GOHEAP_SORT_MAP] = { GOHEAP_FORM_MAP,
			      0,
			      "",
			      GORT_hmap_SIZEOF, /* as large as that of swiss maps, which stands beside it */
			      false,
			      false,
			      { { GORT_hmap_buckets, GOHEAP_TO_MAP_BUCKETS, 0 },
				{ GORT_hmap_oldbuckets, GOHEAP_TO_MAP_BUCKETS, 0 },
				{ GORT_hmap_extra, GOHEAP_TO_MAP_EXTRA, 0 },
				{ GORT_map_dirPtr, GOHEAP_TO_MAP_DIR, 0 } } },
	[GOHEAP_SORT_DIRECTORY] = { GOHEAP_FORM_MAP_PART,
				    GOHEAP_MAP_DIRECTORY,
				    " (directory)",
				    NO_FIELD,
				    true,
				    false,
				    { { NO_FIELD, GOHEAP_TO_MAP_TABLE, 0 } } },
	[GOHEAP_SORT_TABLE] = { GOHEAP_FORM_MAP_PART,
				GOHEAP_MAP_TABLE,
				" (table)",
				GORT_table_SIZEOF,
				false,
				false,
				{ { GORT_table_groups_data, GOHEAP_TO_MAP_GROUPS, 0 } } },
	[GOHEAP_SORT_GROUPS] = { GOHEAP_FORM_MAP_PART,
				 GOHEAP_MAP_GROUPS,
				 " (groups)",
				 NO_FIELD,
				 true,
				 false,
				 { { 0 } } },
	[GOHEAP_SORT_BUCKETS] = { GOHEAP_FORM_MAP_PART,
				  GOHEAP_MAP_BUCKETS,
				  " (buckets)",
				  NO_FIELD,
				  true,
				  false,
				  { { 0 } } },
	[GOHEAP_SORT_EXTRA] = { GOHEAP_FORM_MAP_PART,
				GOHEAP_MAP_EXTRA,
				" (overflow)",
				GORT_mapextra_SIZEOF,
				false,
				true,
				{ { GORT_mapextra_overflow, GOHEAP_TO_MAP_OVERFLOW, 0 },
				  { GORT_mapextra_oldoverflow, GOHEAP_TO_MAP_OVERFLOW, 0 } } },
	[GOHEAP_SORT_OVERFLOW] = { GOHEAP_FORM_MAP_PART,
				   GOHEAP_MAP_EXTRA,
				   " (overflow)",
				   NO_FIELD,
				   false,
				   false,
				   { { NO_FIELD, GOHEAP_TO_MAP_LIST, 0 } } },
	[GOHEAP_SORT_LIST] = { GOHEAP_FORM_MAP_PART,
			       GOHEAP_MAP_EXTRA,
			       " (overflow)",
			       NO_FIELD,
			       true,
			       false,
			       { { NO_FIELD, GOHEAP_TO_MAP_BUCKETS, 0 } } },
	[GOHEAP_SORT_CHAN] = { GOHEAP_FORM_CHAN,
			       0,
			       "",
			       GORT_hchan_SIZEOF,
			       false,
			       true,
			       { { GORT_hchan_buf, GOHEAP_TO_CHAN_BUF, 0 },
				 { GORT_hchan_recvq_first, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_SUDOG },
				 { GORT_hchan_sendq_first, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_SUDOG } } },
	[GOHEAP_SORT_CHAN_BUF] = { GOHEAP_FORM_CHAN_PART, 0, " (buffer)", NO_FIELD, true, false, { { 0 } } },
	[GOHEAP_SORT_STRING] = { GOHEAP_FORM_STRING, 0, "", NO_FIELD, true, false, { { 0 } } },
	[GOHEAP_SORT_CLOSURE] = { GOHEAP_FORM_CLOSURE, 0, "", NO_FIELD, false, true, { { 0 } } },
	[GOHEAP_SORT_RUNTIME] = { GOHEAP_FORM_RUNTIME, 0, "", NO_FIELD, false, true, { { 0 } } },
};

static const struct own {
	const char *name;
	enum gort_field size;
	bool array;
	struct fixed links[FIXED];
} owns[GOHEAP_RUNTIME_MAX_] = {
	[GOHEAP_RUNTIME_G] = { "runtime.g",
			       GORT_g_SIZEOF,
			       false,
			       { { GORT_g_m, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_M },
				 { GORT_g_lockedm, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_M },
				 { GORT_g_waiting, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_SUDOG } } },
	[GOHEAP_RUNTIME_M] = { "runtime.m",
			       GORT_m_SIZEOF,
			       false,
			       { { GORT_m_g0, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_G },
				 { GORT_m_gsignal, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_G },
				 { GORT_m_curg, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_G },
				 { GORT_m_alllink, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_M },
				 { GORT_m_p, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_P } } },
	[GOHEAP_RUNTIME_P] = { "runtime.p", GORT_p_SIZEOF, false, { { 0 } } },
	[GOHEAP_RUNTIME_SUDOG] = { "runtime.sudog",
				   GORT_sudog_SIZEOF,
				   false,
				   { { GORT_sudog_g, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_G },
				     { GORT_sudog_waitlink, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_SUDOG },
				     { GORT_sudog_c, GOHEAP_TO_CHAN_ANY, 0 } } },
	[GOHEAP_RUNTIME_TIMER] = { "time.Timer",
				   GORT_timeTimer_SIZEOF,
				   false,
				   { { NO_FIELD, GOHEAP_TO_CHAN_ANY, 0 } } },
	[GOHEAP_RUNTIME_GS] = { "[]*runtime.g", NO_FIELD, true, { { NO_FIELD, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_G } } },
	[GOHEAP_RUNTIME_PS] = { "[]*runtime.p", NO_FIELD, true, { { NO_FIELD, GOHEAP_TO_RUNTIME, GOHEAP_RUNTIME_P } } },
};

void goheap_kinds_init(struct goheap_kinds *k, struct goheap_typing *t)
{
	*k = (struct goheap_kinds){ .t = t };
	arena_init(&k->arena);
	goheap_shapes_init(&k->shapes, &t->types);
	*vec_push(&t->kinds) = (struct goheap_kind){ .name = "(no type)" };
	*vec_push(&k->follow) = (struct goheap_follow){ .sort = GOHEAP_SORT_MAX_ };
}

void goheap_kinds_deinit(struct goheap_kinds *k)
{
	goheap_shapes_deinit(&k->shapes);
	vec_deinit(&k->follow);
	hash_map_deinit(&k->closures);
	hash_map_deinit(&k->captures);
	arena_deinit(&k->arena);
}

/* ---- names ---- */

static bool part_of_name(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* As an engineer writes it: bytes where the runtime says uint8, in slices. */
static const char *as_written(struct goheap_kinds *k, const char *name)
{
	static const char from[] = "[]uint8", to[] = "[]byte";
	char text[NAME];
	size_t n = 0;
	if (!strstr(name, from))
		return name;
	while (*name && n + sizeof(from) < sizeof(text)) {
		if (strncmp(name, from, sizeof(from) - 1) == 0 && !part_of_name(name[sizeof(from) - 1])) {
			memcpy(text + n, to, sizeof(to) - 1);
			n += sizeof(to) - 1;
			name += sizeof(from) - 1;
		} else {
			text[n++] = *name++;
		}
	}
	return intern_mem(&k->t->types.strings, text, n);
}

static const char *name_of(struct goheap_kinds *k, enum goheap_sort sort, uint64_t rtype)
{
	char text[NAME];
	const struct gort_type *t = gort_type_any(&k->t->types, rtype);
	const char *name = t ? t->name : "?", *before = "", *after = sorts[sort].suffix;
	if (sort == GOHEAP_SORT_ARRAY)
		before = "[]";
	if (sort == GOHEAP_SORT_CHAN || sort == GOHEAP_SORT_CHAN_BUF)
		before = "chan ";
	if (*before || *after) {
		snprintf(text, sizeof(text), "%s%s%s", before, name, after);
		name = intern_str(&k->t->types.strings, text);
	}
	return as_written(k, name);
}

/* ---- links ---- */

static uint32_t add(struct goheap_kinds *k, const struct goheap_kind *kind, const struct goheap_follow *follow)
{
	*vec_push(&k->t->kinds) = *kind;
	*vec_push(&k->follow) = *follow;
	return (uint32_t)k->follow.n - 1;
}

/* Links of the fields that this version has, of a type's number or of the runtime. */
static void take_fixed(struct goheap_kinds *k, const struct fixed *fixed, uint32_t shape, uint64_t size,
		       struct goheap_follow *ret)
{
	const struct gort_layout *l = k->t->types.g->layout;
	uint32_t n = (uint32_t)(size / WORD ? size / WORD : 1);
	struct goheap_link *links = arena_alloc(&k->arena, n * sizeof(*links));
	for (size_t i = 0; i < FIXED && fixed[i].how; i++) {
		uint64_t at = 0;
		if (fixed[i].field != NO_FIELD) {
			if (!gort_has(l, fixed[i].field))
				continue;
			at = gort_at(l, 0, fixed[i].field) / WORD;
		}
		uint32_t type = fixed[i].how == GOHEAP_TO_RUNTIME ? (uint32_t)fixed[i].which : shape;
		if (at < n)
			links[at] = (struct goheap_link){ fixed[i].how & 63, type & GOHEAP_TYPES_MAX };
	}
	ret->links = links;
	ret->n = n;
}

/* The size of a structure of the runtime: one of the two kinds of maps is in a version. */
static uint64_t size_of(const struct gort_layout *l, enum gort_field f)
{
	if (f == GORT_hmap_SIZEOF && !gort_sizeof(l, f))
		f = GORT_map_SIZEOF;
	return f == NO_FIELD ? 0 : gort_sizeof(l, f);
}

static uint64_t part_of(struct goheap_kinds *k, uint64_t map)
{
	const struct gort_type *t = gort_type_any(&k->t->types, map);
	return t ? t->part : 0;
}

/* Buckets end in a pointer to one more, when they have pointers at all. */
static void chain_buckets(struct goheap_kinds *k, uint32_t map, struct goheap_follow *ret)
{
	if (!ret->n || ret->n * (uint64_t)WORD != ret->size)
		return;
	struct goheap_link *links = arena_alloc(&k->arena, ret->n * sizeof(*links));
	memcpy(links, ret->links, ret->n * sizeof(*links));
	links[ret->n - 1] = (struct goheap_link){ GOHEAP_TO_MAP_BUCKETS, map & GOHEAP_TYPES_MAX };
	ret->links = links;
}

static void take_shape(struct goheap_kinds *k, uint64_t rtype, struct goheap_follow *ret)
{
	uint32_t number = goheap_shape_of(&k->shapes, rtype);
	const struct goheap_shape *sh = goheap_shape_get(&k->shapes, number);
	ret->links = sh->links;
	ret->n = sh->n;
	ret->size = sh->size;
	ret->content = rtype;
	ret->noscan = !sh->ptrdata;
	ret->loose = sh->loose;
	if (ret->array || sh->stride < sh->size)
		ret->stride = (uint32_t)(sh->stride / WORD);
}

static uint32_t make(struct goheap_kinds *k, enum goheap_sort sort, uint32_t shape, bool header)
{
	const struct sort *s = &sorts[sort];
	const struct gort_layout *l = k->t->types.g->layout;
	uint64_t rtype = k->shapes.list.v[shape].rtype;
	struct goheap_follow f = { .shape = shape,
				   .sort = (uint8_t)sort,
				   .header = header,
				   .array = s->array,
				   .loose = s->loose,
				   .size = s->array		 ? WORD
					   : s->size == NO_FIELD ? SLICE_HEADER
								 : size_of(l, s->size) };
	if (s->links[0].how) {
		take_fixed(k, s->links, shape, f.size, &f);
		f.stride = s->array ? 1 : 0;
	} else {
		bool part = sort == GOHEAP_SORT_GROUPS || sort == GOHEAP_SORT_BUCKETS;
		take_shape(k, part ? part_of(k, rtype) : rtype, &f);
	}
	if (sort == GOHEAP_SORT_BUCKETS)
		chain_buckets(k, shape, &f);
	if (sort == GOHEAP_SORT_CHAN)
		f.noscan = !k->shapes.list.v[shape].ptrdata;
	struct goheap_kind kind = { .form = s->form, .rtype = rtype, .part = (uint8_t)s->part, .header = header };
	kind.name = name_of(k, sort, rtype);
	for (size_t i = 0; sort == GOHEAP_SORT_VALUE && i < GOHEAP_RUNTIME_MAX_; i++) {
		if (strcmp(kind.name, owns[i].name) == 0 && i != GOHEAP_RUNTIME_TIMER)
			kind.form = GOHEAP_FORM_RUNTIME;
	}
	return add(k, &kind, &f);
}

uint32_t goheap_kind_of(struct goheap_kinds *k, enum goheap_sort sort, uint32_t shape, bool header)
{
	if (!shape)
		return 0;
	uint32_t known = k->shapes.list.v[shape].kinds[header][sort];
	if (!known) {
		known = make(k, sort, shape, header);
		k->shapes.list.v[shape].kinds[header][sort] = known;
	}
	return known;
}

uint32_t goheap_kind_string(struct goheap_kinds *k)
{
	if (!k->string[0]) {
		struct goheap_kind kind = { .form = GOHEAP_FORM_STRING, .name = "string" };
		struct goheap_follow f = { .sort = GOHEAP_SORT_STRING, .noscan = true, .array = true, .size = 1 };
		k->string[0] = add(k, &kind, &f);
	}
	return k->string[0];
}

uint32_t goheap_kind_runtime(struct goheap_kinds *k, enum goheap_runtime which)
{
	const struct own *own = &owns[which];
	if (k->runtime[which])
		return k->runtime[which];
	struct goheap_kind kind = { .form = GOHEAP_FORM_RUNTIME, .name = own->name };
	struct goheap_follow f = { .sort = GOHEAP_SORT_RUNTIME,
				   .loose = true,
				   .array = own->array,
				   .size = own->array ? WORD : size_of(k->t->types.g->layout, own->size) };
	take_fixed(k, own->links, 0, f.size, &f);
	f.stride = own->array ? 1 : 0;
	k->runtime[which] = add(k, &kind, &f);
	return k->runtime[which];
}

uint32_t goheap_kind_closure(struct goheap_kinds *k, uint64_t pc, bool header)
{
	struct sym_pclntab *tab = k->t->types.g->pclntab;
	char text[NAME];
	size_t at = 0;
	const uint64_t *known = hash_map_get(&k->closures, pc << 1 | header);
	if (known)
		return (uint32_t)*known;
	uint32_t number = 0;
	if (tab && sym_pclntab_find(tab, pc, &at) && sym_pclntab_entry(tab, at) == pc) {
		const uint64_t *captured = hash_map_get(&k->captures, pc);
		struct goheap_follow f = { .sort = GOHEAP_SORT_CLOSURE, .header = header, .loose = true };
		if (captured)
			take_shape(k, *captured, &f);
		struct goheap_kind kind = { .form = GOHEAP_FORM_CLOSURE, .pc = pc, .header = header };
		kind.rtype = captured ? *captured : 0;
		snprintf(text, sizeof(text), "func %s", sym_pclntab_name(tab, at));
		kind.name = intern_str(&k->t->types.strings, text);
		number = add(k, &kind, &f);
	}
	*hash_map_at(&k->closures, pc << 1 | header, NULL) = number;
	return number;
}
