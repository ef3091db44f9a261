/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * screen/table - aligned columns for people.
 *
 *	struct table t;
 *	table_init(&t, columns, N, style);
 *	table_cell(&t, name); table_size(&t, bytes); ...   row by row, every column of it
 *	table_print(&t, out);
 *	table_deinit(&t);
 *
 * Text is cleaned on the way in. A column is as wide as its widest cell, up to its `max`; the last column is cut where
 * the screen ends. A table without any title has no header row.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "base/vec.h"
#include "screen/style.h"

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table_column {
	const char *title;
	enum table_align align;
	unsigned max; /* columns; 0: no limit */
};

struct table_cell {
	const char *text; /* clean, in the arena */
	const char *on;	  /* escape sequence in front, "" for none */
	size_t width;
};

struct table {
	struct arena arena;
	const struct table_column *columns;
	size_t n_columns;
	const struct style *style; /* borrowed */
	unsigned indent;
	VEC(struct table_cell) cells;
};

void table_init(struct table *t, const struct table_column *columns, size_t n, const struct style *style);
void table_deinit(struct table *t);
void table_cell(struct table *t, const char *text); /* NULL: "-" */
void table_cellf(struct table *t, const char *fmt, ...) ERR_PRINTF(2, 3);
void table_size(struct table *t, uint64_t bytes);	/* UINT64_MAX: "-" */
void table_role(struct table *t, enum style_role role); /* of the last cell */
void table_rgb(struct table *t, const char *rgb);	/* of the last cell */
void table_print(const struct table *t, struct strbuf *out);
