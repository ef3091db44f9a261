/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/parts - what the files of the writing side share.
 */

#include "base/hash.h"
#include "base/vec.h"
#include "store/db.h"
#include "store/live.h"
#include "store/store.h"

enum {
	CHUNK_BYTES = 1250,	  /* a chunk that is longer becomes a row: three of these fill a page */
	CHUNK_BYTES_MAX = 4096,	  /* looks that wait are lost from here on */
	CHUNK_MS = 600000,	  /* ... that is older */
	HEARTBEAT_MS = 15000,	  /* an unchanged look is written this often */
	STORE_EVENTS_MAX = 1024,  /* events that wait */
	STORE_ENDED_MAX = 1024,	  /* targets that have ended and wait */
	STORE_TEXT_MAX = 4096,	  /* bytes of any string that is kept; the rest is cut off */
	STORE_DETAIL_MAX = 65536, /* ... of an event's detail */
	CHECKPOINT_FRAMES = 1000, /* of the WAL: 4 MiB */
	CHECKPOINT_MS = 60000,
	WAL_BYTES_MAX = 16 << 20, /* then the WAL is cut back */
};

/* The statements of the writing connection. */
enum statement {
	STMT_TARGET_FIND,
	STMT_TARGET_PUT,
	STMT_JOURNAL_PUT,
	STMT_JOURNAL_DROP,
	STMT_JOURNAL_ALL,
	STMT_CHUNK_PUT,
	STMT_CHUNK_THERE,
	STMT_EVENT_PUT,
	STMT_FILE_PUT,
	STMT_FILE_DROP,
	STMT_TRIM_CHUNKS_AGE,
	STMT_TRIM_CHUNKS,
	STMT_TRIM_EVENTS_AGE,
	STMT_TRIM_EVENTS,
	STMT_TRIM_TARGETS,
	STMT_TRIM_FILES_AGE,
	STMT_TRIM_FILES,
	STMT_FILES,
	STMT_MAX_
};
extern const char *const store_sql[];

struct waiting_event {
	struct watch_event e; /* strings are its own: one block */
	int64_t boot_ms;
	char *block;
};

struct waiting_file {
	enum store_file kind;
	char *target, *path; /* within the directory */
	uint64_t bytes;
	int64_t wall_ms;
};

/* The smallest distance of the clocks in this hour and the one before: a jump forward is believed after an hour. */
struct clock_belief {
	int64_t since_ms, now_min, before_min;
};

struct store {
	char *dir; /* without symbolic links */
	int dir_fd, lock_fd;
	uint64_t database_ino; /* of the file that is open */
	struct db db;
	uint64_t retain_bytes;
	int64_t retain_ns;
	char boot_name[40];
	int64_t boot, run;
	int64_t next_target, first_target;  /* numbers of rows to come; the first that this run gave */
	int64_t next_journal, journal_kept; /* the oldest row that is still there */
	VEC(struct live *) live;
	int64_t latest_ms; /* of the latest look, CLOCK_BOOTTIME */
	struct hash_index by_id;
	VEC(struct waiting_event) events;
	VEC(struct waiting_file) files;
	struct strbuf batch; /* the journal's next row */
	struct strbuf told;
	size_t told_events; /* so much of it is an event */
	struct store_stats stats;
	uint64_t file_bytes[STORE_FILES], damaged_bytes;
	int wal_frames;
	int64_t checkpoint_ms;
	int64_t failing_since_ms;
	uint64_t lost_before; /* stats.lost when that began */
	struct clock_belief belief;
};

int64_t store_boot_ms(void);
int64_t store_wall_ns(void);

/* store.c */
MUST_CHECK struct err *store_settle(struct store *s, struct err *err);

/* place.c: the directory */
MUST_CHECK struct err *place_open(struct store *s, const char *directory);
void place_close(struct store *s);
void place_boot_name(char ret[40]);
char *place_path(const struct store *s, const char *name);     /* to be freed */
uint64_t place_bytes(const struct store *s, const char *name); /* 0 when it is not there */
/* Do the paths of the directory and of the database lead to others by now, or nowhere? */
bool place_is_gone(const struct store *s);
/* Then: the directory is let go, made anew where it is missing, and held as by place_open(). */
MUST_CHECK struct err *place_again(struct store *s);
uint64_t place_ino(const struct store *s, const char *name); /* 0 when it is not there */
/* Moves the database aside; told gets a sentence. *to: its new path, to be freed. */
MUST_CHECK struct err *place_set_aside(struct store *s, const char *why, char **to);
extern const char *const place_folders[STORE_FILES];

/* write.c: one commit */
MUST_CHECK struct err *write_all(struct store *s, bool *wrote);
MUST_CHECK struct err *write_chunk(struct store *s, int64_t target, uint32_t no, const struct strbuf *data);

/* recover.c: what an earlier run left */
MUST_CHECK struct err *recover_journal(struct store *s, unsigned *chunks); /* how many became rows */
MUST_CHECK struct err *recover_files(struct store *s);

/* file.c: what the name of a file says */
char *file_target(const char *name);	/* to be freed */
int64_t file_wall_ms(const char *name); /* 0 unknown */
