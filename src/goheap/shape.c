/* SPDX-License-Identifier: Apache-2.0 */
#include "goheap/shape.h"

#include <string.h>

#include "base/num.h"

enum {
	WORD = 8,
	DEPTH = 32,	  /* structs and arrays inside of each other */
	FIELDS = 1 << 20, /* fields visited for one type */
};

static const uint64_t WORDS_ALL = 16 << 20; /* of all shapes together */

void goheap_shapes_init(struct goheap_shapes *s, struct gort_types *types)
{
	*s = (struct goheap_shapes){ .types = types };
	arena_init(&s->arena);
	*vec_push(&s->list) = (struct goheap_shape){ .built = true };
}

void goheap_shapes_deinit(struct goheap_shapes *s)
{
	hash_map_deinit(&s->index);
	vec_deinit(&s->list);
	arena_deinit(&s->arena);
}

uint32_t goheap_shape_of(struct goheap_shapes *s, uint64_t rtype)
{
	uint64_t *known = rtype ? hash_map_get(&s->index, rtype) : NULL;
	if (known || !rtype)
		return known && *known ? (uint32_t)*known - 1 : 0;
	const struct gort_type *t = gort_type_any(s->types, rtype);
	if (t && s->list.n < GOHEAP_TYPES_MAX) {
		*vec_push(&s->list) = (struct goheap_shape){
			.rtype = rtype, .size = t->size, .ptrdata = t->ptrdata, .stride = t->size
		};
		*hash_map_at(&s->index, rtype, NULL) = s->list.n;
		return (uint32_t)s->list.n - 1;
	}
	*hash_map_at(&s->index, rtype, NULL) = 0;
	return 0;
}

/* ---- spreading out ---- */

struct flat {
	struct goheap_shapes *s;
	struct goheap_link *links;
	uint64_t n; /* words */
	unsigned budget;
};

static void put(struct flat *f, uint64_t at, enum goheap_how how, uint64_t rtype)
{
	if (at % WORD || at / WORD >= f->n)
		return;
	uint32_t type = rtype ? goheap_shape_of(f->s, rtype) : 0;
	if (rtype && !type)
		how = GOHEAP_TO_UNKNOWN;
	f->links[at / WORD] = (struct goheap_link){ .how = how & 63, .type = type & GOHEAP_TYPES_MAX };
}

static void flatten(struct flat *f, uint64_t rtype, uint64_t at, uint64_t end, unsigned depth);

/*
 * atomic.Pointer[T] is struct { _ [0]*T; _ noCopy; v unsafe.Pointer }: its first field tells what the last one points to.
 */
static uint64_t pointer_hint(struct flat *f, uint64_t rtype)
{
	uint32_t n = 0;
	const struct gort_type_field *fields = gort_type_fields(f->s->types, rtype, &n);
	uint64_t first = n > 1 ? fields[0].type : 0;
	const struct gort_type *t = first ? gort_type_any(f->s->types, first) : NULL;
	if (!t || t->kind != GORT_KIND_ARRAY || t->len)
		return 0;
	uint64_t elem = t->elem;
	t = gort_type_any(f->s->types, elem);
	return t && t->kind == GORT_KIND_POINTER ? t->elem : 0;
}

static bool is_atomic_pointer(const char *name)
{
	return strncmp(name, "atomic.Pointer[", strlen("atomic.Pointer[")) == 0;
}

static void flatten_struct(struct flat *f, uint64_t rtype, uint64_t at, uint64_t end, unsigned depth)
{
	const struct gort_type *t = gort_type_any(f->s->types, rtype);
	uint64_t hint = t && is_atomic_pointer(t->name) ? pointer_hint(f, rtype) : 0;
	uint32_t n = 0;
	gort_type_fields(f->s->types, rtype, &n);
	for (uint32_t i = 0; i < n && f->budget; i++) {
		/* asked again each time: what is below may move the list */
		const struct gort_type_field *fields = gort_type_fields(f->s->types, rtype, &n);
		if (i >= n || fields[i].offset >= end - at)
			continue;
		struct gort_type_field field = fields[i];
		f->budget--;
		t = gort_type_any(f->s->types, field.type);
		if (!t || !t->ptrdata)
			continue;
		if (hint && t->kind == GORT_KIND_UNSAFEPOINTER)
			put(f, at + field.offset, GOHEAP_TO_ONE, hint);
		else
			flatten(f, field.type, at + field.offset, end, depth + 1);
	}
}

