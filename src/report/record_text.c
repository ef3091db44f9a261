/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "report/record_words.h"
#include "screen/say.h"
#include "screen/table.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum {
	PATHS = 5,   /* call paths of a list */
	FRAMES = 14, /* of a call path */
	FUNCTION_MAX = 58,
	SPARKS = 60, /* columns of the series */
	STEPS = 7,   /* of a bar */
};

/* Less than this of a list is not worth its lines where nobody asked for it. */
static const double SMALL = 0.01;
static const double NS = 1e9; /* nanoseconds in a second */

/* How each part is called: its fact, its list, and what a thing of it is. */
static const struct part_words {
	const char *label, *left, *title, *one, *many;
} part_words[RECORD_PART_MAX_] = {
	[RECORD_PART_MALLOC] = { "malloc", "allocated and not freed", "Allocated and not freed", "block", "blocks" },
	[RECORD_PART_MAP] = { "mapped", "mapped and still there", "Mapped and still there", "mapping", "mappings" },
	[RECORD_PART_ARENA] = { "arenas", "mapped by the allocator for its blocks", "Mapped by the C allocator",
				"mapping", "mappings" },
	[RECORD_PART_RUNTIME] = { "Go runtime", "mapped for the Go heap and its metadata", "Mapped by the Go runtime",
				  "mapping", "mappings" },
	[RECORD_PART_RESIDENT] = { "touched", "became resident and still is", "Became resident", "page", "pages" },
	[RECORD_PART_TOUCHED] = { "Go touched", "became resident of what the Go runtime maps",
				  "Became resident in the Go heap", "page", "pages" },
	[RECORD_PART_GO] = { "Go heap", "allocated, collected since or not", "Allocated on the Go heap", "object",
			     "objects" },
};

static const char *const what_words[RECORD_WHAT_MAX_] = {
	[RECORD_WHAT_FILE_CLEAN] = "clean pages of a file, which the kernel can drop",
	[RECORD_WHAT_FILE_DIRTY] = "pages of a file, written or deleted: held",
	[RECORD_WHAT_SHARED] = "shared memory",
	[RECORD_WHAT_UNTOUCHED] = "never touched",
	[RECORD_WHAT_STACK] = "a thread's stack",
	[RECORD_WHAT_GO] = "of the Go runtime",
};

static bool recorded(const struct record *r, enum record_kind kind)
{
	return r->have & 1u << kind;
}

/* ---- the first lines ---- */

static void put_head(struct say *s, const struct record *r)
{
	char time[SAY_NUM_LEN];
	strbuf_printf(s->out, "%srecord%s ", style_on(s->style, STYLE_HEAD), style_off(s->style, STYLE_HEAD));
	AUTO(strbuf) struct strbuf who;
	strbuf_init(&who);
	for (size_t i = 0; i < r->processes.n && r->processes.n == 1; i++) {
		const struct record_process *p = &r->processes.v[i];
		strbuf_printf(&who, "of pid %d, %s%s%s", p->pid, p->comm ? p->comm : "?", p->go_version ? ", " : "",
			      p->go_version ? p->go_version : "");
	}
	if (r->processes.n != 1)
		strbuf_printf(&who, "of %zu processes", r->processes.n);
	say_hang(s, 2, "%s, for %s", who.buf, say_duration(r->window_ns, time));
}

/* What counts as taken: blocks where they were watched, else what the allocator mapped for them. */
static bool counts(const struct record *r, enum record_part part)
{
	if (part == RECORD_PART_ARENA)
		return !recorded(r, RECORD_MALLOC);
	return part == RECORD_PART_MALLOC || part == RECORD_PART_MAP;
}

static void put_verdict(struct say *s, const struct record *r, const struct record_sums *sums)
{
	char time[SAY_NUM_LEN], size[SAY_NUM_LEN];
	struct record_sum all = { 0 };
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	for (size_t i = 0; i < RECORD_PART_MAX_; i++) {
		if (!counts(r, (enum record_part)i))
			continue;
		all.bytes += sums->v[i].bytes;
		all.low += sums->v[i].low;
		all.high += sums->v[i].high;
		all.untouched += sums->v[i].untouched;
	}
	say_duration(r->window_ns, time);
	if (!all.high && !all.bytes) {
		say_line(s, STYLE_GOOD, 0, "Outside the Go heap nothing was taken in %s and kept.", time);
		return;
	}
	record_size_words(all.bytes, all.low, all.high, &t);
	strbuf_printf(&t, " more after %s (", time);
	record_rate_words(r, all.bytes, &t);
	strbuf_putc(&t, ')');
	if (all.untouched)
		say_and(&t, "%s of it never touched", say_size(all.untouched, size));
	say_line(s, STYLE_WARN, 0, "Outside the Go heap: %s.", t.buf);
}

