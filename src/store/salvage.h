/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/salvage - what can be read of a damaged database, row by row, into a good one.
 *
 * Pages that cannot be read are gone round by number of row: what stood in them is lost, what is before and after them is
 * not. The tables must be ours (schema_compare()); nothing is known of a database whose list of tables is damaged.
 * Bounded by what db_bound() allows to `from`.
 */

#include "store/schema.h"

/*
 * One whose first page, with the list of tables, cannot be read: copied to `copy` (a new file, the caller's to remove) with that
 * page of a new database, as our tables always begin at the same pages; and opened. Also one that was cut short.
 */
MUST_CHECK struct err *salvage_open(const char *path, const char *copy, struct db *ret);

struct salvaged {
	uint64_t rows[TABLES]; /* that were taken over */
	uint64_t holes;	       /* stretches of rows that could not be read */
	bool cut;	       /* the bound was reached before the end */
};

/* FORMAT, UNSUPPORTED: `from` is not one of ours, or of another version, or nothing can be read. WRITE: `to` cannot take it. */
MUST_CHECK struct err *salvage(struct db *from, struct db *to, struct salvaged *ret);

/* "what can be read of it is kept: 3 lives, 120 stretches of looks, 45 events". To be freed. */
NEVER_NULL char *salvaged_text(const struct salvaged *s);
