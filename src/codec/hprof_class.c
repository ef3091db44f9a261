/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/hprof_class.h"

#include <inttypes.h>
#include <string.h>

#include "base/num.h"
#include "base/strbuf.h"
#include "codec/hprof_walk.h"

enum { DIMENSIONS_MAX = 255 };

/* By the code of a type. */
static const char *const type_names[HPROF_PRIMITIVE_CLASSES] = {
	[4] = "boolean", "char", "float", "double", "byte", "short", "int", "long",
};

/* The first of those with the most votes. */
static const struct hprof_layout layouts[HPROF_LAYOUTS] = {
	{ 4, 12, 16 }, /* compressed references and class pointers: the default */
	{ 8, 12, 16 }, /* compressed class pointers */
	{ 4, 8, 12 },  /* compact headers */
	{ 8, 8, 12 },  /* compact headers, plain references */
	{ 8, 16, 24 }, /* nothing compressed */
	{ 4, 16, 24 }, /* compressed references only */
};
static const struct hprof_layout layout_32 = { 4, 8, 12 };

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

/* Of a class with fields that are @Contended: two cache lines in front of those and two behind, subclasses after that. */
static const char padded_class[] = "java.lang.Thread", padded_field[] = "threadLocalRandomSeed";
enum { PADDING = 256 };

void hprof_init(struct hprof *h)
{
	*h = (struct hprof){ .votes_left = HPROF_VOTES };
	arena_init(&h->names);
	arena_init(&h->texts);
	for (int i = 0; i < HPROF_PRIMITIVE_CLASSES; i++)
		vec_push(&h->classes);
}

void hprof_deinit(struct hprof *h)
{
	arena_deinit(&h->names);
	arena_deinit(&h->texts);
	hash_map_deinit(&h->name_index);
	hash_map_deinit(&h->class_index);
	hash_map_deinit(&h->serial_index);
	vec_deinit(&h->classes);
	vec_deinit(&h->fields);
}

/* ---- names and classes by number ---- */

struct err *hprof_class_find(struct hprof *h, uint64_t id, size_t slot)
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
	h->cache[slot].class = (uint32_t)*at;
	return NULL;
}

uint32_t hprof_class_number(const struct hprof *h, uint64_t id)
{
	const uint64_t *at = id ? hash_map_get(&h->class_index, id) : NULL;
	return at ? (uint32_t)*at : HASH_NONE;
}

uint32_t hprof_class_of_serial(const struct hprof *h, uint32_t serial)
{
	const uint64_t *at = hash_map_get(&h->serial_index, serial);
	return at ? (uint32_t)*at : HASH_NONE;
}

const char *hprof_name(const struct hprof *h, uint64_t id)
{
	const uint64_t *at = id ? hash_map_get(&h->name_index, id) : NULL;
	return at ? (const char *)(uintptr_t)*at : NULL;
}

/* ---- records ---- */

struct err *hprof_string_record(struct hprof *h, uint64_t length)
{
	unsigned char id[8];
	if (length < h->id_size)
		return stream_bad(h->s, "a string of %" PRIu64 " bytes with its identifier", length);
	TRY(stream_read(h->s, id, h->id_size));
	length -= h->id_size;
	const unsigned char *p = NULL;
	size_t have = 0;
	TRY(stream_peek(h->s, 1, &p, &have));
	if (h->learned || length > HPROF_NAME_MAX || (length && have && p[0] == '(')) /* signatures are not needed */
		return stream_skip(h->s, length);
	if (h->names.used + h->name_index.n * 64 > HPROF_NAMES_MAX)
		return err_new(ERR_LIMIT, "%s: more than %d bytes of names", h->s->name, HPROF_NAMES_MAX);
	TRY(stream_peek(h->s, length, &p, &have));
	if (have < length)
		return stream_bad(h->s, "the file ends inside a string");
	*hash_map_at(&h->name_index, hprof_id(id, h->id_size), NULL) =
		(uint64_t)(uintptr_t)arena_strndup(&h->names, (const char *)p, length);
	stream_consume(h->s, length);
	return NULL;
}

struct err *hprof_load_class(struct hprof *h, uint64_t length)
{
	unsigned char buf[24]; /* serial number, class, stack trace, name */
	uint32_t k = 0;
	size_t want = 8 + 2 * h->id_size;
	if (length != want)
		return stream_bad(h->s, "a LOAD CLASS record of %" PRIu64 " bytes", length);
	TRY(stream_read(h->s, buf, want));
	TRY(hprof_class_of(h, hprof_id(buf + 4, h->id_size), &k));
	h->classes.v[k].name = hprof_id(buf + 8 + h->id_size, h->id_size);
	*hash_map_at(&h->serial_index, hprof_be32(buf), NULL) = k;
	return NULL;
}

