/* SPDX-License-Identifier: Apache-2.0 */
#include "report/goroutines.h"

#include <string.h>

#include "base/num.h"
#include "format/fields.h"
#include "format/parts.h"
#include "screen/say.h"
#include "screen/table.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum { TOP = 20, HINTS = 8 }; /* groups in text */

static const double NS = 1e9; /* nanoseconds in a second */

const char *const goroutine_by_names[] = { "site", "state", "stack", "none", NULL };

static const struct {
	unsigned flag;
	const char *key, *word;
} flags[] = {
	{ GOROUTINE_SYSTEM, "system", "of the runtime" },
	{ GOROUTINE_LOCKED, "locked_to_thread", "locked to its thread" },
	{ GOROUTINE_MOVING, "moving", "ran while it was looked at, so its stack was not taken" },
	{ GOROUTINE_LEAKED, "leaked", "leaked, says the runtime" },
	{ GOROUTINE_CUT, "cut", "its stack is not complete" },
	{ GOROUTINE_SELECT, "select", NULL },
	{ GOROUTINE_BUBBLE, "bubble", "in a synctest bubble" },
	{ GOROUTINE_DURABLE, "durable", "durably blocked" },
	{ GOROUTINE_NO_DEADLINE, "no_deadline", "no deadline is set" },
	{ GOROUTINE_DEADLINE, "deadline", "a deadline is set" },
	{ GOROUTINE_PANIC, "panic", "the dump is about it" },
};

/* What people call the state: the reason where it waits. */
static const char *state_of(const struct goroutine_group *g)
{
	return g->wait_reason ? g->wait_reason : g->state;
}

static const struct goroutine *member(const struct goroutines_report *r, const struct goroutine_group *g, size_t i)
{
	return &r->goroutines->v.v[r->groups->members.v[g->at + i]];
}

static uint64_t from_input(const struct goroutines_report *r, const struct goroutine_group *g, size_t input)
{
	uint64_t n = 0;
	for (size_t i = 0; i < g->n; i++)
		n += member(r, g, i)->input == input ? member(r, g, i)->count : 0;
	return n;
}

static uint64_t of_the_runtime(const struct goroutines_report *r)
{
	uint64_t n = 0;
	for (size_t i = 0; i < r->goroutines->v.n; i++)
		n += r->goroutines->v.v[i].flags & GOROUTINE_SYSTEM ? r->goroutines->v.v[i].count : 0;
	return n;
}

/* ---- labels: what all members have in common ---- */

static bool has_label(const struct goroutines *gs, const struct goroutine *g, const struct goroutine_label *label)
{
	for (uint32_t i = 0; i < g->label_n; i++) {
		const struct goroutine_label *own = &gs->labels.v[g->label_at + i];
		if (strcmp(own->key, label->key) == 0 && strcmp(own->value, label->value) == 0)
			return true;
	}
	return false;
}

/* Label i of the first member when every member has it, else NULL. */
static const struct goroutine_label *common_label(const struct goroutines_report *r, const struct goroutine_group *g,
						  uint32_t i)
{
	const struct goroutine_label *label = &r->goroutines->labels.v[member(r, g, 0)->label_at + i];
	for (size_t m = 1; m < g->n; m++) {
		if (!has_label(r->goroutines, member(r, g, m), label))
			return NULL;
	}
	return label;
}

/* ---- JSON ---- */

static void json_seconds(struct json *j, const char *key, int64_t ns)
{
	if (ns < 0)
		json_null(j, key);
	else
		json_double(j, key, (double)ns / NS);
}

static void put_frame(struct json *j, const char *key, const struct frame *f, bool inlined)
{
	json_object(j, key);
	json_str(j, "function", f->function[0] ? f->function : NULL);
	json_str(j, "file", f->file[0] ? f->file : NULL);
	if (f->line)
		json_u64(j, "line", f->line);
	else
		json_null(j, "line");
	if (inlined)
		json_bool(j, "inlined", f->inlined);
	json_object_end(j);
}