/* The row with most bytes of a part; NULL: none. */
static const struct record_row *largest(const struct record *r, enum record_part part)
{
	const struct record_row *best = NULL;
	for (size_t i = 0; i < r->rows.n; i++) {
		const struct record_row *row = &r->rows.v[i];
		if (record_outstanding(row) && record_part(r, row) == part && (!best || row->bytes > best->bytes))
			best = row;
	}
	return best;
}

static void say_part(struct say *s, const struct record *r, const struct record_sums *sums, enum record_part part)
{
	const struct record_sum *sum = &sums->v[part];
	const struct part_words *words = &part_words[part];
	char num[SAY_NUM_LEN], size[SAY_NUM_LEN];
	if (!sum->rows)
		return;
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	record_size_words(sum->bytes, sum->low, sum->high, &t);
	strbuf_printf(&t, " %s: %s %s, ", words->left, say_num(sum->count, num),
		      sum->count == 1 ? words->one : words->many);
	record_rate_words(r, sum->bytes, &t);
	bool mapped = part != RECORD_PART_RESIDENT && part != RECORD_PART_TOUCHED;
	if (mapped && sum->resident != ACCOUNT_UNKNOWN)
		say_and(&t, "%s of it resident", say_size(sum->resident, size));
	else if (sum->untouched)
		say_and(&t, "%s of it never touched", say_size(sum->untouched, size));
	say_fact(s, words->label, "%s", t.buf);
}

static void say_who(struct say *s, const struct record *r, const struct record_sum *sum, enum record_part part)
{
	const struct record_row *row = largest(r, part);
	if (!row || !sum->bytes)
		return;
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	record_site_words(r, row->stack, &t);
	say_fact(s, "", "%.0f %% by %s", 100 * (double)row->bytes / (double)sum->bytes, t.buf);
}

/* ---- the series ---- */

static uint64_t point_value(const struct record_point *p, bool malloc)
{
	int64_t v = malloc ? p->malloc_bytes : p->mapped_bytes;
	return v > 0 ? (uint64_t)v : 0;
}

/* One column for one point or the largest of several. */
static uint64_t column_value(const struct record *r, size_t column, size_t columns, bool malloc)
{
	size_t from = column * r->series.n / columns, to = (column + 1) * r->series.n / columns;
	uint64_t best = 0;
	for (size_t i = from; i < to; i++)
		best = num_max(best, point_value(&r->series.v[i], malloc));
	return best;
}

static void say_series(struct say *s, const struct record *r, const char *label, bool malloc)
{
	static const char *const bars[STEPS + 1] = { "\u2581", "\u2582", "\u2583", "\u2584",
						     "\u2585", "\u2586", "\u2587", "\u2588" };
	static const char *const plain[STEPS + 1] = { "_", ".", ":", "-", "=", "+", "*", "#" };
	char last[SAY_NUM_LEN], most[SAY_NUM_LEN];
	size_t columns = num_min(r->series.n, SPARKS), at = 0;
	uint64_t top = 0;
	for (size_t i = 0; i < r->series.n; i++) {
		at = point_value(&r->series.v[i], malloc) > top ? i : at;
		top = num_max(top, point_value(&r->series.v[i], malloc));
	}
	if (r->series.n < 3 || !top)
		return;
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	for (size_t i = 0; i < columns; i++) {
		double share = (double)column_value(r, i, columns, malloc) / (double)top;
		size_t step = (size_t)(share * STEPS + 0.5);
		strbuf_puts(&t, s->style->utf8 ? bars[step] : plain[step]);
	}
	uint64_t end = point_value(&r->series.v[r->series.n - 1], malloc);
	strbuf_printf(&t, "  %s at the end", say_size(end, last));
	if (end < top)
		strbuf_printf(&t, ", peak %s at %.0f s", say_size(top, most), (double)r->series.v[at].t_ns / NS);
	say_fact(s, label, "%s", t.buf);
}

/* Who held most at the peak, where that is not what is left at the end. */
static void say_peak(struct say *s, const struct record *r)
{
	const struct record_row *best = NULL;
	char size[SAY_NUM_LEN];
	for (size_t i = 0; i < r->rows.n; i++) {
		const struct record_row *row = &r->rows.v[i];
		if (row->kind == RECORD_MMAP && row->peak_bytes != ACCOUNT_UNKNOWN &&
		    (!best || row->peak_bytes > best->peak_bytes))
			best = row;
	}
	if (!best || best->peak_bytes <= best->bytes * 2)
		return;
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	record_site_words(r, best->stack, &t);
	say_fact(s, "at peak", "%s by %s", say_size(best->peak_bytes, size), t.buf);
}

