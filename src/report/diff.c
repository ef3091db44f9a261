/* SPDX-License-Identifier: Apache-2.0 */
#include "report/diff.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/num.h"
#include "format/parts.h"
#include "screen/clean.h"
#include "screen/say.h"
#include "screen/table.h"

enum {
	TOP = 20,      /* groups in text */
	PATHS = 8,     /* of them whose way is printed below */
	OUTLIERS = 10, /* nodes that differ */
	NODES_MAX = 5, /* columns of targets that fit */
	NAME_MAX = 12, /* of a target's column */
	COLUMNS_MAX = 16,
	VALUE_LEN = SAY_NUM_LEN + 2,
	RANK_INDENT = 5,
};

static const double NS = 1e9;

static const char *const subjects[DIFF_BY_MAX_] = {
	[DIFF_SITE] = "stack",	[DIFF_TYPE] = "type",		[DIFF_STATE] = "state",
	[DIFF_CLASS] = "class", [DIFF_GOROUTINE] = "goroutine", [DIFF_PATH] = "path",
};

/* ---- values ---- */

/* An amount of what the diff is of, with a sign in front where asked. */
static const char *amount(const struct diff *d, int64_t v, bool sign, char buf[VALUE_LEN])
{
	char *at = buf;
	if (v == DIFF_UNKNOWN)
		return "-";
	uint64_t size = v < 0 ? -(uint64_t)v : (uint64_t)v;
	if (v < 0 || (sign && v))
		*at++ = v < 0 ? '-' : '+';
	if (d->by_bytes && strcmp(d->unit, "bytes") == 0)
		say_size(size, at);
	else if (d->by_bytes && strcmp(d->unit, "nanoseconds") == 0)
		say_duration((int64_t)num_min(size, INT64_MAX), at);
	else
		say_num(size, at);
	return buf;
}

static void amount_cell(struct table *t, const struct diff *d, int64_t v, bool sign)
{
	char text[VALUE_LEN];
	table_cell(t, amount(d, v, sign, text));
}

static void count_cell(struct table *t, int64_t v, bool sign)
{
	char num[SAY_NUM_LEN];
	if (v == DIFF_UNKNOWN)
		table_cell(t, NULL);
	else
		table_cellf(t, "%s%s",
			    v < 0	? "-"
			    : sign && v ? "+"
					: "",
			    say_num(v < 0 ? -(uint64_t)v : (uint64_t)v, num));
}

static int64_t rate(int64_t v, double seconds)
{
	double r = (double)v / seconds;
	return v == DIFF_UNKNOWN || !isfinite(r) || fabs(r) > 9e18 ? DIFF_UNKNOWN : (int64_t)r;
}

/* ---- what is compared ---- */

static void put_growth(const struct diff *d, size_t input, struct strbuf *out)
{
	char text[VALUE_LEN];
	int64_t base = diff_main(d, d->totals[0]), delta = diff_main(d, diff_less(d->totals[input], d->totals[0]));
	if (delta == DIFF_UNKNOWN)
		return;
	say_and(out, "%s", delta ? amount(d, delta, true, text) : "no change");
	if (base > 0 && delta)
		strbuf_printf(out, " (%+.1f %%)", 100 * (double)delta / (double)base);
	if (isfinite(d->seconds[input])) {
		char span[SAY_NUM_LEN];
		double ns = d->seconds[input] * NS;
		strbuf_printf(out, " in %s", say_duration(ns < 9e18 ? (int64_t)ns : INT64_MAX, span));
	}
}

