/* SPDX-License-Identifier: Apache-2.0 */
#include "config/fill.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "base/num.h"
#include "config/value.h"
#include "model/signal.h"

enum { KEYS_MAX = 32 };

struct filling {
	struct config *config;
	struct config_problems *problems;
	struct strbuf path; /* of the key that is read */
	size_t nodes;	    /* looked at so far: aliases may repeat them */
	bool stopped;
};

static void wrong(struct filling *f, const struct yaml *at, const char *fmt, ...) ERR_PRINTF(3, 4);

static void wrong(struct filling *f, const struct yaml *at, const char *fmt, ...)
{
	char text[400];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	problems_add(f->problems, at, false, f->path.buf, text);
}

/* Appends a part of a path; cut it back to what this returns. */
static size_t path_push(struct filling *f, const char *key)
{
	size_t before = f->path.len;
	strbuf_printf(&f->path, "%s%s", before ? "." : "", key);
	return before;
}

static void path_pop(struct filling *f, size_t len)
{
	f->path.len = len;
	f->path.buf[len] = 0;
}

static bool looked(struct filling *f, const struct yaml *at)
{
	if (f->stopped)
		return false;
	if (++f->nodes <= CONFIG_NODES)
		return true;
	f->stopped = true;
	wrong(f, at, "more than %d values, with those that aliases repeat", CONFIG_NODES);
	return false;
}

/* How a value of each kind is called where another one stands. */
static const char *const kind_words[KEY_KINDS] = {
	[KEY_BOOL] = "true or false",
	[KEY_TEXT] = "a text",
	[KEY_NUMBER] = "a number, as 3.5",
	[KEY_THRESHOLD] = "a number in the signal's unit",
	[KEY_SHARE] = "a share, as 85% or 0.85",
	[KEY_COUNT] = "a whole number",
	[KEY_MS] = "a duration, as 200ms, 15s or 1h30m",
	[KEY_LONG_MS] = "a duration, as 12h or 14d",
	[KEY_BYTES] = "a size, as 64MiB or 1GiB",
	[KEY_CHOICE] = "one of",
	[KEY_CHOICE_TEXT] = "one of",
	[KEY_WORDS] = "a list of texts, as [/usr/bin/program, argument]",
	[KEY_GROUP] = "a group of keys, as {key: value}",
	[KEY_LIST] = "a list of rows that begin with '- '",
	[KEY_NAMED] = "a group of names, each with keys of its own",
};

static void put_limit(enum key_kind kind, double v, struct strbuf *out)
{
	if (kind == KEY_SHARE)
		value_put_share(v, out);
	else if (kind == KEY_MS || kind == KEY_LONG_MS)
		value_put_duration((uint64_t)v, out);
	else if (kind == KEY_BYTES)
		value_put_bytes((uint64_t)v, out);
	else
		value_put_number(v, out);
}

/* "'5 s' is not a duration, as 200ms, 15s or 1h30m": what should stand there. */
static void wrong_kind(struct filling *f, const struct key *key, const struct yaml *at)
{
	static const char *const found[] = { "", "a list", "a group of keys" };
	AUTO(strbuf) struct strbuf all;
	strbuf_init(&all);
	strbuf_puts(&all, kind_words[key->kind]);
	for (size_t i = 0; key->kind != KEY_NAMED && key->choices && key->choices[i]; i++)
		strbuf_printf(&all, "%s %s", i ? "," : "", key->choices[i]);
	if (at->kind == YAML_TEXT && !at->null)
		wrong(f, at, "'%s' is not %s", at->text, all.buf);
	else
		wrong(f, at, "%s is needed%s%s", all.buf, at->null ? "" : ", not ", at->null ? "" : found[at->kind]);
}

static bool in_range(struct filling *f, const struct key *key, const struct yaml *at, double v)
{
	if (v >= key->least && v <= key->most)
		return true;
	AUTO(strbuf) struct strbuf range;
	strbuf_init(&range);
	put_limit(key->kind, key->least, &range);
	strbuf_puts(&range, " to ");
	put_limit(key->kind, key->most, &range);
	wrong(f, at, "%s is out of range: from %s", at->text, range.buf);
	return false;
}

