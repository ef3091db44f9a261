/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "history/moment.h"
#include "history/report.h"
#include "screen/say.h"
#include "screen/table.h"

static const int64_t second_ns = 1000000000;
enum { SPARK = 50, OTHERS = 8, FILES = 6, SIGNALS = 6, LISTED = 40, VALUES_MAX = 700 };

static const char *name_of(const struct store_life *l)
{
	return l->comm ? l->comm : "?";
}

static const struct store_life *chosen(const struct history *h)
{
	return &h->lives.v[h->chosen];
}

/* The last look that is known. */
static const struct store_point *last_look(const struct history *h)
{
	return h->last.n ? &h->last.v[h->last.n - 1] : h->points.n ? &h->points.v[h->points.n - 1] : NULL;
}

/* What counts against the limit: the cgroup's, or the process's own where there is none. */
static uint64_t pressure(const struct store_point *p)
{
	return p->cgroup.working_set != WATCH_UNKNOWN ? p->cgroup.working_set : p->process.rss;
}

static double share(const struct store_point *p)
{
	if (p->cgroup.limit == WATCH_UNKNOWN || !p->cgroup.limit || p->cgroup.working_set == WATCH_UNKNOWN)
		return NAN;
	return (double)p->cgroup.working_set / (double)p->cgroup.limit;
}

/* ---- the answer ---- */

static const char *const verbs[] = {
	[HISTORY_ALIVE] = "is running",	    [HISTORY_OOM] = "was killed by the kernel for memory",
	[HISTORY_EXIT] = "ended",	    [HISTORY_EXEC] = "became another program",
	[HISTORY_UNSEEN] = "was last seen",
};

