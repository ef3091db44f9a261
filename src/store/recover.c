/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parts.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "store/journal.h"

static struct err *journal_read(struct store *s, struct journal *j)
{
	sqlite3_stmt *st = db_ready(&s->db, STMT_JOURNAL_ALL);
	bool row;
	for (;;) {
		TRY(db_step(&s->db, st, &row));
		if (!row)
			return NULL;
		journal_add(j, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
	}
}

static struct err *chunk_is_there(struct store *s, const struct journal_chunk *c, bool *ret)
{
	sqlite3_stmt *st = db_ready(&s->db, STMT_CHUNK_THERE);
	sqlite3_bind_int64(st, 1, c->target);
	sqlite3_bind_int64(st, 2, c->no);
	TRY(db_step(&s->db, st, ret));
	return *ret ? db_run(&s->db, st) : NULL;
}

static struct err *journal_to_chunks(struct store *s, const struct journal *j, unsigned *chunks)
{
	for (size_t i = 0; i < j->chunks.n; i++) {
		bool there;
		const struct journal_chunk *c = &j->chunks.v[i];
		TRY(chunk_is_there(s, c, &there));
		if (there)
			continue;
		TRY(write_chunk(s, c->target, c->no, &c->data));
		++*chunks;
	}
	return db_exec(&s->db, "DELETE FROM journal");
}

struct err *recover_journal(struct store *s, unsigned *chunks)
{
	struct journal j = { 0 };
	*chunks = 0;
	struct err *err = journal_read(s, &j);
	if (!err)
		err = db_exec(&s->db, "BEGIN IMMEDIATE");
	if (!err)
		err = journal_to_chunks(s, &j, chunks);
	if (!err)
		err = db_exec(&s->db, "COMMIT");
	if (err && !sqlite3_get_autocommit(s->db.h))
		err_free(db_exec(&s->db, "ROLLBACK"));
	journal_deinit(&j);
	return err;
}

struct known_file {
	int64_t id;
	enum store_file kind;
	char *path;
	uint64_t bytes;
	bool there;
};
VEC_TYPE(known_files, struct known_file);

static struct err *files_known(struct store *s, struct known_files *ret)
{
	sqlite3_stmt *st = db_ready(&s->db, STMT_FILES);
	bool row;
	for (;;) {
		TRY(db_step(&s->db, st, &row));
		if (!row)
			return NULL;
		int kind = sqlite3_column_int(st, 1);
		const char *path = (const char *)sqlite3_column_text(st, 2);
		if (kind < 0 || kind >= STORE_FILES || !path)
			continue;
		struct known_file *f = vec_push(ret);
		f->id = sqlite3_column_int64(st, 0);
		f->kind = (enum store_file)kind;
		f->path = xstrdup(path);
		f->bytes = (uint64_t)sqlite3_column_int64(st, 3);
	}
}

static bool is_temporary(const char *name)
{
	return strncmp(name, ".tmp-", 5) == 0;
}

/* A file without a row: the daemon was killed between the two. Its name has the target and the time. */
static void adopt(struct store *s, enum store_file kind, const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", place_folders[kind], name);
	*vec_push(&s->files) = (struct waiting_file){
		.kind = kind,
		.target = file_target(name),
		.path = xstrdup(path),
		.bytes = place_bytes(s, path),
		.wall_ms = file_wall_ms(name),
	};
	s->file_bytes[kind] += place_bytes(s, path);
}

static struct known_file *find(struct known_files *known, enum store_file kind, const char *name)
{
	size_t folder = strlen(place_folders[kind]);
	for (size_t i = 0; i < known->n; i++)
		if (known->v[i].kind == kind && strlen(known->v[i].path) > folder &&
		    strcmp(known->v[i].path + folder + 1, name) == 0)
			return &known->v[i];
	return NULL;
}

static void look_into(struct store *s, enum store_file kind, struct known_files *known)
{
	AUTO_FREE char *folder = place_path(s, place_folders[kind]);
	DIR *d = opendir(folder);
	unsigned left_over = 0;
	for (struct dirent *e; d && (e = readdir(d));) {
		struct known_file *f = find(known, kind, e->d_name);
		if (is_temporary(e->d_name)) {
			left_over += unlinkat(dirfd(d), e->d_name, 0) == 0;
		} else if (f) {
			f->there = true;
			s->file_bytes[kind] += f->bytes;
		} else if (e->d_name[0] != '.') {
			adopt(s, kind, e->d_name);
		}
	}
	if (d)
		closedir(d);
	if (left_over)
		strbuf_printf(&s->told, "%u unfinished %s of a daemon that was killed %s removed\n", left_over,
			      place_folders[kind], left_over == 1 ? "was" : "were");
}

struct err *recover_files(struct store *s)
{
	struct known_files known = { 0 };
	struct err *err = files_known(s, &known);
	for (unsigned k = 0; !err && k < STORE_FILES; k++)
		look_into(s, (enum store_file)k, &known);
	for (size_t i = 0; i < known.n; i++) {
		if (!err && !known.v[i].there) {
			sqlite3_stmt *st = db_ready(&s->db, STMT_FILE_DROP);
			sqlite3_bind_int64(st, 1, known.v[i].id);
			err = db_run(&s->db, st);
		}
		free(known.v[i].path);
	}
	vec_deinit(&known);
	return err;
}
