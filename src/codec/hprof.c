/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hprof.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/strbuf.h"

/* For what runs once an object: calls would be half of the work. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

enum {
	RECORD_HEAD = 9, /* tag, time, length */
	SUB_HEAD_MAX = 64,
	VOTES = 200000, /* arrays whose neighbours are looked at */
	PRIMITIVES = 12,
	SUPERS_MAX = 256,
	CACHE = 1024,
	LAYOUTS = 6,
	DIMENSIONS_MAX = 255,
};

/* By the code of a type: the size of a primitive, 2 is a reference. Their arrays are the first classes. */
static const unsigned char type_sizes[PRIMITIVES] = { [4] = 1, 2, 4, 8, 1, 2, 4, 8 };
static const char *const type_names[PRIMITIVES] = {
	[4] = "boolean", "char", "float", "double", "byte", "short", "int", "long",
};

/* How a JVM lays objects out: size of a reference, of an object's header, and of an array's with its length. */
struct layout {
	unsigned char ref, header, array;
};

/* The first of those with the most votes. */
static const struct layout layouts[LAYOUTS] = {
	{ 4, 12, 16 }, /* compressed references and class pointers: the default */
	{ 8, 12, 16 }, /* compressed class pointers */
	{ 4, 8, 12 },  /* compact headers */
	{ 8, 8, 12 },  /* compact headers, plain references */
	{ 8, 16, 24 }, /* nothing compressed */
	{ 4, 16, 24 }, /* compressed references only */
};
static const struct layout layout_32 = { 4, 8, 12 };

/* What HotSpot adds to objects of some classes, which the dump does not list as fields. */
static const struct {
	const char *class;
	unsigned char bytes, refs;
} hidden[] = {
	{ "java.lang.Class", 24, 3 },
	{ "java.lang.ClassLoader", 8, 0 },
	{ "java.lang.Module", 8, 0 },
	{ "java.lang.invoke.MemberName", 8, 0 },
	{ "java.lang.invoke.ResolvedMethodName", 8, 1 },
	{ "java.lang.invoke.MethodHandleNatives$CallSiteContext", 16, 0 },
};

struct klass {
	uint64_t id, name, super; /* identifiers of the file */
	uint64_t prims, refs;	  /* its own fields: bytes of primitives, number of references */
	uint64_t statics, statrefs;
	uint64_t objects, body;	   /* instances; the length of the last one in the file */
	uint64_t arrays, elements; /* those beyond HPROF_LENGTHS_MAX */
	const char *text;	   /* its name for people */
	bool dumped;
};

struct length {
	uint32_t klass, length;
	uint64_t objects;
};

struct hprof {
	struct stream *s;
	struct snapshot *ret;
	size_t id_size;
	struct arena names;
	struct hash_map name_index;  /* identifier of a string to its text */
	struct hash_map class_index; /* identifier of a class to its number */
	VEC(struct klass) classes;
	struct hash_map length_index;
	VEC(struct length) lengths;
	struct {
		uint64_t id;
		uint32_t klass;
	} cache[CACHE];
	struct {
		uint64_t key;
		uint32_t row;
	} length_cache[CACHE];
	/* the object before this one, for the layout */
	uint64_t last_id;
	uint32_t last_length;
	unsigned char last_element; /* bytes, 2 for a reference as in the file's types: see vote() */
	bool last_is_array, last_is_refs;
	unsigned votes_left;
	uint64_t votes[LAYOUTS];
	bool segments, complete;
};

/* ---- big-endian numbers whose bounds are known ---- */

