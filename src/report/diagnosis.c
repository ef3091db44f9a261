/* SPDX-License-Identifier: Apache-2.0 */
#include "report/diagnosis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/num.h"
#include "format/fields.h"
#include "format/parts.h"
#include "screen/say.h"
#include "screen/table.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { STACK_SHOWN = 6 };

/* What stands side by side before and after, in this order. */
static const struct row {
	const char *key, *label;
	size_t offset;
	bool bytes, text;
} rows[] = {
	{ "rss_bytes", "RSS", offsetof(struct diagnosis_sample, rss), true, true },
	{ "rss_anon_bytes", "private memory", offsetof(struct diagnosis_sample, rss_anon), true, false },
	{ "virtual_bytes", "address space", offsetof(struct diagnosis_sample, virtual_size), true, false },
	{ "heap_live_bytes", "heap allocated", offsetof(struct diagnosis_sample, heap_live), true, true },
	{ "heap_marked_bytes", "heap marked by the last GC", offsetof(struct diagnosis_sample, heap_marked), true,
	  true },
	{ "heap_reachable_bytes", "heap reachable", offsetof(struct diagnosis_sample, reachable), true, true },
	{ "heap_goal_bytes", "heap goal", offsetof(struct diagnosis_sample, heap_goal), true, false },
	{ "heap_inuse_bytes", "heap spans in use", offsetof(struct diagnosis_sample, heap_inuse), true, false },
	{ "heap_idle_bytes", "heap idle, not returned", offsetof(struct diagnosis_sample, heap_idle), true, true },
	{ "stack_inuse_bytes", "goroutine stacks", offsetof(struct diagnosis_sample, stack_inuse), true, true },
	{ "gc_count", "collections", offsetof(struct diagnosis_sample, gc_count), false, true },
	{ "goroutines", "goroutines", offsetof(struct diagnosis_sample, goroutines), false, true },
	{ "timers", "timers", offsetof(struct diagnosis_sample, timers), false, true },
	{ "threads", "threads", offsetof(struct diagnosis_sample, threads), false, true },
	{ "fds", "descriptors", offsetof(struct diagnosis_sample, fds), false, true },
	{ "mappings", "mappings", offsetof(struct diagnosis_sample, vmas), false, false },
	{ "working_set_bytes", "working set of the cgroup", offsetof(struct diagnosis_sample, working_set), true,
	  true },
	{ "cgroup_usage_bytes", "usage of the cgroup", offsetof(struct diagnosis_sample, cgroup_usage), true, false },
};

static uint64_t value(const struct diagnosis_sample *s, const struct row *r)
{
	return *(const uint64_t *)(const void *)((const char *)s + r->offset);
}

static const struct snapshot *either(const struct diagnose_run *run)
{
	return run->has_last ? &run->last : &run->first;
}

/* ---- words ---- */

enum { WORDS_LEN = 64 };

static const char *rate_words(double rate, char buf[WORDS_LEN])
{
	static const double LEGIBLE = 10240; /* bytes */
	char x[NUM_SIZE_LEN];
	bool slow = rate < LEGIBLE;
	snprintf(buf, WORDS_LEN, "%s/%s", num_size((uint64_t)fmax(rate * (slow ? 3600 : 1), 0), x), slow ? "h" : "s");
	return buf;
}

static const char *time_words(double seconds, char buf[WORDS_LEN])
{
	if (seconds < 120)
		snprintf(buf, WORDS_LEN, "%.0f s", seconds);
	else if (seconds < 7200)
		snprintf(buf, WORDS_LEN, "%.0f min", seconds / 60);
	else if (seconds < 172800)
		snprintf(buf, WORDS_LEN, "%.0f h", seconds / 3600);
	else
		snprintf(buf, WORDS_LEN, "%.0f days", seconds / 86400);
	return buf;
}

