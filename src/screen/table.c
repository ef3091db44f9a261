/* SPDX-License-Identifier: Apache-2.0 */
#include "screen/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "screen/clean.h"

enum { GAP = 2 }; /* spaces between columns */

void table_init(struct table *t, const struct table_column *columns, size_t n, const struct style *style)
{
	*t = (struct table){ .columns = columns, .n_columns = n, .style = style };
	arena_init(&t->arena);
}

void table_deinit(struct table *t)
{
	vec_deinit(&t->cells);
	arena_deinit(&t->arena);
}

void table_cell(struct table *t, const char *text)
{
	AUTO(strbuf) struct strbuf clean;
	strbuf_init(&clean);
	clean_add(&clean, text ? text : "-", t->style->utf8);
	*vec_push(&t->cells) = (struct table_cell){
		.text = arena_strdup(&t->arena, clean.buf),
		.on = "",
		.width = clean_width(clean.buf),
	};
}

void table_cellf(struct table *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_cell(t, text);
}

void table_size(struct table *t, uint64_t bytes)
{
	char text[NUM_SIZE_LEN];
	table_cell(t, bytes == UINT64_MAX ? NULL : num_size(bytes, text));
}

void table_role(struct table *t, enum style_role role)
{
	if (t->cells.n)
		t->cells.v[t->cells.n - 1].on = style_on(t->style, role);
}

void table_rgb(struct table *t, const char *rgb)
{
	char seq[STYLE_SEQ_LEN];
	if (t->cells.n)
		t->cells.v[t->cells.n - 1].on = arena_strdup(&t->arena, style_rgb(t->style, rgb, seq));
}

static bool has_titles(const struct table *t)
{
	for (size_t c = 0; c < t->n_columns; c++) {
		if (t->columns[c].title)
			return true;
	}
	return false;
}

static size_t column_width(const struct table *t, size_t c)
{
	const char *title = t->columns[c].title;
	size_t width = title ? clean_width(title) : 0;
	for (size_t i = c; i < t->cells.n; i += t->n_columns)
		width = num_max(width, t->cells.v[i].width);
	return t->columns[c].max ? num_min(width, t->columns[c].max) : width;
}

/* Spaces are held back until something follows, so that no line ends with one. */
static void put_cell(const struct table *t, size_t c, const struct table_cell *cell, size_t width, size_t *pending,
		     struct strbuf *out)
{
	AUTO(strbuf) struct strbuf cut;
	strbuf_init(&cut);
	clean_cut(&cut, cell->text, width, t->style->utf8);
	size_t used = clean_width(cut.buf), pad = width - used;
	if (t->columns[c].align == TABLE_RIGHT)
		*pending += pad;
	if (used) {
		strbuf_printf(out, "%*s%s%s%s", (int)*pending, "", cell->on, cut.buf, *cell->on ? "\x1b[0m" : "");
		*pending = 0;
	}
	if (t->columns[c].align == TABLE_LEFT)
		*pending += pad;
	*pending += GAP;
}

static void put_row(const struct table *t, const struct table_cell *row, const size_t *width, struct strbuf *out)
{
	size_t pending = t->indent;
	for (size_t c = 0; c < t->n_columns; c++)
		put_cell(t, c, &row[c], width[c], &pending, out);
	strbuf_putc(out, '\n');
}

static void put_titles(const struct table *t, const size_t *width, struct strbuf *out)
{
	size_t pending = t->indent;
	for (size_t c = 0; c < t->n_columns; c++) {
		const char *title = t->columns[c].title ? t->columns[c].title : "";
		struct table_cell cell = { title, style_on(t->style, STYLE_HEAD), 0 };
		put_cell(t, c, &cell, width[c], &pending, out);
	}
	strbuf_putc(out, '\n');
}

void table_print(const struct table *t, struct strbuf *out)
{
	AUTO_FREE size_t *width = xcalloc(t->n_columns, sizeof(*width));
	size_t left = t->indent;
	for (size_t c = 0; c < t->n_columns; c++) {
		width[c] = column_width(t, c);
		if (c + 1 == t->n_columns)
			width[c] = num_min(width[c], num_max(8, num_sub(t->style->width, left)));
		left += width[c] + GAP;
	}
	if (has_titles(t))
		put_titles(t, width, out);
	for (size_t i = 0; i + t->n_columns <= t->cells.n; i += t->n_columns)
		put_row(t, &t->cells.v[i], width, out);
}
