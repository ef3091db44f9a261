/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parts.h"

#include <string.h>

/* clang-format off */
const char *const store_sql[] = {
	[STMT_TARGET_FIND] = "SELECT id, (SELECT coalesce(max(no), 0) FROM chunk WHERE target = t.id), exe, build_id,"
			     " first_ms, first_boot_ms FROM target t"
			     " WHERE key = ?1 AND boot = ?2 AND (id < ?3 OR generation = ?4) ORDER BY id DESC LIMIT 1",
	[STMT_TARGET_PUT] = "INSERT INTO target(id, boot, key, pid, start_ticks, generation, is_go, first_ms, first_boot_ms,"
			    " ended_ms, ended_boot_ms, comm, exe, go_version, build_id, module, container, unit, cgroup_path,"
			    " limit_source, policy)"
			    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)"
			    " ON CONFLICT(id) DO UPDATE SET is_go = ?7, ended_ms = ?10, ended_boot_ms = ?11, comm = ?12, exe = ?13,"
			    " go_version = ?14, build_id = ?15, module = ?16, container = ?17, unit = ?18, cgroup_path = ?19,"
			    " limit_source = ?20, policy = ?21",
	[STMT_JOURNAL_PUT] = "INSERT INTO journal(id, data) VALUES(?1, ?2)",
	[STMT_JOURNAL_DROP] = "DELETE FROM journal WHERE id < ?1",
	[STMT_JOURNAL_ALL] = "SELECT data FROM journal ORDER BY id",
	[STMT_CHUNK_PUT] = "INSERT INTO chunk(target, no, from_boot_ms, to_boot_ms, from_ms, to_ms, n, data)"
			   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[STMT_CHUNK_THERE] = "SELECT 1 FROM chunk WHERE target = ?1 AND no = ?2",
	[STMT_EVENT_PUT] = "INSERT INTO event(boot, boot_ms, wall_ns, kind, target, comm, cgroup_path, build_id, name, text,"
			   " detail, value, threshold, dry) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
	[STMT_FILE_PUT] = "INSERT OR REPLACE INTO file(kind, boot, target, path, bytes, wall_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[STMT_FILE_DROP] = "DELETE FROM file WHERE id = ?1",
	[STMT_TRIM_CHUNKS_AGE] = "DELETE FROM chunk WHERE id IN (SELECT id FROM chunk WHERE to_ms < ?1 LIMIT ?2)",
	[STMT_TRIM_CHUNKS] = "DELETE FROM chunk WHERE id IN (SELECT id FROM chunk ORDER BY id LIMIT ?1)",
	[STMT_TRIM_EVENTS_AGE] = "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE wall_ns < ?1 LIMIT ?2)",
	[STMT_TRIM_EVENTS] = "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT ?1)",
	[STMT_TRIM_TARGETS] = "DELETE FROM target WHERE id IN (SELECT t.id FROM target t WHERE t.id < ?1 AND t.first_ms < ?2"
			      " AND NOT EXISTS (SELECT 1 FROM chunk c WHERE c.target = t.id)"
			      " AND NOT EXISTS (SELECT 1 FROM event e WHERE e.target = t.key)"
			      " AND NOT EXISTS (SELECT 1 FROM file f WHERE f.target = t.key) LIMIT ?3)",
	[STMT_TRIM_FILES_AGE] = "SELECT id, kind, path, bytes FROM file f WHERE kind = ?1 AND wall_ms < ?2"
				" AND (?3 OR EXISTS (SELECT 1 FROM file g WHERE g.target IS f.target AND g.kind = f.kind AND g.id > f.id))"
				" LIMIT ?4",
	[STMT_TRIM_FILES] = "SELECT id, kind, path, bytes FROM file f WHERE kind = ?1"
			    " AND (?2 OR EXISTS (SELECT 1 FROM file g WHERE g.target IS f.target AND g.kind = f.kind AND g.id > f.id))"
			    " ORDER BY id LIMIT ?3",
	[STMT_FILES] = "SELECT id, kind, path, bytes FROM file ORDER BY id",
};
/* clang-format on */
_Static_assert((int)STMT_MAX_ <= (int)DB_STATEMENTS, "a place for each statement");

