/* SPDX-License-Identifier: Apache-2.0 */
#include "store/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/reader.h"
#include "store/salvage.h"

static const uint64_t copy_bytes_max = 4ULL << 30;
enum { READ_MS = 20000, WITHIN_MS = 2000, SALVAGE_MS = 20000 }; /* of CPU; the daemon does nothing else meanwhile */

/* clang-format off */
const char *const reader_sql[] = {
	[READ_LIVES] = "SELECT t.id, t.key, t.pid, t.start_ticks, t.generation, b.name, t.is_go, t.first_ms, t.first_boot_ms,"
		       " t.ended_ms, t.ended_boot_ms, c.to_ms, c.to_boot_ms, t.comm, t.exe, t.go_version, t.build_id, t.module,"
		       " t.container, t.unit, t.cgroup_path, t.limit_source, t.policy"
		       " FROM target t LEFT JOIN boot b ON b.id = t.boot LEFT JOIN chunk c ON c.id ="
		       " (SELECT id FROM chunk WHERE target = t.id ORDER BY no DESC LIMIT 1)"
		       " ORDER BY t.id DESC LIMIT ?1",
	[READ_CHUNKS] = "SELECT no, data FROM chunk WHERE target = ?1 AND max(from_ms, to_ms) >= ?2 AND min(from_ms, to_ms) <= ?3"
			" ORDER BY no",
	[READ_JOURNAL] = "SELECT data FROM journal ORDER BY id",
	[READ_EVENTS] = "SELECT e.id, e.wall_ns, e.boot_ms, b.name, e.kind, e.target, e.comm, e.cgroup_path, e.build_id, e.name,"
			" e.text, CASE WHEN json_valid(e.detail) AND json_type(e.detail) = 'object' THEN json(e.detail) END,"
			" e.value, e.threshold, e.dry FROM event e LEFT JOIN boot b ON b.id = e.boot"
			" WHERE (?1 IS NULL OR e.target = ?1) AND (?2 IS NULL OR b.name = ?2) AND (?3 >> e.kind) & 1"
			" AND e.wall_ns >= ?4 AND e.wall_ns <= ?5 AND e.id < ?6 ORDER BY e.id DESC LIMIT ?7",
	[READ_FILES] = "SELECT f.kind, f.target, b.name, f.path, f.bytes, f.wall_ms,"
		       " (SELECT comm FROM target t WHERE t.key = f.target ORDER BY t.id DESC LIMIT 1) FROM file f LEFT JOIN boot b ON b.id = f.boot"
		       " WHERE (?1 IS NULL OR f.target = ?1) AND (?2 >> f.kind) & 1 AND f.wall_ms BETWEEN ?3 AND ?4"
		       " ORDER BY f.id DESC LIMIT ?5",
	[READ_RUNS] = "SELECT pid, started_ms, ended_ms FROM run ORDER BY id DESC LIMIT 1000",
};
/* clang-format on */
_Static_assert((int)READ_MAX_ <= (int)DB_STATEMENTS, "a place for each statement");

/* A path as SQLite wants it in a URI. */
static char *uri_of(const char *path, const char *options)
{
	AUTO(strbuf) struct strbuf sb;
	strbuf_init(&sb);
	strbuf_puts(&sb, "file:");
	for (; *path; path++)
		if (strchr("%?#", *path))
			strbuf_printf(&sb, "%%%02x", (unsigned)(unsigned char)*path);
		else
			strbuf_putc(&sb, *path);
	strbuf_printf(&sb, "?%s", options);
	return strbuf_take(&sb);
}

static struct err *try_open(struct store_reader *r, const char *path, const char *options)
{
	AUTO_FREE char *uri = uri_of(path, options);
	TRY(db_open_read(uri, reader_sql, &r->db));
	db_bound(&r->db, r->within ? WITHIN_MS : READ_MS);
	struct err *err = r->within ? NULL : schema_check(&r->db); /* there it was looked at by who writes */
	if (err)
		db_close(&r->db);
	return err;
}

