/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/bisect.h"
#include "base/num.h"
#include "base/strbuf.h"
#include "owners/roots.h"

enum {
	WORD = 8,
	SLICE = 24,
	NAMES = 3,	    /* functions that a variable is told by */
	REFS_LOOKED = 4096, /* references to one variable that are looked at */
};

/* A variable: where it is and what is known of it. */
struct variable {
	uint64_t start, end;
	const struct sym_symbol *symbol; /* or NULL */
	const char *runtime;		 /* the name of one of the runtime's that is known, or NULL */
	size_t ref_at, ref_n;		 /* in refs */
};

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* "example.org/team/tool" of the path of a main package, whose other packages begin alike. */
static size_t module_len(const char *path)
{
	int slashes = memchr(path, '.', strcspn(path, "/")) ? 3 : 1;
	size_t n = 0;
	while (path[n] && (path[n] != '/' || --slashes))
		n++;
	return n;
}

enum roots_whose roots_whose(const struct gort *g, const char *function)
{
	const char *path = g->module.main_path;
	size_t len = path ? module_len(path) : 0;
	if (starts(function, "main.") || (len && strncmp(function, path, len) == 0))
		return ROOTS_OWN;
	if (starts(function, "runtime.") || starts(function, "internal/runtime/") ||
	    starts(function, "runtime/internal/"))
		return ROOTS_RUNTIME;
	size_t first = strcspn(function, "/");
	return function[first] && memchr(function, '.', first) ? ROOTS_THIRD_PARTY : ROOTS_STANDARD;
}

/* Functions that only set a variable up tell less than those that use it. */
static bool initializes(const char *function)
{
	size_t package = stack_package(function);
	const char *name = function + package + (function[package] == '.');
	return strcmp(name, "init") == 0 || starts(name, "init.") || starts(name, "map.init");
}

/* ---- which variable a word is of ---- */

static bool find_symbol(const struct owners_input *in, uint64_t addr, struct variable *ret)
{
	const struct sym_symbol_vec *s = in->symbols;
	uint64_t at = addr - in->bias;
	size_t lo = bisect(s ? s->n : 0, i, s->v[i].addr <= at);
	for (; lo > 0 && at - s->v[lo - 1].addr < (UINT64_C(1) << 32); lo--) {
		const struct sym_symbol *found = &s->v[lo - 1];
		if (!found->object || !found->size)
			continue;
		if (at - found->addr >= found->size)
			return false;
		ret->start = found->addr + in->bias;
		ret->end = ret->start + found->size;
		ret->symbol = found;
		return true;
	}
	return false;
}

/* Of the runtime's variables those whose place and size are known anyway. */
static bool find_known(const struct gort *g, uint64_t addr, struct variable *ret)
{
	const struct {
		enum gort_global var;
		uint64_t size;
	} known[] = {
		{ GORT_VAR_MHEAP, gort_sizeof(g->layout, GORT_mheap_SIZEOF) },
		{ GORT_VAR_SCHED, gort_sizeof(g->layout, GORT_schedt_SIZEOF) },
		{ GORT_VAR_ALLGS, SLICE },
		{ GORT_VAR_ALLP, SLICE },
		{ GORT_VAR_ALLM, WORD },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		uint64_t at = gort_var(g, known[i].var);
		if (!at || addr - at >= known[i].size)
			continue;
		ret->start = at;
		ret->end = at + known[i].size;
		ret->runtime = gort_global_names[known[i].var];
		return true;
	}
	return false;
}

/* From one address that code refers to, to the next: what lies between is taken to be one variable. */
static bool find_refs(const struct gort_ref_vec *refs, uint64_t addr, struct variable *ret)
{
	size_t lo = bisect(refs ? refs->n : 0, i, refs->v[i].addr <= addr);
	if (!lo)
		return false;
	ret->start = refs->v[lo - 1].addr;
	ret->end = lo < refs->n ? refs->v[lo].addr : UINT64_MAX;
	size_t first = lo;
	while (first > 0 && refs->v[first - 1].addr == ret->start)
		first--;
	ret->ref_at = first;
	ret->ref_n = lo - first;
	return true;
}

