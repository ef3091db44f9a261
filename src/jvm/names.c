/* SPDX-License-Identifier: Apache-2.0 */
#include "jvm/names.h"

#include "base/num.h"
#include "base/strbuf.h"
#include "jvm/plan.h"

enum { CHAR = 5, BYTE = 8, UTF16 = 1 };

/* A string that is wanted: how its characters are coded, and what came of them. */
struct wanted {
	unsigned char coder; /* of bytes: 0 Latin-1, UTF16 */
	unsigned char type;  /* of the array's elements */
	unsigned char *raw;  /* copied */
	size_t length;	     /* elements */
};

struct reader {
	struct jvm_heap *h;
	struct arena *arena;
	struct hash_map strings, arrays; /* object to its number in v */
	VEC(struct wanted) v;
	uint64_t string_class; /* identifier */
	uint64_t coder;	       /* offset of that field; UINT64_MAX: there is none */
};

/* ---- characters ---- */

static void put_char(struct strbuf *to, uint32_t c)
{
	if (c >= 0xd800 && c < 0xe000)
		c = '?'; /* half of a pair */
	if (c < 0x80) {
		strbuf_putc(to, (char)c);
	} else if (c < 0x800) {
		strbuf_putc(to, (char)(0xc0 | c >> 6));
		strbuf_putc(to, (char)(0x80 | (c & 63)));
	} else {
		strbuf_putc(to, (char)(0xe0 | c >> 12));
		strbuf_putc(to, (char)(0x80 | (c >> 6 & 63)));
		strbuf_putc(to, (char)(0x80 | (c & 63)));
	}
}

/* Characters of the file are big-endian; those in arrays of bytes are as the JVM's machine has them, little-endian here. */
static const char *decode(struct reader *r, const struct wanted *w)
{
	const unsigned char *p = w->raw;
	const bool pairs = w->type == BYTE && w->coder == UTF16;
	const size_t n = num_min(pairs ? w->length / 2 : w->length, JVM_NAME_MAX);
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	for (size_t i = 0; i < n; i++) {
		uint32_t c = w->type == CHAR ? hprof_be16(p + 2 * i) : p[pairs ? 2 * i : i];
		if (pairs)
			c |= (uint32_t)p[2 * i + 1] << 8;
		put_char(&text, c);
	}
	return arena_strdup(r->arena, text.buf);
}

/* ---- the reading ---- */

static struct wanted *find(struct reader *r, const struct hash_map *in, uint64_t id)
{
	uint32_t object = jvm_ids_find(&r->h->ids, id);
	const uint64_t *at = object != GRAPH_NONE ? hash_map_get(in, object) : NULL;
	return at ? &r->v.v[*at] : NULL;
}

static void keep(struct reader *r, const struct hprof_object *o)
{
	struct wanted *w = find(r, &r->arrays, o->id);
	if (!w)
		return;
	w->type = o->type;
	w->length = num_min(o->length, UINT64_C(2) * JVM_NAME_MAX);
	w->raw = arena_alloc(r->arena, w->length * o->element + 1);
	memcpy(w->raw, o->body, w->length * o->element);
}

static struct err *look_at(void *ctx, const unsigned char *p, size_t n, size_t *used)
{
	struct reader *r = ctx;
	size_t at = 0;
	while (at < n) {
		struct hprof_object o;
		uint64_t size = hprof_object_at(r->h->hprof.id_size, p + at, n - at, &o);
		if (!size || size > n - at)
			break;
		if (o.tag == HPROF_PRIMITIVES && (o.type == CHAR || o.type == BYTE))
			keep(r, &o);
		if (o.tag == HPROF_INSTANCE && o.class == r->string_class && r->coder < o.length) {
			struct wanted *w = find(r, &r->strings, o.id);
			if (w)
				w->coder = o.body[r->coder];
		}
		at += size;
	}
	*used = at;
	return NULL;
}

/* A name of that size is none. */
static struct err *pass_over(void *ctx, const struct hprof_object *o)
{
	return NULL;
}

static void want(struct reader *r, uint32_t string)
{
	struct jvm_heap *h = r->h;
	uint32_t class = jvm_shape_of(h, string)->class, array = string;
	if (jvm_class_is(h, class, "java.lang.String")) {
		r->string_class = h->hprof.classes.v[class].id;
		r->coder = jvm_field_offset(h, class, "coder");
		array = jvm_field_of(h, string, "value");
	}
	*hash_map_at(&r->strings, string, NULL) = r->v.n;
	if (array != GRAPH_NONE)
		*hash_map_at(&r->arrays, array, NULL) = r->v.n;
	vec_push(&r->v);
}

static void fill_in(struct reader *r, struct jvm_name_vec *names)
{
	for (size_t i = 0; i < names->n; i++) {
		uint32_t string = names->v[i].string;
		const uint64_t *at = string != GRAPH_NONE ? hash_map_get(&r->strings, string) : NULL;
		uint32_t array = at ? jvm_field_of(r->h, string, "value") : GRAPH_NONE;
		const uint64_t *other = array != GRAPH_NONE ? hash_map_get(&r->arrays, array) : NULL;
		if (!at || *at >= r->v.n)
			continue;
		struct wanted w = r->v.v[*at];
		if (!w.raw && other) { /* strings may share an array, which is then kept for the last of them */
			w = r->v.v[*other];
			w.coder = r->v.v[*at].coder;
		}
		if (w.raw)
			names->v[i].text = decode(r, &w);
	}
}

struct err *jvm_names_read(struct jvm_heap *h, struct stream *s, struct jvm_name_vec *names, struct arena *arena)
{
	struct reader r = { .h = h, .arena = arena, .coder = UINT64_MAX };
	const struct hprof_visitor v = { .ctx = &r, .objects = look_at, .large = pass_over };
	struct err *err = NULL;
	for (size_t i = 0; i < names->n; i++) {
		if (names->v[i].string != GRAPH_NONE && !hash_map_get(&r.strings, names->v[i].string))
			want(&r, names->v[i].string);
	}
	if (r.v.n)
		err = stream_rewind(s);
	if (r.v.n && !err)
		err = hprof_walk(&h->hprof, s, &v);
	if (!err)
		fill_in(&r, names);
	hash_map_deinit(&r.strings);
	hash_map_deinit(&r.arrays);
	vec_deinit(&r.v);
	return err;
}