static void flatten_array(struct flat *f, uint64_t elem, uint64_t len, uint64_t at, uint64_t end, unsigned depth)
{
	const struct gort_type *t = gort_type_any(f->s->types, elem);
	uint64_t size = t ? t->size : 0;
	if (!size || size % WORD || !len || size > end - at)
		return;
	flatten(f, elem, at, at + size, depth + 1);
	len = num_min(len, (end - at) / size);
	for (uint64_t i = 1; i < len; i++) {
		uint64_t to = at / WORD + i * (size / WORD);
		if (to >= f->n)
			break;
		uint64_t n = num_min(size / WORD, f->n - to); /* the last one ends with its last pointer */
		memcpy(f->links + to, f->links + at / WORD, n * sizeof(*f->links));
	}
}

static void flatten(struct flat *f, uint64_t rtype, uint64_t at, uint64_t end, unsigned depth)
{
	const struct gort_type *known = gort_type_any(f->s->types, rtype);
	if (!known || !known->ptrdata || depth > DEPTH || at >= end || known->size > end - at)
		return;
	struct gort_type t = *known;
	switch (t.kind) {
	case GORT_KIND_POINTER:
		put(f, at, t.elem ? GOHEAP_TO_ONE : GOHEAP_TO_UNKNOWN, t.elem);
		break;
	case GORT_KIND_SLICE:
		put(f, at, t.elem ? GOHEAP_TO_MANY : GOHEAP_TO_UNKNOWN, t.elem);
		break;
	case GORT_KIND_STRING:
		put(f, at, GOHEAP_TO_STRING, 0);
		break;
	case GORT_KIND_MAP:
		put(f, at, GOHEAP_TO_MAP, rtype);
		break;
	case GORT_KIND_CHAN:
		put(f, at, t.elem ? GOHEAP_TO_CHAN : GOHEAP_TO_CHAN_ANY, t.elem);
		break;
	case GORT_KIND_FUNC:
		put(f, at, GOHEAP_TO_FUNC, 0);
		break;
	case GORT_KIND_INTERFACE:
		put(f, at, GOHEAP_TO_UNKNOWN, 0); /* a type that was made at run time is in the heap */
		put(f, at + WORD, GOHEAP_TO_IFACE, 0);
		break;
	case GORT_KIND_ARRAY:
		flatten_array(f, t.elem, t.len, at, end, depth);
		break;
	case GORT_KIND_STRUCT:
		flatten_struct(f, rtype, at, end, depth);
		break;
	default:
		put(f, at, GOHEAP_TO_UNKNOWN, 0);
		break;
	}
}

/* An array of arrays is one array of the innermost elements. */
static uint64_t innermost(struct goheap_shapes *s, uint64_t rtype, uint64_t *size)
{
	for (unsigned depth = 0; depth < DEPTH; depth++) {
		const struct gort_type *t = gort_type_any(s->types, rtype);
		if (!t || t->kind != GORT_KIND_ARRAY || !t->len)
			break;
		uint64_t elem = t->elem;
		t = gort_type_any(s->types, elem);
		if (!t || !t->size)
			break;
		*size = t->size;
		rtype = elem;
	}
	return rtype;
}

const struct goheap_shape *goheap_shape_get(struct goheap_shapes *s, uint32_t number)
{
	if (s->list.v[number].built)
		return &s->list.v[number];
	s->list.v[number].built = true;
	uint64_t stride = s->list.v[number].size, rtype = innermost(s, s->list.v[number].rtype, &stride);
	const struct gort_type *t = gort_type_any(s->types, rtype);
	uint64_t words = t && stride % WORD == 0 ? num_min(t->ptrdata, stride) / WORD : 0;
	bool loose = t && t->ptrdata && !words;
	if (words > GOHEAP_SHAPE_WORDS || s->words + words > WORDS_ALL) {
		loose = true;
		words = num_min(GOHEAP_SHAPE_WORDS, WORDS_ALL - num_min(s->words, WORDS_ALL));
	}
	if (words) {
		struct flat f = { .s = s, .n = words, .budget = FIELDS };
		f.links = arena_alloc(&s->arena, words * sizeof(*f.links));
		flatten(&f, rtype, 0, stride, 0);
		s->words += words;
		s->list.v[number].links = f.links;
		s->list.v[number].n = (uint32_t)words;
		loose |= !f.budget;
	}
	s->list.v[number].loose = loose;
	s->list.v[number].stride = stride;
	return &s->list.v[number];
}
