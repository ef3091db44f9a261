/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/num.h"
#include "report/owners_words.h"
#include "screen/say.h"
#include "screen/table.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum {
	ROOTS = 8, /* rows of a list where all of them are shown */
	PATHS = 6,
	ROWS = 6,
	ALONE = 20, /* rows of a list that was asked for */
	PATH_MIN = 30,
	ROOT_SUMS = 3,	 /* columns in front of a root */
	SUMS_WIDTH = 32, /* characters that stand before a path */
};

/* A path of which one longer path has this share says nothing that the longer one does not say. */
static const double SAME = 0.75;

const char *const owners_by_names[] = { "root", "type", "path", NULL };

static const struct owners *owners_of(const struct owners_report *r)
{
	return &r->snapshot->owners;
}

static size_t shown(const struct owners_report *r, size_t n, size_t usual)
{
	return num_min(n, r->top ? r->top : r->by == OWNERS_BY_ALL ? usual : ALONE);
}

/* Less of the heap than this is not worth a line where nobody asked for it. */
static bool is_small(const struct owners_report *r, uint64_t bytes)
{
	static const double SMALL = 0.005;
	return !r->top && r->by == OWNERS_BY_ALL && bytes != ACCOUNT_UNKNOWN &&
	       (double)bytes < SMALL * (double)owners_of(r)->reachable;
}

static void put_count(struct table *t, uint64_t n)
{
	char num[SAY_NUM_LEN];
	table_cell(t, n == ACCOUNT_UNKNOWN ? NULL : say_num(n, num));
}