static bool choice(const struct key *key, const char *text, int *ret)
{
	for (int i = 0; key->choices[i]; i++) {
		if (strcmp(key->choices[i], text) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool count(const char *text, uint64_t *ret)
{
	return num_str(text, ret) && *ret <= UINT32_MAX;
}

static void set_whole(struct filling *f, const struct key *key, const struct yaml *at, void *to)
{
	bool (*read)(const char *, uint64_t *) = key->kind == KEY_COUNT	  ? count
						 : key->kind == KEY_BYTES ? value_bytes
									  : value_duration;
	uint64_t v = 0;
	if (!read(at->text, &v))
		wrong_kind(f, key, at);
	else if (!in_range(f, key, at, (double)v))
		return;
	else if (key->kind == KEY_COUNT || key->kind == KEY_MS)
		*(unsigned *)to = (unsigned)v;
	else
		*(uint64_t *)to = v;
}

/* "85" for "85%" is what most slips are. */
static bool is_slip(struct filling *f, const struct yaml *at)
{
	double v = 0;
	if (!value_number(at->text, &v) || v > 100)
		return false;
	wrong(f, at, "'%s' is more than all; %s%% is meant?", at->text, at->text);
	return true;
}

static void set_double(struct filling *f, const struct key *key, const struct yaml *at, double *to)
{
	double v = 0;
	if (!(key->kind == KEY_SHARE ? value_share : value_number)(at->text, &v)) {
		if (key->kind != KEY_SHARE || !is_slip(f, at))
			wrong_kind(f, key, at);
	} else if (in_range(f, key, at, v)) {
		*to = v;
	}
}

/* In the unit of the signal `name`: a duration where a share is judged says nothing that one could guess. */
static void set_threshold(struct filling *f, const struct key *key, const struct yaml *at, const char *name, double *to)
{
	static const char *const words[SIGNAL_UNITS] = {
		[SIGNAL_SHARE] = "a share, as 85% or 0.85",    [SIGNAL_TIMES] = "a number of times, as 2.5",
		[SIGNAL_BYTES] = "a size, as 64MiB or 1GiB",   [SIGNAL_SECONDS] = "a duration, as 20ms or 10m",
		[SIGNAL_COUNT] = "a whole number, as 1 or 20",
	};
	double v = 0;
	unsigned i = 0;
	while (strcmp(signal_names[i], name) != 0)
		i++;
	enum signal_unit unit = signal_units[i];
	if (value_in_unit(at->text, unit, &v)) {
		if (in_range(f, key, at, v))
			*to = v;
	} else if (unit != SIGNAL_SHARE || !is_slip(f, at)) {
		wrong(f, at, "'%s' is not %s, which %s is judged by", at->text, words[unit], name);
	}
}

static void set_text(struct filling *f, const struct key *key, const struct yaml *at, const char **to)
{
	const char *problem = !*at->text   ? "an empty text; leave the key out"
			      : key->wrong ? key->wrong(at->text)
					   : NULL;
	if (problem)
		wrong(f, at, "%s", problem);
	else
		*to = arena_strdup(&f->config->arena, at->text);
}

static void set_bool(struct filling *f, const struct key *key, const struct yaml *at, bool *to)
{
	if (strcmp(at->text, "true") == 0 || strcmp(at->text, "false") == 0)
		*to = at->text[0] == 't';
	else
		wrong_kind(f, key, at);
}

/* Nothing stands there: no rows, no keys, or what the key says. */
static void set_null(struct filling *f, const struct key *key, const struct yaml *at, void *to)
{
	void *member = (char *)to + key->offset;
	if (key->kind == KEY_LIST || key->kind == KEY_NAMED)
		schema_clear(key, to);
	else if (key->kind == KEY_GROUP)
		return;
	else if (!key->nullable)
		wrong_kind(f, key, at);
	else if (key->kind == KEY_NUMBER || key->kind == KEY_THRESHOLD)
		*(double *)member = NAN;
	else
		*(const char **)member = NULL;
}

static void set_value(struct filling *f, const struct key *key, const struct yaml *at, void *to)
{
	int i = 0;
	switch ((int)key->kind) {
	case KEY_BOOL:
		set_bool(f, key, at, to);
		break;
	case KEY_TEXT:
		set_text(f, key, at, to);
		break;
	case KEY_NUMBER:
	case KEY_SHARE:
		set_double(f, key, at, to);
		break;
	case KEY_CHOICE:
	case KEY_CHOICE_TEXT:
		if (!choice(key, at->text, &i))
			wrong_kind(f, key, at);
		else if (key->kind == KEY_CHOICE)
			*(int *)to = i;
		else
			*(const char **)to = key->choices[i];
		break;
	default:
		set_whole(f, key, at, to);
		break;
	}
}

static void set_words(struct filling *f, const struct key *key, const struct yaml *at, struct config_strings *to)
{
	for (const struct yaml_item *i = at->items; i && looked(f, i->value); i = i->next) {
		if (i->value->kind != YAML_TEXT || i->value->null) {
			wrong_kind(f, key, i->value);
			continue;
		}
		*vec_push(to) = arena_strdup(&f->config->arena, i->value->text);
	}
}

static void fill_map(struct filling *f, const struct key *keys, const struct yaml *map, void *to);

/* A row that is no group of keys still takes its place, so that rows and nodes have the same numbers. */
static void fill_row(struct filling *f, const struct key *key, const struct yaml *at, void *row)
{
	if (!looked(f, at))
		return;
	if (at->kind == YAML_MAP)
		fill_map(f, key->rows->keys, at, row);
	else
		wrong(f, at, "a row with keys is needed: begin with %s:", key->rows->keys->name);
}

static void fill_list(struct filling *f, const struct key *key, const struct yaml *list, void *holder)
{
	size_t n = 0, before = f->path.len;
	schema_clear(key, holder);
	for (const struct yaml_item *i = list->items; i && !f->stopped; i = i->next, n++) {
		if (n == key->rows->most) {
			wrong(f, i->value, "more than %zu rows", n);
			return;
		}
		strbuf_printf(&f->path, "[%zu]", n);
		fill_row(f, key, i->value, schema_push(key, holder));
		path_pop(f, before);
	}
}

static void unknown_name(struct filling *f, const struct yaml *at, const char *const *known, const char *what)
{
	const char *near = nearest_word(at->text, known);
	AUTO(strbuf) struct strbuf all;
	strbuf_init(&all);
	for (size_t i = 0; known[i]; i++)
		strbuf_printf(&all, "%s%s", i ? ", " : "", known[i]);
	if (near)
		wrong(f, at, "no such %s; did you mean %s?", what, near);
	else
		wrong(f, at, "no such %s; there are %s", what, all.buf);
}

static void fill_named(struct filling *f, const struct key *key, const struct yaml *map, void *holder)
{
	schema_clear(key, holder);
	for (const struct yaml_item *i = map->items; i && looked(f, i->key); i = i->next) {
		size_t before = path_push(f, i->key->text), n = schema_count(key, holder);
		int known = 0;
		bool twice = false;
		for (size_t k = 0; k < n; k++)
			twice |= strcmp(*(const char *const *)schema_at(key, holder, k), i->key->text) == 0;
		if (!choice(key, i->key->text, &known)) {
			unknown_name(f, i->key, key->choices, "name");
		} else if (twice) {
			wrong(f, i->key, "the name stands here twice");
		} else {
			void *row = schema_push(key, holder);
			*(const char **)row = key->choices[known];
			fill_row(f, key, i->value, row);
		}
		path_pop(f, before);
	}
}

static void fill_key(struct filling *f, const struct key *key, const struct yaml *at, void *to)
{
	static const enum yaml_kind shapes[KEY_KINDS] = {
		[KEY_WORDS] = YAML_LIST,
		[KEY_GROUP] = YAML_MAP,
		[KEY_LIST] = YAML_LIST,
		[KEY_NAMED] = YAML_MAP,
	};
	void *member = (char *)to + key->offset;
	if (at->null)
		set_null(f, key, at, to);
	else if (at->kind != shapes[key->kind])
		wrong_kind(f, key, at);
	else if (key->kind == KEY_WORDS)
		set_words(f, key, at, member);
	else if (key->kind == KEY_GROUP)
		fill_map(f, key->keys, at, member);
	else if (key->kind == KEY_LIST)
		fill_list(f, key, at, to);
	else if (key->kind == KEY_NAMED)
		fill_named(f, key, at, to);
	else if (key->kind == KEY_THRESHOLD)
		set_threshold(f, key, at, *(const char *const *)to, member);
	else
		set_value(f, key, at, member);
}

static void unknown_key(struct filling *f, const struct key *keys, const struct yaml *at)
{
	const char *known[KEYS_MAX + 1] = { 0 };
	for (size_t i = 0; keys[i].name && i < KEYS_MAX; i++)
		known[i] = keys[i].name;
	unknown_name(f, at, known, "key");
}

static void fill_map(struct filling *f, const struct key *keys, const struct yaml *map, void *to)
{
	const struct yaml *seen[KEYS_MAX] = { 0 };
	for (const struct yaml_item *i = map->items; i && looked(f, i->key); i = i->next) {
		size_t before = path_push(f, i->key->text), k = 0;
		while (keys[k].name && strcmp(keys[k].name, i->key->text) != 0)
			k++;
		if (!keys[k].name)
			unknown_key(f, keys, i->key);
		else if (seen[k])
			wrong(f, i->key, "the key stands here twice, first at line %u", seen[k]->line);
		else
			fill_key(f, &keys[k], i->value, to);
		if (keys[k].name)
			seen[k] = i->key;
		path_pop(f, before);
	}
}

void fill(const struct yaml *root, struct config *c, struct config_problems *problems)
{
	struct filling f = { .config = c, .problems = problems };
	strbuf_init(&f.path);
	if (root->kind == YAML_MAP)
		fill_map(&f, schema, root, c);
	else if (!root->null)
		wrong(&f, root, "keys are needed, as 'listen: 127.0.0.1:9723'");
	strbuf_deinit(&f.path);
}