static void find_variable(const struct owners_input *in, uint64_t addr, struct variable *ret)
{
	const struct gort_module *m = &in->g->module;
	*ret = (struct variable){ .start = addr, .end = addr + WORD };
	struct variable v = *ret;
	if (find_symbol(in, addr, ret) || find_known(in->g, addr, ret) || !find_refs(in->refs, addr, &v))
		return;
	/* a variable does not begin in another section */
	bool bss = addr >= m->bss.start && addr < m->bss.end;
	if (v.start >= (bss ? m->bss.start : m->data.start))
		*ret = v;
}

/* ---- what it is called ---- */

struct user {
	uint32_t func, count;
	const char *name;
	int rank;
};

static bool before(const struct user *a, const struct user *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	return a->count != b->count ? a->count > b->count : strcmp(a->name, b->name) < 0;
}

/* The functions that refer to it, the most telling of them first; *n of them, at most NAMES. */
static void find_users(const struct owners_input *in, const struct variable *v, struct user *best, size_t *n)
{
	size_t end = v->ref_at + num_min(v->ref_n, REFS_LOOKED);
	*n = 0;
	for (size_t i = v->ref_at, j = i; i < end; i = j) {
		while (j < end && in->refs->v[j].func == in->refs->v[i].func)
			j++;
		struct user u = { .func = in->refs->v[i].func, .count = (uint32_t)(j - i) };
		u.name = sym_pclntab_name(in->g->pclntab, u.func);
		u.rank = (int)roots_whose(in->g, u.name) * 2 + initializes(u.name);
		size_t at = *n;
		while (at > 0 && before(&u, &best[at - 1]))
			at--;
		if (at == NAMES)
			continue;
		*n += *n < NAMES;
		memmove(best + at + 1, best + at, (*n - at - 1) * sizeof(*best));
		best[at] = u;
	}
}

/* Fills its row; returns its tier. */
static uint32_t name_it(struct roots_maker *m, const struct variable *v, struct owners_root *ret)
{
	const struct owners_input *in = m->w->in;
	struct arena *arena = &m->w->snapshot->arena;
	ret->kind = OWNERS_GLOBAL;
	if (v->symbol || v->runtime) {
		ret->name = arena_strdup(arena, v->symbol ? v->symbol->name : v->runtime);
		enum roots_whose whose = v->runtime ? ROOTS_RUNTIME : roots_whose(in->g, ret->name);
		if (whose == ROOTS_RUNTIME)
			ret->kind = OWNERS_OTHER;
		return whose == ROOTS_RUNTIME ? ROOTS_TIER_RUNTIME : (uint32_t)whose;
	}
	struct user users[NAMES + 1];
	size_t n = 0;
	if (v->ref_n)
		find_users(in, v, users, &n);
	ret->name = arena_printf(arena, n ? "0x%llx" : "0x%llx, nothing refers to it by address",
				 (unsigned long long)v->start);
	if (n && users[0].rank >= ROOTS_RUNTIME * 2)
		ret->kind = OWNERS_OTHER;
	struct strbuf text;
	strbuf_init(&text);
	for (size_t i = 0; i < n; i++)
		strbuf_printf(&text, "%s%s", i ? ", " : "", users[i].name);
	if (n)
		ret->used_by = arena_strdup(arena, text.buf);
	strbuf_deinit(&text);
	if (ret->kind == OWNERS_OTHER)
		return ROOTS_TIER_RUNTIME;
	return n ? (uint32_t)users[0].rank / 2 : ROOTS_STANDARD;
}

void roots_add_globals(struct roots_maker *m)
{
	const struct goheap_root_vec *raw = &m->w->raw_roots.v;
	struct variable v = { 0 };
	uint32_t root = 0;
	for (size_t i = 0; i < raw->n; i++) {
		const struct goheap_root *r = &raw->v[i];
		if (r->kind != GOHEAP_ROOT_GLOBAL)
			continue;
		if (r->at < v.start || r->at >= v.end) { /* they come by address: the last variable is often the next */
			bool fresh = false;
			find_variable(m->w->in, r->at, &v);
			const struct roots_key key = { .kind = OWNERS_GLOBAL, .a = v.start };
			root = roots_group(m, &key, &fresh);
			if (fresh)
				m->tiers.v[root] = name_it(m, &v, &m->w->out->roots.v[root]);
		}
		roots_edge(m, root, r->object, r->value, (r->at - v.start) / WORD);
	}
}