/* How the first line says what grows, by kind. */
static const struct words {
	const char *kind, *plural, *where, *grows; /* grows: what to call it when its bytes grow, NULL: its kind */
} words[] = {
	{ "cgo", NULL, ", called from", "C memory (cgo)" },
	{ "mmap", NULL, ", mapped in", "mapped memory (mmap)" },
	{ "goroutine", "goroutines", ", started at", NULL },
	{ "thread", "threads", ", from", NULL },
	{ "timer", "timers", ", that call", NULL },
	{ "fd", "descriptors", ", opened at", NULL },
	{ "cgroup", "cgroups left behind", ", made at", NULL },
	{ "stack", NULL, ", in", NULL },
	{ "heap", NULL, ", at", NULL },
};

static const struct words *words_of(const char *kind)
{
	static const struct words other = { "", NULL, ", at", NULL };
	for (size_t i = 0; i < LEN(words); i++) {
		if (strcmp(words[i].kind, kind) == 0)
			return &words[i];
	}
	return &other;
}

static void put_growth(const struct finding *f, struct strbuf *out)
{
	char x[WORDS_LEN];
	const struct words *w = words_of(f->kind);
	if (w->plural && f->count != ACCOUNT_UNKNOWN && f->count_rate > 0)
		strbuf_printf(out, "%llu %s, %.*f more %s", (unsigned long long)f->count, w->plural,
			      f->count_rate < 10 ? 1 : 0, f->count_rate < 0.1 ? f->count_rate * 3600 : f->count_rate,
			      f->count_rate < 0.1 ? "an hour" : "a second");
	else if (isfinite(f->rate))
		strbuf_printf(out, "%s grows by %s", w->grows ? w->grows : f->kind, rate_words(f->rate, x));
	else
		strbuf_puts(out, f->kind);
	if (!*f->site.function && f->holder)
		strbuf_printf(out, ", held by %s", f->holder);
	if (*f->site.function)
		strbuf_printf(out, "%s %s", w->where, f->site.function);
	if (*f->site.function && f->site.line)
		strbuf_printf(out, " (%s:%u)", diagnosis_file(f->site.file), f->site.line);
}

static void put_verdict(const struct diagnosis *d, struct say *s)
{
	static const enum style_role roles[] = { STYLE_GOOD, STYLE_BAD, STYLE_WARN };
	char x[WORDS_LEN];
	AUTO(strbuf) struct strbuf line;
	strbuf_init(&line);
	const struct finding *f = d->findings.n && d->findings.v[0].leak ? &d->findings.v[0] : NULL;
	if (d->verdict == DIAGNOSIS_LEAK && f) {
		strbuf_puts(&line, "LEAK: ");
		put_growth(f, &line);
	} else if (d->verdict == DIAGNOSIS_INCONCLUSIVE) {
		strbuf_printf(&line, "INCONCLUSIVE: %s", d->open.n ? d->open.v[0].why : "too little was seen.");
	} else {
		strbuf_printf(&line, "No leak: nothing that was watched for %s grows without bound.",
			      time_words(d->seconds, x));
	}
	if (isfinite(d->oom.eta))
		strbuf_printf(&line, "; out of memory in about %s", time_words(d->oom.eta, x));
	say_line(s, roles[d->verdict], 0, "%s", line.buf);
	if (d->verdict == DIAGNOSIS_LEAK && f && f->advice)
		say_line(s, STYLE_PLAIN, 0, "%s", f->advice);
}

/* ---- text ---- */

static void say_amount(struct say *s, const struct finding *f)
{
	char x[SAY_NUM_LEN], y[WORDS_LEN];
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	if (f->bytes != ACCOUNT_UNKNOWN)
		say_and(&t, "%s", say_size(f->bytes, x));
	if (f->count != ACCOUNT_UNKNOWN)
		say_and(&t, "%s of them", say_num(f->count, x));
	if (isfinite(f->rate) && f->rate > 0)
		say_and(&t, "%s more", rate_words(f->rate, y));
	if (f->class)
		say_and(&t, "in %s", f->class);
	if (t.len)
		say_fact(s, "amount", "%s", t.buf);
}

static void say_stack(struct say *s, const struct finding *f)
{
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	for (size_t i = 0; i < f->stack.n && i < STACK_SHOWN; i++)
		strbuf_printf(&t, "%s%s", i ? " < " : "", f->stack.v[i].function);
	if (f->stack.n > STACK_SHOWN)
		strbuf_printf(&t, " < %zu more", f->stack.n - STACK_SHOWN);
	if (t.len)
		say_fact(s, "stack", "%s", t.buf);
}