static void put_inputs(const struct diff *d, struct say *s)
{
	for (size_t i = 0; i < d->n; i++) {
		char text[VALUE_LEN], num[SAY_NUM_LEN];
		AUTO(strbuf) struct strbuf fact;
		strbuf_init(&fact);
		strbuf_printf(&fact, "%s: %s", d->inputs[i].name, amount(d, diff_main(d, d->totals[i]), false, text));
		if (d->by_bytes && d->totals[i].objects != DIFF_UNKNOWN && d->totals[i].objects >= 0)
			say_and(&fact, "%s %s%s", say_num((uint64_t)d->totals[i].objects, num),
				strcmp(d->unit, "bytes") == 0 ? "object" : "sample",
				d->totals[i].objects == 1 ? "" : "s");
		if (i)
			put_growth(d, i, &fact);
		say_fact(s, i ? d->n > 2 ? "" : "target" : "base", "%s", fact.buf);
	}
}

/* ---- the table ---- */

struct layout {
	struct table_column columns[COLUMNS_MAX];
	size_t n, targets; /* targets that have a column */
	bool objects, rates, survivors;
};

static void add_column(struct layout *l, const char *title, enum table_align align, unsigned max)
{
	l->columns[l->n++] = (struct table_column){ title, align, max };
}

static void lay_out(const struct diff *d, struct layout *l)
{
	bool time = strcmp(d->unit, "nanoseconds") == 0, rates = d->n == 2 && isfinite(d->seconds[1]) && !time;
	*l = (struct layout){ .targets = num_min(d->n - 1, NODES_MAX), .rates = rates };
	l->objects = d->by_bytes && d->n == 2 && d->totals[0].objects != DIFF_UNKNOWN;
	for (size_t i = 0; i < d->shown; i++)
		l->survivors |= d->groups.v[i].survived >= 0;
	add_column(l, "#", TABLE_RIGHT, 0);
	add_column(l, "GREW BY", TABLE_RIGHT, 0);
	if (rates)
		add_column(l, "PER S", TABLE_RIGHT, 0);
	add_column(l, d->n == 2 ? "BASE" : d->inputs[0].name, TABLE_RIGHT, NAME_MAX);
	for (size_t i = 1; i <= l->targets; i++)
		add_column(l, d->n == 2 ? "NOW" : d->inputs[i].name, TABLE_RIGHT, NAME_MAX);
	if (l->objects)
		add_column(l, strcmp(d->unit, "bytes") == 0 ? "OBJECTS" : "SAMPLES", TABLE_RIGHT, 0);
	if (l->survivors) {
		add_column(l, "SURVIVED", TABLE_RIGHT, 0);
		add_column(l, "NEW", TABLE_RIGHT, 0);
		add_column(l, "GONE", TABLE_RIGHT, 0);
	}
	add_column(l, "WHAT", TABLE_LEFT, 0);
}

static void put_row(struct table *t, const struct layout *l, struct diff *d, const struct diff_group *g, size_t row)
{
	const struct diff_value *v = diff_values(d, g);
	int64_t delta = diff_main(d, g->delta);
	table_cellf(t, "%zu", row + 1);
	amount_cell(t, d, delta, true);
	table_role(t, delta > 0 ? STYLE_WARN : STYLE_PLAIN);
	if (l->rates)
		amount_cell(t, d, rate(delta, d->seconds[g->of]), true);
	for (size_t i = 0; i <= l->targets; i++)
		amount_cell(t, d, diff_main(d, v[i]), false);
	if (l->objects)
		count_cell(t, g->delta.objects, true);
	if (l->survivors) {
		count_cell(t, g->survived, false);
		count_cell(t, g->new, false);
		count_cell(t, g->gone, false);
	}
	if (d->by == DIFF_GOROUTINE)
		table_cellf(t, "%s %s", diff_key(d, g), diff_place(d, g));
	else
		table_cell(t, diff_key(d, g));
}

/*
 * Rows worth showing: what grew; each goroutine, since one that survived is what a leak is made of; of paths the longest that
 * tells it. Appends the first `limit` of them; returns how many there are.
 */
