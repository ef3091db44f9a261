/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/parts.h"
#include "store/salvage.h"

enum {
	CHECK_BYTES = 64 << 20,	  /* a database up to this size is checked whole */
	OPEN_MS = 20000,	  /* of CPU that a database may take at opening */
	SALVAGE_MS = 10000,	  /* ... that one put aside may take until what can be read of it is kept */
	SALVAGE_WITHIN_MS = 1000, /* ... while the daemon looks at targets */
};

static int count_frames(void *arg, sqlite3 *h, const char *name, int frames)
{
	((struct store *)arg)->wal_frames = frames;
	return SQLITE_OK;
}

/* What must stand before the first table; then the tables. */
static struct err *set_up(struct store *s)
{
	int64_t rows;
	TRY(db_exec(
		&s->db,
		"PRAGMA cell_size_check=1; PRAGMA cache_size=-512; PRAGMA temp_store=2; PRAGMA synchronous=NORMAL"));
	TRY(db_number(&s->db, "SELECT count(*) FROM sqlite_schema",
		      &rows)); /* reads the first page, and what the WAL has */
	if (!rows)	       /* it is written though it is so already, and what a newer ullage wrote is left alone */
		TRY(db_exec(&s->db, "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL"));
	TRY(db_exec(&s->db, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0"));
	TRY(schema_apply(&s->db, schema_steps, schema_version));
	TRY(schema_compare(&s->db));
	s->database_ino = place_ino(s, "ullage.db");
	sqlite3_wal_hook(s->db.h, count_frames, s);
	return NULL;
}

static struct err *check_whole(struct store *s)
{
	if (place_bytes(s, "ullage.db") > CHECK_BYTES)
		return NULL;
	sqlite3_stmt *st = NULL;
	if (sqlite3_prepare_v2(s->db.h, "PRAGMA quick_check(1)", -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW) {
		struct err *err = db_error(&s->db, "checking the database");
		sqlite3_finalize(st);
		return err;
	}
	const char *text = (const char *)sqlite3_column_text(st, 0);
	struct err *err = NULL;
	if (!text || strcmp(text, "ok") != 0) {
		AUTO_FREE char *line = xasprintf("%.200s", text ? text : "no answer");
		for (char *p = line; (p = strchr(p, '\n'));)
			*p = ' ';
		err = err_new(ERR_FORMAT, "%s", line);
	}
	sqlite3_finalize(st);
	return err;
}

static struct err *begin_run(struct store *s)
{
	AUTO_FREE char *sql = NULL;
	int64_t pid, open_runs;
	TRY(db_number(&s->db, "SELECT count(*) FROM run WHERE ended_ms IS NULL", &open_runs));
	TRY(db_number(&s->db, "SELECT pid FROM run WHERE ended_ms IS NULL ORDER BY id DESC LIMIT 1", &pid));
	unsigned chunks;
	TRY(recover_journal(s, &chunks));
	if (open_runs)
		strbuf_printf(&s->told,
			      "the daemon before (process %lld) did not end in order; what it had looked at is kept\n",
			      (long long)pid);
	place_boot_name(s->boot_name);
	char *boot = sqlite3_mprintf("INSERT OR IGNORE INTO boot(name) VALUES(%Q)", s->boot_name);
	struct err *err = boot ? db_exec(&s->db, boot) : err_nomem();
	sqlite3_free(boot);
	TRY(err);
	sql = xasprintf("SELECT id FROM boot WHERE name='%.36s'", s->boot_name);
	TRY(db_number(&s->db, sql, &s->boot));
	free(take_ptr(sql)); /* an error below frees it again */
	/* a run that was killed ended when it was last heard of: nobody knows better */
	TRY(db_exec(&s->db, "UPDATE run SET ended_ms = -1 WHERE ended_ms IS NULL"));
	sql = xasprintf(
		"INSERT INTO run(boot, pid, version, started_ms, started_boot_ms) VALUES(%lld, %d, '" ULLAGE_VERSION
		"', %lld, %lld)",
		(long long)s->boot, getpid(), (long long)(store_wall_ns() / 1000000), (long long)store_boot_ms());
	TRY(db_exec(&s->db, sql));
	s->run = sqlite3_last_insert_rowid(s->db.h);
	TRY(db_number(&s->db, "SELECT coalesce(max(id), 0) + 1 FROM target", &s->first_target));
	s->next_target = s->first_target;
	s->next_journal = s->journal_kept = 1;
	return recover_files(s);
}

/* What can be read of a database that was put aside becomes part of the new one. That not all can is no error. */
static struct err *take_over(struct store *s, const char *aside, unsigned ms)
{
	struct db old = { 0 };
	struct salvaged got;
	struct err *err = db_open_aside(aside, &old);
	AUTO_FREE char *copy = xasprintf("%s.copy", aside);
	if (!err) {
		db_bound(&old, ms);
		err = salvage(&old, &s->db, &got);
	}
	if (err && err_code(err) == ERR_FORMAT) {
		err_free(err);
		db_close(&old);
		err = salvage_open(aside, copy, &old);
		db_bound(&old, ms);
		if (!err)
			err = salvage(&old, &s->db, &got);
		unlink(copy);
	}
	db_close(&old);
	if (err && err_code(err) == ERR_WRITE)
		return err;
	AUTO_FREE char *text = err ? xasprintf("nothing can be read of it: %s", err_text(err)) : salvaged_text(&got);
	strbuf_printf(&s->told, "%s\n", text);
	err_free(err);
	return NULL;
}

/* `aside`: what this one follows, or NULL. */
static struct err *open_database(struct store *s, const char *aside, unsigned ms)
{
	AUTO_FREE char *path = place_path(s, "ullage.db");
	s->database_ino = 0;
	TRY(db_open(path, store_sql, &s->db));
	db_bound(&s->db, OPEN_MS);
	TRY(set_up(s));
	if (aside)
		TRY(take_over(s, aside, ms));
	TRY(check_whole(s));
	TRY(begin_run(s));
	db_bound(&s->db, 0);
	return NULL;
}

/* More than can be read in a bounded time is damage, too. */
static bool is_damage(const struct err *err)
{
	return err && (err_code(err) == ERR_FORMAT || err_code(err) == ERR_LIMIT);
}

/* Opens; a database that is damaged is put aside, once. */
static struct err *open_or_begin_anew(struct store *s)
{
	AUTO_FREE char *aside = NULL;
	struct err *err = open_database(s, NULL, 0);
	if (!is_damage(err))
		return err;
	db_close(&s->db);
	memset(s->file_bytes, 0, sizeof(s->file_bytes));
	struct err *moved = place_set_aside(s, err_text(err), &aside);
	err_free(err);
	TRY(moved);
	return open_database(s, aside, SALVAGE_MS);
}

static void tell(struct store *s, const char *text)
{
	store_event(s, &(struct watch_event){ .wall_ns = store_wall_ns(),
					      .kind = WATCH_EVENT_NOTE,
					      .name = "store",
					      .text = text,
					      .value = NAN,
					      .threshold = NAN });
}

/* What was told since the last time becomes events, a line each. */
static void tell_lines(struct store *s)
{
	while (s->told_events < s->told.len) {
		size_t len = strcspn(s->told.buf + s->told_events, "\n");
		AUTO_FREE char *line = xstrndup(s->told.buf + s->told_events, len);
		tell(s, line);
		s->told_events += len + 1;
	}
}

static void store_free(struct store *s)
{
	db_close(&s->db);
	place_close(s);
	for (size_t i = 0; i < s->live.n; i++)
		live_free(s->live.v[i]);
	for (size_t i = 0; i < s->events.n; i++)
		free(s->events.v[i].block);
	for (size_t i = 0; i < s->files.n; i++) {
		free(s->files.v[i].target);
		free(s->files.v[i].path);
	}
	vec_deinit(&s->live);
	vec_deinit(&s->events);
	vec_deinit(&s->files);
	hash_index_deinit(&s->by_id);
	strbuf_deinit(&s->batch);
	strbuf_deinit(&s->told);
	free(s);
}

struct err *store_open(const struct store_options *opt, struct store **ret)
{
	struct store *s = xcalloc(1, sizeof(*s));
	*ret = NULL;
	strbuf_init(&s->batch);
	strbuf_init(&s->told);
	store_retain(s, opt->retain_bytes, opt->retain_ns);
	mode_t mask = umask(0077); /* SQLite makes its files with what is left */
	struct err *err = place_open(s, opt->directory);
	if (!err)
		err = err_wrap(open_or_begin_anew(s), "the data directory %s", s->dir);
	umask(mask);
	if (!err) {
		tell_lines(s);
		err = store_commit(s);
	}
	if (err) {
		store_free(s);
		return err;
	}
	*ret = s;
	return NULL;
}

static void mark_end(struct store *s)
{
	AUTO_FREE char *sql = xasprintf("UPDATE run SET ended_ms = %lld WHERE id = %lld",
					(long long)(store_wall_ns() / 1000000), (long long)s->run);
	err_free(db_exec(&s->db, sql));
}

void store_close(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->live.n; i++)
		live_settle(s->live.v[i]);
	err_free(store_commit(s));
	if (s->db.h) { /* none where the disk has failed */
		mark_end(s);
		sqlite3_wal_checkpoint_v2(s->db.h, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	}
	store_free(s);
}

void store_retain(struct store *s, uint64_t retain_bytes, int64_t retain_ns)
{
	s->retain_bytes = retain_bytes;
	s->retain_ns = retain_ns;
}

const char *store_told(const struct store *s)
{
	return s->told.buf;
}

/* The strings of an event in one block. */
static char *copy_strings(struct watch_event *e)
{
	const char **const texts[] = { &e->target, &e->comm, &e->cgroup_path, &e->build_id,
				       &e->name,   &e->text, &e->detail };
	enum { N = sizeof(texts) / sizeof(texts[0]) };
	size_t len[N] = { 0 }, all = 1;
	for (size_t i = 0; i < N; i++) {
		if (!*texts[i])
			continue;
		len[i] = strnlen(*texts[i], texts[i] == &e->detail ? STORE_DETAIL_MAX : STORE_TEXT_MAX);
		all += len[i] + 1;
	}
	char *block = xcalloc(1, all), *p = block;
	for (size_t i = 0; i < N; i++) {
		if (!*texts[i])
			continue;
		memcpy(p, *texts[i], len[i]);
		*texts[i] = p;
		p += len[i] + 1;
	}
	return block;
}

void store_event(struct store *s, const struct watch_event *e)
{
	int64_t boot_ms = store_boot_ms(), wall_ns = store_wall_ns(), ago = (wall_ns - e->wall_ns) / 1000000;
	if (ago < 0 || ago > 3600000)
		ago = 0; /* the clock was moved between */
	boot_ms -= ago;
	struct live *l = e->target ? live_by_key(s, e->target) : NULL;
	if (l && e->kind == WATCH_EVENT_EXIT)
		live_end(l, boot_ms, e->wall_ns / 1000000);
	if (s->events.n >= STORE_EVENTS_MAX) {
		s->stats.lost++;
		return;
	}
	struct waiting_event *w = vec_push(&s->events);
	*w = (struct waiting_event){ .e = *e, .boot_ms = boot_ms };
	w->block = copy_strings(&w->e);
}

/* Moves what the WAL has into the database: that needs the disk, so it is done now and then. */
static void checkpoint(struct store *s)
{
	int64_t now_ms = store_boot_ms();
	if (!s->wal_frames || (s->wal_frames < CHECKPOINT_FRAMES && now_ms - s->checkpoint_ms < CHECKPOINT_MS))
		return;
	s->checkpoint_ms = now_ms;
	bool cut = place_bytes(s, "ullage.db-wal") > WAL_BYTES_MAX;
	if (sqlite3_wal_checkpoint_v2(s->db.h, NULL, cut ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, NULL,
				      NULL) == SQLITE_OK)
		s->wal_frames = 0;
}

static void begins_to_fail(struct store *s)
{
	s->stats.failing = true;
	s->failing_since_ms = store_boot_ms();
	s->lost_before = s->stats.lost;
}

static void works_again(struct store *s)
{
	s->stats.failing = false;
	if (s->stats.lost == s->lost_before)
		return;
	AUTO_FREE char *text =
		xasprintf("the black box could not be written for %lld s; %llu looks and events are lost",
			  (long long)(store_boot_ms() - s->failing_since_ms + 999) / 1000,
			  (unsigned long long)(s->stats.lost - s->lost_before));
	tell(s, text);
}

/* The database is another one now: what is in memory goes to that. `aside`: what it follows, or NULL. */
static struct err *reopen(struct store *s, const char *aside)
{
	memset(s->file_bytes, 0, sizeof(s->file_bytes));
	mode_t mask = umask(0077);
	struct err *err = place_is_gone(s) ? place_again(s) : NULL;
	if (!err)
		err = open_database(s, aside, SALVAGE_WITHIN_MS);
	umask(mask);
	if (err) {
		db_close(&s->db);
		return err;
	}
	for (size_t i = 0; i < s->live.n; i++) {
		struct live *l = s->live.v[i];
		l->dirty = true;
		l->journaled = 0;
		l->journal_from = 0;
		live_row(s, l);
	}
	tell_lines(s);
	return NULL;
}

static struct err *begin_anew(struct store *s, struct err *why)
{
	bool wrote;
	AUTO_FREE char *aside = NULL;
	db_close(&s->db);
	s->database_ino = 0;
	struct err *err = place_set_aside(s, err_text(why), &aside);
	err_free(why);
	TRY(err);
	TRY(reopen(s, aside));
	return write_all(s, &wrote);
}

/* SQLite goes on writing into files that nobody can find any more; so that is looked at. */
static struct err *follow_directory(struct store *s)
{
	if (s->db.h && !place_is_gone(s))
		return NULL;
	if (s->db.h) {
		strbuf_printf(&s->told,
			      "the database in %s was removed or replaced: what it had is lost, and a new one "
			      "was begun\n",
			      s->dir);
		db_close(&s->db);
		s->database_ino = 0;
	}
	return reopen(s, NULL);
}

/* What became of a transaction: mended when that can be, and noticed. */
struct err *store_settle(struct store *s, struct err *err)
{
	if (err && err_code(err) == ERR_FORMAT)
		err = begin_anew(s, err);
	if (err && !s->stats.failing)
		begins_to_fail(s);
	if (err)
		live_lose_ended(s);
	return err_wrap(err, "the data directory %s", s->dir);
}

struct err *store_commit(struct store *s)
{
	bool wrote = false;
	struct err *err = follow_directory(s);
	if (!err)
		err = write_all(s, &wrote);
	if (err)
		return store_settle(s, err);
	if (wrote && s->stats.failing)
		works_again(s);
	checkpoint(s);
	return NULL;
}

void store_stats(const struct store *s, struct store_stats *ret)
{
	*ret = s->stats;
	ret->bytes = place_bytes(s, "ullage.db") + place_bytes(s, "ullage.db-wal") + place_bytes(s, "ullage.db-shm") +
		     s->damaged_bytes;
	for (size_t i = 0; i < STORE_FILES; i++)
		ret->bytes += s->file_bytes[i];
}