static void put_stack(struct json *j, const struct goroutines_report *r, const struct goroutine_group *g)
{
	const struct stacks *s = &r->groups->stacks;
	if (stacks_depth(s, g->created_by))
		put_frame(j, "created_by", stacks_at(s, g->created_by, 0), false);
	else
		json_null(j, "created_by");
	json_array(j, "stack");
	for (uint32_t i = 0; r->by != GOROUTINE_BY_STATE && i < stacks_depth(s, g->stack); i++)
		put_frame(j, NULL, stacks_at(s, g->stack, i), true);
	json_array_end(j);
}

static void put_labels(struct json *j, const struct goroutines_report *r, const struct goroutine_group *g)
{
	json_object(j, "labels");
	for (uint32_t i = 0; i < member(r, g, 0)->label_n; i++) {
		const struct goroutine_label *label = common_label(r, g, i);
		if (label)
			json_str(j, label->key, label->value);
	}
	json_object_end(j);
}

/* What only one goroutine has. */
static void put_one(struct json *j, const struct goroutines_report *r, const struct goroutine *g)
{
	fields_u64(j, "id", g->id ? g->id : UINT64_MAX);
	fields_u64(j, "parent", g->parent ? g->parent : UINT64_MAX);
	fields_u64(j, "fd", g->fd < 0 ? UINT64_MAX : (uint64_t)g->fd);
	json_str(j, "peer", g->peer);
	json_str(j, "wait_type", g->wait_type);
	json_str(j, "input", g->input < r->inputs.n ? r->inputs.v[g->input] : NULL);
}

static void put_flags(struct json *j, unsigned set)
{
	json_array(j, "flags");
	for (size_t i = 0; i < LEN(flags); i++) {
		if (set & flags[i].flag)
			json_str(j, NULL, flags[i].key);
	}
	json_array_end(j);
}

static void put_counts(struct json *j, const struct goroutines_report *r, const struct goroutine_group *g)
{
	json_array(j, "counts");
	for (size_t i = 0; i < r->inputs.n; i++)
		json_u64(j, NULL, from_input(r, g, i));
	json_array_end(j);
}

