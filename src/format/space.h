/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * format/space - the address space as rows of a heat map: a mapping each, or a run of small ones.
 *
 * Bounded whatever the target has mapped: about SPACE_ROWS rows of at most SPACE_CELLS cells.
 */

#include "base/json.h"
#include "model/account.h"

enum { SPACE_ROWS = 1000, SPACE_CELLS = 64 };

/* Mappings [from, to) in one row. */
struct space_row {
	size_t from, to;
};

VEC_TYPE(space_row_vec, struct space_row);

/* In address order; to be freed with vec_deinit(). */
void space_rows(const struct account *a, struct space_row_vec *ret);

/* One stretch of a row: how much of it is resident, and what that mostly is. */
struct space_cell {
	uint64_t len; /* bytes of the mappings, one after the other, gaps left out */
	uint64_t resident;
	enum mem_class class; /* CLASS_MAX_ where nothing is resident */
};

/* The row in equal stretches, at most SPACE_CELLS. Returns how many. Cells of the account are looked for from *hint. */
size_t space_cells(const struct account *a, const struct space_row *row, size_t *hint,
		   struct space_cell ret[SPACE_CELLS]);

/* The rows as an array of objects with short keys, for the page: see src/format/web/space.js. */
void space_json(struct json *j, const char *key, const struct account *a);