static size_t choose_rows(const struct diff *d, size_t limit, struct u32_vec *ret)
{
	size_t n = 0;
	for (uint32_t i = 0; i < d->shown; i++) {
		const struct diff_group *g = &d->groups.v[i];
		if (diff_main(d, g->delta) <= 0 && d->by != DIFF_GOROUTINE)
			break;
		if (!g->told && n++ < limit)
			*vec_push(ret) = i;
	}
	return n;
}

static void put_table(struct diff *d, struct say *s, const struct u32_vec *rows)
{
	struct layout l;
	struct table t;
	lay_out(d, &l);
	table_init(&t, l.columns, l.n, s->style);
	for (size_t i = 0; i < rows->n; i++)
		put_row(&t, &l, d, &d->groups.v[rows->v[i]], i);
	table_print(&t, s->out);
	table_deinit(&t);
	if (l.targets < d->n - 1)
		say_line(s, STYLE_DIM, 2, "%zu more inputs have no column here; --json has all.", d->n - 1 - l.targets);
}

/* What the table leaves out, in a line. */
static void put_rest(const struct diff *d, struct say *s, size_t rows, size_t grown)
{
	char a[VALUE_LEN], b[VALUE_LEN];
	int64_t more = 0, less = 0;
	size_t shrunk = 0;
	if (d->by == DIFF_PATH) { /* they lie inside of each other: no sums */
		if (grown > rows)
			say_line(s, STYLE_DIM, 2, "%zu more paths grew.", grown - rows);
		return;
	}
	for (size_t i = rows; i < d->shown; i++) {
		int64_t delta = diff_main(d, d->groups.v[i].delta);
		if (delta == DIFF_UNKNOWN ||
		    __builtin_add_overflow(delta > 0 ? more : less, delta, delta > 0 ? &more : &less))
			continue;
		shrunk += delta < 0;
	}
	if (grown > rows)
		say_line(s, STYLE_DIM, 2, "%zu more grew by %s together.", grown - rows, amount(d, more, false, a));
	if (shrunk)
		say_line(s, STYLE_DIM, 2, "%zu shrank, by %s together.", shrunk, amount(d, -less, false, b));
}

static void put_paths(struct diff *d, struct say *s, const struct u32_vec *rows)
{
	bool any = false;
	for (size_t i = 0; i < rows->n && i < PATHS; i++) {
		const char *path = diff_path(d, &d->groups.v[rows->v[i]]);
		if (!*path)
			continue;
		if (!any)
			say_title(s, "Paths");
		any = true;
		strbuf_printf(s->out, "%4zu ", i + 1);
		say_hang(s, RANK_INDENT, "%s", path);
	}
}

static void put_outliers(struct diff *d, struct say *s)
{
	char a[VALUE_LEN], b[VALUE_LEN];
	if (!d->outliers.n)
		return;
	say_title(s, "Nodes that differ");
	for (size_t i = 0; i < d->outliers.n && i < OUTLIERS; i++) {
		const struct diff_outlier *o = &d->outliers.v[i];
		say_line(s, STYLE_PLAIN, 2, "%s: %s where the median is %s, in %s", d->inputs[o->input].name,
			 amount(d, o->value, false, a), amount(d, o->median, false, b),
			 diff_key(d, &d->groups.v[o->group]));
	}
	if (d->outliers.n > OUTLIERS)
		say_line(s, STYLE_DIM, 2, "%zu more; --json has all.", d->outliers.n - OUTLIERS);
}

static void put_notes(const struct diff_report *r, struct say *s)
{
	const struct str_vec *lists[] = { &r->diff->notes, &r->notes };
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < lists[k]->n; i++)
			say_line(s, STYLE_DIM, 0, "Note: %s.", lists[k]->v[i]);
	}
}

static void put_headline(const struct diff *d, struct say *s)
{
	bool profile = d->by == DIFF_SITE && !d->of_goroutines;
	strbuf_printf(s->out, "%sWhat grew, by %s%s%s", style_on(s->style, STYLE_HEAD),
		      profile && strcmp(d->unit, "bytes") == 0 ? "allocation " : "", subjects[d->by],
		      d->by == DIFF_SITE && d->of_goroutines ? " of goroutines" : "");
	if (profile)
		strbuf_puts(s->out, ": ");
	if (profile)
		clean_add(s->out, d->type, s->style->utf8);
	strbuf_printf(s->out, "%s\n", style_off(s->style, STYLE_HEAD));
}

