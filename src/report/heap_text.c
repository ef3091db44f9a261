/* SPDX-License-Identifier: Apache-2.0 */
#include "report/heap.h"

#include <math.h>
#include <string.h>

#include "analysis/heap_groups.h"
#include "base/num.h"
#include "screen/say.h"
#include "screen/table.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { TOP = 10, CALLERS = 2, WHERE_MAX = 32 };

const char *const heap_by_names[] = { "site", "type", "size", "span", NULL };

static size_t shown(const struct heap_report *r, size_t n)
{
	return (size_t)num_min(r->top ? r->top : TOP, n);
}

static void put_percent(struct table *t, double part, double whole)
{
	if (whole > 0)
		table_cellf(t, "%.1f", 100 * part / whole);
	else
		table_cell(t, NULL);
}

static uint64_t not_negative(int64_t v)
{
	return v > 0 ? (uint64_t)v : 0;
}

static void put_count(struct table *t, uint64_t n)
{
	char num[SAY_NUM_LEN];
	table_cell(t, say_num(n, num));
}

/* ---- sites ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static void put_where(struct table *t, const struct frame *f, enum style_role role)
{
	if (f->line)
		table_cellf(t, "%s:%u", base_name(f->file), f->line);
	else
		table_cell(t, NULL);
	table_role(t, role);
}

static void blank(struct table *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		table_cell(t, "");
}

static void put_escapes(struct table *t, const struct heap_report *r, const struct frame *f)
{
	size_t at = 0;
	if (!r->escapes)
		return;
	for (const struct escape *e = escapes_next(r->escapes, f->file, f->line, &at); e;
	     e = escapes_next(r->escapes, f->file, f->line, &at)) {
		blank(t, 3);
		table_cell(t, "");
		table_cellf(t, "  compiler: %s", e->text);
		table_role(t, STYLE_WARN);
	}
}

static void put_callers(struct table *t, const struct heap_report *r, const struct heap_group_row *row)
{
	const struct stacks *s = &r->snapshot->heap.profile.stacks;
	char size[SAY_NUM_LEN];
	const char *arrow = r->style.utf8 ? "\u2190" : "<-";
	for (uint32_t i = 1; i <= CALLERS && i < stacks_depth(s, row->stack); i++) {
		const struct frame *f = stacks_at(s, row->stack, i);
		blank(t, 3);
		put_where(t, f, STYLE_DIM);
		if (i == 1 && row->stacks > 1)
			table_cellf(t, "  %s %s  (%s of it; %u paths)", arrow, f->function,
				    say_size(not_negative(row->stack_bytes), size), row->stacks);
		else
			table_cellf(t, "  %s %s", arrow, f->function);
		table_role(t, STYLE_DIM);
	}
}

static void put_site(struct table *t, const struct heap_report *r, const struct heap_groups *g,
		     const struct heap_group_row *row)
{
	static const struct frame none = { .function = "(no stack)", .file = "" };
	const struct stacks *s = &r->snapshot->heap.profile.stacks;
	const struct frame *f = stacks_depth(s, row->stack) ? stacks_at(s, row->stack, 0) : &none;
	table_size(t, not_negative(row->v[HEAP_INUSE_SPACE]));
	put_percent(t, (double)row->v[HEAP_INUSE_SPACE], (double)g->total[HEAP_INUSE_SPACE]);
	put_count(t, not_negative(row->v[HEAP_INUSE_OBJECTS]));
	put_where(t, f, STYLE_PLAIN);
	table_cell(t, *f->function ? f->function : "(unknown)");
	table_role(t, STYLE_HEAD);
	put_escapes(t, r, f);
	put_callers(t, r, row);
}

static void put_rest(struct table *t, const struct heap_groups *g, size_t from)
{
	int64_t bytes = 0, objects = 0;
	for (size_t i = from; i < g->v.n; i++) {
		bytes += g->v.v[i].v[HEAP_INUSE_SPACE];
		objects += g->v.v[i].v[HEAP_INUSE_OBJECTS];
	}
	table_size(t, not_negative(bytes));
	put_percent(t, (double)bytes, (double)g->total[HEAP_INUSE_SPACE]);
	put_count(t, not_negative(objects));
	table_cell(t, "");
	table_cellf(t, "(%zu more sites)", g->v.n - from);
	table_role(t, STYLE_DIM);
}

static void put_sampling(struct say *s, const struct heap_report *r, const struct heap_groups *g)
{
	const struct heap_view *h = &r->snapshot->heap;
	char bytes[SAY_NUM_LEN], objects[SAY_NUM_LEN], rate[SAY_NUM_LEN], allocated[SAY_NUM_LEN];
	say_fact(s, "in use", "%s in %s objects, allocated at %zu sites",
		 say_size(not_negative(g->total[HEAP_INUSE_SPACE]), bytes),
		 say_num(not_negative(g->total[HEAP_INUSE_OBJECTS]), objects), g->v.n);
	say_fact(s, "ever", "%s allocated in %s objects", say_size(not_negative(g->total[HEAP_ALLOC_SPACE]), allocated),
		 say_num(not_negative(g->total[HEAP_ALLOC_OBJECTS]), objects));
	if (h->rate == 1)
		say_fact(s, "sampled", "every allocation: the figures are exact");
	else if (h->rate && h->rate != ACCOUNT_UNKNOWN)
		say_fact(s, "sampled", "once in %s allocated: the figures are estimates", say_size(h->rate, rate));
}

static uint64_t census_bytes(const struct heap_view *h)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < h->spans.n; i++)
		sum += h->spans.v[i].p < 0 ? h->spans.v[i].object_bytes : 0;
	return sum;
}

static void put_age(struct say *s, const struct heap_report *r)
{
	const struct snapshot *snap = r->snapshot;
	char age[SAY_NUM_LEN], size[SAY_NUM_LEN];
	uint64_t census = census_bytes(&snap->heap);
	if (snap->clock.last_gc_wall && snap->clock.wall > snap->clock.last_gc_wall)
		say_fact(s, "as of", "the last garbage collection, %s ago; `go tool pprof` would show the same",
			 say_duration(snap->clock.wall - snap->clock.last_gc_wall, age));
	else if (!snap->clock.gc_count)
		say_fact(s, "as of", "now: there was no garbage collection yet, so nothing that died is known");
	if (census)
		say_fact(s, "heap", "%s of objects now, those that died since then among them", say_size(census, size));
}

static void sites_text(struct say *s, const struct heap_report *r)
{
	static const struct table_column columns[] = {
		{ "IN USE", TABLE_RIGHT, 0 },	    { "%", TABLE_RIGHT, 0 },	   { "OBJECTS", TABLE_RIGHT, 0 },
		{ "WHERE", TABLE_LEFT, WHERE_MAX }, { "FUNCTION", TABLE_LEFT, 0 },
	};
	struct heap_groups g;
	heap_groups_make(&r->snapshot->heap.profile, HEAP_BY_PLACE, &g);
	put_sampling(s, r, &g);
	put_age(s, r);
	strbuf_putc(s->out, '\n');
	struct table t;
	table_init(&t, columns, LEN(columns), &r->style);
	size_t n = shown(r, g.v.n);
	while (!r->top && n && g.v.v[n - 1].v[HEAP_INUSE_SPACE] <= 0)
		n--; /* what is not in use any more is not news */
	for (size_t i = 0; i < n; i++)
		put_site(&t, r, &g, &g.v.v[i]);
	if (n < g.v.n)
		put_rest(&t, &g, n);
	table_print(&t, s->out);
	table_deinit(&t);
	heap_groups_deinit(&g);
}