static struct err *write_target(struct store *s, const struct live *l)
{
	sqlite3_stmt *st = db_ready(&s->db, STMT_TARGET_PUT);
	const int64_t numbers[] = {
		l->row,		  s->boot,  0,		 l->id.pid,	  (int64_t)l->id.start_ticks,
		l->id.generation, l->is_go, l->first_ms, l->first_boot_ms
	};
	for (int i = 0; i < (int)(sizeof(numbers) / sizeof(numbers[0])); i++)
		sqlite3_bind_int64(st, i + 1, numbers[i]);
	db_bind_text(st, 3, l->key);
	if (l->ended) {
		sqlite3_bind_int64(st, 10, l->ended_ms);
		sqlite3_bind_int64(st, 11, l->ended_boot_ms);
	}
	for (int i = 0; i < TARGET_TEXTS; i++)
		db_bind_text(st, 12 + i, l->text[i]);
	return db_run(&s->db, st);
}

struct err *write_chunk(struct store *s, int64_t target, uint32_t no, const struct strbuf *data)
{
	struct delta d = { 0 };
	struct cursor c;
	int64_t n = 0, from_boot = 0, from = 0;
	cursor_init(&c, data->buf, data->len);
	for (; delta_next(&d, &c); n++) {
		if (n)
			continue;
		from_boot = d.boot_ms;
		from = d.boot_ms + d.offset_ms;
	}
	if (!n)
		return NULL;
	sqlite3_stmt *st = db_ready(&s->db, STMT_CHUNK_PUT);
	const int64_t numbers[] = { target, no, from_boot, d.boot_ms, from, d.boot_ms + d.offset_ms, n };
	for (int i = 0; i < (int)(sizeof(numbers) / sizeof(numbers[0])); i++)
		sqlite3_bind_int64(st, i + 1, numbers[i]);
	sqlite3_bind_blob64(st, 8, data->buf, data->len, SQLITE_STATIC);
	return db_run(&s->db, st);
}

/* Does its chunk become a row now? */
static bool chunk_is_full(const struct live *l, int64_t now_ms)
{
	return l->chunk.len && (l->chunk.len >= CHUNK_BYTES || l->ended || now_ms - l->from_boot_ms >= CHUNK_MS);
}

static struct err *write_event(struct store *s, const struct waiting_event *w)
{
	const struct watch_event *e = &w->e;
	sqlite3_stmt *st = db_ready(&s->db, STMT_EVENT_PUT);
	sqlite3_bind_int64(st, 1, s->boot);
	sqlite3_bind_int64(st, 2, w->boot_ms);
	sqlite3_bind_int64(st, 3, e->wall_ns);
	sqlite3_bind_int(st, 4, (int)e->kind);
	const char *const texts[] = { e->target, e->comm, e->cgroup_path, e->build_id, e->name, e->text, e->detail };
	for (int i = 0; i < (int)(sizeof(texts) / sizeof(texts[0])); i++)
		db_bind_text(st, 5 + i, texts[i]);
	db_bind_double(st, 12, e->value);
	db_bind_double(st, 13, e->threshold);
	sqlite3_bind_int(st, 14, e->dry);
	return db_run(&s->db, st);
}

static struct err *write_file(struct store *s, const struct waiting_file *f)
{
	sqlite3_stmt *st = db_ready(&s->db, STMT_FILE_PUT);
	sqlite3_bind_int(st, 1, (int)f->kind);
	sqlite3_bind_int64(st, 2, s->boot);
	db_bind_text(st, 3, f->target);
	db_bind_text(st, 4, f->path);
	sqlite3_bind_int64(st, 5, (int64_t)f->bytes);
	sqlite3_bind_int64(st, 6, f->wall_ms);
	return db_run(&s->db, st);
}

