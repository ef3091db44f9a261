/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parts.h"

#include <string.h>
#include <unistd.h>

#include "base/num.h"

enum {
	ROWS = 512, /* that one call drops */
	FILES = 32,
	EVENT_BYTES = 300, /* about */
	PAGE_CHUNK = 1365,
	LONG = 4, /* events and the newest snapshots are kept so many times as long */
	HOUR_MS = 3600000,
};

/* The wall clock as it is believed: not ahead of what it was in the last hour. */
static int64_t believed_ms(struct clock_belief *b, int64_t boot_ms, int64_t wall_ms)
{
	int64_t offset = wall_ms - boot_ms;
	if (!b->since_ms) {
		*b = (struct clock_belief){ .since_ms = boot_ms, .now_min = offset, .before_min = offset };
	} else if (boot_ms - b->since_ms > HOUR_MS) {
		b->before_min = b->now_min;
		b->now_min = offset;
		b->since_ms = boot_ms;
	}
	b->now_min = offset < b->now_min ? offset : b->now_min;
	return boot_ms + (b->now_min < b->before_min ? b->now_min : b->before_min);
}

static struct err *drop_old_rows(struct store *s, enum statement which, int64_t before)
{
	sqlite3_stmt *st = db_ready(&s->db, which);
	sqlite3_bind_int64(st, 1, before);
	sqlite3_bind_int64(st, 2, ROWS);
	return db_run(&s->db, st);
}

/* Rows of about a size, half of what makes up for `excess` bytes: the other half comes the next time, if it is too much then. */
static struct err *drop_rows(struct store *s, enum statement which, uint64_t excess, uint64_t size, int *dropped)
{
	sqlite3_stmt *st = db_ready(&s->db, which);
	sqlite3_bind_int64(st, 1, (int64_t)num_min(excess / size / 2 + 1, ROWS));
	TRY(db_run(&s->db, st));
	*dropped = sqlite3_changes(s->db.h);
	return NULL;
}

struct doomed {
	int64_t id;
	enum store_file kind;
	char *path;
	uint64_t bytes;
};

static struct err *drop_one(struct store *s, const struct doomed *d)
{
	/* a file that cannot be removed is found again at the next start */
	if (strncmp(d->path, place_folders[d->kind], strlen(place_folders[d->kind])) == 0 && !strstr(d->path, ".."))
		unlinkat(s->dir_fd, d->path, 0);
	s->file_bytes[d->kind] -= d->bytes < s->file_bytes[d->kind] ? d->bytes : s->file_bytes[d->kind];
	sqlite3_stmt *st = db_ready(&s->db, STMT_FILE_DROP);
	sqlite3_bind_int64(st, 1, d->id);
	return db_run(&s->db, st);
}

/* Files that statement `st` (bound) names, as many as make up for `excess` bytes. */
static struct err *drop_files(struct store *s, sqlite3_stmt *st, uint64_t excess, int *dropped)
{
	struct doomed doomed[FILES];
	int n = 0;
	uint64_t bytes = 0;
	bool row = true;
	struct err *err = NULL;
	while (!err && row && !(err = db_step(&s->db, st, &row)) && row) {
		const char *path = (const char *)sqlite3_column_text(st, 2);
		int kind = sqlite3_column_int(st, 1);
		if (n == FILES || !path || kind < 0 || kind >= STORE_FILES || bytes >= excess)
			continue;
		bytes += (uint64_t)sqlite3_column_int64(st, 3);
		doomed[n++] = (struct doomed){ sqlite3_column_int64(st, 0), (enum store_file)kind, xstrdup(path),
					       (uint64_t)sqlite3_column_int64(st, 3) };
	}
	for (int i = 0; i < n; i++) {
		if (!err)
			err = drop_one(s, &doomed[i]);
		free(doomed[i].path);
	}
	*dropped = n;
	return err;
}

static struct err *drop_old_files(struct store *s, enum store_file kind, int64_t before_ms, bool newest)
{
	int dropped;
	sqlite3_stmt *st = db_ready(&s->db, STMT_TRIM_FILES_AGE);
	sqlite3_bind_int(st, 1, (int)kind);
	sqlite3_bind_int64(st, 2, before_ms);
	sqlite3_bind_int(st, 3, newest);
	sqlite3_bind_int(st, 4, FILES);
	return drop_files(s, st, UINT64_MAX, &dropped);
}

static struct err *drop_any_files(struct store *s, enum store_file kind, bool newest, uint64_t excess, int *dropped)
{
	sqlite3_stmt *st = db_ready(&s->db, STMT_TRIM_FILES);
	sqlite3_bind_int(st, 1, (int)kind);
	sqlite3_bind_int(st, 2, newest);
	sqlite3_bind_int(st, 3, FILES);
	return drop_files(s, st, excess, dropped);
}

static struct err *trim_age(struct store *s, int64_t now_ms)
{
	int64_t age_ms = s->retain_ns / 1000000, before = now_ms - age_ms, long_before = now_ms - LONG * age_ms;
	if (age_ms <= 0)
		return NULL;
	TRY(drop_old_rows(s, STMT_TRIM_CHUNKS_AGE, before));
	TRY(drop_old_rows(s, STMT_TRIM_EVENTS_AGE, long_before * 1000000));
	TRY(drop_old_files(s, STORE_PROFILE, before, true));
	TRY(drop_old_files(s, STORE_SNAPSHOT, before, false));
	return drop_old_files(s, STORE_SNAPSHOT, long_before, true);
}