void diff_text(const struct diff_report *r, struct strbuf *out)
{
	struct diff *d = r->diff;
	struct say s = { out, &r->style };
	char limit[VALUE_LEN];
	struct u32_vec rows = { 0 };
	size_t grown = choose_rows(d, r->top ? r->top : TOP, &rows);
	put_headline(d, &s);
	put_inputs(d, &s);
	strbuf_putc(out, '\n');
	if (rows.n)
		put_table(d, &s, &rows);
	else
		say_line(&s, STYLE_GOOD, 2, "Nothing grew.");
	put_rest(d, &s, rows.n, grown);
	put_paths(d, &s, &rows);
	vec_deinit(&rows);
	put_outliers(d, &s);
	if (d->notes.n || r->notes.n)
		strbuf_putc(out, '\n');
	put_notes(r, &s);
	if (r->judged)
		say_line(&s, r->failed ? STYLE_BAD : STYLE_GOOD, 0, "%s grew by more than %s.",
			 r->failed ? "It" : "Nothing", amount(d, (int64_t)r->limit, false, limit));
}

/* ---- JSON ---- */

static void put_number(struct json *j, const char *key, int64_t v)
{
	if (v == DIFF_UNKNOWN)
		json_null(j, key);
	else
		json_i64(j, key, v);
}

/* Bytes where the diff is of bytes; what it measures, whatever that is, in `value`. */
static void put_value(struct json *j, const struct diff *d, struct diff_value v)
{
	put_number(j, "bytes", strcmp(d->unit, "nanoseconds") == 0 ? DIFF_UNKNOWN : v.bytes);
	put_number(j, "objects", v.objects);
	put_number(j, "value", diff_main(d, v));
}

static void put_rate(struct json *j, const char *key, int64_t v, double seconds)
{
	json_double(j, key, v == DIFF_UNKNOWN ? (double)NAN : (double)v / seconds);
}

static void put_delta(struct json *j, const struct diff *d, struct diff_value delta, double seconds)
{
	bool bytes = strcmp(d->unit, "nanoseconds") != 0;
	put_number(j, "delta_bytes", bytes ? delta.bytes : DIFF_UNKNOWN);
	put_number(j, "delta_objects", delta.objects);
	put_number(j, "delta_value", diff_main(d, delta));
	put_rate(j, "per_second_bytes", bytes ? delta.bytes : DIFF_UNKNOWN, seconds);
	put_rate(j, "per_second_objects", delta.objects, seconds);
}