/* Those of its site; a group by state is of many sites. */
static void put_suspicion(struct json *j, const struct goroutines_report *r, const struct goroutine_group *g)
{
	uint32_t site = r->suspicions->group_of.v[r->groups->members.v[g->at]];
	const uint32_t *at = r->suspicions->at.v + site;
	json_array(j, "suspicion");
	for (uint32_t i = at[0]; r->by != GOROUTINE_BY_STATE && i < at[1]; i++) {
		json_object(j, NULL);
		json_str(j, "rule", r->suspicions->v.v[i].rule);
		json_str(j, "text", r->suspicions->v.v[i].text);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_group(struct json *j, const struct goroutines_report *r, const struct goroutine_group *g)
{
	json_object(j, NULL);
	json_u64(j, "count", g->count);
	if (r->inputs.n > 1)
		put_counts(j, r, g);
	if (r->by == GOROUTINE_BY_NONE)
		put_one(j, r, member(r, g, 0));
	json_str(j, "state", strcmp(g->state, "unknown") == 0 ? NULL : g->state);
	json_str(j, "wait_reason", g->wait_reason);
	json_object(j, "wait_seconds");
	json_seconds(j, "min", g->wait_min);
	json_seconds(j, "median", g->wait_median);
	json_seconds(j, "max", g->wait_max);
	json_object_end(j);
	fields_u64(j, "stack_bytes", g->stack_bytes);
	json_u64(j, "stacks", g->n_stacks);
	put_stack(j, r, g);
	put_labels(j, r, g);
	put_flags(j, g->flags);
	put_suspicion(j, r, g);
	json_object_end(j);
}

static void put_strings(struct json *j, const char *key, const struct str_vec *strings)
{
	json_array(j, key);
	for (size_t i = 0; i < strings->n; i++)
		json_str(j, NULL, strings->v[i]);
	json_array_end(j);
}

void goroutines_json_members(struct json *j, const struct goroutines_report *r)
{
	char time[PARTS_TIME_LEN];
	json_str(j, "schema", "ullage.goroutines/1");
	json_str(j, "time", r->time ? parts_time(r->time, time) : NULL);
	put_strings(j, "inputs", &r->inputs);
	json_u64(j, "goroutines_total", r->goroutines->total);
	json_u64(j, "system_goroutines", of_the_runtime(r));
	json_bool(j, "live", r->goroutines->live);
	json_seconds(j, "since_gc_seconds", r->goroutines->since_gc_ns);
	json_str(j, "group", goroutine_by_names[r->by]);
	json_u64(j, "groups_total", r->groups->v.n);
	json_array(j, "groups");
	for (size_t i = 0; i < r->groups->v.n && (!r->top || i < r->top); i++)
		put_group(j, r, &r->groups->v.v[i]);
	json_array_end(j);
	put_strings(j, "notes", &r->notes);
}

void goroutines_json(const struct goroutines_report *r, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	goroutines_json_members(&j, r);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}

/* ---- text ---- */

/* "pkg.worker:42" of "example.com/pkg.worker" in line 42; the file is in the package, and in --stacks and JSON. */
static void short_place(struct strbuf *out, const struct frame *f)
{
	size_t package = stack_package(f->function);
	const char *slash = package ? memrchr(f->function, '/', package) : NULL;
	strbuf_puts(out, f->function[0] ? (slash ? slash + 1 : f->function) : "(unknown)");
	if (f->line)
		strbuf_printf(out, ":%u", f->line);
}

/* "example.com/pkg.worker (worker.go:42)" */
static void long_place(struct strbuf *out, const struct frame *f)
{
	const char *slash = strrchr(f->file, '/');
	strbuf_puts(out, f->function[0] ? f->function : "(unknown)");
	if (f->line)
		strbuf_printf(out, " (%s:%u)", slash ? slash + 1 : f->file, f->line);
}

static void place_cell(struct table *t, const struct stacks *s, uint32_t stack, uint32_t frame)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	if (frame < stacks_depth(s, stack))
		short_place(&text, stacks_at(s, stack, frame));
	table_cell(t, text.len ? text.buf : NULL);
}

static void count_cell(struct table *t, uint64_t n)
{
	char num[SAY_NUM_LEN];
	table_cell(t, say_num(n, num));
}

static void wait_cell(struct table *t, const struct goroutine_group *g)
{
	char wait[SAY_NUM_LEN];
	table_cell(t, g->wait_median < 0 ? NULL : say_duration(g->wait_median, wait));
}

enum { INPUTS_SHOWN = 4 };

static size_t counted_inputs(const struct goroutines_report *r)
{
	return r->inputs.n > 1 && r->by != GOROUTINE_BY_NONE ? num_min(r->inputs.n, INPUTS_SHOWN) : 0;
}

/* Which columns have anything to show. */
struct shape {
	size_t inputs;
	bool waits, bytes, places, creators;
};

static struct shape shape_of(const struct goroutines_report *r)
{
	struct shape shape = { .inputs = counted_inputs(r) };
	for (size_t i = 0; i < r->groups->v.n; i++) {
		const struct goroutine_group *g = &r->groups->v.v[i];
		bool by_state = r->by == GOROUTINE_BY_STATE;
		shape.waits = shape.waits || g->wait_median >= 0;
		shape.bytes = shape.bytes || g->stack_bytes != ACCOUNT_UNKNOWN;
		shape.places = shape.places || (!by_state && stacks_depth(&r->groups->stacks, g->stack));
		shape.creators = shape.creators || (!by_state && stacks_depth(&r->groups->stacks, g->created_by));
	}
	return shape;
}

static void put_row(struct table *t, const struct goroutines_report *r, const struct shape *shape,
		    const struct goroutine_group *g)
{
	const struct stacks *s = &r->groups->stacks;
	if (r->by == GOROUTINE_BY_NONE && member(r, g, 0)->id)
		table_cellf(t, "%llu", (unsigned long long)member(r, g, 0)->id);
	else
		count_cell(t, g->count);
	for (size_t i = 0; i < shape->inputs; i++)
		count_cell(t, from_input(r, g, i));
	table_cellf(t, "%s%s", state_of(g), g->flags & GOROUTINE_LEAKED ? ", leaked" : "");
	if (shape->waits)
		wait_cell(t, g);
	if (shape->bytes)
		table_size(t, g->stack_bytes);
	if (shape->places)
		place_cell(t, s, g->stack, g->blocked);
	if (shape->creators)
		place_cell(t, s, g->created_by, 0);
}

static size_t shown(const struct goroutines_report *r)
{
	return (size_t)num_min(r->groups->v.n, r->top ? r->top : TOP);
}

static void put_table(const struct goroutines_report *r, struct strbuf *out)
{
	static const char *const letters[INPUTS_SHOWN] = { "A", "B", "C", "D" };
	struct table_column columns[6 + INPUTS_SHOWN];
	struct shape shape = shape_of(r);
	size_t n = 0;
	columns[n++] = (struct table_column){ r->by == GOROUTINE_BY_NONE ? "ID" : "COUNT", TABLE_RIGHT, 0 };
	for (size_t i = 0; i < shape.inputs; i++)
		columns[n++] = (struct table_column){ letters[i], TABLE_RIGHT, 0 };
	columns[n++] = (struct table_column){ "STATE", TABLE_LEFT, 24 };
	if (shape.waits)
		columns[n++] = (struct table_column){ "WAITS", TABLE_RIGHT, 0 };
	if (shape.bytes)
		columns[n++] = (struct table_column){ "STACKS", TABLE_RIGHT, 0 };
	if (shape.places)
		columns[n++] = (struct table_column){ "BLOCKED AT", TABLE_LEFT, shape.creators ? 34 : 0 };
	if (shape.creators)
		columns[n++] = (struct table_column){ "CREATED BY", TABLE_LEFT, 0 };
	struct table t;
	table_init(&t, columns, n, &r->style);
	for (size_t i = 0; i < shown(r); i++)
		put_row(&t, r, &shape, &r->groups->v.v[i]);
	strbuf_putc(out, '\n');
	table_print(&t, out);
	table_deinit(&t);
}

static void put_states(struct say *s, const struct goroutines_report *r)
{
	struct goroutine_groups states;
	AUTO(strbuf) struct strbuf f;
	strbuf_init(&f);
	goroutine_groups_make(r->goroutines, GOROUTINE_BY_STATE, false, &states);
	for (size_t i = 0; i < states.v.n; i++) {
		char num[SAY_NUM_LEN];
		say_and(&f, "%s %s", say_num(states.v.v[i].count, num), state_of(&states.v.v[i]));
	}
	if (f.len)
		say_fact(s, "states", "%s", f.buf);
	goroutine_groups_deinit(&states);
}

static uint64_t stack_bytes(const struct goroutine_groups *groups)
{
	uint64_t sum = ACCOUNT_UNKNOWN;
	for (size_t i = 0; i < groups->v.n; i++) {
		uint64_t more = groups->v.v[i].stack_bytes;
		if (more != ACCOUNT_UNKNOWN)
			sum = (sum == ACCOUNT_UNKNOWN ? 0 : sum) + more;
	}
	return sum;
}

static void put_head(struct say *s, const struct goroutines_report *r)
{
	char num[SAY_NUM_LEN];
	uint64_t system = of_the_runtime(r), bytes = stack_bytes(r->groups);
	strbuf_printf(s->out, "%s%s goroutine%s%s", style_on(s->style, STYLE_HEAD), say_num(r->goroutines->total, num),
		      r->goroutines->total == 1 ? "" : "s", style_off(s->style, STYLE_HEAD));
	say_hang(s, 2, "%s%s", r->inputs.n == 1 ? " of " : "", r->inputs.n == 1 ? r->inputs.v[0] : "");
	for (size_t i = 0; r->inputs.n > 1 && i < r->inputs.n; i++) {
		char letter[] = { (char)('A' + (i < INPUTS_SHOWN ? i : 0)), 0 };
		say_fact(s, i < INPUTS_SHOWN ? letter : "", "%s", r->inputs.v[i]);
	}
	put_states(s, r);
	if (bytes != ACCOUNT_UNKNOWN)
		say_fact(s, "stacks", "%s", say_size(bytes, num));
	if (system)
		say_fact(s, "besides", "%s of the runtime's own", say_num(system, num));
}

static void put_stack_text(struct say *s, const struct goroutines_report *r, const struct goroutine_group *g)
{
	const struct stacks *stacks = &r->groups->stacks;
	for (uint32_t i = 0; i < stacks_depth(stacks, g->stack); i++) {
		const struct frame *f = stacks_at(stacks, g->stack, i);
		say_line(s, STYLE_PLAIN, 4, "%s", f->function[0] ? f->function : "(unknown)");
		if (f->line)
			say_line(s, STYLE_DIM, 8, "%s:%u%s", f->file, f->line, f->inlined ? " (inlined)" : "");
	}
	if (stacks_depth(stacks, g->created_by)) {
		const struct frame *f = stacks_at(stacks, g->created_by, 0);
		say_line(s, STYLE_PLAIN, 4, "created by %s", f->function);
		if (f->line)
			say_line(s, STYLE_DIM, 8, "%s:%u", f->file, f->line);
	}
}

/* A group by site with its hints. */
static void put_hint(struct say *s, const struct goroutines_report *r, uint32_t site)
{
	const struct goroutine_group *g = &r->sites->v.v[site];
	char num[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf at;
	strbuf_init(&at);
	if (stacks_depth(&r->sites->stacks, g->stack))
		long_place(&at, stacks_at(&r->sites->stacks, g->stack, g->blocked));
	bool known = strcmp(state_of(g), "unknown") != 0;
	say_line(s, STYLE_WARN, 2, "%s %s%s%s", say_num(g->count, num), known ? state_of(g) : "goroutines",
		 at.len ? " at " : "", at.buf);
	for (uint32_t i = r->suspicions->at.v[site]; i < r->suspicions->at.v[site + 1]; i++)
		say_line(s, STYLE_PLAIN, 4, "%s: %s", r->suspicions->v.v[i].rule, r->suspicions->v.v[i].text);
}

static void put_hints(struct say *s, const struct goroutines_report *r)
{
	size_t hinted = 0, limit = (size_t)num_max(r->top, HINTS);
	for (uint32_t i = 0; i < r->sites->v.n; i++) {
		if (r->suspicions->at.v[i] == r->suspicions->at.v[i + 1])
			continue;
		if (!hinted++)
			say_title(s, "Hints");
		if (hinted <= limit)
			put_hint(s, r, i);
	}
	if (hinted > limit)
		say_line(s, STYLE_DIM, 2, "%zu more; --top shows more.", hinted - limit);
}

static void put_details(struct say *s, const struct goroutines_report *r, const struct goroutine_group *g)
{
	char num[SAY_NUM_LEN];
	if (r->by == GOROUTINE_BY_NONE && member(r, g, 0)->id)
		say_title(s, "goroutine %llu  %s", (unsigned long long)member(r, g, 0)->id, state_of(g));
	else
		say_title(s, "%s  %s", say_num(g->count, num), state_of(g));
	for (size_t i = 0; i < LEN(flags); i++) {
		if (g->flags & flags[i].flag && flags[i].word)
			say_line(s, STYLE_DIM, 4, "%s%s", g->count > 1 ? "some or all: " : "", flags[i].word);
	}
	if (r->by == GOROUTINE_BY_NONE && member(r, g, 0)->peer)
		say_line(s, STYLE_PLAIN, 4, "descriptor %d: %s", member(r, g, 0)->fd, member(r, g, 0)->peer);
	if (r->by != GOROUTINE_BY_STATE)
		put_stack_text(s, r, g);
}

void goroutines_text(const struct goroutines_report *r, struct strbuf *out)
{
	struct say s = { out, &r->style };
	char num[SAY_NUM_LEN];
	put_head(&s, r);
	if (r->groups->v.n)
		put_table(r, out);
	if (shown(r) < r->groups->v.n)
		say_line(&s, STYLE_DIM, 0, "%s more; --top shows more.", say_num(r->groups->v.n - shown(r), num));
	put_hints(&s, r);
	for (size_t i = 0; r->stacks && i < shown(r); i++)
		put_details(&s, r, &r->groups->v.v[i]);
	if (r->notes.n)
		strbuf_putc(out, '\n');
	for (size_t i = 0; i < r->notes.n; i++)
		say_line(&s, STYLE_DIM, 0, "%s.", r->notes.v[i]);
}
