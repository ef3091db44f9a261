/* SPDX-License-Identifier: Apache-2.0 */
#include "gocode/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/num.h"

enum {
	WORD = 8,
	CHUNK = 1 << 20,
	RECORD = 64, /* more than what all types have */
	NAME = 1024,
	TFLAG_UNCOMMON = 1,
	TFLAG_NAMED = 4,
	TFLAG_MAX = 64,
	KIND_MASK = 31,
};

/* As the linker writes paths in the names of functions: what would be taken for the end of it is in hexadecimal. */
static size_t escape(const char *path, char *ret, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t n = 0;
	for (const char *p = path; *p && n + 4 < size; p++) {
		unsigned char c = (unsigned char)*p;
		bool plain = c > ' ' && c < 0x7f && c != '%' && c != '"' && !(c == '.' && slash && p > slash);
		if (plain)
			ret[n++] = *p;
		else
			n += (size_t)snprintf(ret + n, size - n, "%%%02x", c);
	}
	return n;
}

/* "node" of "main.node", or NULL of what has type arguments. */
static const char *last_name(const char *name)
{
	const char *dot = strrchr(name, '.');
	return dot && !strchr(name, '[') ? dot + 1 : NULL;
}

static void add(struct gocode_names *n, uint64_t rtype, const char *path, const char *name)
{
	char text[NAME];
	size_t len = escape(path, text, sizeof(text));
	int more = snprintf(text + len, sizeof(text) - len, ".%s", name);
	if (more <= 0 || (size_t)more >= sizeof(text) - len)
		return;
	bool fresh = false;
	uint64_t *known = hash_map_at(&n->by_name, hash_bytes(text, len + (size_t)more), &fresh);
	*known = fresh || *known == rtype ? rtype : 0;
}

/* Could these bytes be the descriptor of a named type? Most of what there is are names and lists. */
static bool may_be_named(const struct gort_layout *l, const unsigned char *rec)
{
	uint64_t flags = gort_load(l, rec, RECORD, GORT_type_tflag), align = gort_load(l, rec, RECORD, GORT_type_align);
	uint64_t kind = gort_load(l, rec, RECORD, GORT_type_kind) & KIND_MASK;
	uint64_t size = gort_load(l, rec, RECORD, GORT_type_size);
	return flags & TFLAG_UNCOMMON && flags & TFLAG_NAMED && flags < TFLAG_MAX && align && align <= WORD &&
	       !(align & (align - 1)) && kind && kind <= GORT_KIND_UNSAFEPOINTER && size < UINT64_C(1) << 32 &&
	       gort_load(l, rec, RECORD, GORT_type_ptrdata) <= size;
}

static void search(struct gocode_names *n, const struct gort_range *module)
{
	const struct gort_layout *l = n->types->g->layout;
	AUTO_FREE unsigned char *buf = xmalloc(CHUNK);
	uint64_t end = module->start + num_min(module->end - module->start, GOCODE_NAMES_BYTES);
	for (uint64_t at = module->start; at < end; at += CHUNK - RECORD) {
		size_t len = (size_t)num_min(CHUNK, end - at);
		if (len < RECORD || !memsrc_read(n->types->g->src, at, buf, len))
			return;
		for (size_t i = 0; i + RECORD <= len; i += WORD) {
			if (!may_be_named(l, buf + i))
				continue;
			const char *name = gort_type_name(n->types, at + i), *path = NULL;
			if (name && (name = last_name(name)) && (path = gort_type_path(n->types, at + i)))
				add(n, at + i, path, name);
		}
	}
}

void gocode_names_init(struct gocode_names *n, struct gort_types *types)
{
	*n = (struct gocode_names){ .types = types };
	if (types->n_modules && gort_sizeof(types->g->layout, GORT_type_SIZEOF) <= RECORD)
		search(n, &types->modules[0]);
}

void gocode_names_deinit(struct gocode_names *n)
{
	hash_map_deinit(&n->by_name);
}

uint64_t gocode_names_find(const struct gocode_names *n, const char *name, size_t len)
{
	const uint64_t *known = hash_map_get(&n->by_name, hash_bytes(name, len));
	return known ? *known : 0;
}

uint64_t gocode_names_receiver(const struct gocode_names *n, const char *function)
{
	char text[NAME];
	const char *open = strstr(function, ".(*"), *close = open ? strchr(open, ')') : NULL;
	size_t path = open ? (size_t)(open + 1 - function) : 0, name = close ? (size_t)(close - open) - 3 : 0;
	/* a function that a method declares for itself has more dots, and no receiver */
	if (!close || close[1] != '.' || strchr(close + 2, '.') || strchr(close, '-') || path + name > sizeof(text))
		return 0;
	memcpy(text, function, path);
	memcpy(text + path, open + 3, name);
	return gocode_names_find(n, text, path + name);
}
