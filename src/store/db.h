/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/db - SQLite as this room uses it: one database file, statements that stay prepared, errors as sentences.
 *
 * Errors: WRITE (full, read-only, cannot be opened or locked), FORMAT (damaged, or no database), NOMEM, INTERNAL.
 * Only the connection of store.c writes and checkpoints; all others are opened by db_open_read().
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

enum { DB_STATEMENTS = 40 };

struct db {
	sqlite3 *h;
	const char *const *sql; /* by number, borrowed */
	sqlite3_stmt *stmt[DB_STATEMENTS];
	int64_t until_ns;  /* CPU time of this thread; 0: no bound */
	size_t text_bytes; /* given by db_text() */
};

/* Reading and writing; the file is made 0600. Nothing in it is looked at yet. */
MUST_CHECK struct err *db_open(const char *path, const char *const *sql, struct db *ret);
/*
 * For reading only: `uri` is SQLite's. A view or trigger in the place of a table of ours is not run.
 */
MUST_CHECK struct err *db_open_read(const char *uri, const char *const *sql, struct db *ret);
/* The same by path, of one that nobody uses any more; it may be shorter than it says. */
MUST_CHECK struct err *db_open_aside(const char *path, struct db *ret);
void db_close(struct db *db);
/*
 * All that is done from now on may take so much CPU time; 0: no bound. What takes longer ends with LIMIT: a file that somebody
 * made can have rows without end. `db` stays where it is; fine on one that is not open.
 */
void db_bound(struct db *db, unsigned ms);

MUST_CHECK struct err *db_exec(struct db *db, const char *sql);
MUST_CHECK struct err *db_number(struct db *db, const char *sql, int64_t *ret); /* first column of the first row */
/* Statement `n`, ready to be bound. NULL where it cannot be prepared: db_step() tells why. */
sqlite3_stmt *db_ready(struct db *db, unsigned n);
/* One row or none. *row false: it is done and reset. */
MUST_CHECK struct err *db_step(struct db *db, sqlite3_stmt *st, bool *row);
/* All that a statement does, when it gives no rows. */
MUST_CHECK struct err *db_run(struct db *db, sqlite3_stmt *st);
/* The error that the connection has now, while doing `what`. */
MUST_CHECK NEVER_NULL struct err *db_error(struct db *db, const char *what);

void db_bind_text(sqlite3_stmt *st, int i, const char *text); /* NULL: null; borrowed until the statement is reset */
void db_bind_double(sqlite3_stmt *st, int i, double v);	      /* not finite: null */
/* A column as text in the arena, NULL where it is null. No more than DB_TEXT_MAX of it, and of all together DB_TEXTS_MAX: then LIMIT. */
enum { DB_TEXT_MAX = 128 << 10, DB_TEXTS_MAX = 256 << 20 };
const char *db_text(struct db *db, sqlite3_stmt *st, int i, struct arena *arena);
double db_double(sqlite3_stmt *st, int i);
int64_t db_ms(sqlite3_stmt *st, int i); /* milliseconds as nanoseconds; null and what cannot be: 0 */