/* ---- class dumps ---- */

struct err *hprof_take(struct hprof *h, uint64_t *left, uint64_t n)
{
	if (n > *left)
		return stream_bad(h->s, "a sub-record is %" PRIu64 " bytes longer than its segment", n - *left);
	*left -= n;
	return NULL;
}

static struct err *take_bytes(struct hprof *h, uint64_t *left, unsigned char *buf, size_t n)
{
	TRY(hprof_take(h, left, n));
	return stream_read(h->s, buf, n);
}

/* The size in the file of a value of this type. */
static struct err *value_size(const struct hprof *h, unsigned char type, uint64_t *ret)
{
	*ret = type == HPROF_REFERENCE ? h->id_size : hprof_type_size(type);
	return *ret ? NULL : stream_bad(h->s, "a field of unknown type %u", type);
}

static struct err *class_constants(struct hprof *h, uint64_t *left)
{
	unsigned char buf[4];
	uint64_t size = 0;
	TRY(take_bytes(h, left, buf, 2));
	for (unsigned n = hprof_be16(buf); n; n--) {
		TRY(take_bytes(h, left, buf, 3)); /* index, type */
		TRY(value_size(h, buf[2], &size));
		TRY(hprof_take(h, left, size));
		TRY(stream_skip(h->s, size));
	}
	return NULL;
}

static struct err *add_field(struct hprof *h, const unsigned char *name, unsigned char type, uint64_t value)
{
	uint64_t id = hprof_id(name, h->id_size);
	if (h->learned)
		return NULL;
	if (h->fields.n >= HPROF_FIELDS_MAX)
		return err_new(ERR_LIMIT, "%s: more than %d fields of classes", h->s->name, HPROF_FIELDS_MAX);
	const char *text = hprof_name(h, id);
	*vec_push(&h->fields) = (struct hprof_field){
		.name = id,
		.value = value,
		.type = type,
		.hidden = !text || *text == '<',
	};
	return NULL;
}

/* Static fields have values, those of instances have none. */
static struct err *class_fields(struct hprof *h, uint64_t *left, bool values)
{
	unsigned char buf[16], value[8];
	uint64_t size = 0;
	TRY(take_bytes(h, left, buf, 2));
	for (unsigned n = hprof_be16(buf); n; n--) {
		TRY(take_bytes(h, left, buf, h->id_size + 1)); /* name, type */
		unsigned char type = buf[h->id_size];
		TRY(value_size(h, type, &size));
		if (values)
			TRY(take_bytes(h, left, value, size));
		bool refers = values && type == HPROF_REFERENCE;
		TRY(add_field(h, buf, type, refers ? hprof_id(value, h->id_size) : 0));
	}
	return NULL;
}

struct err *hprof_class_dump(struct hprof *h, uint64_t *left)
{
	unsigned char buf[1 + 4 + 7 * 8 + 4];
	size_t w = h->id_size;
	uint32_t number = 0;
	/* tag, class, stack trace, superclass, loader, signers, domain, two reserved, size */
	TRY(take_bytes(h, left, buf, 1 + 4 + 7 * w + 4));
	TRY(class_constants(h, left));
	size_t statics = h->fields.n;
	TRY(class_fields(h, left, true));
	size_t fields = h->fields.n;
	TRY(class_fields(h, left, false));
	TRY(hprof_class_of(h, hprof_id(buf + 1, w), &number));
	struct hprof_class *to = &h->classes.v[number];
	if (h->learned || to->dumped)
		return NULL;
	const unsigned char *ids = buf + 1 + w + 4;
	to->super = hprof_id(ids, w);
	to->loader = hprof_id(ids + w, w);
	to->signers = hprof_id(ids + 2 * w, w);
	to->domain = hprof_id(ids + 3 * w, w);
	to->statics = (uint32_t)statics;
	to->n_statics = (uint32_t)(fields - statics);
	to->fields = (uint32_t)fields;
	to->n_fields = (uint32_t)(h->fields.n - fields);
	to->dumped = true;
	return NULL;
}

/* ---- the layout, by what lies side by side ---- */

static uint64_t aligned(uint64_t size)
{
	return (size + 7) & ~UINT64_C(7);
}

static uint64_t array_size(const struct hprof_layout *l, uint64_t length, uint64_t element)
{
	return aligned(l->array + length * (element ? element : l->ref));
}