/* ---- types ---- */

/* Is the last row that of the objects whose type is not known? Those of a dump have none, and are told apart by shape. */
static bool ends_untyped(const struct heap_view *h)
{
	return h->types.n && strcmp(h->types.v[h->types.n - 1].type, "(no type)") == 0;
}

static void put_type(struct table *t, const struct heap_type *row, uint64_t sum, enum style_role role)
{
	table_size(t, row->bytes);
	put_percent(t, (double)row->bytes, (double)sum);
	put_count(t, row->objects);
	table_cell(t, row->type);
	table_role(t, role);
}

static void types_text(struct say *s, const struct heap_report *r)
{
	static const struct table_column columns[] = {
		{ "BYTES", TABLE_RIGHT, 0 },
		{ "%", TABLE_RIGHT, 0 },
		{ "OBJECTS", TABLE_RIGHT, 0 },
		{ "TYPE", TABLE_LEFT, 0 },
	};
	const struct heap_view *h = &r->snapshot->heap;
	struct heap_type more = { 0 };
	uint64_t sum = 0;
	for (size_t i = 0; i < h->types.n; i++)
		sum += h->types.v[i].bytes;
	say_fact(s, "typed", "%.1f %% of the bytes in objects", 100 * h->typed_ratio);
	strbuf_putc(s->out, '\n');
	struct table t;
	table_init(&t, columns, LEN(columns), &r->style);
	size_t last = h->types.n - ends_untyped(h), n = shown(r, last);
	for (size_t i = 0; i < n; i++)
		put_type(&t, &h->types.v[i], sum, STYLE_PLAIN);
	for (size_t i = n; i < last; i++) {
		more.bytes += h->types.v[i].bytes;
		more.objects += h->types.v[i].objects;
	}
	AUTO_FREE char *name = xasprintf("(%zu more type%s)", last - n, last - n == 1 ? "" : "s");
	more.type = name;
	if (n < last)
		put_type(&t, &more, sum, STYLE_DIM);
	if (last < h->types.n)
		put_type(&t, &h->types.v[last], sum, STYLE_DIM);
	table_print(&t, s->out);
	table_deinit(&t);
}

