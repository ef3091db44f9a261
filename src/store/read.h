/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/read - what the black box has: lives, looks, events, files.
 *
 * A reader never changes anything, not even the shared memory of the WAL: it works beside a running daemon, after its death
 * and in a directory that cannot be written. Within the daemon it is a second connection. What it gives was committed.
 * A database that was damaged gives what can be read before the damage, and FORMAT; see store_reader_mend().
 * One that somebody made to be read without end gives LIMIT: a reader has a bound of CPU time and memory.
 * Errors: NOT_FOUND (no database), DENIED, UNSUPPORTED (another version), FORMAT, LIMIT, WRITE (it cannot be read at all).
 */

#include "base/arena.h"
#include "base/err.h"
#include "store/columns.h"
#include "store/store.h"

struct store_reader;

/* `within`: by the process that has the store open. */
MUST_CHECK struct err *store_reader_open(const char *directory, bool within, struct store_reader **ret);
/*
 * After an error that tells of damage: what can be read is put together in a copy, which this reader reads from now on. True: so it
 * is, the error is freed, and all is to be asked again. Not within the daemon. Opening does the same where it has to.
 */
bool store_reader_mend(struct store_reader *r, struct err *err);
/* What is wrong and what could be read, when that was done; else NULL. */
const char *store_reader_damage(const struct store_reader *r);
/* Takes err, gives it back: that something was not found in a damaged database is FORMAT, and says so. */
MUST_CHECK struct err *store_reader_blame(const struct store_reader *r, struct err *err);
void store_reader_close(struct store_reader *r); /* NULL is fine */

/* Who writes now: the pid of the daemon, 0 nobody, -1 somebody unknown. Never within the daemon: it would lose its lock. */
int store_holder(const char *directory);

enum { STORE_LIVES_MAX = 20000 };

/* A process between two execs. Strings are in the caller's arena. */
struct store_life {
	int64_t row;
	struct watch_id id;
	const char *boot, *key;
	const char *comm, *exe, *go_version, *build_id, *module, *container, *unit, *cgroup_path, *limit_source, *group;
	bool is_go;
	int64_t first_wall_ns, first_boot_ns;
	int64_t last_wall_ns, last_boot_ns;   /* of its last look; first_* where there is none */
	int64_t ended_wall_ns, ended_boot_ns; /* 0: it was not seen to end */
};
VEC_TYPE(store_life_vec, struct store_life);

/* Which lives: all members that are set must hold. `any`: its key, pid, comm, exe, unit, container (the start of it) or cgroup. */
struct store_which {
	const char *key, *any;
	int64_t from_wall_ns, to_wall_ns; /* that were alive in this time; 0: open */
};
/* The newest first. */
MUST_CHECK struct err *store_lives(struct store_reader *r, const struct store_which *which, struct arena *arena,
				   struct store_life_vec *ret);

VEC_TYPE(store_point_vec, struct store_point);

/*
 * Looks at one life within a time, in their order, at most `max` (0 or more than that: STORE_POINTS_MAX): where there are more, of each
 * stretch of time the one with the largest working set (Rss where that is unknown) is kept, and always the first and the
 * last. Times are compared with the wall clock that was then.
 */
enum { STORE_POINTS_MAX = 20000 };
MUST_CHECK struct err *store_series(struct store_reader *r, const struct store_life *life, int64_t from_wall_ns,
				    int64_t to_wall_ns, size_t max, struct store_point_vec *ret);

/* The same of all lives of a key in this boot of the machine, each thinned to its part. NOT_FOUND: nothing is known of it. */
MUST_CHECK struct err *store_series_of(struct store_reader *r, const char *key, int64_t from_wall_ns,
				       int64_t to_wall_ns, size_t max, struct store_point_vec *ret);

struct store_event_row {
	int64_t id;
	struct watch_event e; /* strings in the arena; `detail` is a JSON object or NULL */
	int64_t boot_ns;
	const char *boot;
};
VEC_TYPE(store_event_vec, struct store_event_row);

struct store_event_which {
	const char *target;		  /* key; NULL any */
	const char *boot;		  /* NULL any */
	unsigned kinds;			  /* 1u << enum watch_event_kind; 0 all */
	int64_t from_wall_ns, to_wall_ns; /* 0: open */
	int64_t before_id;		  /* for pages; 0: from the newest */
	size_t limit;			  /* 0: 1000 */
};
/* The newest first. */
MUST_CHECK struct err *store_events(struct store_reader *r, const struct store_event_which *which, struct arena *arena,
				    struct store_event_vec *ret);

struct store_file_row {
	struct watch_file f; /* `path` is whole; `kind` of a profile is the first word of its suffix */
	enum store_file kind;
	const char *boot;
	bool there; /* the file is still on the disk */
};
VEC_TYPE(store_file_vec, struct store_file_row);

struct store_file_which {
	const char *target;		  /* key; NULL any */
	unsigned kinds;			  /* 1u << enum store_file; 0 all */
	int64_t from_wall_ns, to_wall_ns; /* 0: open */
	size_t limit;			  /* 0: 1000 */
};
/* The newest first. */
MUST_CHECK struct err *store_files(struct store_reader *r, const struct store_file_which *which, struct arena *arena,
				   struct store_file_vec *ret);

/* Starts of the daemon: between them nobody looked. */
struct store_run {
	int pid;
	int64_t started_wall_ns,
		ended_wall_ns; /* 0: it runs, or was killed and none started since; -1: it was killed */
};
VEC_TYPE(store_run_vec, struct store_run);
MUST_CHECK struct err *store_runs(struct store_reader *r,
				  struct store_run_vec *ret); /* the newest first, at most 1000 */