static void put_targets(struct json *j, const struct diff *d, const struct diff_value *v)
{
	json_object(j, "base");
	put_value(j, d, v[0]);
	json_object_end(j);
	json_array(j, "target");
	for (size_t i = 1; i < d->n; i++) {
		json_object(j, NULL);
		json_str(j, "name", d->inputs[i].name);
		put_value(j, d, v[i]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_frame(struct json *j, const char *key, const struct frame *f)
{
	json_object(j, key);
	json_str(j, "function", *f->function ? f->function : NULL);
	json_str(j, "file", *f->file ? f->file : NULL);
	if (f->line)
		json_u64(j, "line", f->line);
	else
		json_null(j, "line");
	json_bool(j, "inlined", f->inlined);
	json_object_end(j);
}

static void put_stack(struct json *j, struct diff *d, const struct diff_group *g)
{
	const struct stacks *s = diff_stacks(d, g);
	json_array(j, "stack");
	for (uint32_t i = 0; i < stacks_depth(s, g->stack); i++)
		put_frame(j, NULL, stacks_at(s, g->stack, i));
	json_array_end(j);
	if (stacks_depth(s, g->created_by))
		put_frame(j, "created_by", stacks_at(s, g->created_by, 0));
	const char *path = stacks_depth(s, g->stack) || d->by == DIFF_PATH ? diff_path(d, g) : "";
	json_str(j, "path", *path ? path : NULL);
}

static void put_group(struct json *j, struct diff *d, size_t rank)
{
	const struct diff_group *g = &d->groups.v[rank];
	json_object(j, NULL);
	json_u64(j, "rank", rank + 1);
	json_str(j, "key", diff_key(d, g));
	put_targets(j, d, diff_values(d, g));
	json_str(j, "of", d->inputs[g->of].name);
	put_delta(j, d, g->delta, d->seconds[g->of]);
	put_number(j, "survived", g->survived < 0 ? DIFF_UNKNOWN : g->survived);
	put_number(j, "new", g->new < 0 ? DIFF_UNKNOWN : g->new);
	put_number(j, "gone", g->gone < 0 ? DIFF_UNKNOWN : g->gone);
	put_stack(j, d, g);
	json_object_end(j);
}

static void json_inputs(struct json *j, const struct diff *d)
{
	char time[PARTS_TIME_LEN];
	json_array(j, "inputs");
	for (size_t i = 0; i < d->n; i++) {
		const struct snapshot *s = d->inputs[i].s;
		json_object(j, NULL);
		json_str(j, "name", d->inputs[i].name);
		json_str(j, "source", s->source);
		json_bool(j, "node", d->inputs[i].node);
		json_str(j, "time", s->clock.wall > 0 ? parts_time(s->clock.wall, time) : NULL);
		json_str(j, "last_gc", s->clock.last_gc_wall > 0 ? parts_time(s->clock.last_gc_wall, time) : NULL);
		json_double(j, "seconds_from_base", d->seconds[i]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_total(struct json *j, const struct diff *d)
{
	size_t last = d->n - 1;
	json_object(j, "total");
	put_targets(j, d, d->totals);
	put_delta(j, d, diff_less(d->totals[last], d->totals[0]), d->seconds[last]);
	json_object_end(j);
}

static void json_outliers(struct json *j, struct diff *d)
{
	json_array(j, "outliers");
	for (size_t i = 0; i < d->outliers.n; i++) {
		const struct diff_outlier *o = &d->outliers.v[i];
		json_object(j, NULL);
		json_str(j, "name", d->inputs[o->input].name);
		json_str(j, "key", diff_key(d, &d->groups.v[o->group]));
		json_u64(j, "rank", o->group + 1);
		json_i64(j, "value", o->value);
		json_i64(j, "median", o->median);
		json_object_end(j);
	}
	json_array_end(j);
}

void diff_json(const struct diff_report *r, struct strbuf *out)
{
	char time[PARTS_TIME_LEN];
	struct diff *d = r->diff;
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", "ullage.diff/1");
	json_str(&j, "time", parts_time(parts_now(), time));
	json_str(&j, "kind", r->kind);
	json_str(&j, "by", diff_by_names[d->by]);
	json_str(&j, "value_type", d->type);
	json_str(&j, "value_unit", d->unit);
	json_inputs(&j, d);
	put_total(&j, d);
	json_u64(&j, "groups_total", d->groups.n);
	json_array(&j, "groups");
	for (size_t i = 0; i < d->shown && (!r->top || i < r->top); i++)
		put_group(&j, d, i);
	json_array_end(&j);
	json_outliers(&j, d);
	if (r->judged)
		json_bool(&j, "failed", r->failed);
	else
		json_null(&j, "failed");
	json_array(&j, "notes");
	for (size_t i = 0; i < d->notes.n; i++)
		json_str(&j, NULL, d->notes.v[i]);
	for (size_t i = 0; i < r->notes.n; i++)
		json_str(&j, NULL, r->notes.v[i]);
	json_array_end(&j);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}