/* ---- spans ---- */

static void put_class(struct table *t, const struct heap_span *row)
{
	if (row->class_bytes)
		table_cellf(t, "%u", row->class_bytes);
	else
		table_cell(t, "large");
	table_cell(t, row->noscan ? "no pointers" : "pointers");
	table_role(t, STYLE_DIM);
}

static uint64_t free_bytes(const struct heap_span *row)
{
	return row->span_bytes - num_min(row->span_bytes, row->object_bytes);
}

struct held {
	uint64_t spans, bytes, mcache_spans, mcache_bytes, unswept, partial, slack;
};

static struct held sum_held(const struct heap_view *h)
{
	struct held sum = { 0 };
	for (size_t i = 0; i < h->spans.n; i++) {
		const struct heap_span *s = &h->spans.v[i];
		if (s->p >= 0) {
			sum.mcache_bytes += free_bytes(s);
			continue;
		}
		sum.spans += s->spans;
		sum.bytes += s->span_bytes;
		sum.mcache_spans += s->cached_in_mcache;
		sum.unswept += s->unswept;
		sum.partial += s->partial;
		sum.slack += free_bytes(s);
	}
	return sum;
}

static void put_held(struct say *s, const struct heap_view *h)
{
	struct held sum = sum_held(h);
	char a[SAY_NUM_LEN], b[SAY_NUM_LEN], c[SAY_NUM_LEN];
	say_fact(s, "spans", "%s of %s in all; %s of that hold no object", say_num(sum.spans, a),
		 say_size(sum.bytes, b), say_size(sum.slack, c));
	say_fact(s, "mcache", "%s span%s held by the Ps for their next allocations, %s of that free",
		 say_num(sum.mcache_spans, a), sum.mcache_spans == 1 ? "" : "s", say_size(sum.mcache_bytes, b));
	say_fact(s, "mcentral", "%s span%s partly free, waiting for the next allocation of the class",
		 say_num(sum.partial, a), sum.partial == 1 ? "" : "s");
	say_fact(s, "unswept", "%s span%s not swept since the last garbage collection: dead objects there still count",
		 say_num(sum.unswept, a), sum.unswept == 1 ? "" : "s");
	say_line(s, STYLE_DIM, 2,
		 "What mcache, mcentral and unswept spans hold back is ready for reuse. It is how the allocator works "
		 "and alone no leak: it is bounded by the number of Ps and classes and by what was once in use.");
}

static int by_span_bytes(const void *a, const void *b)
{
	const struct heap_span *const *x = a, *const *y = b;
	if ((*x)->span_bytes != (*y)->span_bytes)
		return (*x)->span_bytes > (*y)->span_bytes ? -1 : 1;
	return (*x)->class_bytes > (*y)->class_bytes ? -1 : (*x)->class_bytes < (*y)->class_bytes;
}

void heap_spans(const struct heap_view *h, bool of_ps, struct heap_span_rows *ret)
{
	for (size_t i = 0; i < h->spans.n; i++) {
		if ((h->spans.v[i].p >= 0) == of_ps)
			*vec_push(ret) = &h->spans.v[i];
	}
	vec_sort(ret, by_span_bytes);
}