static void say_rss(struct say *s, const struct record *r)
{
	uint64_t from = ACCOUNT_UNKNOWN, to = ACCOUNT_UNKNOWN;
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN], z[SAY_NUM_LEN];
	for (size_t i = 0; i < r->series.n; i++) {
		uint64_t v = r->series.v[i].resident_bytes;
		from = from == ACCOUNT_UNKNOWN ? v : from;
		to = v == ACCOUNT_UNKNOWN ? to : v;
	}
	if (from == ACCOUNT_UNKNOWN)
		return;
	say_fact(s, "RSS", "%s, then %s: %s %s", say_size(from, x), say_size(to, y),
		 say_size(to > from ? to - from : from - to, z), to >= from ? "more" : "less");
}

static void say_allocators(struct say *s, const struct record *r)
{
	char a[SAY_NUM_LEN], b[SAY_NUM_LEN], c[SAY_NUM_LEN], d[SAY_NUM_LEN];
	for (size_t i = 0; i < r->processes.n && i < PATHS; i++) {
		const struct record_allocator *l = &r->processes.v[i].allocator;
		if (!l->name)
			continue;
		AUTO_FREE char *of = r->processes.n > 1 ? xasprintf(" of pid %d", r->processes.v[i].pid) : xstrdup("");
		if (l->inuse_after == ACCOUNT_UNKNOWN)
			say_fact(s, "allocator", "%s%s; what it holds could not be read", l->name, of);
		else
			say_fact(s, "allocator", "%s%s: in use %s, then %s; free and kept %s, then %s", l->name, of,
				 say_size(l->inuse_before, a), say_size(l->inuse_after, b), say_size(l->free_before, c),
				 say_size(l->free_after, d));
	}
}

/* ---- how far it can be believed, and what it cost ---- */

