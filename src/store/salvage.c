/* SPDX-License-Identifier: Apache-2.0 */
#include "store/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/strbuf.h"

enum { PAGE = 4096, AT_VERSIONS = 18, AT_CHANGES = 24, AT_PAGES = 28, AT_VALID_FOR = 92 };

/* ---- a first page ---- */

static void put_be32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (24 - 8 * i));
}

/* The first page of a new database of ours, for a file of that many pages, without a WAL. */
static struct err *first_page(uint32_t pages, unsigned char ret[PAGE])
{
	struct db fresh;
	TRY(db_open(":memory:", NULL, &fresh));
	struct err *err = db_exec(&fresh, "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL");
	if (!err)
		err = schema_apply(&fresh, schema_steps, schema_version);
	sqlite3_int64 size = 0;
	unsigned char *whole = err ? NULL : sqlite3_serialize(fresh.h, "main", &size, 0);
	if (whole && size >= PAGE) {
		memcpy(ret, whole, PAGE);
		ret[AT_VERSIONS] = ret[AT_VERSIONS + 1] = 1;
		put_be32(ret + AT_PAGES, pages);
		memcpy(ret + AT_VALID_FOR, ret + AT_CHANGES, 4);
	} else if (!err) {
		err = err_nomem();
	}
	sqlite3_free(whole);
	db_close(&fresh);
	return err;
}

static struct err *copy_with_first_page(int in, int out, const char *copy)
{
	unsigned char page[PAGE];
	struct stat st;
	if (fstat(in, &st) != 0)
		return err_os(errno, "reading the database");
	uint64_t pages = (uint64_t)st.st_size / PAGE;
	if (pages < 2 || pages > UINT32_MAX)
		return err_new(ERR_FORMAT, "there is nothing left of it");
	TRY(first_page((uint32_t)pages, page));
	ssize_t n = 1;
	while (n > 0)
		n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0);
	if (n < 0 || pwrite(out, page, PAGE, 0) != PAGE)
		return err_recode(err_os(errno, "copying the database to %s", copy), ERR_WRITE);
	return NULL;
}

struct err *salvage_open(const char *path, const char *copy, struct db *ret)
{
	AUTO_CLOSE int in = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	AUTO_CLOSE int out = open(copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	*ret = (struct db){ 0 };
	if (in < 0 || out < 0)
		return err_recode(err_os(errno, "%s", in < 0 ? path : copy), ERR_WRITE);
	TRY(copy_with_first_page(in, out, copy));
	return db_open_aside(copy, ret);
}

/* ---- its rows ---- */

/* One table on its way. */
struct passage {
	struct db *from, *to;
	sqlite3_stmt *up, *down, *put; /* rows after a number, rows between two from the end, one row */
	uint64_t rows, holes;
};

static struct err *prepare(struct db *db, char *sql, sqlite3_stmt **ret)
{
	AUTO_FREE char *owned = sql;
	return sqlite3_prepare_v2(db->h, owned, -1, ret, NULL) == SQLITE_OK ? NULL : db_error(db, "the database");
}

/* Names of the columns, as the good database has them; the number of the row is the first of all tables. */
static struct err *columns_of(struct db *db, const char *table, struct strbuf *names, struct strbuf *marks)
{
	sqlite3_stmt *st = NULL;
	bool row = true;
	TRY(prepare(db, xasprintf("SELECT name FROM pragma_table_info('%s') ORDER BY cid", table), &st));
	struct err *err = NULL;
	for (int i = 0; !err && !(err = db_step(db, st, &row)) && row; i++) {
		strbuf_printf(names, "%s%s", i ? ", " : "", (const char *)sqlite3_column_text(st, 0));
		strbuf_printf(marks, "%s?%d", i ? ", " : "", i + 1);
	}
	sqlite3_finalize(st);
	return err;
}

static struct err *passage_open(struct passage *p, const char *table)
{
	AUTO(strbuf) struct strbuf names, marks;
	strbuf_init(&names);
	strbuf_init(&marks);
	TRY(columns_of(p->to, table, &names, &marks));
	TRY(prepare(p->from, xasprintf("SELECT %s FROM %s NOT INDEXED WHERE id > ?1 ORDER BY id", names.buf, table),
		    &p->up));
	TRY(prepare(
		p->from,
		xasprintf("SELECT %s FROM %s NOT INDEXED WHERE id > ?1 AND id < ?2 ORDER BY id DESC", names.buf, table),
		&p->down));
	return prepare(p->to, xasprintf("INSERT OR IGNORE INTO %s(%s) VALUES(%s)", table, names.buf, marks.buf),
		       &p->put);
}

static void passage_close(struct passage *p)
{
	sqlite3_finalize(p->up);
	sqlite3_finalize(p->down);
	sqlite3_finalize(p->put);
}

/* A row that does not fit (a value of another type, say) is damage, too, and is passed over. */
static struct err *put_row(struct passage *p, sqlite3_stmt *row)
{
	for (int i = 0; i < sqlite3_column_count(row); i++)
		sqlite3_bind_value(p->put, i + 1, sqlite3_column_value(row, i));
	int rc = sqlite3_step(p->put);
	struct err *err = NULL;
	if (rc != SQLITE_DONE && (sqlite3_extended_errcode(p->to->h) & 0xff) != SQLITE_CONSTRAINT)
		err = db_error(p->to, "the new database");
	p->rows += rc == SQLITE_DONE;
	sqlite3_reset(p->put);
	sqlite3_clear_bindings(p->put);
	return err;
}

enum walk { WALK_END, WALK_STOPPED, WALK_OVER };

/* All rows that `st` (bound) gives. *at: the number of the last one. `ret`: to the end, or to what cannot be read. */
static struct err *walk(struct passage *p, sqlite3_stmt *st, int64_t *at, bool *any, enum walk *ret)
{
	int rc;
	*any = false;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		*any = true;
		*at = sqlite3_column_int64(st, 0);
		struct err *err = put_row(p, st);
		if (err) {
			sqlite3_reset(st);
			return err;
		}
	}
	*ret = rc == SQLITE_DONE ? WALK_END : (rc & 0xff) == SQLITE_INTERRUPT ? WALK_OVER : WALK_STOPPED;
	sqlite3_reset(st);
	return NULL;
}

