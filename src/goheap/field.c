/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "goheap/typing.h"

enum { WORD = 8, TEXT = 1024, DEPTH = 32 };

/* A name under construction: "items.head", "[].next". */
struct place {
	struct gort_types *types;
	char text[TEXT];
	size_t len;
	uint64_t rtype, at; /* what is left: a place in a value of a type */
};

static void append(struct place *p, const char *between, const char *name)
{
	int n = snprintf(p->text + p->len, sizeof(p->text) - p->len, "%s%s", p->len ? between : "", name);
	p->len = num_min(p->len + (size_t)(n > 0 ? n : 0), sizeof(p->text) - 1);
}

/* Into an element of an array, or the field that the place is in; false when there is nothing more to enter. */
static bool enter(struct place *p)
{
	const struct gort_type *t = gort_type_any(p->types, p->rtype);
	if (t && t->kind == GORT_KIND_ARRAY) {
		uint64_t elem = t->elem;
		t = gort_type_any(p->types, elem);
		if (!t || !t->size)
			return false;
		p->at %= t->size;
		p->rtype = elem;
		append(p, "", "[]");
		return true;
	}
	uint32_t n = 0;
	const struct gort_type_field *fields = gort_type_fields(p->types, p->rtype, &n), *in = NULL;
	for (uint32_t i = 0; i < n; i++) {
		if (fields[i].offset <= p->at)
			in = &fields[i];
	}
	if (!in)
		return false;
	struct gort_type_field f = *in;
	append(p, ".", f.name);
	p->rtype = f.type;
	p->at -= f.offset;
	return true;
}

static bool is_array(const struct goheap_kind *k)
{
	return k->form == GOHEAP_FORM_ARRAY || k->form == GOHEAP_FORM_CHAN_PART ||
	       (k->form == GOHEAP_FORM_MAP_PART && (k->part == GOHEAP_MAP_GROUPS || k->part == GOHEAP_MAP_BUCKETS));
}

/* The type that the bytes of the object have. */
static uint64_t content_of(struct gort_types *types, const struct goheap_kind *k)
{
	if (k->form == GOHEAP_FORM_MAP_PART) {
		const struct gort_type *t = gort_type_any(types, k->rtype);
		return t ? t->part : 0;
	}
	return k->rtype;
}

/* Keys and elements of a map, wherever in its parts they are. */
static const char *in_map(const char *text)
{
	static const struct {
		const char *in_front, *name;
	} names[] = {
		{ "slots[].key", "[key]" }, { "slots[].elem", "[]" }, { "keys[]", "[key]" },
		{ "elems[]", "[]" },	    { "values[]", "[]" },     { "overflow", "" },
	};
	static const char none[] = "";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strncmp(text, names[i].in_front, strlen(names[i].in_front)) == 0)
			return names[i].name;
	}
	return none;
}

static const char *find(struct goheap_typing *t, const struct goheap_kind *k, uint64_t at, uint64_t content)
{
	struct place p = { .types = &t->types, .rtype = content, .at = at };
	bool map = k->form == GOHEAP_FORM_MAP_PART;
	if (is_array(k) && !map)
		append(&p, "", "[]");
	for (unsigned depth = 0; depth < DEPTH && enter(&p);)
		depth++;
	if (map) {
		char text[TEXT];
		const char *name = in_map(p.text);
		/* what is inside of a key or an element follows */
		const char *rest = strncmp(p.text, "slots[].", 8) == 0 ? strchr(p.text + 8, '.') : strchr(p.text, '.');
		snprintf(text, sizeof(text), "%s%s", name, *name && rest ? rest : "");
		return *text ? intern_str(&t->types.strings, text) : NULL;
	}
	return p.len ? intern_mem(&t->types.strings, p.text, p.len) : NULL;
}

const char *goheap_typing_field(struct goheap_typing *t, uint32_t kind, uint32_t *word)
{
	struct goheap_kind k = t->kinds.v[kind];
	uint64_t content = content_of(&t->types, &k);
	const struct gort_type *type = content ? gort_type_any(&t->types, content) : NULL;
	if (!type || !type->size || k.form == GOHEAP_FORM_MAP || k.form == GOHEAP_FORM_CHAN || *word < k.header)
		return NULL;
	uint64_t at = (uint64_t)(*word - k.header) * WORD;
	if (k.form == GOHEAP_FORM_MAP_PART && !is_array(&k))
		return NULL;
	if (is_array(&k))
		at %= type->size;
	else if (at >= type->size)
		return NULL;
	*word = (uint32_t)(at / WORD);
	bool fresh = false;
	uint64_t *known = hash_map_at(&t->fields, (uint64_t)kind << 32 | *word, &fresh);
	if (fresh) {
		const char *name = find(t, &k, at, content);
		known = hash_map_at(&t->fields, (uint64_t)kind << 32 | *word, NULL);
		*known = (uint64_t)(uintptr_t)name;
	}
	return (const char *)(uintptr_t)*known;
}