static void sizes_text(struct say *s, const struct heap_report *r)
{
	static const struct table_column columns[] = {
		{ "CLASS", TABLE_RIGHT, 0 },   { "", TABLE_LEFT, 0 },	       { "SPANS", TABLE_RIGHT, 0 },
		{ "BYTES", TABLE_RIGHT, 0 },   { "RESIDENT", TABLE_RIGHT, 0 }, { "OBJECTS", TABLE_RIGHT, 0 },
		{ "FREE", TABLE_RIGHT, 0 },    { "MCACHE", TABLE_RIGHT, 0 },   { "UNSWEPT", TABLE_RIGHT, 0 },
		{ "PARTIAL", TABLE_RIGHT, 0 }, { "FULL", TABLE_RIGHT, 0 },
	};
	struct heap_span_rows rows = { 0 };
	heap_spans(&r->snapshot->heap, false, &rows);
	struct table t;
	table_init(&t, columns, LEN(columns), &r->style);
	for (size_t i = 0; i < (r->top ? shown(r, rows.n) : rows.n); i++) {
		const struct heap_span *row = rows.v[i];
		put_class(&t, row);
		put_count(&t, row->spans);
		table_size(&t, row->span_bytes);
		table_size(&t, row->resident);
		put_count(&t, row->objects);
		table_size(&t, free_bytes(row));
		put_count(&t, row->cached_in_mcache);
		put_count(&t, row->unswept);
		put_count(&t, row->partial);
		put_count(&t, row->full);
	}
	strbuf_putc(s->out, '\n');
	table_print(&t, s->out);
	table_deinit(&t);
	vec_deinit(&rows);
}

/* What each P holds, class by class. */
static void caches_text(struct say *s, const struct heap_report *r)
{
	static const struct table_column columns[] = {
		{ "P", TABLE_RIGHT, 0 },     { "CLASS", TABLE_RIGHT, 0 },   { "", TABLE_LEFT, 0 },
		{ "BYTES", TABLE_RIGHT, 0 }, { "OBJECTS", TABLE_RIGHT, 0 }, { "FREE SLOTS", TABLE_RIGHT, 0 },
		{ "FREE", TABLE_RIGHT, 0 },
	};
	struct heap_span_rows rows = { 0 };
	heap_spans(&r->snapshot->heap, true, &rows);
	struct table t;
	table_init(&t, columns, LEN(columns), &r->style);
	for (size_t i = 0; i < (r->top ? shown(r, rows.n) : rows.n); i++) {
		table_cellf(&t, "%d", rows.v[i]->p);
		put_class(&t, rows.v[i]);
		table_size(&t, rows.v[i]->span_bytes);
		put_count(&t, rows.v[i]->objects);
		put_count(&t, rows.v[i]->free_slots);
		table_size(&t, free_bytes(rows.v[i]));
	}
	say_title(s, "Held by each P");
	table_print(&t, s->out);
	table_deinit(&t);
	vec_deinit(&rows);
}

/* ---- the whole ---- */

static void put_head(struct say *s, const struct snapshot *snap)
{
	strbuf_printf(s->out, "%sheap%s ", style_on(s->style, STYLE_HEAD), style_off(s->style, STYLE_HEAD));
	say_hang(s, 2, "of %s%s%s%s%s", snap->source ? snap->source : "?", snap->id.comm ? ", " : "",
		 snap->id.comm ? snap->id.comm : "", snap->id.go_version ? ", " : "",
		 snap->id.go_version ? snap->id.go_version : "");
}

void heap_text(const struct heap_report *r, struct strbuf *out)
{
	const struct snapshot *snap = r->snapshot;
	struct say s = { out, &r->style };
	put_head(&s, snap);
	if (r->by == HEAP_BY_SITE && snap->heap.reason)
		say_line(&s, STYLE_WARN, 2, "%s. Below is what can be had without it.", snap->heap.reason);
	if (r->by == HEAP_BY_SITE && (snap->heap.buckets || !snap->heap.reason))
		sites_text(&s, r);
	bool census = snap->parts & SNAPSHOT_CENSUS;
	bool instead = r->by == HEAP_BY_SITE && snap->heap.reason && !snap->heap.buckets && census;
	if (r->by == HEAP_BY_TYPE || instead)
		types_text(&s, r);
	instead = instead && snap->heap.spans.n;
	if (instead)
		strbuf_putc(out, '\n');
	if (r->by == HEAP_BY_SIZE || r->by == HEAP_BY_SPAN || instead)
		put_held(&s, &snap->heap);
	if (r->by == HEAP_BY_SIZE || instead)
		sizes_text(&s, r);
	if (r->by == HEAP_BY_SPAN) {
		sizes_text(&s, r);
		caches_text(&s, r);
	}
	if (snap->notes.n)
		strbuf_putc(out, '\n');
	for (size_t i = 0; i < snap->notes.n; i++)
		say_line(&s, STYLE_DIM, 0, "%s.", snap->notes.v[i]);
}