static struct err *failed(const char *what, const char *path)
{
	int os = errno;
	enum err_code code = os == ENOENT || os == ENOTDIR ? ERR_NOT_FOUND
			     : os == EACCES || os == EPERM ? ERR_DENIED
							   : ERR_WRITE;
	if (code == ERR_NOT_FOUND)
		return err_new(code, "there are no records in this directory (no %s): `ullage watch` keeps them", path);
	return err_new(code, "%s %s: %s%s", what, path, strerrordesc_np(os),
		       code == ERR_DENIED ? " (it is read by root, or by the user of `ullage watch`)" : "");
}

static struct err *copy_file(const char *from, const char *to)
{
	struct stat st;
	AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (in < 0 || fstat(in, &st) < 0)
		return failed("reading", from);
	if ((uint64_t)st.st_size > copy_bytes_max)
		return err_new(ERR_LIMIT, "%s is too large to be copied, and cannot be read where it is", from);
	AUTO_CLOSE int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return failed("making", to);
	for (;;) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, 1 << 30, 0);
		if (n < 0)
			return failed("copying", from);
		if (n == 0)
			return NULL;
	}
}

static void drop_copy(struct store_reader *r)
{
	static const char *const names[] = { "ullage.db", "ullage.db-wal", "ullage.db-shm" };
	for (size_t i = 0; r->copy && i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", r->copy, names[i]);
		unlink(path);
	}
	if (r->copy)
		rmdir(r->copy);
	free(take_ptr(r->copy));
}

