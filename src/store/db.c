/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include <assert.h>
#include <math.h>
#include <string.h>
#include <time.h>

enum { PROGRESS_STEPS = 1000 }; /* instructions of SQLite between two looks at the clock */

static enum err_code code_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_ERROR: /* a table or column of ours is not there: the statements themselves are tested */
	case SQLITE_MISMATCH:
	case SQLITE_TOOBIG:
		return ERR_FORMAT;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_MISUSE:
	case SQLITE_RANGE:
	case SQLITE_INTERNAL:
		return ERR_INTERNAL;
	case SQLITE_INTERRUPT:
		return ERR_LIMIT;
	default:
		return ERR_WRITE;
	}
}

struct err *db_error(struct db *db, const char *what)
{
	int rc = db->h ? sqlite3_extended_errcode(db->h) : SQLITE_NOMEM;
	int os = db->h ? sqlite3_system_errno(db->h) : 0;
	enum err_code code = code_of(rc);
	if (code == ERR_NOMEM)
		return err_nomem();
	if (code == ERR_LIMIT)
		return err_new(code, "%s: there is more in it than can be read in a bounded time", what);
	if (code == ERR_WRITE && os)
		return err_new(code, "%s: %s (%s)", what, sqlite3_errmsg(db->h), strerrordesc_np(os));
	return err_new(code, "%s: %s", what, sqlite3_errmsg(db->h));
}

/* What a file could make SQLite do is kept small: no functions from the schema, no double-quoted strings, no views. */
static void harden(sqlite3 *h)
{
	sqlite3_extended_result_codes(h, 1);
	sqlite3_db_config(h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(h, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_limit(h, SQLITE_LIMIT_LENGTH, 64 << 20);
	sqlite3_limit(h, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(h, SQLITE_LIMIT_WORKER_THREADS, 0);
	int64_t no_mapping = 0; /* a file that is cut short would be a signal, and an I/O error too */
	sqlite3_file_control(h, "main", SQLITE_FCNTL_MMAP_SIZE, &no_mapping);
}

static int64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int is_over(void *arg)
{
	const struct db *db = arg;
	return cpu_ns() > db->until_ns || db->text_bytes > DB_TEXTS_MAX;
}

void db_bound(struct db *db, unsigned ms)
{
	if (!db->h)
		return;
	db->until_ns = ms ? cpu_ns() + (int64_t)ms * 1000000 : 0;
	sqlite3_progress_handler(db->h, ms ? PROGRESS_STEPS : 0, ms ? is_over : NULL, db);
}

static struct err *open_as(const char *path, int flags, const char *const *sql, struct db *ret)
{
	*ret = (struct db){ .sql = sql };
	if (sqlite3_open_v2(path, &ret->h, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK) {
		struct err *err = db_error(ret, "opening the database");
		db_close(ret);
		return err;
	}
	harden(ret->h);
	return NULL;
}

struct err *db_open(const char *path, const char *const *sql, struct db *ret)
{
	TRY(open_as(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, sql, ret));
	sqlite3_busy_timeout(ret->h, 200);
	return NULL;
}

static struct err *open_to_read(const char *path, int flags, const char *const *sql, struct db *ret)
{
	TRY(open_as(path, SQLITE_OPEN_READONLY | flags, sql, ret));
	sqlite3_db_config(ret->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_busy_timeout(ret->h, 2000);
	struct err *err = db_exec(ret, "PRAGMA query_only=1; PRAGMA wal_autocheckpoint=0; PRAGMA cell_size_check=1;"
				       "PRAGMA cache_size=-1024; PRAGMA temp_store=2");
	if (err)
		db_close(ret);
	return err;
}

struct err *db_open_read(const char *uri, const char *const *sql, struct db *ret)
{
	return open_to_read(uri, SQLITE_OPEN_URI, sql, ret);
}

struct err *db_open_aside(const char *path, struct db *ret)
{
	TRY(open_to_read(path, SQLITE_OPEN_NOFOLLOW, NULL, ret));
	sqlite3_db_config(ret->h, SQLITE_DBCONFIG_DEFENSIVE, 0,
			  NULL); /* else the next has no effect; nothing is written */
	sqlite3_db_config(ret->h, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
	return NULL;
}

void db_close(struct db *db)
{
	for (size_t i = 0; i < DB_STATEMENTS; i++)
		sqlite3_finalize(db->stmt[i]);
	sqlite3_close(db->h);
	*db = (struct db){ 0 };
}

struct err *db_exec(struct db *db, const char *sql)
{
	if (sqlite3_exec(db->h, sql, NULL, NULL, NULL) != SQLITE_OK)
		return db_error(db, "the database");
	return NULL;
}

struct err *db_number(struct db *db, const char *sql, int64_t *ret)
{
	sqlite3_stmt *st = NULL;
	*ret = 0;
	if (sqlite3_prepare_v2(db->h, sql, -1, &st, NULL) != SQLITE_OK)
		return db_error(db, "the database");
	int rc = sqlite3_step(st);
	struct err *err = rc == SQLITE_ROW || rc == SQLITE_DONE ? NULL : db_error(db, "the database");
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return err;
}

sqlite3_stmt *db_ready(struct db *db, unsigned n)
{
	assert(n < DB_STATEMENTS);
	if (!db->stmt[n] && db->h)
		sqlite3_prepare_v3(db->h, db->sql[n], -1, SQLITE_PREPARE_PERSISTENT, &db->stmt[n], NULL);
	return db->stmt[n];
}

struct err *db_step(struct db *db, sqlite3_stmt *st, bool *row)
{
	*row = false;
	if (!st)
		return db_error(db, "the database");
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*row = true;
		return NULL;
	}
	struct err *err = rc == SQLITE_DONE ? NULL : db_error(db, "the database");
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return err;
}

struct err *db_run(struct db *db, sqlite3_stmt *st)
{
	bool row = true;
	while (row)
		TRY(db_step(db, st, &row));
	return NULL;
}

void db_bind_text(sqlite3_stmt *st, int i, const char *text)
{
	sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
}

void db_bind_double(sqlite3_stmt *st, int i, double v)
{
	if (isfinite(v))
		sqlite3_bind_double(st, i, v);
}

const char *db_text(struct db *db, sqlite3_stmt *st, int i, struct arena *arena)
{
	const char *text = (const char *)sqlite3_column_text(st, i);
	if (!text || db->text_bytes > DB_TEXTS_MAX)
		return NULL;
	size_t len = strnlen(text, DB_TEXT_MAX);
	db->text_bytes += len;
	return arena_strndup(arena, text, len);
}

double db_double(sqlite3_stmt *st, int i)
{
	return sqlite3_column_type(st, i) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(st, i);
}

int64_t db_ms(sqlite3_stmt *st, int i)
{
	int64_t ms = sqlite3_column_int64(st, i);
	return ms > INT64_MAX / 1000000 || ms < INT64_MIN / 1000000 ? 0 : ms * 1000000;
}
