/* SPDX-License-Identifier: Apache-2.0 */
#include "account/image.h"

#include <stdio.h>
#include <string.h>

#include "base/bisect.h"
#include "base/num.h"

enum {
	PACKAGE_MAX = 512,
	SUFFIX = 32,
	VOTES = 64,    /* references to one address that are looked at */
	VARIABLES = 4, /* first rows of the table in section_name() */
};

/* The package of a Go name: "net/http" of "net/http.(*conn).serve". At most len bytes. */
static void package_of(const char *name, char *buf, size_t len)
{
	size_t end = strcspn(name, "["); /* type arguments hold paths of their own */
	size_t from = 0;
	for (size_t i = 0; i < end; i++) {
		if (name[i] == '/')
			from = i + 1;
		else if (name[i] == '(')
			break;
	}
	const char *dot = memchr(name + from, '.', end - from);
	size_t n = dot ? (size_t)(dot - name) : end;
	n = n < len - 1 ? n : len - 1;
	memcpy(buf, name, n);
	buf[n] = 0;
}

static void put(struct tally *tally, const struct page_run *run, uint64_t start, uint64_t end, enum mem_class class,
		const char *owner)
{
	if (start >= end)
		return;
	struct piece p = { start, end, end - start, class, tally_owner(tally, class, owner), run };
	tally_piece(tally, &p);
}

static void split_code(struct target *t, struct tally *tally, const struct page_run *run, uint64_t start, uint64_t end,
		       enum mem_class class)
{
	struct sym_pclntab *tab = t->gort.pclntab;
	size_t f = 0, n = sym_pclntab_count(tab);
	if (!sym_pclntab_find(tab, start, &f)) {
		put(tally, run, start, end, class, "(between functions)");
		return;
	}
	char package[PACKAGE_MAX], next[PACKAGE_MAX];
	package_of(sym_pclntab_name(tab, f), package, sizeof(package));
	uint64_t from = start;
	for (f++; f < n && sym_pclntab_entry(tab, f) < end; f++) {
		package_of(sym_pclntab_name(tab, f), next, sizeof(next));
		if (strcmp(package, next) == 0)
			continue;
		uint64_t at = sym_pclntab_entry(tab, f);
		put(tally, run, from, at, class, package);
		from = num_max(from, at);
		memcpy(package, next, sizeof(package));
	}
	put(tally, run, from, end, class, package);
}

/* What the linker laid out, for data that no symbol names; *start is set for sections that variables live in. */
static const char *section_name(const struct target *t, uint64_t addr, uint64_t *start, uint64_t *end)
{
	const struct gort_module *m = &t->gort.module;
	const struct {
		struct gort_range r;
		const char *name;
	} table[] = {
		{ m->noptrdata, "initialised data without pointers" },
		{ m->data, "initialised data" },
		{ m->bss, "zeroed data" },
		{ m->noptrbss, "zeroed data without pointers" },
		{ { m->funcnametab, m->funcnametab + m->funcnametab_len }, "function table" },
		{ { m->cutab, m->cutab + m->cutab_len }, "function table" },
		{ { m->filetab, m->filetab + m->filetab_len }, "function table" },
		{ { m->pctab, m->pctab + m->pctab_len }, "function table" },
		{ { m->pclntable, m->pclntable + m->pclntable_len }, "function table" },
	};
	const char *name = NULL;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (addr >= table[i].r.start && addr < table[i].r.end) {
			name = table[i].name;
			*start = i < VARIABLES ? table[i].r.start : 0;
			*end = num_min(*end, table[i].r.end);
		} else if (table[i].r.start > addr) {
			*end = num_min(*end, table[i].r.start);
		}
	}
	return name;
}

/* First symbol that ends after addr. */
static size_t symbol_after(const struct target *t, uint64_t addr)
{
	size_t lo = bisect(t->symbols.n, i, t->symbols.v[i].addr + t->symbols.v[i].size <= addr);
	return lo;
}

/* The package that most of the references [from, to) come from. */
static void referring_package(const struct target *t, size_t from, size_t to, char *buf, size_t len)
{
	char name[PACKAGE_MAX];
	int lead = 0; /* majority vote in one pass */
	for (size_t i = from; i < to && i < from + VOTES; i++) {
		package_of(sym_pclntab_name(t->gort.pclntab, t->refs.v[i].func), name, sizeof(name));
		if (!lead)
			memcpy(buf, name, len < sizeof(name) ? len : sizeof(name));
		lead += strcmp(buf, name) == 0 ? 1 : -1;
	}
	size_t used = strlen(buf);
	snprintf(buf + used, len - used, " (by reference)");
}

/* First reference to an address above addr. */
static size_t refs_above(const struct target *t, uint64_t addr)
{
	size_t lo = bisect(t->refs.n, i, t->refs.v[i].addr <= addr);
	return lo;
}

/* A variable reaches from an address that code refers to, to the next such address; *to is cut to that. */
static bool owner_by_reference(const struct target *t, uint64_t section, uint64_t addr, uint64_t *to, char *buf)
{
	size_t above = refs_above(t, addr);
	if (above < t->refs.n)
		*to = num_min(*to, t->refs.v[above].addr);
	if (!above || t->refs.v[above - 1].addr < section)
		return false;
	size_t first = above - 1;
	while (first && t->refs.v[first - 1].addr == t->refs.v[above - 1].addr)
		first--;
	referring_package(t, first, above, buf, PACKAGE_MAX + SUFFIX);
	return true;
}

static bool owner_by_symbol(const struct target *t, uint64_t addr, uint64_t *to, char *buf)
{
	size_t s = symbol_after(t, addr - t->bias);
	if (s == t->symbols.n)
		return false;
	const struct sym_symbol *sym = &t->symbols.v[s];
	if (sym->addr + t->bias > addr) {
		*to = num_min(*to, sym->addr + t->bias);
		return false;
	}
	*to = num_min(*to, sym->addr + sym->size + t->bias);
	package_of(sym->name, buf, PACKAGE_MAX);
	return sym->object;
}

static void split_data(struct target *t, struct tally *tally, const struct page_run *run, uint64_t start, uint64_t end,
		       enum mem_class class)
{
	while (start < end) {
		char package[PACKAGE_MAX + SUFFIX] = "";
		uint64_t to = end, section = 0;
		const char *owner = section_name(t, start, &section, &to);
		if (owner_by_symbol(t, start, &to, package) ||
		    (section && owner_by_reference(t, section, start, &to, package)))
			owner = package;
		else if (!owner)
			owner = class == CLASS_FILE_TEXT ? "read-only data" : "relocated read-only data, C data";
		put(tally, run, start, to, class, owner);
		start = to;
	}
}

void image_split(struct target *t, struct tally *tally, const struct page_run *run, uint64_t start, uint64_t end,
		 enum mem_class class)
{
	const struct gort_range text = t->gort.module.text;
	uint64_t a = num_min(num_max(text.start, start), end), b = num_min(num_max(text.end, a), end);
	if (a < b && t->gort.pclntab) {
		split_data(t, tally, run, start, a, class);
		split_code(t, tally, run, a, b, class);
		split_data(t, tally, run, b, end, class);
	} else {
		split_data(t, tally, run, start, end, class);
	}
}