static void say_watched(struct say *s, const struct record *r)
{
	char num[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	for (size_t i = 0; i < RECORD_EVENT_MAX_; i++) {
		if (r->events[i])
			say_and(&t, "%s %s", say_num(r->events[i], num), record_events[i]);
	}
	if (recorded(r, RECORD_MALLOC) && r->malloc_on_ratio < 0.995)
		say_and(&t, "malloc watched %.2g %% of the time", 100 * r->malloc_on_ratio);
	if (recorded(r, RECORD_RESIDENT) && r->fault_period > 1)
		say_and(&t, "one of %u faults sampled", r->fault_period);
	say_fact(s, "seen", "%s", t.len ? t.buf : "nothing");
}

static void say_cost(struct say *s, const struct record *r)
{
	char num[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf t;
	strbuf_init(&t);
	if (isfinite(r->cpu_ratio))
		say_and(&t, "%.2g %% of the CPU time of what was watched", 100 * r->cpu_ratio);
	if (r->unwound_short)
		say_and(&t, "%s stack%s with frames that could not be known", say_num(r->unwound_short, num),
			r->unwound_short == 1 ? "" : "s");
	if (t.len)
		say_fact(s, "cost", "%s", t.buf);
	if (r->lost)
		say_line(s, STYLE_BAD, 2, "%s events did not fit into the buffers and are lost: figures are too low.",
			 say_num(r->lost, num));
	if (r->partial)
		say_line(s, STYLE_BAD, 2, "Partial: something that was asked for is missing; the notes say what.");
}

/* ---- call paths ---- */

static bool is_plumbing(const struct frame *f)
{
	return stack_is_runtime(f->function) || strstr(f->function, "_Cfunc_") || strcmp(f->function, "(unknown)") == 0;
}

static void put_frame(struct table *t, const struct frame *f, bool key)
{
	const char *slash = strrchr(f->file, '/'), *file = slash ? slash + 1 : f->file;
	enum style_role role = key ? STYLE_HEAD : is_plumbing(f) ? STYLE_DIM : STYLE_PLAIN;
	table_cell(t, *f->function ? f->function : "(unknown)");
	table_role(t, role);
	if (*file && f->line)
		table_cellf(t, "%s:%u%s", file, f->line, f->inlined ? ", inlined" : "");
	else
		table_cellf(t, "%s%s", file, f->inlined ? ", inlined" : "");
	table_role(t, STYLE_DIM);
}

static void put_stack(struct say *s, const struct record *r, uint32_t stack)
{
	static const struct table_column columns[] = { { NULL, TABLE_LEFT, FUNCTION_MAX }, { NULL, TABLE_LEFT, 0 } };
	uint32_t n = stacks_depth(&r->stacks, stack), shown = (uint32_t)num_min(n, FRAMES);
	const struct frame *key = record_site(&r->stacks, stack).go;
	struct table t;
	table_init(&t, columns, LEN(columns), s->style);
	t.indent = 5;
	for (uint32_t i = 0; i < shown; i++)
		put_frame(&t, stacks_at(&r->stacks, stack, i), stacks_at(&r->stacks, stack, i) == key);
	table_print(&t, s->out);
	table_deinit(&t);
	if (n > shown)
		say_line(s, STYLE_DIM, 5, "(%u more)", n - shown);
}

static void put_path(struct say *s, const struct record *r, const struct record_row *row, const struct record_sum *sum,
		     size_t rank)
{
	const struct part_words *words = &part_words[record_part(r, row)];
	char num[SAY_NUM_LEN], size[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf t;
	AUTO(strbuf) struct strbuf who;
	strbuf_init(&t);
	strbuf_init(&who);
	record_size_words(row->bytes, row->low_bytes, row->high_bytes, &t);
	if (sum->bytes)
		say_and(&t, "%.1f %%", 100 * (double)row->bytes / (double)sum->bytes);
	say_and(&t, "%s %s", say_num(row->count, num), row->count == 1 ? words->one : words->many);
	strbuf_puts(&t, ", ");
	record_rate_words(r, row->bytes, &t);
	if (what_words[row->what])
		say_and(&t, "%s", what_words[row->what]);
	else if (row->kind == RECORD_MMAP && row->resident_bytes != ACCOUNT_UNKNOWN)
		say_and(&t, "%s resident", say_size(row->resident_bytes, size));
	if (r->processes.n > 1)
		say_and(&t, "pid %d", row->pid);
	record_site_words(r, row->stack, &who);
	strbuf_printf(s->out, "%2zu. ", rank);
	strbuf_puts(s->out, style_on(s->style, STYLE_HEAD));
	say_hang(s, 4, "%s", who.buf);
	strbuf_puts(s->out, style_off(s->style, STYLE_HEAD));
	say_line(s, STYLE_PLAIN, 4, "%s", t.buf);
	put_stack(s, r, row->stack);
}

static void put_part(struct say *s, const struct record_report *r, const struct record_sum *sum, enum record_part part)
{
	const struct record *rec = r->record;
	char num[SAY_NUM_LEN];
	size_t limit = r->top ? r->top : PATHS, n = 0;
	if (!sum->rows)
		return;
	say_title(s, "%s", part_words[part].title);
	for (size_t i = 0; i < rec->rows.n && n < limit; i++) {
		const struct record_row *row = &rec->rows.v[i];
		if (!record_outstanding(row) || record_part(rec, row) != part)
			continue;
		if (n && !r->top && (double)row->bytes < SMALL * (double)sum->bytes)
			break; /* they are sorted by size */
		put_path(s, rec, row, sum, ++n);
	}
	if (n < sum->rows)
		say_line(s, STYLE_DIM, 4, "%s more; --top shows more.", say_num(sum->rows - n, num));
}

/* ---- the whole ---- */

static const enum record_part order[] = {
	RECORD_PART_MALLOC,  RECORD_PART_MAP,	  RECORD_PART_RESIDENT, RECORD_PART_ARENA,
	RECORD_PART_RUNTIME, RECORD_PART_TOUCHED, RECORD_PART_GO,
};

/* Lists of what is no news are shown where they were asked for. */
static bool listed(const struct record_report *r, enum record_part part)
{
	bool own = part == RECORD_PART_RUNTIME || part == RECORD_PART_TOUCHED;
	return r->top || counts(r->record, part) || (!own && part != RECORD_PART_ARENA);
}

void record_text(const struct record_report *r, struct strbuf *out)
{
	struct say s = { out, &r->style };
	struct record_sums sums;
	record_sum(r->record, &sums);
	put_head(&s, r->record);
	put_verdict(&s, r->record, &sums);
	for (size_t i = 0; i < LEN(order); i++) {
		say_part(&s, r->record, &sums, order[i]);
		if (listed(r, order[i]))
			say_who(&s, r->record, &sums.v[order[i]], order[i]);
	}
	say_series(&s, r->record, "mappings", false);
	say_series(&s, r->record, "blocks", true);
	say_peak(&s, r->record);
	say_rss(&s, r->record);
	say_allocators(&s, r->record);
	say_watched(&s, r->record);
	say_cost(&s, r->record);
	for (size_t i = 0; i < LEN(order); i++) {
		if (listed(r, order[i]))
			put_part(&s, r, &sums.v[order[i]], order[i]);
	}
	if (r->record->notes.n)
		strbuf_putc(out, '\n');
	for (size_t i = 0; i < r->record->notes.n; i++)
		say_line(&s, STYLE_DIM, 0, "%s.", r->record->notes.v[i]);
}