/* What lies behind a place that cannot be read: found by steps that double, then read backwards up to it. */
static struct err *go_round(struct passage *p, int64_t *at, enum walk *ret)
{
	int64_t before = *at;
	bool any = false;
	p->holes++;
	*ret = WALK_END;
	for (int64_t step = 1; !any && step < INT64_MAX / 4 && before < INT64_MAX / 2; step *= 2) {
		sqlite3_bind_int64(p->up, 1, before + step);
		int rc = sqlite3_step(p->up);
		int64_t first = rc == SQLITE_ROW ? sqlite3_column_int64(p->up, 0) : INT64_MAX, last = 0;
		sqlite3_reset(p->up);
		if (rc != SQLITE_ROW && rc != SQLITE_DONE)
			continue;
		sqlite3_bind_int64(p->down, 1, before);
		sqlite3_bind_int64(p->down, 2, first);
		TRY(walk(p, p->down, &last, &any, ret));
		if (*ret == WALK_OVER)
			return NULL;
		if (rc == SQLITE_DONE) { /* all from the end to here is read */
			*ret = WALK_END;
			return NULL;
		}
		sqlite3_bind_int64(p->up, 1, first - 1);
		TRY(walk(p, p->up, at, &any, ret));
	}
	*ret = any ? *ret : WALK_END;
	return NULL;
}

static struct err *take_table(struct db *from, struct db *to, enum schema_table t, struct salvaged *s)
{
	struct passage p = { .from = from, .to = to };
	int64_t at = INT64_MIN;
	bool any;
	enum walk end = WALK_END;
	struct err *err = passage_open(&p, schema_tables[t]);
	if (!err) {
		sqlite3_bind_int64(p.up, 1, 0);
		err = walk(&p, p.up, &at, &any, &end);
		at = any ? at : 0;
	}
	while (!err && end == WALK_STOPPED)
		err = go_round(&p, &at, &end);
	passage_close(&p);
	s->rows[t] = p.rows;
	s->holes += p.holes;
	s->cut |= end == WALK_OVER;
	return err;
}

struct err *salvage(struct db *from, struct db *to, struct salvaged *ret)
{
	*ret = (struct salvaged){ 0 };
	TRY(schema_check(from));
	TRY(db_exec(to, "BEGIN IMMEDIATE"));
	struct err *err = NULL;
	for (unsigned t = 0; !err && t < TABLES; t++)
		err = take_table(from, to, (enum schema_table)t, ret);
	if (!err)
		err = db_exec(to, "COMMIT");
	uint64_t rows = 0;
	for (unsigned t = 0; t < TABLES; t++)
		rows += ret->rows[t];
	if (!err && !rows)
		err = err_new(ERR_FORMAT, "no row of it can be read");
	if (err && !sqlite3_get_autocommit(to->h))
		err_free(db_exec(to, "ROLLBACK"));
	return err;
}

char *salvaged_text(const struct salvaged *s)
{
	uint64_t stretches = s->rows[TABLE_CHUNK] + s->rows[TABLE_JOURNAL];
	return xasprintf("what can be read of it is kept: %llu lives, %llu stretches of looks, %llu events%s",
			 (unsigned long long)s->rows[TABLE_TARGET], (unsigned long long)stretches,
			 (unsigned long long)s->rows[TABLE_EVENT],
			 s->cut ? "; there was more than can be read at a start" : "");
}
