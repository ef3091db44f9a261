/* SPDX-License-Identifier: Apache-2.0 */
#include "gocode/reader.h"

#include <string.h>

static const uint64_t BUDGET = 6 << 20; /* instructions */

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static uint64_t class_of(const char *name)
{
	static const char *const stops[] = {
		"runtime.panic", "runtime.goPanic",   "runtime.gopanic",	  "runtime.throw",
		"runtime.fatal", "runtime.morestack", "runtime.unreachableMethod"
	};
	if (strcmp(name, "runtime.duffzero") == 0)
		return GOCODE_CLEARS;
	if (strcmp(name, "runtime.duffcopy") == 0)
		return GOCODE_COPIES;
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		if (starts(name, stops[i]) && !starts(name, "runtime.panicCheck"))
			return GOCODE_STOPS;
	}
	return starts(name, "runtime.") ? GOCODE_OPAQUE : 0;
}

uint64_t gocode_function_at(struct gocode_reader *r, uint64_t addr)
{
	const uint64_t *known = hash_map_get(&r->functions, addr);
	size_t f = 0;
	uint64_t what = GOCODE_NO_FUNCTION;
	if (known)
		return *known;
	if (r->g->pclntab && sym_pclntab_find(r->g->pclntab, addr, &f)) {
		what = class_of(sym_pclntab_name(r->g->pclntab, f));
		if (what != GOCODE_CLEARS && what != GOCODE_COPIES && sym_pclntab_entry(r->g->pclntab, f) != addr)
			what = GOCODE_NO_FUNCTION;
		else if (!what)
			what = GOCODE_FUNCTION + f;
	}
	*hash_map_at(&r->functions, addr, NULL) = what;
	return what;
}

/* NULL: no function begins there, or none that may be followed. */
static const char *name_at(struct gocode_reader *r, uint64_t entry)
{
	uint64_t f = gocode_function_at(r, entry);
	return f < GOCODE_FUNCTION ? NULL : sym_pclntab_name(r->g->pclntab, f - GOCODE_FUNCTION);
}

/* sync.Map is nothing else from 1.24 on, and its methods are inlined. */
static bool is_trie(const char *function)
{
	return starts(function, "internal/sync.(*HashTrieMap[go.shape.interface {},go.shape.interface {}]).");
}

bool gocode_of_sync_map(struct gocode_reader *r, uint64_t entry)
{
	const char *name = name_at(r, entry);
	return name && (is_trie(name) || starts(name, "sync.(*Map)."));
}

uint64_t gocode_receiver_type(struct gocode_reader *r, uint64_t entry)
{
	static const char sync_map[] = "sync.Map";
	const char *name = name_at(r, entry);
	if (!name)
		return 0;
	return is_trie(name) ? gocode_names_find(&r->names, sync_map, sizeof(sync_map) - 1)
			     : gocode_names_receiver(&r->names, name);
}

void gocode_reader_init(struct gocode_reader *r, struct gort_types *types)
{
	*r = (struct gocode_reader){ .g = types->g, .types = types, .budget = BUDGET };
	gocode_callees_find(r->g, &r->callees);
	gocode_names_init(&r->names, types);
}

void gocode_reader_deinit(struct gocode_reader *r)
{
	gocode_callees_deinit(&r->callees);
	gocode_names_deinit(&r->names);
	vec_deinit(&r->all);
	vec_deinit(&r->maps);
	hash_map_deinit(&r->captures);
	hash_map_deinit(&r->functions);
	hash_map_deinit(&r->known);
	vec_deinit(&r->results);
}

void gocode_reader_refill(struct gocode_reader *r)
{
	r->budget = BUDGET;
}