/* `advised`: what to do stands above already. */
static void say_finding(struct say *s, const struct finding *f, bool advised)
{
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	for (size_t i = 0; i < FINDING_ALSO && f->also[i]; i++)
		say_and(&t, "%s", f->also[i]);
	say_title(s, "%s%s%s%s (%s, %.0f%% sure)", f->leak ? "Leak: " : "", f->kind, t.len ? " with " : "", t.buf,
		  diagnosis_levels[f->level], 100 * f->confidence);
	if (*f->site.function && !f->site.line)
		say_fact(s, "site", "%s  %s", f->site.function, f->site.file);
	else if (*f->site.function)
		say_fact(s, "site", "%s  %s:%u", f->site.function, f->site.file, f->site.line);
	if (f->holder)
		say_fact(s, "holder", "%s", f->holder);
	say_amount(s, f);
	for (size_t i = 0; i < f->evidence.n; i++)
		say_fact(s, i ? "" : "evidence", "%s", f->evidence.v[i]);
	say_stack(s, f);
	if (f->advice && !advised)
		say_fact(s, "advice", "%s", f->advice);
}

static void say_open(struct say *s, const struct diagnosis *d)
{
	if (!d->open.n)
		return;
	say_title(s, "Not settled");
	for (size_t i = 0; i < d->open.n; i++) {
		say_fact(s, "grew", "%s", d->open.v[i].why);
		if (d->open.v[i].settle)
			say_fact(s, "settle by", "%s", d->open.v[i].settle);
	}
}

static void say_oom(struct say *s, const struct diagnosis *d)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	if (d->oom.limit == ACCOUNT_UNKNOWN || d->oom.working_set == ACCOUNT_UNKNOWN)
		return;
	say_title(s, "Limit");
	say_fact(s, "limit", "%s of %s; the working set is %s (%.0f%%)", say_size(d->oom.limit, x),
		 d->oom.source ? d->oom.source : "?", say_size(d->oom.working_set, y),
		 100 * (double)d->oom.working_set / fmax((double)d->oom.limit, 1));
}

static void put_cell(struct table *t, const struct row *r, uint64_t v)
{
	char x[SAY_NUM_LEN];
	if (v == ACCOUNT_UNKNOWN)
		table_cell(t, NULL);
	else
		table_cell(t, r->bytes ? say_size(v, x) : say_num(v, x));
}

static void say_table(struct say *s, const struct diagnose_run *run)
{
	static const struct table_column columns[] = {
		{ "", TABLE_LEFT, 0 },
		{ "BEFORE", TABLE_RIGHT, 0 },
		{ "AFTER", TABLE_RIGHT, 0 },
		{ "CHANGE", TABLE_RIGHT, 0 },
	};
	char x[SAY_NUM_LEN], window[WORDS_LEN];
	const struct diagnosis_sample *a = &run->samples.v[0], *b = &run->samples.v[run->samples.n - 1];
	say_title(s, "Before and after: %s, %zu looks, %llu collection%s compared",
		  time_words(run->diagnosis.seconds, window), run->samples.n,
		  (unsigned long long)run->diagnosis.gc_points, run->diagnosis.gc_points == 1 ? "" : "s");
	struct table t;
	table_init(&t, columns, LEN(columns), s->style);
	t.indent = 2;
	for (size_t i = 0; i < LEN(rows); i++) {
		uint64_t from = value(a, &rows[i]), to = value(b, &rows[i]);
		if (!rows[i].text || (from == ACCOUNT_UNKNOWN && to == ACCOUNT_UNKNOWN))
			continue;
		table_cell(&t, rows[i].label);
		put_cell(&t, &rows[i], from);
		put_cell(&t, &rows[i], to);
		uint64_t by = to > from ? to - from : from - to;
		if (from == ACCOUNT_UNKNOWN || to == ACCOUNT_UNKNOWN || !by)
			table_cell(&t, "");
		else
			table_cellf(&t, "%s%s", to > from ? "+" : "-",
				    rows[i].bytes ? say_size(by, x) : say_num(by, x));
	}
	table_print(&t, s->out);
	table_deinit(&t);
}

