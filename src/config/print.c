/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "config/schema.h"
#include "config/value.h"
#include "model/signal.h"

enum { STEP = 2, WIDTH = 100 };

/* Where a line begins: spaces, "# " for what is only an example, "- " of a row's first key. */
struct printing {
	struct strbuf *out;
	unsigned indent;
	bool example; /* commented out */
	bool explain;
	bool first; /* of a row: "- " stands before its next key */
};

static void begin(struct printing *p)
{
	strbuf_printf(p->out, "%s%*s", p->example ? "# " : "", (int)(p->indent - (p->first ? STEP : 0)), "");
	if (p->first)
		strbuf_puts(p->out, "- ");
	p->first = false;
}

/* In a comment above its key; the words of a list's key are above its rows. */
static void explain(struct printing *p, const struct key *key)
{
	size_t room = WIDTH - p->indent - 4, at = 0;
	bool first = p->first;
	for (const char *s = p->explain ? key->about : ""; *s;) {
		size_t word = strcspn(s, " ");
		if (!at || at + 1 + word > room) {
			strbuf_puts(p->out, at ? "\n" : "");
			p->first = false;
			unsigned back = first ? STEP : 0;
			strbuf_printf(p->out, "%s%*s#", p->example ? "# " : "", (int)(p->indent - back), "");
			at = 0;
		}
		strbuf_printf(p->out, " %.*s", (int)word, s);
		at += 1 + word;
		s += word + strspn(s + word, " ");
	}
	if (at)
		strbuf_putc(p->out, '\n');
	p->first = first;
}

static void put_text(const char *text, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_str(&j, NULL, text);
}

static void put_words(const struct config_strings *words, struct strbuf *out)
{
	strbuf_putc(out, '[');
	for (size_t i = 0; i < words->n; i++) {
		strbuf_puts(out, i ? ", " : "");
		put_text(words->v[i], out);
	}
	strbuf_putc(out, ']');
}

static void put_value(const struct key *key, const void *at, struct strbuf *out)
{
	switch (key->kind) {
	case KEY_BOOL:
		strbuf_puts(out, *(const bool *)at ? "true" : "false");
		break;
	case KEY_TEXT:
	case KEY_CHOICE_TEXT:
		put_text(*(const char *const *)at, out);
		break;
	case KEY_NUMBER:
		value_put_number(*(const double *)at, out);
		break;
	case KEY_SHARE:
		value_put_share(*(const double *)at, out);
		break;
	case KEY_COUNT:
		strbuf_printf(out, "%u", *(const unsigned *)at);
		break;
	case KEY_MS:
		value_put_duration(*(const unsigned *)at, out);
		break;
	case KEY_LONG_MS:
		value_put_duration(*(const uint64_t *)at, out);
		break;
	case KEY_BYTES:
		value_put_bytes(*(const uint64_t *)at, out);
		break;
	case KEY_CHOICE: {
		const char *choice = key->choices[*(const int *)at];
		strbuf_puts(out, choice ? choice : key->choices[0]);
		break;
	}
	case KEY_WORDS:
		put_words(at, out);
		break;
	case KEY_THRESHOLD:
	case KEY_GROUP:
	case KEY_LIST:
	case KEY_NAMED:
	case KEY_KINDS:
		break;
	}
}

/* Of the signal `name`, as it is read. */
static void put_threshold(double v, const char *name, struct strbuf *out)
{
	unsigned i = 0;
	while (strcmp(signal_names[i], name) != 0)
		i++;
	value_put_in_unit(v, signal_units[i], out);
}

static void put_keys(struct printing *p, const struct key *keys, const void *from);

static void put_row(struct printing *p, const struct key *key, const void *row)
{
	struct printing inner = *p;
	if (key->kind == KEY_NAMED) {
		inner.indent += STEP;
		begin(&inner);
		strbuf_printf(inner.out, "%s:\n", *(const char *const *)row);
		inner.indent += STEP;
	} else {
		inner.indent += 2 * STEP;
		inner.first = true;
	}
	put_keys(&inner, key->rows->keys, row);
}

/* Where there is no row, one stands there as an example, so that its keys can be seen. */
static void put_example(struct printing *p, const struct key *key)
{
	struct printing inner = *p;
	AUTO_FREE char *row = xmalloc(key->rows->size);
	memcpy(row, key->rows->start, key->rows->size);
	if (key->kind == KEY_NAMED)
		*(const char **)(void *)row = key->choices[0];
	inner.example = true;
	put_row(&inner, key, row);
}

static void put_rows(struct printing *p, const struct key *key, const void *from)
{
	size_t n = schema_count(key, from);
	strbuf_puts(p->out, n ? "\n" : key->kind == KEY_NAMED ? " {}\n" : " []\n");
	struct printing inner = *p;
	for (size_t i = 0; i < n; i++) {
		put_row(&inner, key, schema_at(key, from, i));
		inner.explain = false;
	}
	if (!n && p->explain && !p->example)
		put_example(&inner, key);
}

static void put_key(struct printing *p, const struct key *key, const void *from)
{
	explain(p, key);
	begin(p);
	strbuf_printf(p->out, "%s:", key->name);
	if (key->kind == KEY_GROUP) {
		struct printing inner = *p;
		inner.indent += STEP;
		strbuf_putc(p->out, '\n');
		put_keys(&inner, key->keys, (const char *)from + key->offset);
	} else if (key->kind == KEY_LIST || key->kind == KEY_NAMED) {
		put_rows(p, key, from);
	} else if (key->kind == KEY_THRESHOLD) {
		strbuf_putc(p->out, ' ');
		put_threshold(*(const double *)(const void *)((const char *)from + key->offset),
			      *(const char *const *)from, p->out);
		strbuf_putc(p->out, '\n');
	} else {
		strbuf_putc(p->out, ' ');
		put_value(key, (const char *)from + key->offset, p->out);
		strbuf_putc(p->out, '\n');
	}
}

static void put_keys(struct printing *p, const struct key *keys, const void *from)
{
	for (; keys->name; keys++) {
		if (!p->indent && p->out->len)
			strbuf_putc(p->out, '\n');
		put_key(p, keys, from);
	}
}

void config_print(const struct config *c, struct strbuf *out)
{
	struct printing p = { .out = out, .explain = true };
	put_keys(&p, schema, c);
}