static void put_answer(struct say *s, const struct history *h)
{
	const struct store_life *l = chosen(h);
	enum history_end end = h->ends[h->chosen];
	enum style_role role = end == HISTORY_OOM ? STYLE_BAD : STYLE_HEAD;
	char at[MOMENT_LEN], ago[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf line;
	strbuf_init(&line);
	strbuf_printf(&line, "%s (%s) %s", name_of(l), l->key, verbs[end]);
	if (end != HISTORY_ALIVE)
		strbuf_printf(&line, " at %s UTC, %s ago", moment_text(h->end_ns, at),
			      say_duration(h->now_ns - h->end_ns, ago));
	say_line(s, role, 0, "%s.", line.buf);
	if (h->end && h->end->text)
		say_line(s, STYLE_PLAIN, 2, "%s", h->end->text);
	if (end == HISTORY_UNSEEN)
		say_line(s, STYLE_PLAIN, 2,
			 "How it ended, or whether it did, is not known: nobody looked from then on.");
	if (end == HISTORY_EXIT)
		say_line(s, STYLE_PLAIN, 2, "No OOM kill of it was seen.");
}

/* How early it was known. */
static void put_warned(struct say *s, const struct history *h)
{
	char before[SAY_NUM_LEN], at[MOMENT_LEN];
	if (h->ends[h->chosen] == HISTORY_ALIVE || !h->on.n) {
		if (h->ends[h->chosen] == HISTORY_OOM)
			say_fact(s, "warned", "no: no signal was on when it was killed");
		return;
	}
	const struct watch_event *e = h->on.v[0].event;
	say_fact(s, "warned", "%s before, at %s, by %s", say_duration(h->end_ns - e->wall_ns, before),
		 moment_short(e->wall_ns, h->end_ns, at), e->name);
}

static void put_life(struct say *s, const struct history *h)
{
	const struct store_life *l = chosen(h);
	char at[MOMENT_LEN], lived[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	say_and(&f, "seen from %s on, %s", moment_text(l->first_wall_ns, at),
		say_duration(h->end_ns - l->first_wall_ns, lived));
	if (l->go_version)
		say_and(&f, "%s", l->go_version);
	if (l->build_id)
		say_and(&f, "build %.24s", l->build_id);
	say_fact(s, "life", "%s", f.buf);
	if (l->exe)
		say_fact(s, "program", "%s", l->exe);
	if (l->cgroup_path)
		say_fact(s, "cgroup", "%s", l->cgroup_path);
}

static void put_limit(struct say *s, const struct history *h)
{
	const struct store_point *p = last_look(h);
	char limit[SAY_NUM_LEN], used[SAY_NUM_LEN];
	if (!p)
		return;
	if (isnan(share(p)))
		say_fact(s, "limit", "%s", chosen(h)->limit_source ? chosen(h)->limit_source : "none known");
	else
		say_fact(s, "limit", "%s (%s); %.1f%% of it (%s) in use at the last look",
			 say_size(p->cgroup.limit, limit), chosen(h)->limit_source ? chosen(h)->limit_source : "cgroup",
			 share(p) * 100, say_size(p->cgroup.working_set, used));
}

static void put_forecast(struct say *s, const struct history *h)
{
	const struct store_point *p = last_look(h);
	char rate[NUM_SIZE_LEN], eta[SAY_NUM_LEN];
	if (!p || isnan(p->forecast.rate) || (p->forecast.rate <= 0 && !p->forecast.warning))
		return;
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	say_and(&f, "growing by %s a second", num_size((uint64_t)(p->forecast.rate > 0 ? p->forecast.rate : 0), rate));
	if (!isnan(p->forecast.eta))
		say_and(&f, "limit in %s", say_duration((int64_t)(p->forecast.eta * 1e9), eta));
	if (!isnan(p->forecast.confidence))
		say_and(&f, "confidence %.0f%%", p->forecast.confidence * 100);
	say_fact(s, "forecast", "%s", f.buf);
}

/* ---- the looks ---- */

struct curve {
	const char *label;
	double (*value)(const struct store_point *p);
	bool bytes;
};

static double known(uint64_t v)
{
	return v == WATCH_UNKNOWN ? (double)NAN : (double)v;
}

static double curve_pressure(const struct store_point *p)
{
	return known(pressure(p));
}

static double curve_heap(const struct store_point *p)
{
	return known(p->process.heap_alloc);
}

static double curve_goroutines(const struct store_point *p)
{
	return known(p->process.goroutines);
}

static const struct curve curves[] = {
	{ "memory", curve_pressure, true },
	{ "Go heap", curve_heap, true },
	{ "goroutines", curve_goroutines, false },
};

static void put_curve(struct say *s, const struct history *h, const struct curve *c)
{
	double values[VALUES_MAX], min = NAN, max = NAN;
	size_t n = 0;
	for (size_t i = 0; i < h->points.n && n < VALUES_MAX; i++) {
		double v = values[n++] = c->value(&h->points.v[i]);
		if (isnan(v))
			continue;
		min = isnan(min) || v < min ? v : min;
		max = isnan(max) || v > max ? v : max;
	}
	if (isnan(min))
		return;
	AUTO(strbuf) struct strbuf f;
	char low[SAY_NUM_LEN], high[SAY_NUM_LEN];
	strbuf_init(&f);
	spark_add(&f, values, n, SPARK, s->style->utf8);
	if (c->bytes)
		strbuf_printf(&f, "  %s .. %s", num_size((uint64_t)min, low), num_size((uint64_t)max, high));
	else
		strbuf_printf(&f, "  %s .. %s", say_num((uint64_t)min, low), say_num((uint64_t)max, high));
	say_fact(s, c->label, "%s", f.buf);
}

static void put_row(struct table *t, const struct history *h, const struct store_point *p)
{
	char num[SAY_NUM_LEN], at[MOMENT_LEN];
	int64_t before = h->end_ns - p->wall_ns;
	table_cell(t, moment_short(p->wall_ns, h->end_ns, at));
	table_cell(t, before < 0 ? "0 s" : say_duration(before, num));
	table_size(t, p->process.rss);
	table_size(t, p->cgroup.working_set);
	if (isnan(share(p)))
		table_cell(t, NULL);
	else
		table_cellf(t, "%.1f%%", share(p) * 100);
	table_size(t, p->process.heap_alloc);
	table_cell(t, p->process.goroutines == WATCH_UNKNOWN ? NULL : say_num(p->process.goroutines, num));
	table_cell(t, p->process.gc_count == WATCH_UNKNOWN ? NULL : say_num(p->process.gc_count, num));
	table_cell(t, watch_states[p->state]);
	table_role(t, p->state >= WATCH_CRITICAL ? STYLE_BAD : p->state == WATCH_WARNING ? STYLE_WARN : STYLE_PLAIN);
}

/* Looks nearer and nearer to the last one. */
static void put_looks(struct say *s, const struct history *h)
{
	static const struct table_column columns[] = {
		{ "TIME", TABLE_LEFT, 0 },	   { "BEFORE", TABLE_RIGHT, 0 }, { "RSS", TABLE_RIGHT, 0 },
		{ "WORKING SET", TABLE_RIGHT, 0 }, { "LIMIT", TABLE_RIGHT, 0 },	 { "GO HEAP", TABLE_RIGHT, 0 },
		{ "GOROUTINES", TABLE_RIGHT, 0 },  { "GCS", TABLE_RIGHT, 0 },	 { "STATE", TABLE_LEFT, 0 },
	};
	static const int before[] = { 110, 60, 30, 15, 8, 4, 2, 1, 0 };
	const struct store_point *shown = NULL;
	struct table t;
	if (!h->last.n)
		return;
	int64_t last = h->last.v[h->last.n - 1].boot_ns;
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]), s->style);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		const struct store_point *p = NULL;
		for (size_t k = 0; k < h->last.n && h->last.v[k].boot_ns <= last - before[i] * second_ns; k++)
			p = &h->last.v[k];
		if (p && p != shown)
			put_row(&t, h, p);
		shown = p ? p : shown;
	}
	strbuf_putc(s->out, '\n');
	table_print(&t, s->out);
	table_deinit(&t);
}

