/* SPDX-License-Identifier: Apache-2.0 */
#include "gort/type.h"

enum {
	NAME_MAX_BYTES = 4096, /* a longer name is cut */
	KIND_MASK = 31,
	KIND_MAX = 26,
	TFLAG_EXTRA_STAR = 2, /* the string has a "*" in front that is not part of it */
	RECORD_MAX = 128,
};

static const uint64_t SIZE_MAX_BYTES = UINT64_C(1) << 47;

void gort_types_init(struct gort_types *ts, const struct gort *g)
{
	*ts = (struct gort_types){ .g = g };
	intern_init(&ts->strings);
	ts->start = memsrc_ptr(g->src, gort_at(g->layout, g->module.moduledata, GORT_moduledata_types));
	ts->end = memsrc_ptr(g->src, gort_at(g->layout, g->module.moduledata, GORT_moduledata_etypes));
}

void gort_types_deinit(struct gort_types *ts)
{
	hash_map_deinit(&ts->known);
	intern_deinit(&ts->strings);
	vec_deinit(&ts->list);
}

/* A name: flags, length in sevens of bits, text. NULL when it is not inside the types' section. */
static const char *read_name(struct gort_types *ts, uint64_t at, bool star)
{
	unsigned char head[4] = { 0 };
	uint64_t len = 0, i = 1;
	if (at < ts->start || at >= ts->end || ts->end - at < sizeof(head) ||
	    !memsrc_read(ts->g->src, at, head, sizeof(head)))
		return NULL;
	for (unsigned shift = 0; i < sizeof(head); shift += 7) {
		len |= (uint64_t)(head[i] & 0x7f) << shift;
		if (!(head[i++] & 0x80))
			break;
	}
	char text[NAME_MAX_BYTES];
	uint64_t keep = len < sizeof(text) ? len : sizeof(text);
	if (!len || head[i - 1] & 0x80 || len > ts->end - at - i || !memsrc_read(ts->g->src, at + i, text, keep))
		return NULL;
	bool drop = star && text[0] == '*' && keep > 1;
	return intern_mem(&ts->strings, text + drop, keep - drop);
}

static bool read_type(struct gort_types *ts, uint64_t addr, struct gort_type *ret)
{
	const struct gort_layout *l = ts->g->layout;
	unsigned char rec[RECORD_MAX];
	size_t len = gort_sizeof(l, GORT_type_SIZEOF);
	if (len > sizeof(rec) || ts->end - addr < len || !memsrc_read(ts->g->src, addr, rec, len))
		return false;
	uint64_t align = gort_load(l, rec, len, GORT_type_align), str = gort_load(l, rec, len, GORT_type_str);
	*ret = (struct gort_type){
		.size = gort_load(l, rec, len, GORT_type_size),
		.ptrdata = gort_load(l, rec, len, GORT_type_ptrdata),
		.kind = (unsigned)gort_load(l, rec, len, GORT_type_kind) & KIND_MASK,
	};
	if (!ret->kind || ret->kind > KIND_MAX || ret->ptrdata > ret->size || ret->size > SIZE_MAX_BYTES || !align ||
	    align & (align - 1) || str > INT32_MAX)
		return false;
	ret->name = read_name(ts, ts->start + str, gort_load(l, rec, len, GORT_type_tflag) & TFLAG_EXTRA_STAR);
	return ret->name != NULL;
}

const struct gort_type *gort_type_at(struct gort_types *ts, uint64_t addr)
{
	if (addr < ts->start || addr >= ts->end || addr % 8)
		return NULL;
	bool fresh = false;
	uint64_t *known = hash_map_at(&ts->known, addr, &fresh);
	struct gort_type type;
	if (fresh && read_type(ts, addr, &type)) {
		*vec_push(&ts->list) = type;
		*known = ts->list.n;
	}
	return *known ? &ts->list.v[*known - 1] : NULL;
}

const char *gort_type_name(struct gort_types *ts, uint64_t addr)
{
	const struct gort_type *type = gort_type_at(ts, addr);
	return type ? type->name : NULL;
}