/* One line: for how long, how much of the time, at what cost. */
static void say_record(struct say *s, const struct diagnose_run *run)
{
	const struct record *r = &run->record;
	char x[WORDS_LEN], n[SAY_NUM_LEN];
	if (!run->has_record)
		return;
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	strbuf_printf(&t, "the last %s", time_words((double)r->window_ns / 1e9, x));
	if (r->have & 1u << RECORD_MALLOC)
		strbuf_printf(&t, ", malloc for %.0f%% of it", 100 * r->malloc_on_ratio);
	if (isfinite(r->cpu_ratio))
		strbuf_printf(&t, ", for %.1f%% of its CPU time", 100 * r->cpu_ratio);
	if (r->lost)
		strbuf_printf(&t, "; %s events were lost", say_num(r->lost, n));
	say_title(s, "Recorded");
	say_fact(s, "window", "%s", t.buf);
}

static void collect_notes(const struct diagnose_run *run, struct str_vec *ret)
{
	const struct snapshot *s = either(run);
	const struct str_vec *lists[] = { &run->diagnosis.notes, &s->notes, &s->account.notes, &run->record.notes };
	for (size_t i = 0; i < LEN(lists); i++) {
		for (size_t k = 0; k < lists[i]->n; k++) {
			bool again = false;
			for (size_t m = 0; m < ret->n; m++)
				again |= strcmp(ret->v[m], lists[i]->v[k]) == 0;
			if (!again)
				*vec_push(ret) = lists[i]->v[k];
		}
	}
}

void diagnosis_text(const struct diagnose_run *run, const struct style *style, struct strbuf *out)
{
	const struct diagnosis *d = &run->diagnosis;
	struct say s = { out, style };
	put_verdict(d, &s);
	for (size_t i = 0; i < d->findings.n; i++)
		say_finding(&s, &d->findings.v[i], !i && d->verdict == DIAGNOSIS_LEAK);
	say_open(&s, d);
	say_oom(&s, d);
	say_record(&s, run);
	if (run->samples.n)
		say_table(&s, run);
	struct str_vec notes = { 0 };
	collect_notes(run, &notes);
	if (notes.n)
		say_title(&s, "Notes");
	for (size_t i = 0; i < notes.n; i++)
		say_line(&s, STYLE_DIM, 2, "%s", notes.v[i]);
	vec_deinit(&notes);
}

/* ---- JSON ---- */

static void put_frame(struct json *j, const char *key, const struct frame *f)
{
	if (!*f->function) {
		json_null(j, key);
		return;
	}
	json_object(j, key);
	json_str(j, "function", f->function);
	json_str(j, "file", *f->file ? f->file : NULL);
	if (f->line)
		json_u64(j, "line", f->line);
	else
		json_null(j, "line");
	json_object_end(j);
}

static void put_strings(struct json *j, const char *key, const char *const *v, size_t n)
{
	json_array(j, key);
	for (size_t i = 0; i < n; i++)
		json_str(j, NULL, v[i]);
	json_array_end(j);
}

static void put_finding(struct json *j, const struct finding *f)
{
	size_t n_also = 0;
	while (n_also < FINDING_ALSO && f->also[n_also])
		n_also++;
	json_object(j, NULL);
	json_str(j, "kind", f->kind);
	put_strings(j, "also", f->also, n_also);
	json_str(j, "level", diagnosis_levels[f->level]);
	json_double(j, "confidence", f->confidence);
	json_bool(j, "leak", f->leak);
	json_str(j, "class", f->class);
	fields_u64(j, "bytes", f->bytes);
	json_double(j, "rate_bytes_per_second", f->rate);
	fields_u64(j, "count", f->count);
	json_double(j, "rate_count_per_second", f->count_rate);
	put_frame(j, "site", &f->site);
	json_str(j, "holder", f->holder);
	json_array(j, "stack");
	for (size_t i = 0; i < f->stack.n; i++)
		put_frame(j, NULL, &f->stack.v[i]);
	json_array_end(j);
	put_strings(j, "evidence", f->evidence.v, f->evidence.n);
	json_str(j, "advice", f->advice);
	json_object_end(j);
}

