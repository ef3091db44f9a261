/* SPDX-License-Identifier: Apache-2.0 */
#include "store/schema.h"

#include <stdio.h>
#include <string.h>

static const char first[] =
	"CREATE TABLE boot(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;"
	"CREATE TABLE run(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, pid INTEGER NOT NULL, version TEXT NOT NULL,"
	" started_ms INTEGER NOT NULL, started_boot_ms INTEGER NOT NULL, ended_ms INTEGER) STRICT;"
	"CREATE TABLE target(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, key TEXT NOT NULL, pid INTEGER NOT NULL,"
	" start_ticks INTEGER NOT NULL, generation INTEGER NOT NULL, comm TEXT, exe TEXT, go_version TEXT, build_id "
	"TEXT,"
	" module TEXT, container TEXT, unit TEXT, cgroup_path TEXT, limit_source TEXT, policy TEXT, is_go INTEGER NOT "
	"NULL,"
	" first_ms INTEGER NOT NULL, first_boot_ms INTEGER NOT NULL, ended_ms INTEGER, ended_boot_ms INTEGER) STRICT;"
	"CREATE INDEX target_key ON target(key);"
	"CREATE TABLE chunk(id INTEGER PRIMARY KEY, target INTEGER NOT NULL, no INTEGER NOT NULL,"
	" from_boot_ms INTEGER NOT NULL, to_boot_ms INTEGER NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,"
	" n INTEGER NOT NULL, data BLOB NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX chunk_target ON chunk(target, no);"
	"CREATE INDEX chunk_time ON chunk(to_ms);"
	"CREATE TABLE journal(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
	"CREATE TABLE event(id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, boot_ms INTEGER NOT NULL,"
	" wall_ns INTEGER NOT NULL, kind INTEGER NOT NULL, target TEXT, comm TEXT, cgroup_path TEXT, build_id TEXT, "
	"name TEXT,"
	" text TEXT, detail TEXT, value REAL, threshold REAL, dry INTEGER NOT NULL) STRICT;"
	"CREATE INDEX event_target ON event(target);"
	"CREATE INDEX event_time ON event(wall_ns);"
	"CREATE TABLE file(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, boot INTEGER NOT NULL, target TEXT,"
	" path TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL, wall_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX file_target ON file(target);"
	"CREATE INDEX file_time ON file(wall_ms);";

const char *const schema_tables[TABLES] = { "boot", "run", "target", "chunk", "journal", "event", "file" };
const char *const schema_steps[] = { first };
const unsigned schema_version = sizeof(schema_steps) / sizeof(schema_steps[0]);

/* Whose it is and how far it is. */
static struct err *look(struct db *db, int64_t *version)
{
	int64_t id, tables;
	TRY(db_number(db, "PRAGMA application_id", &id));
	TRY(db_number(db, "PRAGMA user_version", version));
	TRY(db_number(db, "SELECT count(*) FROM sqlite_schema", &tables));
	if (id != SCHEMA_ID && (tables || *version))
		return err_new(ERR_FORMAT, "the database is not one of ullage's");
	return NULL;
}

static struct err *newer(int64_t version, unsigned known)
{
	return err_new(ERR_UNSUPPORTED,
		       "the database has format %lld, and this ullage knows formats up to %u: a newer ullage wrote it; "
		       "use that one, or another data directory",
		       (long long)version, known);
}

static struct err *take_steps(struct db *db, const char *const *steps, int64_t from, unsigned n)
{
	char mark[96];
	for (int64_t i = from; i < n; i++)
		TRY(db_exec(db, steps[i]));
	snprintf(mark, sizeof(mark), "PRAGMA application_id=%d; PRAGMA user_version=%u", SCHEMA_ID, n);
	return db_exec(db, mark);
}

struct err *schema_apply(struct db *db, const char *const *steps, unsigned n)
{
	int64_t version;
	TRY(look(db, &version));
	if (version < 0 || version > n)
		return newer(version, n);
	if (version == n)
		return NULL;
	TRY(db_exec(db, "BEGIN IMMEDIATE"));
	struct err *err = take_steps(db, steps, version, n);
	if (!err)
		err = db_exec(db, "COMMIT");
	if (err)
		err_free(db_exec(db, "ROLLBACK"));
	return err;
}

/* What SQLite knows of our tables: a column with a row for each table, index and trigger, in one order. */
static const char ours[] = "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema"
			   " WHERE tbl_name IN ('boot', 'run', 'target', 'chunk', 'journal', 'event', 'file')"
			   " ORDER BY 1 LIMIT 100";

static struct err *other_tables(void)
{
	return err_new(ERR_FORMAT, "its tables are not those that ullage makes");
}

static struct err *compare_rows(struct db *db, sqlite3_stmt *has, struct db *fresh, sqlite3_stmt *wants)
{
	bool a = true, b = true;
	while (a && b) {
		TRY(db_step(db, has, &a));
		TRY(db_step(fresh, wants, &b));
		if (a != b)
			return other_tables();
		const char *x = a ? (const char *)sqlite3_column_text(has, 0) : "";
		const char *y = b ? (const char *)sqlite3_column_text(wants, 0) : "";
		if (!x || !y || strcmp(x, y) != 0)
			return other_tables();
	}
	return NULL;
}

struct err *schema_compare(struct db *db)
{
	struct db fresh;
	sqlite3_stmt *has = NULL, *wants = NULL;
	TRY(db_open(":memory:", NULL, &fresh));
	struct err *err = schema_apply(&fresh, schema_steps, schema_version);
	if (!err && sqlite3_prepare_v2(db->h, ours, -1, &has, NULL) != SQLITE_OK)
		err = db_error(db, "the database");
	if (!err && sqlite3_prepare_v2(fresh.h, ours, -1, &wants, NULL) != SQLITE_OK)
		err = db_error(&fresh, "the tables");
	if (!err)
		err = compare_rows(db, has, &fresh, wants);
	sqlite3_finalize(has);
	sqlite3_finalize(wants);
	db_close(&fresh);
	return err;
}

struct err *schema_check(struct db *db)
{
	int64_t version;
	TRY(look(db, &version));
	if (version > schema_version)
		return newer(version, schema_version);
	if (version < schema_version)
		return err_new(
			ERR_UNSUPPORTED,
			"the database has the older format %lld: `ullage watch` brings it up to date when it starts",
			(long long)version);
	return schema_compare(db);
}