void hprof_place(struct hprof *h, uint64_t id, bool array, uint32_t length, unsigned char element)
{
	if (h->last.array) { /* which layouts explain where the array before this object ends? */
		uint64_t distance = id - h->last.id;
		for (size_t i = 0; i < HPROF_LAYOUTS; i++)
			h->votes[i] += distance == array_size(&layouts[i], h->last.length, h->last.element);
		h->votes_left--;
	}
	h->last.id = id;
	h->last.length = length;
	h->last.element = element;
	h->last.array = array && h->votes_left;
}

static bool find_layout(struct hprof *h)
{
	size_t best = 0;
	for (size_t i = 1; i < HPROF_LAYOUTS; i++) {
		if (h->votes[i] > h->votes[best])
			best = i;
	}
	h->layout = h->id_size == 4 ? layout_32 : layouts[best];
	return h->id_size == 4 || h->votes[best];
}

/* ---- sizes and names for people ---- */

static uint64_t fields_size(const struct hprof *h, uint32_t at, uint32_t n)
{
	uint64_t size = 0;
	for (uint32_t i = at; i < at + n; i++) {
		const struct hprof_field *f = &h->fields.v[i];
		if (!f->hidden)
			size += f->type == HPROF_REFERENCE ? h->layout.ref : hprof_type_size(f->type);
	}
	return size;
}

uint64_t hprof_statics_size(const struct hprof *h, const struct hprof_class *c)
{
	return aligned(fields_size(h, c->statics, c->n_statics));
}

uint64_t hprof_array_size(const struct hprof *h, uint32_t class, uint64_t length)
{
	return array_size(&h->layout, length,
			  class < HPROF_PRIMITIVE_CLASSES ? hprof_type_size((unsigned char)class) : 0);
}

/* "[[Ljava/lang/String;" with the length of its first dimension, as Java writes it: "java.lang.String[5][]". */
static const char *type_text(const char *raw, const char *first, struct arena *arena)
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
	return arena_strdup(arena, text.buf);
}

const char *hprof_class_text(const struct hprof *h, uint32_t class, const char *first, struct arena *arena)
{
	if (class < HPROF_PRIMITIVE_CLASSES)
		return arena_printf(arena, "%s[%s]", type_names[class] ? type_names[class] : "(unknown)", first);
	const char *name = hprof_name(h, h->classes.v[class].name);
	if (name)
		return type_text(name, first, arena);
	return arena_printf(arena, "(class 0x%" PRIx64 ")", h->classes.v[class].id);
}

static uint64_t hidden_size(const struct hprof *h, const struct hprof_class *c)
{
	for (size_t i = 0; c->dumped && i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		if (strcmp(hidden[i].class, c->text) == 0)
			return hidden[i].bytes + (uint64_t)hidden[i].refs * h->layout.ref;
	}
	return 0;
}

static bool is_padded(const struct hprof *h, const struct hprof_class *c)
{
	for (uint32_t i = 0; strcmp(c->text, padded_class) == 0 && i < c->n_fields; i++) {
		const char *name = hprof_name(h, h->fields.v[c->fields + i].name);
		if (name && strcmp(name, padded_field) == 0)
			return true;
	}
	return false;
}

/* Header and fields. What was not dumped has the bytes that the file has of it. */
static uint64_t instance_size(const struct hprof *h, const struct hprof_class *c)
{
	uint64_t size = h->layout.header, below = 0; /* below: of subclasses of one that is padded */
	if (!c->dumped)
		return aligned(size + c->body);
	for (unsigned depth = 0; c && depth < HPROF_SUPERS_MAX; depth++) {
		if (is_padded(h, c)) {
			below = size - h->layout.header + PADDING;
			size = h->layout.header;
		}
		size += fields_size(h, c->fields, c->n_fields) + hidden_size(h, c);
		uint32_t super = hprof_class_number(h, c->super);
		c = super != HASH_NONE ? &h->classes.v[super] : NULL;
	}
	return aligned(below ? aligned(size) + below : size);
}

bool hprof_sizes_find(struct hprof *h)
{
	bool told = find_layout(h);
	for (uint32_t k = 0; k < h->classes.n; k++)
		h->classes.v[k].text = hprof_class_text(h, k, "", &h->texts);
	for (uint32_t k = HPROF_PRIMITIVE_CLASSES; k < h->classes.n; k++)
		h->classes.v[k].size = instance_size(h, &h->classes.v[k]);
	return told;
}