static void put_curves(struct say *s, const struct history *h)
{
	char from[MOMENT_LEN], to[MOMENT_LEN];
	if (!h->points.n) {
		say_title(s, "No look is kept of that time");
		return;
	}
	say_title(s, "Looks from %s to %s", moment_short(h->points.v[0].wall_ns, h->end_ns, from),
		  moment_short(h->points.v[h->points.n - 1].wall_ns, h->end_ns, to));
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		put_curve(s, h, &curves[i]);
}

/* ---- what was known, what is kept ---- */

static void put_signals(struct say *s, const struct history *h)
{
	char at[MOMENT_LEN];
	if (!h->on.n)
		return;
	say_title(s, "On at the end");
	for (size_t i = 0; i < h->on.n && i < SIGNALS; i++) {
		const struct watch_event *e = h->on.v[i].event;
		say_line(s, STYLE_PLAIN, 2, "%s  %s: %s", moment_short(e->wall_ns, h->end_ns, at), e->name,
			 e->text ? e->text : "");
	}
}

static void put_files(struct say *s, const struct history *h)
{
	char at[MOMENT_LEN], size[NUM_SIZE_LEN];
	if (!h->files.n)
		return;
	say_title(s, "On disk");
	for (size_t i = 0; i < h->files.n && i < FILES; i++) {
		const struct watch_file *f = &h->files.v[i].f;
		say_line(s, h->files.v[i].there ? STYLE_PLAIN : STYLE_DIM, 2, "%s  %s, %s: %s%s",
			 moment_short(f->wall_ns, h->end_ns, at), f->kind, num_size(f->bytes, size), f->path,
			 h->files.v[i].there ? "" : " (no longer there)");
	}
	if (h->files.n > FILES)
		say_line(s, STYLE_DIM, 2, "and %zu older ones; --json has all.", h->files.n - FILES);
}

/* ---- lists of lives ---- */

