/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What debug information says of variables, as far as the image's own types agree: kind and name.
 */
#include <ctype.h>
#include <string.h>

#include "goheap/typing.h"

/* The identifier that a name ends with: before it, the image has a package's name, and debug information its path. */
static const char *last_part(const char *name)
{
	const char *end = name + strlen(name);
	while (end > name && (end[-1] == '_' || (unsigned char)end[-1] >= 0x80 || isalnum((unsigned char)end[-1])))
		end--;
	return end;
}

static uint64_t type_of(struct gort_types *types, const struct sym_dwarf_variable *v)
{
	uint64_t rtype = types->modules[0].start + v->type;
	const struct gort_type *t = gort_type_at(types, rtype);
	return t && t->kind == v->kind && strcmp(last_part(v->name), last_part(t->name)) == 0 ? rtype : 0;
}

void goheap_seeds_declared(struct gort_types *types, const struct sym_dwarf_variable_vec *declared, uint64_t bias,
			   struct goheap_seed_vec *ret)
{
	for (size_t i = 0; types->n_modules && i < declared->n; i++) {
		const struct sym_dwarf_variable *v = &declared->v[i];
		struct goheap_seed seed = { .addr = v->addr + bias, .rtype = type_of(types, v) };
		seed.variable = seed.addr;
		seed.object = v->how != SYM_DWARF_VALUE;
		seed.array = v->how == SYM_DWARF_ELEMENTS;
		if (seed.object) /* what the variable points to */
			seed.addr = memsrc_ptr(types->g->src, seed.addr);
		if (seed.rtype && seed.addr)
			*vec_push(ret) = seed;
	}
}
