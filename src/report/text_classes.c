/* SPDX-License-Identifier: Apache-2.0 */
#include "report/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "format/parts.h"
#include "screen/table.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum {
	BAR_WIDTH = 12,
	OWNERS_SHARE = 100, /* a class below RSS / this has no list of owners */
};

/* A full bar is all of RSS. */
static void put_bar(struct table *t, uint64_t part, uint64_t whole, const char *rgb)
{
	static const char *const eighth[] = {
		"", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589"
	};
	AUTO(strbuf) struct strbuf bar;
	strbuf_init(&bar);
	double share = whole ? (double)part / (double)whole : 0;
	unsigned steps = (unsigned)((share < 1 ? share : 1) * BAR_WIDTH * 8 + 0.5);
	if (!t->style->utf8)
		steps = (steps + 4) / 8 * 8;
	for (unsigned i = 0; i < steps / 8; i++)
		strbuf_puts(&bar, t->style->utf8 ? "\u2588" : "#");
	strbuf_puts(&bar, eighth[steps % 8]);
	table_cell(t, bar.buf);
	table_rgb(t, rgb);
}

static void put_percent(struct table *t, uint64_t part, uint64_t whole)
{
	if (whole)
		table_cellf(t, "%.1f", 100.0 * (double)part / (double)whole);
	else
		table_cell(t, NULL);
}

static bool shown(const struct account_class *c)
{
	return c->resident || c->swap;
}

struct family {
	enum mem_class first; /* its largest member */
	struct account_class sum;
	size_t members;
};

static bool same_family(enum mem_class a, enum mem_class b)
{
	size_t len = parts_family(a);
	return len == parts_family(b) && memcmp(mem_classes[a].name, mem_classes[b].name, len) == 0;
}

static size_t find_families(const struct account *a, const enum mem_class *list, size_t n, struct family *ret)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		const struct account_class *c = &a->classes[list[i]];
		size_t f = 0;
		if (!shown(c))
			continue;
		while (f < count && !same_family(ret[f].first, list[i]))
			f++;
		if (f == count)
			ret[count++] = (struct family){ .first = list[i] };
		ret[f].sum.resident += c->resident;
		ret[f].sum.swap += c->swap;
		ret[f].members++;
	}
	return count;
}

static void sort_families(struct family *list, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct family moved = list[i];
		size_t k = i;
		for (; k && list[k - 1].sum.resident < moved.sum.resident; k--)
			list[k] = list[k - 1];
		list[k] = moved;
	}
}

static bool has_swap(const struct account *a)
{
	return a->swap && a->swap != ACCOUNT_UNKNOWN;
}

static void put_numbers(struct table *t, const struct account *a, const struct account_class *c, enum style_role role)
{
	table_size(t, c->resident);
	table_role(t, role);
	put_percent(t, c->resident, a->rss);
	table_role(t, role);
	if (has_swap(a))
		table_size(t, c->swap);
}

static void put_class(struct table *t, const struct account *a, enum mem_class c, bool member)
{
	table_cellf(t, "%s%s", member ? "  " : "", mem_classes[c].name);
	table_role(t, c == CLASS_UNEXPLAINED ? STYLE_BAD : STYLE_PLAIN);
	put_numbers(t, a, &a->classes[c], STYLE_PLAIN);
	if (!has_swap(a))
		put_bar(t, a->classes[c].resident, a->rss, mem_classes[c].color);
	table_cell(t, mem_classes[c].about);
	table_role(t, STYLE_DIM);
}

static void put_family(struct table *t, const struct account *a, const struct family *f, const enum mem_class *list,
		       size_t n)
{
	if (f->members > 1) {
		table_cellf(t, "%.*s", (int)parts_family(f->first), mem_classes[f->first].name);
		table_role(t, STYLE_HEAD);
		put_numbers(t, a, &f->sum, STYLE_HEAD);
		if (!has_swap(a))
			table_cell(t, "");
		table_cell(t, "");
	}
	for (size_t i = 0; i < n; i++) {
		if (same_family(f->first, list[i]) && shown(&a->classes[list[i]]))
			put_class(t, a, list[i], f->members > 1);
	}
}

void text_classes(struct say *s, const struct account *a)
{
	/* Where there is swap its column takes the place of the bar. */
	static const struct table_column with_swap[] = {
		{ "CLASS", TABLE_LEFT, 0 }, { "RESIDENT", TABLE_RIGHT, 0 },  { "%RSS", TABLE_RIGHT, 0 },
		{ "SWAP", TABLE_RIGHT, 0 }, { "WHAT IT IS", TABLE_LEFT, 0 },
	};
	static const struct table_column plain[] = {
		{ "CLASS", TABLE_LEFT, 0 }, { "RESIDENT", TABLE_RIGHT, 0 },  { "%RSS", TABLE_RIGHT, 0 },
		{ "", TABLE_LEFT, 0 },	    { "WHAT IT IS", TABLE_LEFT, 0 },
	};
	enum mem_class list[CLASS_MAX_];
	struct family families[CLASS_MAX_];
	size_t n = parts_classes(a, list), n_families = find_families(a, list, n, families);
	sort_families(families, n_families);
	struct table t;
	table_init(&t, has_swap(a) ? with_swap : plain, LEN(plain), s->style);
	for (size_t i = 0; i < n_families; i++)
		put_family(&t, a, &families[i], list, n);
	strbuf_putc(s->out, '\n');
	table_print(&t, s->out);
	table_deinit(&t);
}