/* One row with what is new of all chunks that go on; and whether there is an older row that nobody needs any more. */
static struct err *write_journal(struct store *s, int64_t now_ms)
{
	int64_t keep = s->next_journal;
	strbuf_clear(&s->batch);
	for (size_t i = 0; i < s->live.n; i++) {
		const struct live *l = s->live.v[i];
		if (!l->chunk.len || chunk_is_full(l, now_ms))
			continue;
		if (l->journal_from && l->journal_from < keep)
			keep = l->journal_from;
		if (l->chunk.len == l->journaled)
			continue;
		delta_varint(&s->batch, (uint64_t)l->row);
		delta_varint(&s->batch, l->no);
		delta_varint(&s->batch, l->chunk.len - l->journaled);
		strbuf_add(&s->batch, l->chunk.buf + l->journaled, l->chunk.len - l->journaled);
	}
	if (s->batch.len) {
		sqlite3_stmt *st = db_ready(&s->db, STMT_JOURNAL_PUT);
		sqlite3_bind_int64(st, 1, s->next_journal);
		sqlite3_bind_blob64(st, 2, s->batch.buf, s->batch.len, SQLITE_STATIC);
		TRY(db_run(&s->db, st));
	}
	if (keep <= s->journal_kept)
		return NULL;
	s->journal_kept = keep; /* after a failure those are dropped the next time that one can be */
	sqlite3_stmt *st = db_ready(&s->db, STMT_JOURNAL_DROP);
	sqlite3_bind_int64(st, 1, keep);
	return db_run(&s->db, st);
}

static bool anything(const struct store *s, int64_t now_ms)
{
	if (s->events.n || s->files.n)
		return true;
	for (size_t i = 0; i < s->live.n; i++) {
		const struct live *l = s->live.v[i];
		if (l->dirty || l->chunk.len > l->journaled || chunk_is_full(l, now_ms))
			return true;
	}
	return false;
}

static struct err *write_rows(struct store *s, int64_t now_ms)
{
	for (size_t i = 0; i < s->live.n; i++) {
		const struct live *l = s->live.v[i];
		if (l->dirty)
			TRY(write_target(s, l));
		if (chunk_is_full(l, now_ms))
			TRY(write_chunk(s, l->row, l->no, &l->chunk));
	}
	TRY(write_journal(s, now_ms));
	for (size_t i = 0; i < s->events.n; i++)
		TRY(write_event(s, &s->events.v[i]));
	for (size_t i = 0; i < s->files.n; i++)
		TRY(write_file(s, &s->files.v[i]));
	return NULL;
}

/* What the disk has now is not written again. */
static void written(struct store *s, int64_t now_ms)
{
	for (size_t i = 0; i < s->live.n; i++) {
		struct live *l = s->live.v[i];
		l->dirty = false;
		s->stats.written += l->unjournaled;
		l->unjournaled = 0;
		if (chunk_is_full(l, now_ms)) {
			int64_t last =
				l->skipped.boot_ms > l->written.boot_ms ? l->skipped.boot_ms : l->written.boot_ms;
			l->stale = now_ms - last >= CHUNK_MS;
			live_begin_chunk(l);
			continue;
		}
		if (l->chunk.len > l->journaled && !l->journal_from)
			l->journal_from = s->next_journal;
		l->journaled = l->chunk.len;
	}
	if (s->batch.len)
		s->next_journal++;
	s->stats.events += s->events.n;
	for (size_t i = 0; i < s->events.n; i++)
		free(s->events.v[i].block);
	s->events.n = 0;
	for (size_t i = 0; i < s->files.n; i++) {
		free(s->files.v[i].target);
		free(s->files.v[i].path);
	}
	s->files.n = 0;
	live_forget_ended(s);
}

struct err *write_all(struct store *s, bool *wrote)
{
	int64_t now_ms = store_boot_ms();
	now_ms = s->latest_ms > now_ms ? s->latest_ms : now_ms;
	*wrote = false;
	if (!anything(s, now_ms))
		return NULL;
	TRY(db_exec(&s->db, "BEGIN IMMEDIATE"));
	struct err *err = write_rows(s, now_ms);
	if (!err)
		err = db_exec(&s->db, "COMMIT");
	*wrote = !err;
	if (!err)
		written(s, now_ms);
	else if (!sqlite3_get_autocommit(s->db.h))
		err_free(db_exec(&s->db, "ROLLBACK"));
	return err;
}