static void put_life_row(struct table *t, const struct history *h, size_t i)
{
	const struct store_life *l = &h->lives.v[i];
	char at[MOMENT_LEN], lived[SAY_NUM_LEN];
	int64_t end = l->ended_wall_ns ? l->ended_wall_ns : l->last_wall_ns;
	table_cell(t, l->key);
	table_cell(t, name_of(l));
	table_cell(t, moment_short(end, h->now_ns, at));
	table_cell(t, end > l->first_wall_ns ? say_duration(end - l->first_wall_ns, lived) : NULL);
	table_cell(t, history_ends[h->ends[i]]);
	table_role(t, h->ends[i] == HISTORY_OOM ? STYLE_BAD : STYLE_PLAIN);
	table_cell(t, l->cgroup_path);
}

static void put_lives(struct say *s, const struct history *h, size_t max)
{
	static const struct table_column columns[] = {
		{ "TARGET", TABLE_LEFT, 0 }, { "NAME", TABLE_LEFT, 16 }, { "LAST SEEN", TABLE_LEFT, 0 },
		{ "LIVED", TABLE_RIGHT, 0 }, { "END", TABLE_LEFT, 0 },	 { "CGROUP", TABLE_LEFT, 0 },
	};
	struct table t;
	size_t shown = 0;
	table_init(&t, columns, sizeof(columns) / sizeof(columns[0]), s->style);
	for (size_t i = 0; i < h->lives.n && shown < max; i++) {
		if (i == h->chosen)
			continue;
		put_life_row(&t, h, i);
		shown++;
	}
	table_print(&t, s->out);
	table_deinit(&t);
	size_t all = h->lives.n - (h->chosen < h->lives.n);
	if (shown < all)
		say_line(s, STYLE_DIM, 0, "%zu more; --since and --until narrow it, --json has all.", all - shown);
}

static void put_others(struct say *s, const struct history *h)
{
	if (h->lives.n < 2)
		return;
	say_title(s, "Others that match (ullage history TARGET, or --at TIME)");
	put_lives(s, h, OTHERS);
}

static void put_list(struct say *s, const struct history *h)
{
	size_t by_end[HISTORY_UNSEEN + 1] = { 0 };
	AUTO(strbuf) struct strbuf line;
	for (size_t i = 0; i < h->lives.n; i++)
		by_end[h->ends[i]]++;
	strbuf_init(&line);
	strbuf_printf(&line, "%zu process%s known: %zu alive, %zu killed by the kernel for memory, %zu ended otherwise",
		      h->lives.n, h->lives.n == 1 ? " is" : "es are", by_end[HISTORY_ALIVE], by_end[HISTORY_OOM],
		      by_end[HISTORY_EXIT] + by_end[HISTORY_EXEC]);
	if (by_end[HISTORY_UNSEEN])
		strbuf_printf(&line, "; of %zu the end was not seen", by_end[HISTORY_UNSEEN]);
	say_line(s, STYLE_HEAD, 0, "%s.", line.buf);
	if (h->holder > 0)
		say_line(s, STYLE_DIM, 0, "%s, written by process %d.", h->directory, h->holder);
	else
		say_line(s, STYLE_DIM, 0, "%s; no daemon runs now.", h->directory);
	strbuf_putc(s->out, '\n');
	put_lives(s, h, LISTED);
}

static void put_notes(struct say *s, const struct history *h)
{
	if (h->notes.n)
		strbuf_putc(s->out, '\n');
	for (size_t i = 0; i < h->notes.n; i++)
		say_line(s, STYLE_DIM, 0, "%s.", h->notes.v[i]);
}

void history_text(const struct history *h, const struct style *style, struct strbuf *out)
{
	struct say s = { out, style };
	if (h->chosen >= h->lives.n) {
		put_list(&s, h);
		put_notes(&s, h);
		return;
	}
	put_answer(&s, h);
	put_warned(&s, h);
	put_limit(&s, h);
	put_forecast(&s, h);
	put_life(&s, h);
	put_curves(&s, h);
	put_looks(&s, h);
	put_signals(&s, h);
	put_files(&s, h);
	put_others(&s, h);
	put_notes(&s, h);
}
