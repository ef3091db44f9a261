/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/stat.h>

#include "store/reader.h"

enum { ROWS_DEFAULT = 1000 };

static void event_of(struct db *db, sqlite3_stmt *st, struct arena *arena, struct store_event_row *row)
{
	int kind = sqlite3_column_int(st, 4);
	*row = (struct store_event_row){
		.id = sqlite3_column_int64(st, 0),
		.boot_ns = db_ms(st, 2),
		.boot = db_text(db, st, 3, arena),
		.e = { .wall_ns = sqlite3_column_int64(st, 1),
		       .kind = (enum watch_event_kind)kind,
		       .target = db_text(db, st, 5, arena),
		       .comm = db_text(db, st, 6, arena),
		       .cgroup_path = db_text(db, st, 7, arena),
		       .build_id = db_text(db, st, 8, arena),
		       .name = db_text(db, st, 9, arena),
		       .text = db_text(db, st, 10, arena),
		       .detail = db_text(db, st, 11, arena),
		       .value = db_double(st, 12),
		       .threshold = db_double(st, 13),
		       .dry = sqlite3_column_int(st, 14) != 0 },
	};
}

struct err *store_events(struct store_reader *r, const struct store_event_which *which, struct arena *arena,
			 struct store_event_vec *ret)
{
	sqlite3_stmt *st = db_ready(&r->db, READ_EVENTS);
	unsigned all = (1u << WATCH_EVENTS) - 1; /* a kind that is unknown here has no name */
	bool row;
	db_bind_text(st, 1, which->target);
	db_bind_text(st, 2, which->boot);
	sqlite3_bind_int64(st, 3, which->kinds ? which->kinds & all : all);
	sqlite3_bind_int64(st, 4, which->from_wall_ns ? which->from_wall_ns : INT64_MIN);
	sqlite3_bind_int64(st, 5, which->to_wall_ns ? which->to_wall_ns : INT64_MAX);
	sqlite3_bind_int64(st, 6, which->before_id ? which->before_id : INT64_MAX);
	sqlite3_bind_int64(st, 7, (int64_t)(which->limit ? which->limit : ROWS_DEFAULT));
	for (;;) {
		TRY(db_step(&r->db, st, &row));
		if (!row)
			return NULL;
		if (sqlite3_column_int(st, 4) >= 0 && sqlite3_column_int(st, 4) < WATCH_EVENTS)
			event_of(&r->db, st, arena, vec_push(ret));
	}
}

/* "heap" of "profiles/4711-100_20251126T031200.120Z.heap.pb.gz". */
static const char *profile_kind(const char *path, struct arena *arena)
{
	const char *p = strchr(path, '_');
	p = p ? strstr(p, "Z.") : NULL;
	return p && p[2] ? arena_strndup(arena, p + 2, strcspn(p + 2, ".")) : "profile";
}

struct err *store_files(struct store_reader *r, const struct store_file_which *which, struct arena *arena,
			struct store_file_vec *ret)
{
	sqlite3_stmt *st = db_ready(&r->db, READ_FILES);
	unsigned all = (1u << STORE_FILES) - 1;
	bool row;
	db_bind_text(st, 1, which->target);
	sqlite3_bind_int64(st, 2, which->kinds ? which->kinds & all : all);
	sqlite3_bind_int64(st, 3, which->from_wall_ns ? which->from_wall_ns / 1000000 : INT64_MIN);
	sqlite3_bind_int64(st, 4, which->to_wall_ns ? which->to_wall_ns / 1000000 : INT64_MAX);
	sqlite3_bind_int64(st, 5, (int64_t)(which->limit ? which->limit : ROWS_DEFAULT));
	for (;;) {
		TRY(db_step(&r->db, st, &row));
		if (!row)
			return NULL;
		int kind = sqlite3_column_int(st, 0);
		const char *path = (const char *)sqlite3_column_text(st, 3);
		if (kind < 0 || kind >= STORE_FILES || !path)
			continue;
		struct stat there;
		struct store_file_row *f = vec_push(ret);
		f->kind = (enum store_file)kind;
		f->boot = db_text(&r->db, st, 2, arena);
		f->f = (struct watch_file){
			.wall_ns = db_ms(st, 5),
			.target = db_text(&r->db, st, 1, arena),
			.comm = db_text(&r->db, st, 6, arena),
			.kind = kind == STORE_SNAPSHOT ? "snapshot" : profile_kind(path, arena),
			.path = arena_printf(arena, "%s/%s", r->directory, path),
			.bytes = (uint64_t)sqlite3_column_int64(st, 4),
		};
		f->there = stat(f->f.path, &there) == 0;
	}
}
