/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/store - the black box: samples, events, profiles and snapshots on disk.
 *
 * One directory: ullage.db (SQLite, WAL, one connection that writes and checkpoints), snapshots/ and profiles/ (files, 0600,
 * that appear whole), lock. One daemon holds it. After kill -9 it lacks at most what came since the last store_commit();
 * after the machine itself broke down, what came since the last checkpoint (a minute or two).
 *
 * Samples. A look whose figures are all as before is not written again, but one every 15 s is, and the last before a change:
 * the series is exact. Looks at one target are packed as differences (store/delta), 12 to 40 bytes each; every commit writes
 * one row with what is new of all targets, and a target's looks become a row of their own when they are 1.2 KB or 10 minutes.
 *
 * Faults. While the disk is full or read-only, looks wait in memory, at most 4 KB a target (of those that have ended for the
 * newest 1024), and events, at most 1024; what does not fit is counted as lost. store_commit() gives the error each time;
 * when it works again and something is lost, an event of kind "note" says how much and for how long. A damaged database is put
 * aside as ullage.db.damaged-TIME, also when that is found later, and a new one begins.
 *
 * Clocks. Times of looks are CLOCK_BOOTTIME with the distance to the wall clock beside it, and rows are in the order in which
 * things happened: a wall clock that jumps moves nothing.
 *
 * Threads: none. Processes: the lock is the process's own, not inherited by fork().
 * Cost: below 1 us of CPU a sample, and about 0.1 ms a commit.
 */

#include "base/err.h"
#include "base/strbuf.h"
#include "model/watch.h"

struct store;

struct store_options {
	const char *directory; /* made 0700 when missing */
	uint64_t retain_bytes; /* of all files together; 0: no bound */
	int64_t retain_ns; /* of samples and files; events and the newest snapshot of each target four times as long; 0 */
};

/*
 * Where data is kept when nobody says: $STATE_DIRECTORY, or /var/lib/ullage for root, or $XDG_STATE_HOME/ullage, or
 * ~/.local/state/ullage. To be freed with free().
 */
NEVER_NULL char *store_default_directory(void);

/*
 * WRITE: the directory cannot be made or written, or another daemon, which is named, holds it. UNSUPPORTED: the database is
 * a newer version's. DENIED.
 */
MUST_CHECK struct err *store_open(const struct store_options *opt, struct store **ret);
/* Commits, checkpoints, marks the orderly end. NULL is fine. */
void store_close(struct store *s);
/* After a reload: what is kept from now on. */
void store_retain(struct store *s, uint64_t retain_bytes, int64_t retain_ns);

/* Rows wait in memory until store_commit(), which the daemon calls every second. Strings are copied. */
void store_sample(struct store *s, int64_t wall_ns, const struct watch_target *t);
/* EXIT of a target ends its life. Another generation of the same process begins a new one. */
void store_event(struct store *s, const struct watch_event *e);
MUST_CHECK struct err *store_commit(struct store *s);
/* Drops what is beyond retention, a bounded piece of work per call; every ten seconds or so. Errors as store_commit(). */
MUST_CHECK struct err *store_trim(struct store *s, int64_t wall_ns);

struct store_stats {
	uint64_t samples; /* looks given to store_sample() */
	uint64_t written; /* of these, those that had something new and are on disk */
	uint64_t events;  /* on disk */
	uint64_t lost;	  /* looks and events that could not be kept */
	uint64_t bytes;	  /* of the directory */
	bool failing;	  /* the last commit did not work */
};
void store_stats(const struct store *s, struct store_stats *ret);
/* What opening found, one sentence a line, "" nothing: an end without order, a damaged database put aside. Also an event. */
const char *store_told(const struct store *s);

/* A file for a snapshot or profile of a target: made whole by store_file_done(), gone by store_file_drop(). */
enum store_file { STORE_SNAPSHOT, STORE_PROFILE, STORE_FILES };
struct store_blob {
	int fd;
	enum store_file kind;
	int64_t wall_ns;
	char target[64];
	char path[512]; /* where it will be */
	char temporary[512];
};
/* `suffix` as in ".ullage" or ".heap.pb.gz". WRITE. */
MUST_CHECK struct err *store_file_begin(struct store *s, enum store_file kind, const char *target, const char *suffix,
					int64_t wall_ns, struct store_blob *ret);
/* Synced, renamed, known to the database with the next commit; closes fd. On an error it is dropped. */
MUST_CHECK struct err *store_file_done(struct store *s, struct store_blob *b);
void store_file_drop(struct store_blob *b);