static void put_percent(struct table *t, uint64_t part, uint64_t whole)
{
	if (whole && part != ACCOUNT_UNKNOWN)
		table_cellf(t, "%.1f", 100 * (double)part / (double)whole);
	else
		table_cell(t, NULL);
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void put_more(struct say *s, size_t left)
{
	char num[SAY_NUM_LEN];
	if (left)
		say_line(s, STYLE_DIM, 2, "%s more; --top shows more.", say_num(left, num));
}

static void blank(struct table *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		table_cell(t, "");
}

/* A list under a title: `usual` rows where all lists are shown, without those at its end that are too small. */
struct list {
	const char *title;
	const struct table_column *columns;
	size_t n_columns, usual;
	uint64_t (*size)(const struct owners *o, size_t i); /* NULL: none is too small */
	void (*put)(struct table *t, const struct owners_report *r, size_t i);
};

static void put_list(struct say *s, const struct owners_report *r, const struct list *l, size_t rows)
{
	size_t n = shown(r, rows, l->usual);
	while (n && l->size && is_small(r, l->size(owners_of(r), n - 1)))
		n--;
	if (!n)
		return;
	struct table t;
	table_init(&t, l->columns, l->n_columns, &r->style);
	for (size_t i = 0; i < n; i++)
		l->put(&t, r, i);
	say_title(s, "%s", l->title);
	table_print(&t, s->out);
	table_deinit(&t);
	put_more(s, rows - n);
}

/* ---- the summary ---- */

static void say_marked(struct say *s, const struct snapshot *snap)
{
	const struct owners *o = &snap->owners;
	char marked[SAY_NUM_LEN], age[SAY_NUM_LEN], change[SAY_NUM_LEN];
	if (o->heap_marked == ACCOUNT_UNKNOWN || !o->heap_marked)
		return;
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	strbuf_printf(&f, "%s marked", say_size(o->heap_marked, marked));
	if (snap->clock.last_gc_wall && snap->clock.wall > snap->clock.last_gc_wall)
		strbuf_printf(&f, " %s ago", say_duration(snap->clock.wall - snap->clock.last_gc_wall, age));
	bool more = o->reachable >= o->heap_marked;
	uint64_t by = more ? o->reachable - o->heap_marked : o->heap_marked - o->reachable;
	strbuf_printf(&f, "; what is reachable is %s (%.1f %%) %s", say_size(by, change),
		      100 * share(by, o->heap_marked), more ? "more now" : "less now");
	say_fact(s, "last GC", "%s", f.buf);
}

static void say_reading(struct say *s, const struct owners *o)
{
	char size[SAY_NUM_LEN], time[SAY_NUM_LEN], num[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	if (o->copied)
		say_and(&f, "%s of the heap", say_size(o->copied, size));
	if (o->elapsed_ns)
		strbuf_printf(&f, "%s%s", f.len ? " in " : "", say_duration(o->elapsed_ns, time));
	if (!o->jvm && o->stopped_ns)
		say_and(&f, "the process was stopped for %s of that", say_duration(o->stopped_ns, time));
	if (!o->jvm && !o->stopped_ns)
		say_and(&f, "the process was not stopped");
	if (o->inconsistencies)
		say_and(&f, "%s pointers led to what was not there any more", say_num(o->inconsistencies, num));
	if (f.len)
		say_fact(s, "read", "%s", f.buf);
}

static void put_summary(struct say *s, const struct snapshot *snap)
{
	const struct owners *o = &snap->owners;
	char size[SAY_NUM_LEN], num[SAY_NUM_LEN];
	strbuf_printf(s->out, "%sowners%s ", style_on(s->style, STYLE_HEAD), style_off(s->style, STYLE_HEAD));
	say_hang(s, 2, "of %s%s%s%s%s", snap->source ? snap->source : "?", snap->id.comm ? ", " : "",
		 snap->id.comm ? snap->id.comm : "", snap->id.go_version ? ", " : "",
		 snap->id.go_version ? snap->id.go_version : "");
	say_fact(s, "reachable", "%s in %s objects", say_size(o->reachable, size), say_num(o->reachable_objects, num));
	say_fact(s, "floating", "%s in %s objects, %.1f %% of the heap: garbage, which the next collection takes",
		 say_size(o->floating, size), say_num(o->floating_objects, num),
		 100 * share(o->floating, o->reachable + o->floating));
	say_marked(s, snap);
	if (o->typed_ratio >= 0)
		say_fact(s, "typed", "%.1f %% of the reachable bytes", 100 * o->typed_ratio);
	say_reading(s, o);
}

/* ---- roots ---- */

/* A root in the last column; what is said of it goes on a line of its own where both are too long. */
static void put_root_words(struct table *t, const struct owners_report *r, const struct owners_root *root,
			   size_t columns)
{
	AUTO(strbuf) struct strbuf words;
	strbuf_init(&words);
	owners_root_words(owners_of(r), root, &words);
	const char *about = root->name ? words.buf + strlen(root->name) : "";
	bool fits = strlen(words.buf) + SUMS_WIDTH <= r->style.width || !*about;
	table_cell(t, fits ? words.buf : root->name);
	table_role(t, STYLE_HEAD);
	if (fits)
		return;
	blank(t, columns);
	table_cellf(t, " %s", about);
	table_role(t, STYLE_DIM);
}

/* Where goroutines were started; a global has none. */
static void put_root_site(struct table *t, const struct owners_root *root)
{
	const char *file = root->site.file ? root->site.file : "", *slash = strrchr(file, '/');
	if (!root->site.line || !*file)
		return;
	blank(t, ROOT_SUMS);
	table_cellf(t, "  %s:%u", slash ? slash + 1 : file, root->site.line);
	table_role(t, STYLE_DIM);
}

static uint64_t size_of_root(const struct owners *o, size_t i)
{
	return o->roots.v[i].retained;
}

static void put_root(struct table *t, const struct owners_report *r, size_t i)
{
	const struct owners_root *root = &owners_of(r)->roots.v[i];
	table_size(t, root->retained);
	put_percent(t, root->retained, owners_of(r)->reachable);
	put_count(t, root->retained_objects);
	put_root_words(t, r, root, ROOT_SUMS);
	if (r->by == OWNERS_BY_ROOT)
		put_root_site(t, root);
}

static void roots_text(struct say *s, const struct owners_report *r)
{
	static const struct table_column columns[] = {
		{ "RETAINED", TABLE_RIGHT, 0 },
		{ "%", TABLE_RIGHT, 0 },
		{ "OBJECTS", TABLE_RIGHT, 0 },
		{ "ROOT", TABLE_LEFT, 0 },
	};
	const struct list l = { "Who holds it", columns, LEN(columns), ROOTS, size_of_root, put_root };
	put_list(s, r, &l, owners_of(r)->roots.n);
}

/* ---- types ---- */

static void put_type(struct table *t, const struct owners_report *r, size_t i)
{
	const struct owners_type *type = &owners_of(r)->types.v[i];
	table_size(t, type->bytes);
	put_percent(t, type->bytes, owners_of(r)->reachable);
	put_count(t, type->objects);
	table_size(t, type->retained);
	table_cell(t, type->type);
}

static void types_text(struct say *s, const struct owners_report *r)
{
	static const struct table_column columns[] = {
		{ "BYTES", TABLE_RIGHT, 0 },	{ "%", TABLE_RIGHT, 0 },   { "OBJECTS", TABLE_RIGHT, 0 },
		{ "RETAINED", TABLE_RIGHT, 0 }, { "TYPE", TABLE_LEFT, 0 },
	};
	const struct list l = { "Of which types it is", columns, LEN(columns), ROWS, NULL, put_type };
	put_list(s, r, &l, owners_of(r)->types.n);
}

/* ---- paths ---- */

/* Does a longer path hold nearly all of this one? They are sorted, so it stands close behind. */
static bool is_told_by_longer(const struct owners_report *r, size_t at)
{
	const struct owners *o = owners_of(r);
	const struct owners_path *p = &o->paths.v[at];
	for (size_t i = at + 1; i < o->paths.n; i++) {
		if ((double)o->paths.v[i].retained < SAME * (double)p->retained)
			return false;
		if (owners_path_wanted(r, &o->paths.v[i]) && o->paths.v[i].root == p->root &&
		    owners_path_extends(o, &o->paths.v[i], p))
			return true;
	}
	return false;
}

/* Numbers of the paths to show. Returns how many of those that are wanted are not among them. */
static size_t choose_paths(const struct owners_report *r, struct u32_vec *ret)
{
	const struct owners *o = owners_of(r);
	size_t wanted = 0, limit = shown(r, o->paths.n, PATHS);
	for (size_t i = 0; i < o->paths.n; i++) {
		if (!owners_path_wanted(r, &o->paths.v[i]))
			continue;
		wanted++;
		if (ret->n < limit && !is_small(r, o->paths.v[i].retained) && (r->type || !is_told_by_longer(r, i)))
			*vec_push(ret) = (uint32_t)i;
	}
	return wanted - ret->n;
}

static void put_site(struct table *t, const struct owners *o, const struct owners_path *p, size_t columns)
{
	if (!p->site || p->site >= o->stacks.v.n || !stacks_depth(&o->stacks, p->site))
		return;
	const struct frame *f = stacks_at(&o->stacks, p->site, 0);
	const char *slash = strrchr(f->file, '/');
	blank(t, columns);
	table_cellf(t, "allocated in %s (%s:%u), %.0f %% of the samples", f->function, slash ? slash + 1 : f->file,
		    f->line, 100 * p->site_share);
	table_role(t, STYLE_DIM);
}

/* The lines of a folded path, each in the last column of a row of its own. */
static void put_lines(struct table *t, const char *lines, size_t columns)
{
	for (const char *at = lines; *at;) {
		size_t len = strcspn(at, "\n");
		AUTO_FREE char *line = xstrndup(at, len);
		if (at != lines)
			blank(t, columns);
		table_cell(t, line);
		at += len + (at[len] != 0);
	}
}

/* Which roots, of what no root holds alone. */
static void put_several(struct table *t, const struct owners_report *r, const struct owners_path *p, size_t columns)
{
	if (!p->held_by)
		return;
	AUTO(strbuf) struct strbuf lines;
	strbuf_init(&lines);
	AUTO_FREE char *text = xasprintf("held by %s", p->held_by);
	owners_path_fold(text, num_max(PATH_MIN, num_sub(r->style.width, SUMS_WIDTH)), &r->style, &lines);
	blank(t, columns);
	put_lines(t, lines.buf, columns);
}

static void put_path(struct table *t, const struct owners_report *r, const struct owners_path *p)
{
	const struct owners *o = owners_of(r);
	AUTO(strbuf) struct strbuf words;
	AUTO(strbuf) struct strbuf lines;
	strbuf_init(&words);
	strbuf_init(&lines);
	owners_path_words(o, p, &words);
	owners_path_fold(words.buf, num_max(PATH_MIN, num_sub(r->style.width, SUMS_WIDTH)), &r->style, &lines);
	table_size(t, p->retained);
	put_percent(t, p->retained, o->reachable);
	put_count(t, p->objects);
	put_lines(t, lines.buf, 3);
	put_several(t, r, p, 3);
	put_site(t, o, p, 3);
}

static void put_brief_paths(struct say *s, const struct owners_report *r, const struct u32_vec *chosen)
{
	static const struct table_column columns[] = {
		{ "RETAINED", TABLE_RIGHT, 0 },
		{ "%", TABLE_RIGHT, 0 },
		{ "OBJECTS", TABLE_RIGHT, 0 },
		{ "PATH", TABLE_LEFT, 0 },
	};
	struct table t;
	table_init(&t, columns, LEN(columns), &r->style);
	for (size_t i = 0; i < chosen->n; i++)
		put_path(&t, r, &owners_of(r)->paths.v[chosen->v[i]]);
	table_print(&t, s->out);
	table_deinit(&t);
}

/* A step of a path: what it holds alone. */
static void put_step(struct table *t, const struct owners_step *step)
{
	blank(t, 2);
	put_count(t, step->objects);
	table_size(t, step->bytes);
	table_cellf(t, "  -> %s%s%s%s", step->field ? "." : "", step->field ? step->field : "", step->field ? " " : "",
		    step->type ? step->type : "(unknown)");
}

static void put_whole_path(struct table *t, const struct owners_report *r, const struct owners_path *p)
{
	const struct owners *o = owners_of(r);
	table_size(t, p->retained);
	put_percent(t, p->retained, o->reachable);
	put_count(t, p->objects);
	table_cell(t, "");
	put_root_words(t, r, &o->roots.v[p->root], 4);
	for (uint32_t i = 0; i < p->step_n; i++)
		put_step(t, &o->steps.v[p->step_at + i]);
	put_several(t, r, p, 4);
	put_site(t, o, p, 4);
}

static void put_whole_paths(struct say *s, const struct owners_report *r, const struct u32_vec *chosen)
{
	static const struct table_column columns[] = {
		{ "RETAINED", TABLE_RIGHT, 0 }, { "%", TABLE_RIGHT, 0 },   { "OBJECTS", TABLE_RIGHT, 0 },
		{ "ALONE", TABLE_RIGHT, 0 },	{ "PATH", TABLE_LEFT, 0 },
	};
	struct table t;
	table_init(&t, columns, LEN(columns), &r->style);
	for (size_t i = 0; i < chosen->n; i++)
		put_whole_path(&t, r, &owners_of(r)->paths.v[chosen->v[i]]);
	table_print(&t, s->out);
	table_deinit(&t);
}

static void paths_text(struct say *s, const struct owners_report *r)
{
	struct u32_vec chosen = { 0 };
	size_t left = choose_paths(r, &chosen);
	if (chosen.n) {
		say_title(s, r->type ? "By which path %s is held" : "By which path", r->type);
		if (r->by == OWNERS_BY_PATH)
			put_whole_paths(s, r, &chosen);
		else
			put_brief_paths(s, r, &chosen);
		put_more(s, left);
	} else if (r->type) {
		say_line(s, STYLE_WARN, 2, "No reachable object is of type %s; --by type lists those there are.",
			 r->type);
	}
	vec_deinit(&chosen);
}

/* ---- what holders, waste and goroutines there are ---- */

/* Whose it is, below what it is. */
static void put_owner(struct table *t, const char *owner, size_t columns)
{
	if (!owner)
		return;
	blank(t, columns);
	table_cellf(t, "  in %s", owner);
	table_role(t, STYLE_DIM);
}

static uint64_t size_of_holder(const struct owners *o, size_t i)
{
	return o->holders.v[i].retained;
}

static void put_holder(struct table *t, const struct owners_report *r, size_t i)
{
	const struct owners_holder *h = &owners_of(r)->holders.v[i];
	table_size(t, h->retained);
	put_count(t, h->count);
	put_count(t, h->elements);
	table_cell(t, h->kind);
	table_cellf(t, "%s%s%s", h->type ? h->type : "", h->type && h->text ? ": " : "", h->text ? h->text : "");
	put_owner(t, h->owner, 4);
}

static void holders_text(struct say *s, const struct owners_report *r)
{
	static const struct table_column columns[] = {
		{ "RETAINED", TABLE_RIGHT, 0 }, { "COUNT", TABLE_RIGHT, 0 }, { "ELEMENTS", TABLE_RIGHT, 0 },
		{ "KIND", TABLE_LEFT, 14 },	{ "WHAT", TABLE_LEFT, 0 },
	};
	const struct list l = { "Holders", columns, LEN(columns), ROWS, size_of_holder, put_holder };
	put_list(s, r, &l, owners_of(r)->holders.n);
}

static uint64_t size_of_map(const struct owners *o, size_t i)
{
	return o->maps.v[i].bytes;
}

static void put_map(struct table *t, const struct owners_report *r, size_t i)
{
	const struct owners_map *m = &owners_of(r)->maps.v[i];
	table_size(t, m->bytes);
	table_size(t, m->recoverable);
	put_count(t, m->entries);
	put_count(t, m->capacity);
	put_count(t, m->maps);
	table_cell(t, m->owner ? m->owner : m->type);
}

static void maps_text(struct say *s, const struct owners_report *r)
{
	static const struct table_column columns[] = {
		{ "BYTES", TABLE_RIGHT, 0 },	{ "RECOVERABLE", TABLE_RIGHT, 0 }, { "ENTRIES", TABLE_RIGHT, 0 },
		{ "CAPACITY", TABLE_RIGHT, 0 }, { "MAPS", TABLE_RIGHT, 0 },	   { "MAP", TABLE_LEFT, 0 },
	};
	const struct list l = { "Maps", columns, LEN(columns), ROWS, size_of_map, put_map };
	put_list(s, r, &l, owners_of(r)->maps.n);
}

static uint64_t size_of_waste(const struct owners *o, size_t i)
{
	return o->waste.v[i].bytes;
}

static void put_waste(struct table *t, const struct owners_report *r, size_t i)
{
	const struct owners_waste *w = &owners_of(r)->waste.v[i];
	table_size(t, w->bytes);
	put_count(t, w->count);
	table_cell(t, w->rule);
	table_cell(t, w->text ? w->text : w->owner);
	put_owner(t, w->text ? w->owner : NULL, 3);
}

static void waste_text(struct say *s, const struct owners_report *r)
{
	static const struct table_column columns[] = {
		{ "BYTES", TABLE_RIGHT, 0 },
		{ "COUNT", TABLE_RIGHT, 0 },
		{ "RULE", TABLE_LEFT, 16 },
		{ "WHAT", TABLE_LEFT, 0 },
	};
	const struct list l = { "Held and not used", columns, LEN(columns), ROWS, size_of_waste, put_waste };
	put_list(s, r, &l, owners_of(r)->waste.n);
}

static const char *place(const struct stacks *s, uint32_t stack)
{
	return stack < s->v.n && stacks_depth(s, stack) ? stacks_at(s, stack, 0)->function : "(unknown)";
}

static void put_stuck(struct table *t, const struct owners_report *r, size_t i)
{
	const struct owners *o = owners_of(r);
	const struct owners_stuck *x = &o->stuck.v[i];
	put_count(t, x->count);
	table_size(t, x->retained);
	table_cell(t, x->reason);
	table_cell(t, place(&o->stacks, x->stack));
	table_cell(t, place(&o->stacks, x->created_by));
}

static void stuck_text(struct say *s, const struct owners_report *r)
{
	static const struct table_column columns[] = {
		{ "COUNT", TABLE_RIGHT, 0 }, { "RETAINED", TABLE_RIGHT, 0 },  { "WAITS", TABLE_LEFT, 24 },
		{ "AT", TABLE_LEFT, 30 },    { "STARTED IN", TABLE_LEFT, 0 },
	};
	static const char title[] = "Goroutines that wait for what nothing else reaches: they never end";
	const struct list l = { title, columns, LEN(columns), ROWS, NULL, put_stuck };
	put_list(s, r, &l, owners_of(r)->stuck.n);
}

static void finalizers_text(struct say *s, const struct owners_report *r)
{
	const struct owners_finalizers *f = &owners_of(r)->finalizers;
	char num[SAY_NUM_LEN];
	if (!f->queued && !f->blocked && !f->cycles)
		return;
	say_title(s, "Finalizers");
	if (f->blocked)
		say_line(s, STYLE_BAD, 2, "The goroutine that runs them is blocked%s%s: none behind it runs.",
			 f->at ? " in " : "", f->at ? f->at : "");
	if (f->queued)
		say_line(s, STYLE_PLAIN, 2, "%s wait to be run.", say_num(f->queued, num));
	if (f->cycles)
		say_line(s, STYLE_WARN, 2, "%s objects with one reach themselves: they can never be freed.",
			 say_num(f->cycles, num));
}

/* ---- what to look at next ---- */

static void say_next(struct say *s, const struct snapshot *snap, const char *about, const char *options)
{
	if (snap->id.pid && snap->source && strncmp(snap->source, "pid ", 4) == 0)
		say_line(s, STYLE_PLAIN, 2, "ullage owners %d %s  %s", snap->id.pid, options, about);
	else
		say_line(s, STYLE_PLAIN, 2, "ullage owners FILE %s  %s", options, about);
}

static void next_text(struct say *s, const struct owners_report *r)
{
	const struct owners *o = owners_of(r);
	say_title(s, "Look further");
	if (share(o->floating, o->reachable + o->floating) > 0.5)
		say_line(s, STYLE_PLAIN, 2,
			 "Most of the heap is garbage that was not collected yet: that alone is no leak.");
	if (o->paths.n)
		say_next(s, r->snapshot, "every step, with counts", "--by path");
	if (o->types.n)
		say_next(s, r->snapshot, "which types; then --type NAME for who holds one", "--by type");
	if (o->paths.n)
		say_next(s, r->snapshot, "the same as a picture", "--flame owners.html");
}

/* ---- the whole ---- */

static void put_all(struct say *s, const struct owners_report *r)
{
	roots_text(s, r);
	paths_text(s, r);
	stuck_text(s, r);
	finalizers_text(s, r);
	waste_text(s, r);
	holders_text(s, r);
	maps_text(s, r);
	next_text(s, r);
}

void owners_text(const struct owners_report *r, struct strbuf *out)
{
	static void (*const lists[])(struct say * s, const struct owners_report *r) = {
		[OWNERS_BY_ROOT] = roots_text,
		[OWNERS_BY_TYPE] = types_text,
		[OWNERS_BY_PATH] = paths_text,
		[OWNERS_BY_ALL] = put_all,
	};
	struct say s = { out, &r->style };
	put_summary(&s, r->snapshot);
	lists[r->by](&s, r);
	if (r->type && r->by != OWNERS_BY_PATH && r->by != OWNERS_BY_ALL)
		paths_text(&s, r);
	if (r->snapshot->notes.n)
		strbuf_putc(out, '\n');
	for (size_t i = 0; i < r->snapshot->notes.n; i++)
		say_line(&s, STYLE_DIM, 0, "%s.", r->snapshot->notes.v[i]);
}