static void put_open(struct json *j, const struct diagnosis *d)
{
	json_array(j, "open");
	for (size_t i = 0; i < d->open.n; i++) {
		const struct diagnosis_open *o = &d->open.v[i];
		json_object(j, NULL);
		json_str(j, "class", o->class);
		fields_u64(j, "bytes", o->bytes);
		json_double(j, "rate_bytes_per_second", o->rate);
		json_str(j, "why", o->why);
		json_str(j, "settle", o->settle);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_oom(struct json *j, const struct diagnosis_oom *oom)
{
	json_object(j, "oom");
	fields_u64(j, "limit_bytes", oom->limit);
	json_str(j, "limit_source", oom->source);
	fields_u64(j, "working_set_bytes", oom->working_set);
	json_double(j, "rate_bytes_per_second", oom->rate);
	json_double(j, "eta_seconds", oom->eta);
	json_object_end(j);
}

/* What was recorded, and what it cost. null: nothing grew, or it could not be: `unrecorded` says why. */
static void put_record(struct json *j, const struct diagnose_run *run)
{
	const struct record *r = &run->record;
	json_str(j, "unrecorded", run->unrecorded);
	if (!run->has_record) {
		json_null(j, "record");
		return;
	}
	json_object(j, "record");
	json_double(j, "window_seconds", (double)r->window_ns / 1e9);
	json_array(j, "kinds");
	for (int k = 0; k < RECORD_KIND_MAX_; k++) {
		if (r->have & 1u << k)
			json_str(j, NULL, record_kinds[k]);
	}
	json_array_end(j);
	json_double(j, "malloc_on_ratio", r->malloc_on_ratio);
	json_double(j, "cpu_ratio", r->cpu_ratio);
	json_u64(j, "lost", r->lost);
	json_bool(j, "partial", r->partial);
	json_object_end(j);
}

static void put_moment(struct json *j, const char *key, const struct diagnosis_sample *s, const struct snapshot *whole)
{
	char time[PARTS_TIME_LEN];
	json_object(j, key);
	json_str(j, "time", whole && whole->clock.wall ? parts_time(whole->clock.wall, time) : NULL);
	for (size_t i = 0; i < LEN(rows); i++)
		fields_u64(j, rows[i].key, value(s, &rows[i]));
	json_array(j, "classes");
	for (int c = 0; whole && whole->parts & SNAPSHOT_ACCOUNT && c < CLASS_MAX_; c++) {
		const struct account_class *k = &whole->account.classes[c];
		if (!k->resident && !k->virtual_size)
			continue;
		json_object(j, NULL);
		json_str(j, "class", mem_classes[c].name);
		json_u64(j, "resident_bytes", k->resident);
		json_u64(j, "virtual_bytes", k->virtual_size);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

void diagnosis_json(const struct diagnose_run *run, struct strbuf *out)
{
	const struct diagnosis *d = &run->diagnosis;
	const struct snapshot *s = either(run);
	char time[PARTS_TIME_LEN];
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", "ullage.diagnose/1");
	json_i64(&j, "pid", s->id.pid);
	json_str(&j, "comm", s->id.comm);
	json_str(&j, "time", parts_time(parts_now(), time));
	json_str(&j, "verdict", diagnosis_verdicts[d->verdict]);
	json_double(&j, "window_seconds", d->seconds);
	json_u64(&j, "looks", run->samples.n);
	json_u64(&j, "collections", d->gc_points);
	json_array(&j, "findings");
	for (size_t i = 0; i < d->findings.n; i++)
		put_finding(&j, &d->findings.v[i]);
	json_array_end(&j);
	put_record(&j, run);
	put_open(&j, d);
	put_oom(&j, &d->oom);
	if (run->samples.n) {
		put_moment(&j, "before", &run->samples.v[0], run->has_first ? &run->first : NULL);
		put_moment(&j, "after", &run->samples.v[run->samples.n - 1], run->has_last ? &run->last : NULL);
	}
	struct str_vec notes = { 0 };
	collect_notes(run, &notes);
	put_strings(&j, "notes", notes.v, notes.n);
	vec_deinit(&notes);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}