/* Pages of the database that hold something. */
static struct err *database_bytes(struct store *s, uint64_t *ret)
{
	int64_t pages, empty;
	TRY(db_number(&s->db, "PRAGMA page_count", &pages));
	TRY(db_number(&s->db, "PRAGMA freelist_count", &empty));
	*ret = (uint64_t)(pages - empty) * 4096;
	return NULL;
}

enum stage_what { DROP_CHUNKS, DROP_PROFILES, DROP_SNAPSHOTS, DROP_NEWEST, DROP_EVENTS };

/*
 * What goes when there is too much, in this order, as long as its kind has more than a share of what may be kept: so that
 * a flood of one kind does not drive out the others.
 */
static const struct stage {
	enum stage_what what;
	double share;
} stages[] = {
	{ DROP_CHUNKS, 0.25 }, { DROP_PROFILES, 0.125 }, { DROP_SNAPSHOTS, 0.25 }, { DROP_CHUNKS, 0.05 },
	{ DROP_PROFILES, 0 },  { DROP_SNAPSHOTS, 0 },	 { DROP_NEWEST, 0.25 },	   { DROP_EVENTS, 0.05 },
	{ DROP_NEWEST, 0 },    { DROP_CHUNKS, 0 },
};

static struct err *drop_stage(struct store *s, enum stage_what what, uint64_t excess, int *dropped)
{
	switch (what) {
	case DROP_CHUNKS:
		return drop_rows(s, STMT_TRIM_CHUNKS, excess, PAGE_CHUNK, dropped);
	case DROP_PROFILES:
		return drop_any_files(s, STORE_PROFILE, true, excess, dropped);
	case DROP_SNAPSHOTS:
		return drop_any_files(s, STORE_SNAPSHOT, false, excess, dropped);
	case DROP_NEWEST:
		return drop_any_files(s, STORE_SNAPSHOT, true, excess, dropped);
	case DROP_EVENTS:
		return drop_rows(s, STMT_TRIM_EVENTS, excess, EVENT_BYTES, dropped);
	}
	return NULL;
}

/* What the WAL may have: it is cut back to nothing beyond that, so more of it is no reason to drop rows. */
static uint64_t wal_share(const struct store *s)
{
	return s->retain_bytes / 8;
}

static struct err *trim_size(struct store *s)
{
	uint64_t rest = s->damaged_bytes + place_bytes(s, "ullage.db-shm") +
			num_min(place_bytes(s, "ullage.db-wal"), wal_share(s));
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		uint64_t database, files = s->file_bytes[STORE_SNAPSHOT] + s->file_bytes[STORE_PROFILE];
		TRY(database_bytes(s, &database));
		if (!s->retain_bytes || database + files + rest <= s->retain_bytes)
			return NULL;
		uint64_t excess = database + files + rest - s->retain_bytes;
		const uint64_t has[] = { database, s->file_bytes[STORE_PROFILE], s->file_bytes[STORE_SNAPSHOT],
					 s->file_bytes[STORE_SNAPSHOT], database };
		int dropped = 0;
		uint64_t floor = (uint64_t)(stages[i].share * (double)s->retain_bytes),
			 more = num_sub(has[stages[i].what], floor);
		if (more)
			TRY(drop_stage(s, stages[i].what, num_min(excess, more), &dropped));
		if (dropped)
			return NULL; /* the rest the next time */
	}
	return NULL;
}

static struct err *trim_targets(struct store *s, int64_t now_ms)
{
	sqlite3_stmt *st = db_ready(&s->db, STMT_TRIM_TARGETS);
	sqlite3_bind_int64(st, 1, s->first_target);
	sqlite3_bind_int64(st, 2, now_ms - HOUR_MS);
	sqlite3_bind_int(st, 3, ROWS);
	return db_run(&s->db, st);
}

static struct err *trim(struct store *s, int64_t now_ms)
{
	TRY(trim_age(s, now_ms));
	TRY(trim_size(s));
	return trim_targets(s, now_ms);
}

struct err *store_trim(struct store *s, int64_t wall_ns)
{
	if (!s->db.h || s->stats.failing)
		return err_new(ERR_WRITE, "the data directory %s cannot be written", s->dir);
	int64_t now_ms = believed_ms(&s->belief, store_boot_ms(), wall_ns / 1000000);
	struct err *err = db_exec(&s->db, "BEGIN IMMEDIATE");
	if (!err)
		err = trim(s, now_ms);
	if (!err)
		err = db_exec(&s->db, "COMMIT");
	if (err && !sqlite3_get_autocommit(s->db.h))
		err_free(db_exec(&s->db, "ROLLBACK"));
	if (!err)
		err = db_exec(&s->db, "PRAGMA incremental_vacuum(512)");
	if (!err && s->retain_bytes && place_bytes(s, "ullage.db-wal") > wal_share(s))
		sqlite3_wal_checkpoint_v2(s->db.h, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return store_settle(s, err);
}