static bool is_remainder(const struct account_owner *o)
{
	return o->owner && o->owner[0] == '(';
}

static void put_owner(struct table *t, uint64_t resident, uint64_t whole, const char *name, enum style_role role)
{
	table_size(t, resident);
	if (whole)
		table_cellf(t, "%.1f%%", 100.0 * (double)resident / (double)whole);
	else
		table_cell(t, NULL);
	table_cell(t, name);
	table_role(t, role);
}

/* Owners [from, to) of one class, largest first, a remainder last: the first `top`, the sum of the others. */
static void put_owners(struct say *s, const struct account *a, size_t from, size_t to, size_t top)
{
	static const struct table_column columns[] = {
		{ NULL, TABLE_RIGHT, 0 },
		{ NULL, TABLE_RIGHT, 0 },
		{ NULL, TABLE_LEFT, 0 },
	};
	const struct account_owner *o = a->owners.v;
	uint64_t whole = a->classes[o[from].class].resident, left = 0;
	size_t named = is_remainder(&o[to - 1]) ? to - 1 : to, shown = num_min(named, from + top);
	struct table t;
	table_init(&t, columns, LEN(columns), s->style);
	t.indent = 2;
	for (size_t i = from; i < shown; i++)
		put_owner(&t, o[i].resident, whole, o[i].owner, STYLE_PLAIN);
	for (size_t i = shown; i < named; i++)
		left += o[i].resident;
	if (shown < named) {
		char more[32];
		snprintf(more, sizeof(more), "%zu more", named - shown);
		put_owner(&t, left, whole, more, STYLE_DIM);
	}
	if (named < to)
		put_owner(&t, o[named].resident, whole, o[named].owner, STYLE_DIM);
	table_print(&t, s->out);
	table_deinit(&t);
}

static size_t owners_end(const struct account_owner_vec *owners, size_t from)
{
	size_t to = from;
	while (to < owners->n && owners->v[to].class == owners->v[from].class)
		to++;
	return to;
}

static void put_class_owners(struct say *s, const struct account *a, enum mem_class c, size_t top)
{
	char size[NUM_SIZE_LEN];
	for (size_t i = 0; i < a->owners.n; i = owners_end(&a->owners, i)) {
		size_t to = owners_end(&a->owners, i);
		if (a->owners.v[i].class != c || (to == i + 1 && is_remainder(&a->owners.v[i])))
			continue;
		say_line(s, STYLE_HEAD, 0, "%s  %s", mem_classes[c].name, num_size(a->classes[c].resident, size));
		put_owners(s, a, i, to, top);
	}
}

void text_owners(struct say *s, const struct account *a, size_t top)
{
	enum mem_class list[CLASS_MAX_];
	size_t n = parts_classes(a, list);
	if (!a->owners.n || !top)
		return;
	say_title(s, "Largest owners");
	for (size_t i = 0; i < n; i++) {
		uint64_t resident = a->classes[list[i]].resident;
		if (resident && resident >= a->rss / OWNERS_SHARE)
			put_class_owners(s, a, list[i], top);
	}
}

void text_vmas(struct say *s, const struct account *a)
{
	static const struct table_column columns[] = {
		{ "START", TABLE_RIGHT, 0 }, { "SIZE", TABLE_RIGHT, 0 },  { "PERM", TABLE_LEFT, 0 },
		{ "RSS", TABLE_RIGHT, 0 },   { "MOSTLY", TABLE_LEFT, 0 }, { "WHAT IT IS", TABLE_LEFT, 0 },
	};
	struct table t;
	table_init(&t, columns, LEN(columns), s->style);
	say_title(s, "Mappings");
	for (size_t i = 0; i < a->vmas.n && i < a->maps.n; i++) {
		const struct vma *m = &a->maps.v[i];
		const struct account_vma *v = &a->vmas.v[i];
		enum mem_class list[CLASS_MAX_];
		char perms[PARTS_PERMS_LEN];
		table_cellf(&t, "%" PRIx64, m->start);
		table_size(&t, vma_size(m));
		table_cell(&t, parts_perms(m->flags, perms));
		table_size(&t, v->rss);
		size_t n = parts_vma_classes(v->classes, list);
		table_cell(&t, n ? mem_classes[list[0]].name : "");
		table_cell(&t, v->label && *v->label ? v->label : m->name);
	}
	table_print(&t, s->out);
	table_deinit(&t);
}
