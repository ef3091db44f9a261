/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/snapshot - everything that was read of one process at one time: the account and the evidence. It comes from a
 * live process (engine/evidence), from a file that `ullage snap` wrote (codec/snapfile), or in part from the files of
 * others (a pprof profile, a goroutine dump); whoever reads it need not know which.
 *
 * Plain data. `parts` says which members hold something. Everything dies with snapshot_deinit().
 * A new member, here or in a struct inside, is kept in files by a row in codec/snaptable.c; a test finds what has none.
 */

#include "model/account.h"
#include "model/fd.h"
#include "model/goroutine.h"
#include "model/heap.h"
#include "model/owners.h"
#include "model/timer.h"

enum snapshot_part {
	SNAPSHOT_ACCOUNT = 1u << 0,
	SNAPSHOT_HEAP = 1u << 1,   /* the profile */
	SNAPSHOT_CENSUS = 1u << 2, /* spans and types of `heap` */
	SNAPSHOT_GOROUTINES = 1u << 3,
	SNAPSHOT_TIMERS = 1u << 4,
	SNAPSHOT_FDS = 1u << 5,
	SNAPSHOT_OWNERS = 1u << 6,
	SNAPSHOT_ALL = (1u << 6) - 1, /* without owners, which cost more than all others together */
};

/* When it was taken, on every clock that a later comparison may need. Nanoseconds; 0 = unknown. */
struct snapshot_clock {
	int64_t wall, monotonic, boot; /* CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME */
	int64_t last_gc_wall;	       /* 0: never */
	uint64_t gc_count;	       /* at the beginning, ACCOUNT_UNKNOWN */
	uint64_t gc_count_end;	       /* at the end: another number means that a GC ended meanwhile */
	const char *gc_phase;	       /* "off", "mark", "mark termination"; NULL unknown */
	uint64_t num_forced_gc;
};

/* Which process, and which build of which program. Strings may be NULL (unknown). */
struct snapshot_identity {
	int pid;
	const char *comm, *exe;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: with boot_id it is this process and no other */
	const char *boot_id;
	const char *build_id;	/* GNU build id, else Go's */
	const char *go_version; /* "go1.22.12" */
	const char *module;
};

struct snapshot {
	struct arena arena;
	unsigned parts;	    /* enum snapshot_part */
	const char *source; /* for people: "pid 4711", "before.ullage", "http://..." */
	struct snapshot_identity id;
	struct snapshot_clock clock;
	struct account account;
	struct heap_view heap;
	struct goroutines goroutines;
	struct timers timers;
	struct fds fds;
	struct owners owners;
	struct str_vec notes;	   /* sentences on what is missing of the evidence; the account has its own */
	struct u32_vec note_parts; /* row by row with notes: the parts it is about, 0 the whole */
	unsigned noting;	   /* what notes are about that are added now */
};

void snapshot_init(struct snapshot *s);
void snapshot_deinit(struct snapshot *s);
void snapshot_note(struct snapshot *s, const char *fmt, ...) ERR_PRINTF(2, 3); /* a repeated note is kept once */

/* Leaves only notes about one of these parts, or about the whole. */
void snapshot_notes_keep(struct snapshot *s, unsigned parts);

static inline void snapshot_auto(struct snapshot *s)
{
	snapshot_deinit(s);
}