static uint16_t be16(const unsigned char *p)
{
	uint16_t v = 0;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static uint32_t be32(const unsigned char *p)
{
	uint32_t v = 0;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static uint64_t be64(const unsigned char *p)
{
	uint64_t v = 0;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

/* An identifier of w bytes. */
static uint64_t be_id(const unsigned char *p, size_t w)
{
	return w == 8 ? be64(p) : be32(p);
}

/* ---- classes ---- */

static struct err *class_find(struct hprof *h, uint64_t id, size_t slot)
{
	bool fresh = false;
	if (h->classes.n >= HPROF_CLASSES_MAX)
		return err_new(ERR_LIMIT, "%s: more than %d classes", h->s->name, HPROF_CLASSES_MAX);
	uint64_t *at = hash_map_at(&h->class_index, id, &fresh);
	if (fresh) {
		*at = h->classes.n;
		vec_push(&h->classes)->id = id;
	}
	h->cache[slot].id = id;
	h->cache[slot].klass = (uint32_t)*at;
	return NULL;
}

/* The number of a class; most objects are of few classes. */
static ALWAYS_INLINE struct err *class_of(struct hprof *h, uint64_t id, uint32_t *ret)
{
	size_t slot = (id >> 3 ^ id >> 13) % CACHE;
	if (h->cache[slot].id != id || !h->cache[slot].klass)
		TRY(class_find(h, id, slot));
	*ret = h->cache[slot].klass;
	return NULL;
}

/* ---- the layout, by what lies side by side ---- */

static uint64_t aligned(uint64_t size)
{
	return (size + 7) & ~UINT64_C(7);
}

static uint64_t array_size(const struct layout *l, uint64_t length, uint64_t element)
{
	return aligned(l->array + length * (element ? element : l->ref));
}

/* An object begins at `id`: which layouts explain where the array before it ends? */
static void vote(struct hprof *h, uint64_t id)
{
	uint64_t distance = id - h->last_id;
	for (size_t i = 0; i < LAYOUTS; i++)
		h->votes[i] += distance == array_size(&layouts[i], h->last_length, h->last_element);
	h->votes_left--;
}

static const struct layout *find_layout(struct hprof *h)
{
	size_t best = 0;
	if (h->id_size == 4)
		return &layout_32;
	for (size_t i = 1; i < LAYOUTS; i++) {
		if (h->votes[i] > h->votes[best])
			best = i;
	}
	if (!h->votes[best])
		snapshot_note(h->ret, "nothing in the dump tells how large references and headers were; "
				      "bytes assume compressed references");
	return &layouts[best];
}

/* ---- objects; element 0 is a reference ---- */

static void place(struct hprof *h, uint64_t id, bool array, uint32_t length, unsigned char element)
{
	if (h->last_is_array)
		vote(h, id);
	h->last_id = id;
	h->last_length = length;
	h->last_element = element;
	h->last_is_array = array && h->votes_left;
}

static ALWAYS_INLINE struct err *count_instance(struct hprof *h, uint64_t id, uint64_t class, uint32_t body)
{
	uint32_t k = 0;
	TRY(class_of(h, class, &k));
	h->classes.v[k].objects++;
	h->classes.v[k].body = body;
	if (h->last_is_array)
		place(h, id, false, 0, 0);
	return NULL;
}

static void count_new_length(struct hprof *h, uint32_t k, uint32_t length, size_t slot)
{
	const uint64_t key = (uint64_t)k << 32 | length;
	uint64_t *at = hash_map_get(&h->length_index, key);
	if (!at && h->lengths.n < HPROF_LENGTHS_MAX) {
		at = hash_map_at(&h->length_index, key, NULL);
		*at = h->lengths.n;
		*vec_push(&h->lengths) = (struct length){ k, length, 0 };
	}
	if (!at) {
		h->classes.v[k].arrays++;
		h->classes.v[k].elements += length;
		return;
	}
	h->length_cache[slot].key = key;
	h->length_cache[slot].row = (uint32_t)*at;
	h->lengths.v[*at].objects++;
}

static ALWAYS_INLINE void count_length(struct hprof *h, uint32_t k, uint32_t length)
{
	size_t slot = (length ^ k * 61) % CACHE;
	if (h->length_cache[slot].key == ((uint64_t)k << 32 | length)) /* a class is never 0, so neither is a key */
		h->lengths.v[h->length_cache[slot].row].objects++;
	else
		count_new_length(h, k, length, slot);
}

static ALWAYS_INLINE void count_array(struct hprof *h, uint64_t id, uint32_t k, uint32_t length, unsigned char element)
{
	count_length(h, k, length);
	if (h->votes_left)
		place(h, id, true, length, element);
}

/*
 * One object whose head is at p, and `n` bytes are there: its length with head and body in *size. *size 0: this is no
 * object, or the head is not whole.
 */
static ALWAYS_INLINE struct err *object_of(struct hprof *h, size_t w, const unsigned char *p, size_t n, bool whole,
					   uint64_t *size)
{
	*size = 0;
	switch (p[0]) {
	case 0x21: { /* identifier, stack trace, class, length, fields */
		if (n < 9 + 2 * w)
			return NULL;
		uint32_t body = be32(p + 5 + 2 * w);
		uint64_t all = 9 + 2 * w + (uint64_t)body;
		if (whole && all > n)
			return NULL;
		*size = all;
		return count_instance(h, be_id(p + 1, w), be_id(p + 5 + w, w), body);
	}
	case 0x22: { /* identifier, stack trace, length, class, elements */
		uint32_t k = 0;
		if (n < 9 + 2 * w)
			return NULL;
		uint32_t length = be32(p + 5 + w);
		uint64_t all = 9 + 2 * w + length * (uint64_t)w;
		if (whole && all > n)
			return NULL;
		*size = all;
		TRY(class_of(h, be_id(p + 9 + w, w), &k));
		count_array(h, be_id(p + 1, w), k, length, 0);
		return NULL;
	}
	case 0x23: { /* identifier, stack trace, length, type, elements */
		if (n < 10 + w)
			return NULL;
		uint32_t length = be32(p + 5 + w);
		unsigned char type = p[9 + w], element = type < PRIMITIVES ? type_sizes[type] : 0;
		if (!element)
			return stream_bad(h->s, "an array of unknown type %u", type);
		uint64_t all = 10 + w + length * (uint64_t)element;
		if (whole && all > n)
			return NULL;
		*size = all;
		count_array(h, be_id(p + 1, w), type, length, element);
		return NULL;
	}
	default:
		return NULL;
	}
}

static struct err *object(struct hprof *h, const unsigned char *p, size_t n, uint64_t *size)
{
	return object_of(h, h->id_size, p, n, false, size);
}

/* ---- sub-records ---- */

/* Bytes of a segment, counted down. */
static struct err *take(struct hprof *h, uint64_t *left, uint64_t n)
{
	if (n > *left)
		return stream_bad(h->s, "a sub-record is %" PRIu64 " bytes longer than its segment", n - *left);
	*left -= n;
	return NULL;
}

static struct err *take_bytes(struct hprof *h, uint64_t *left, unsigned char *buf, size_t n)
{
	TRY(take(h, left, n));
	return stream_read(h->s, buf, n);
}

/* The size in the file of a value of this type. */
static struct err *value_size(const struct hprof *h, unsigned char type, uint64_t *ret)
{
	*ret = type == 2 ? h->id_size : type < PRIMITIVES ? type_sizes[type] : 0;
	return *ret ? NULL : stream_bad(h->s, "a field of unknown type %u", type);
}

static struct err *class_constants(struct hprof *h, uint64_t *left)
{
	unsigned char buf[4];
	uint64_t size = 0;
	TRY(take_bytes(h, left, buf, 2));
	for (unsigned n = be16(buf); n; n--) {
		TRY(take_bytes(h, left, buf, 3)); /* index, type */
		TRY(value_size(h, buf[2], &size));
		TRY(take(h, left, size));
		TRY(stream_skip(h->s, size));
	}
	return NULL;
}

/* Static fields have values, those of instances have none. */
static struct err *class_fields(struct hprof *h, uint64_t *left, bool values, uint64_t *bytes, uint64_t *refs)
{
	unsigned char buf[16];
	uint64_t size = 0;
	*bytes = *refs = 0;
	TRY(take_bytes(h, left, buf, 2));
	for (unsigned n = be16(buf); n; n--) {
		TRY(take_bytes(h, left, buf, h->id_size + 1)); /* name, type */
		unsigned char type = buf[h->id_size];
		TRY(value_size(h, type, &size));
		/* HotSpot dumps "<resolved_references>" and the like as if they were fields */
		if (hash_map_get(&h->name_index, be_id(buf, h->id_size))) {
			*bytes += type == 2 ? 0 : size;
			*refs += type == 2;
		}
		if (values) {
			TRY(take(h, left, size));
			TRY(stream_skip(h->s, size));
		}
	}
	return NULL;
}

static struct err *class_dump(struct hprof *h, uint64_t *left)
{
	unsigned char buf[SUB_HEAD_MAX + 8];
	uint32_t number = 0;
	struct klass k = { 0 };
	/* tag, class, stack trace, superclass, loader, signers, domain, two reserved, size */
	TRY(take_bytes(h, left, buf, 1 + 4 + 7 * h->id_size + 4));
	TRY(class_constants(h, left));
	TRY(class_fields(h, left, true, &k.statics, &k.statrefs));
	TRY(class_fields(h, left, false, &k.prims, &k.refs));
	TRY(class_of(h, be_id(buf + 1, h->id_size), &number));
	struct klass *to = &h->classes.v[number];
	to->super = be_id(buf + 1 + h->id_size + 4, h->id_size);
	to->prims = k.prims;
	to->refs = k.refs;
	to->statics = k.statics;
	to->statrefs = k.statrefs;
	to->dumped = true;
	return NULL;
}

/* What holds objects: identifiers and bytes behind the tag. */
static const struct {
	bool known;
	unsigned char ids, bytes;
} roots[256] = {
	[0xff] = { true, 1, 0 }, /* unknown */
	[0x01] = { true, 2, 0 }, /* JNI global */
	[0x02] = { true, 1, 8 }, /* JNI local */
	[0x03] = { true, 1, 8 }, /* Java frame */
	[0x04] = { true, 1, 4 }, /* native stack */
	[0x05] = { true, 1, 0 }, /* sticky class */
	[0x06] = { true, 1, 4 }, /* thread block */
	[0x07] = { true, 1, 0 }, /* monitor used */
	[0x08] = { true, 1, 8 }, /* thread */
};

static struct err *sub_record(struct hprof *h, uint64_t *left, const unsigned char *p, size_t have)
{
	uint64_t size = 0;
	if (p[0] == 0x20)
		return class_dump(h, left);
	TRY(object(h, p, have, &size));
	if (!size && roots[p[0]].known)
		size = 1 + roots[p[0]].ids * h->id_size + roots[p[0]].bytes;
	else if (!size && p[0] >= 0x21 && p[0] <= 0x23)
		return stream_bad(h->s, "the dump ends inside a sub-record");
	else if (!size)
		return stream_bad(h->s, "a sub-record of unknown kind 0x%02x", p[0]);
	TRY(take(h, left, size));
	return stream_skip(h->s, size);
}

/* Objects that lie in the window as a whole: nearly all. The size of identifiers is a constant in each loop. */
static struct err *window(struct hprof *h, uint64_t *left, const unsigned char *p, size_t have)
{
	size_t n = (size_t)num_min(have, *left), at = 0;
	uint64_t size = 1;
	if (h->id_size == 8) {
		for (; size && at < n; at += size)
			TRY(object_of(h, 8, p + at, n - at, true, &size));
	} else {
		for (; size && at < n; at += size)
			TRY(object_of(h, 4, p + at, n - at, true, &size));
	}
	stream_consume(h->s, at);
	*left -= at;
	return NULL;
}

static struct err *segment(struct hprof *h, uint64_t left)
{
	h->segments = true;
	while (left) {
		const unsigned char *p = NULL;
		size_t have = 0;
		TRY(stream_peek(h->s, SUB_HEAD_MAX, &p, &have));
		if (!have)
			return stream_bad(h->s, "the file ends %" PRIu64 " bytes too early", left);
		TRY(window(h, &left, p, have));
		if (!left)
			break;
		TRY(stream_peek(h->s, SUB_HEAD_MAX, &p, &have));
		if (!have)
			return stream_bad(h->s, "the file ends %" PRIu64 " bytes too early", left);
		TRY(sub_record(h, &left, p, have));
	}
	return NULL;
}

/* ---- records ---- */

static struct err *string_record(struct hprof *h, uint64_t length)
{
	unsigned char id[8];
	if (length < h->id_size)
		return stream_bad(h->s, "a string of %" PRIu64 " bytes with its identifier", length);
	TRY(stream_read(h->s, id, h->id_size));
	length -= h->id_size;
	const unsigned char *p = NULL;
	size_t have = 0;
	TRY(stream_peek(h->s, 1, &p, &have));
	/* signatures, constructors and what is no field in truth are not needed: names without them */
	if (length > HPROF_NAME_MAX || (length && have && (p[0] == '(' || p[0] == '<')))
		return stream_skip(h->s, length);
	if (h->names.used + h->name_index.n * 64 > HPROF_NAMES_MAX)
		return err_new(ERR_LIMIT, "%s: more than %d bytes of names", h->s->name, HPROF_NAMES_MAX);
	TRY(stream_peek(h->s, length, &p, &have));
	if (have < length)
		return stream_bad(h->s, "the file ends inside a string");
	*hash_map_at(&h->name_index, be_id(id, h->id_size), NULL) =
		(uint64_t)(uintptr_t)arena_strndup(&h->names, (const char *)p, length);
	stream_consume(h->s, length);
	return NULL;
}

static struct err *load_class(struct hprof *h, uint64_t length)
{
	unsigned char buf[24]; /* serial number, class, stack trace, name */
	uint32_t k = 0;
	size_t want = 8 + 2 * h->id_size;
	if (length != want)
		return stream_bad(h->s, "a LOAD CLASS record of %" PRIu64 " bytes", length);
	TRY(stream_read(h->s, buf, want));
	TRY(class_of(h, be_id(buf + 4, h->id_size), &k));
	h->classes.v[k].name = be_id(buf + 8 + h->id_size, h->id_size);
	return NULL;
}

static struct err *record(struct hprof *h, unsigned char tag, uint64_t length)
{
	switch (tag) {
	case 0x01:
		return string_record(h, length);
	case 0x02:
		return load_class(h, length);
	case 0x0c: /* the whole heap: the dump of 1.0.1, which has no end record */
		h->complete = true;
		return segment(h, length);
	case 0x1c:
		h->complete = false;
		return segment(h, length);
	case 0x2c:
		h->complete = true;
		return stream_skip(h->s, length);
	default: /* stacks, threads, sampled CPU and allocations: each record says its length */
		return stream_skip(h->s, length);
	}
}

static struct err *records(struct hprof *h)
{
	for (;;) {
		const unsigned char *p = NULL;
		size_t have = 0;
		TRY(stream_peek(h->s, RECORD_HEAD, &p, &have));
		if (!have)
			break;
		if (have < RECORD_HEAD)
			return stream_bad(h->s, "the file ends inside the head of a record");
		unsigned char tag = p[0];
		uint64_t length = be32(p + 5);
		stream_consume(h->s, RECORD_HEAD);
		TRY(record(h, tag, length));
	}
	if (!h->segments)
		return stream_bad(h->s, "the file ends without a heap dump in it");
	return h->complete ? NULL : stream_bad(h->s, "the dump ends before its end record");
}

static struct err *header(struct hprof *h)
{
	static const char prefix[] = "JAVA PROFILE 1.0.";
	enum { PREFIX = sizeof(prefix) - 1, ID_SIZE = PREFIX + 2, TIME = ID_SIZE + 4, ALL = TIME + 8 };
	const unsigned char *p = NULL;
	size_t have = 0;
	TRY(stream_peek(h->s, ALL, &p, &have));
	if (have < PREFIX || memcmp(p, prefix, PREFIX) != 0)
		return err_new(ERR_FORMAT, "%s: not a JVM heap dump: it does not begin with \"JAVA PROFILE\"",
			       h->s->name);
	if (have < ALL)
		return stream_bad(h->s, "the file ends inside its header");
	if ((p[PREFIX] != '1' && p[PREFIX] != '2') || p[PREFIX + 1])
		return err_new(ERR_UNSUPPORTED, "%s: a heap dump of version 1.0.%c: 1.0.1 and 1.0.2 can be read",
			       h->s->name, p[PREFIX] > ' ' && p[PREFIX] < 0x7f ? p[PREFIX] : '?');
	uint32_t size = be32(p + ID_SIZE);
	uint64_t ms = be64(p + TIME);
	if (size != 4 && size != 8)
		return stream_bad(h->s, "identifiers of %" PRIu32 " bytes", size);
	h->id_size = size;
	h->ret->clock.wall = ms < INT64_MAX / 1000000 ? (int64_t)ms * 1000000 : 0;
	stream_consume(h->s, ALL);
	return NULL;
}

/* ---- rows ---- */

/* "[[Ljava/lang/String;" with the length of its first dimension, as Java writes it: "java.lang.String[5][]". */
static const char *type_name(struct hprof *h, const char *raw, const char *first)
{
	size_t dimensions = strspn(raw, "["), n = strlen(raw);
	const char *base = raw + dimensions;
	size_t len = n - dimensions;
	static const char codes[] = "ZCFDBSIJ";
	const char *primitive = dimensions && len == 1 ? strchr(codes, base[0]) : NULL;
	if (primitive)
		base = type_names[4 + (primitive - codes)];
	if (primitive)
		len = strlen(base);
	else if (dimensions && len > 2 && base[0] == 'L' && base[len - 1] == ';') {
		base++;
		len -= 2;
	}
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	strbuf_add(&text, base, len);
	for (char *slash = text.buf; (slash = strchr(slash, '/'));)
		*slash = '.';
	for (size_t i = 0; i < num_min(dimensions, DIMENSIONS_MAX); i++)
		strbuf_printf(&text, "[%s]", i ? "" : first);
	return arena_strdup(&h->ret->arena, text.buf);
}

static const char *class_name(struct hprof *h, uint32_t k, const char *first)
{
	char text[32];
	if (k < PRIMITIVES) {
		snprintf(text, sizeof(text), "%s[%s]", type_names[k], first);
		return arena_strdup(&h->ret->arena, text);
	}
	const struct klass *c = &h->classes.v[k];
	const uint64_t *name = hash_map_get(&h->name_index, c->name);
	if (name && c->name)
		return type_name(h, (const char *)(uintptr_t)*name, first);
	return arena_printf(&h->ret->arena, "(class 0x%" PRIx64 ")", c->id);
}

/* Header and fields, not padded. */
static uint64_t instance_size(const struct hprof *h, const struct layout *l, const struct klass *k)
{
	uint64_t size = l->header;
	if (!k->dumped)
		return size + k->body;
	for (unsigned depth = 0; k && depth < SUPERS_MAX; depth++) {
		size += k->prims + k->refs * l->ref;
		const uint64_t *super = k->super ? hash_map_get(&h->class_index, k->super) : NULL;
		k = super ? &h->classes.v[*super] : NULL;
	}
	return size;
}

static void add_hidden(struct klass *k, const char *name)
{
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		if (k->dumped && strcmp(hidden[i].class, name) == 0) {
			k->prims += hidden[i].bytes;
			k->refs += hidden[i].refs;
		}
	}
}

static void put_row(struct hprof *h, const char *type, uint64_t objects, uint64_t bytes)
{
	*vec_push(&h->ret->heap.types) = (struct heap_type){ type, objects, bytes };
}

/* Every class that was dumped is an object too, with its static fields behind those of java.lang.Class. */
static void put_classes(struct hprof *h, const struct layout *l, const struct klass *class, uint64_t size)
{
	uint64_t objects = class->objects, bytes = class->objects * size; /* those of primitive types */
	for (uint32_t k = PRIMITIVES; k < h->classes.n; k++) {
		const struct klass *c = &h->classes.v[k];
		objects += c->dumped;
		bytes += c->dumped ? size + aligned(c->statics + c->statrefs * l->ref) : 0;
	}
	put_row(h, class->text, objects, bytes);
}

static void put_instances(struct hprof *h, const struct layout *l)
{
	for (uint32_t k = PRIMITIVES; k < h->classes.n; k++) {
		h->classes.v[k].text = class_name(h, k, "");
		add_hidden(&h->classes.v[k], h->classes.v[k].text);
	}
	for (uint32_t k = PRIMITIVES; k < h->classes.n; k++) {
		const struct klass *c = &h->classes.v[k];
		uint64_t size = aligned(instance_size(h, l, c));
		if (c->dumped && strcmp(c->text, "java.lang.Class") == 0)
			put_classes(h, l, c, size);
		else if (c->objects)
			put_row(h, c->text, c->objects, c->objects * size);
	}
}

static void put_arrays(struct hprof *h, const struct layout *l)
{
	char first[16];
	for (size_t i = 0; i < h->lengths.n; i++) {
		const struct length *a = &h->lengths.v[i];
		snprintf(first, sizeof(first), "%u", a->length);
		uint64_t element = a->klass < PRIMITIVES ? type_sizes[a->klass] : l->ref;
		put_row(h, class_name(h, a->klass, first), a->objects, a->objects * array_size(l, a->length, element));
	}
	for (uint32_t k = 0; k < h->classes.n; k++) {
		const struct klass *c = &h->classes.v[k];
		uint64_t element = k < PRIMITIVES ? type_sizes[k] : l->ref;
		if (c->arrays) /* padding of those whose lengths were not kept: four bytes each, on average */
			put_row(h, class_name(h, k, ""), c->arrays,
				c->arrays * (l->array + 4ULL) + c->elements * element);
	}
}

static int more_bytes(const void *a, const void *b)
{
	const struct heap_type *x = a, *y = b;
	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->type, y->type);
}

static void finish(struct hprof *h)
{
	const struct layout *l = find_layout(h);
	put_instances(h, l);
	put_arrays(h, l);
	vec_sort(&h->ret->heap.types, more_bytes);
	h->ret->heap.typed_ratio = 1;
	h->ret->parts |= SNAPSHOT_CENSUS;
}

struct err *hprof_read(struct stream *s, struct snapshot *ret)
{
	struct hprof h = { .s = s, .ret = ret, .votes_left = VOTES };
	arena_init(&h.names);
	for (int i = 0; i < PRIMITIVES; i++)
		vec_push(&h.classes);
	struct err *err = header(&h);
	if (!err)
		err = records(&h);
	if (!err)
		finish(&h);
	arena_deinit(&h.names);
	hash_map_deinit(&h.name_index);
	hash_map_deinit(&h.class_index);
	vec_deinit(&h.classes);
	hash_map_deinit(&h.length_index);
	vec_deinit(&h.lengths);
	return err;
}
