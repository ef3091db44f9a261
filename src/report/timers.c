/* SPDX-License-Identifier: Apache-2.0 */
#include "report/timers.h"

#include <string.h>

#include "base/num.h"
#include "format/parts.h"
#include "screen/say.h"
#include "screen/table.h"

enum { TOP = 20 }; /* groups in text */

static const double NS = 1e9; /* nanoseconds in a second */

static size_t shown(const struct timers_report *r, size_t usual)
{
	return (size_t)num_min(r->snapshot->timers.groups.n, r->top ? r->top : usual);
}

static const struct frame *callback_of(const struct timers *t, const struct timer_group *g)
{
	return stacks_depth(&t->stacks, g->callback) ? stacks_at(&t->stacks, g->callback, 0) : NULL;
}

/* ---- JSON ---- */

static void put_callback(struct json *j, const struct frame *f)
{
	if (!f) {
		json_null(j, "callback");
		return;
	}
	json_object(j, "callback");
	json_str(j, "function", f->function[0] ? f->function : NULL);
	json_str(j, "file", f->file[0] ? f->file : NULL);
	if (f->line)
		json_u64(j, "line", f->line);
	else
		json_null(j, "line");
	json_object_end(j);
}

static void put_group(struct json *j, const struct timers *t, const struct timer_group *g)
{
	json_object(j, NULL);
	put_callback(j, callback_of(t, g));
	json_str(j, "kind", timer_kind_names[g->kind]);
	json_u64(j, "count", g->count);
	json_str(j, "holder", g->holder);
	json_bool(j, "collectable", g->collectable);
	if (g->period_ns)
		json_double(j, "period_seconds", (double)g->period_ns / NS);
	else
		json_null(j, "period_seconds");
	if (g->next_ns != INT64_MAX)
		json_double(j, "next_seconds", (double)g->next_ns / NS);
	else
		json_null(j, "next_seconds");
	json_u64(j, "bytes", g->bytes);
	json_object_end(j);
}

void timers_json_members(struct json *j, const struct timers_report *r)
{
	const struct timers *t = &r->snapshot->timers;
	int64_t when = r->snapshot->clock.wall;
	char time[PARTS_TIME_LEN];
	json_str(j, "schema", "ullage.timers/1");
	json_str(j, "time", when ? parts_time(when, time) : NULL);
	json_str(j, "source", r->snapshot->source);
	json_u64(j, "timers_total", t->total);
	json_bool(j, "complete", t->complete);
	json_str(j, "semantics", t->semantics_123 ? "1.23" : "pre-1.23");
	json_str(j, "semantics_from", t->semantics_from);
	json_array(j, "timers");
	for (size_t i = 0; i < shown(r, SIZE_MAX); i++)
		put_group(j, t, &t->groups.v[i]);
	json_array_end(j);
	parts_notes(j, r->snapshot, SNAPSHOT_TIMERS);
}

void timers_json(const struct timers_report *r, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	timers_json_members(&j, r);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}

/* ---- text ---- */

static void put_kinds(struct say *s, const struct timers *t)
{
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	uint64_t counts[TIMER_KIND_MAX_] = { 0 };
	for (size_t i = 0; i < t->groups.n; i++)
		counts[t->groups.v[i].kind] += t->groups.v[i].count;
	for (size_t i = 0; i < TIMER_KIND_MAX_; i++) {
		char num[SAY_NUM_LEN];
		if (counts[i])
			say_and(&f, "%s %s", say_num(counts[i], num), timer_kind_names[i]);
	}
	if (f.len)
		say_fact(s, "kinds", "%s", f.buf);
}

static void put_head(struct say *s, const struct timers_report *r)
{
	const struct timers *t = &r->snapshot->timers;
	char num[SAY_NUM_LEN];
	strbuf_printf(s->out, "%s%s timer%s%s", style_on(s->style, STYLE_HEAD), say_num(t->total, num),
		      t->total == 1 ? "" : "s", style_off(s->style, STYLE_HEAD));
	say_hang(s, 2, "%s%s", r->snapshot->source ? " of " : "", r->snapshot->source ? r->snapshot->source : "");
	put_kinds(s, t);
	say_fact(s, "semantics", "%s (%s)",
		 t->semantics_123 ? "as since Go 1.23: an unreferenced timer with a channel is collected"
				  : "as before Go 1.23: a timer stays until it fires or is stopped, a ticker for ever",
		 t->semantics_from ? t->semantics_from : "it is not known from where");
}

static void time_cell(struct table *table, int64_t ns, bool known)
{
	char text[SAY_NUM_LEN];
	table_cell(table, known ? say_duration(ns, text) : NULL);
}

/* "pkg.worker" of "example.com/pkg.worker": the package's last element stays. */
static const char *short_name(const char *function)
{
	size_t package = stack_package(function);
	const char *slash = package ? memrchr(function, '/', package) : NULL;
	return slash ? slash + 1 : function;
}

static void put_row(struct table *table, const struct timers *t, const struct timer_group *g)
{
	const struct frame *f = callback_of(t, g);
	char num[SAY_NUM_LEN];
	table_cell(table, say_num(g->count, num));
	table_cell(table, timer_kind_names[g->kind]);
	time_cell(table, g->period_ns, g->period_ns != 0);
	time_cell(table, g->next_ns, g->next_ns != INT64_MAX);
	if (f) {
		const char *slash = strrchr(f->file, '/');
		table_cellf(table, "%s %s:%u", short_name(f->function), slash ? slash + 1 : f->file, f->line);
	} else {
		table_cell(table, NULL);
	}
	table_cell(table, g->holder ? short_name(g->holder) : NULL);
}

static void put_table(const struct timers_report *r, struct strbuf *out)
{
	static const struct table_column columns[] = {
		{ "COUNT", TABLE_RIGHT, 0 }, { "KIND", TABLE_LEFT, 0 },	     { "EVERY", TABLE_RIGHT, 0 },
		{ "NEXT", TABLE_RIGHT, 0 },  { "CALLBACK", TABLE_LEFT, 44 }, { "FOR", TABLE_LEFT, 0 },
	};
	const struct timers *t = &r->snapshot->timers;
	struct table table;
	table_init(&table, columns, sizeof(columns) / sizeof(columns[0]), &r->style);
	for (size_t i = 0; i < shown(r, TOP); i++)
		put_row(&table, t, &t->groups.v[i]);
	strbuf_putc(out, '\n');
	table_print(&table, out);
	table_deinit(&table);
}

void timers_text(const struct timers_report *r, struct strbuf *out)
{
	const struct timers *t = &r->snapshot->timers;
	struct say s = { out, &r->style };
	char num[SAY_NUM_LEN];
	put_head(&s, r);
	if (t->groups.n)
		put_table(r, out);
	if (shown(r, TOP) < t->groups.n)
		say_line(&s, STYLE_DIM, 0, "%s more; --top shows more.", say_num(t->groups.n - shown(r, TOP), num));
	if (r->snapshot->notes.n)
		strbuf_putc(out, '\n');
	for (size_t i = 0; i < r->snapshot->notes.n; i++)
		say_line(&s, STYLE_DIM, 0, "%s.", r->snapshot->notes.v[i]);
}