static struct err *make_place(struct store_reader *r)
{
	const char *tmp = getenv("TMPDIR");
	AUTO_FREE char *template = xasprintf("%s/ullage-history-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(template))
		return failed("making", template);
	r->copy = take_ptr(template);
	return NULL;
}

/* A directory that cannot be written, with a WAL that was not moved into the database: read in a copy. */
static struct err *open_copy(struct store_reader *r, const char *path)
{
	TRY(make_place(r));
	AUTO_FREE char *to = xasprintf("%s/ullage.db", r->copy);
	AUTO_FREE char *from_wal = xasprintf("%s-wal", path);
	AUTO_FREE char *to_wal = xasprintf("%s-wal", to);
	TRY(copy_file(path, to));
	TRY(copy_file(from_wal, to_wal));
	return try_open(r, to, "mode=ro");
}

/* Is the index of the WAL one that somebody wrote? Its head stands there twice. One that is not is waited for long, in vain. */
static bool index_is_whole(const char *path)
{
	unsigned char head[2][48] = { 0 };
	AUTO_FREE char *shm = xasprintf("%s-shm", path);
	AUTO_CLOSE int fd = open(shm, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && read(fd, head, sizeof(head)) == sizeof(head) &&
	       memcmp(head[0], head[1], sizeof(head[0])) == 0;
}

/* Somebody who is gone left a WAL, or not; or somebody writes: three ways to read without leaving a trace. */
static struct err *open_outside(struct store_reader *r, const char *path)
{
	struct stat st;
	AUTO_FREE char *wal = xasprintf("%s-wal", path);
	bool has_wal = stat(wal, &st) == 0 && st.st_size > 0;
	struct err *err = NULL;
	if (has_wal && !store_holder(r->directory) && !index_is_whole(path))
		return open_copy(r, path);
	if (has_wal) {
		err = try_open(r, path, "mode=ro&readonly_shm=1");
		if (!err || err_code(err) != ERR_WRITE)
			return err;
		err_free(err);
		return open_copy(r, path);
	}
	if (store_holder(r->directory)) {
		err = try_open(r, path, "mode=ro");
		if (!err || err_code(err) != ERR_WRITE)
			return err;
		err_free(err);
	}
	return try_open(r, path, "mode=ro&immutable=1");
}

/* ---- what is damaged ---- */

/* Reads from a new database from now on, with what can be read of `from`. */
static struct err *read_salvaged(struct store_reader *r, struct db *from, struct salvaged *got)
{
	struct db whole;
	TRY(db_open("", reader_sql, &whole)); /* a file without a name, that ends with us */
	db_bound(from, SALVAGE_MS);
	struct err *err = schema_apply(&whole, schema_steps, schema_version);
	if (!err)
		err = salvage(from, &whole, got);
	if (err) {
		db_close(&whole);
		return err;
	}
	db_close(&r->db);
	r->db = whole;
	return NULL;
}

/* The list of tables itself is damaged. */
static struct err *read_by_pages(struct store_reader *r, struct salvaged *got)
{
	drop_copy(r);
	TRY(make_place(r));
	struct db from;
	AUTO_FREE char *path = xasprintf("%s/ullage.db", r->directory);
	AUTO_FREE char *to = xasprintf("%s/ullage.db", r->copy);
	struct err *err = salvage_open(path, to, &from);
	if (!err)
		err = read_salvaged(r, &from, got);
	db_close(&from);
	return err;
}

bool store_reader_mend(struct store_reader *r, struct err *err)
{
	struct salvaged got;
	if (!err || err_code(err) != ERR_FORMAT || r->within || r->damage)
		return false;
	struct err *failed = r->db.h ? read_salvaged(r, &r->db, &got) : read_by_pages(r, &got);
	if (failed) { /* the error that there was says more */
		err_free(failed);
		return false;
	}
	AUTO_FREE char *kept = salvaged_text(&got);
	r->damage = xasprintf("the database is damaged (%s): %s", err_text(err), kept);
	err_free(err);
	return true;
}

const char *store_reader_damage(const struct store_reader *r)
{
	return r->damage;
}

struct err *store_reader_blame(const struct store_reader *r, struct err *err)
{
	if (!err || !r->damage || err_code(err) != ERR_NOT_FOUND)
		return err;
	return err_recode(err_wrap(err, "%s", r->damage), ERR_FORMAT);
}

struct err *store_reader_open(const char *directory, bool within, struct store_reader **ret)
{
	*ret = NULL;
	AUTO_FREE char *path = xasprintf("%s/ullage.db", directory);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return failed("opening", path);
	struct store_reader *r = xcalloc(1, sizeof(*r));
	r->directory = xstrdup(directory);
	r->within = within;
	struct err *err = within ? try_open(r, path, "mode=ro") : open_outside(r, path);
	if (err && !store_reader_mend(r, err)) {
		store_reader_close(r);
		return err_wrap(err, "%s", path);
	}
	*ret = r;
	return NULL;
}

void store_reader_close(struct store_reader *r)
{
	if (!r)
		return;
	db_close(&r->db);
	drop_copy(r);
	free(r->damage);
	free(r->directory);
	free(r);
}

int store_holder(const char *directory)
{
	AUTO_FREE char *path = xasprintf("%s/lock", directory);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct flock is = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	if (fd < 0 || fcntl(fd, F_GETLK, &is) < 0 || is.l_type == F_UNLCK)
		return 0;
	return is.l_pid > 0 ? is.l_pid : -1;
}

struct err *reader_begin(struct store_reader *r)
{
	return db_exec(&r->db, "BEGIN");
}

void reader_end(struct store_reader *r)
{
	if (!sqlite3_get_autocommit(r->db.h))
		err_free(db_exec(&r->db, "ROLLBACK"));
}

struct err *reader_journal(struct store_reader *r, int64_t only, struct journal *ret)
{
	sqlite3_stmt *st = db_ready(&r->db, READ_JOURNAL);
	bool row;
	*ret = (struct journal){ .only = only };
	for (;;) {
		TRY(db_step(&r->db, st, &row));
		if (!row)
			return NULL;
		journal_add(ret, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
	}
}

struct err *store_runs(struct store_reader *r, struct store_run_vec *ret)
{
	sqlite3_stmt *st = db_ready(&r->db, READ_RUNS);
	bool row;
	for (;;) {
		TRY(db_step(&r->db, st, &row));
		if (!row)
			return NULL;
		int64_t ended = sqlite3_column_int64(st, 2);
		*vec_push(ret) = (struct store_run){
			.pid = sqlite3_column_int(st, 0),
			.started_wall_ns = db_ms(st, 1),
			.ended_wall_ns = ended == -1 ? -1 : db_ms(st, 2),
		};
	}
}
