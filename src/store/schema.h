/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/schema - the tables, and the steps that lead to them from any earlier version.
 *
 * user_version is the number of steps that were taken. Rows of `chunk`, `event` and `file` have numbers that rise in the
 * order in which things happened: that order holds whatever the clocks did. Times: *_ms wall clock since 1970, *_boot_ms
 * CLOCK_BOOTTIME of the boot that the row or its target belongs to.
 *
 *	boot	a start of the machine, by the kernel's boot id
 *	run	a start of the daemon; ended_ms is null while it runs, and for ever when it was killed
 *	target	a process between two execs
 *	chunk	looks at one target, as store/delta writes them; `no` counts the chunks of a target
 *	journal	what was looked at since the chunks: one row a commit: (target, no, length, bytes of that chunk) as varints
 *	event	what happened
 *	file	snapshots and profiles, paths within the directory
 */

#include "store/db.h"

enum schema_table { TABLE_BOOT, TABLE_RUN, TABLE_TARGET, TABLE_CHUNK, TABLE_JOURNAL, TABLE_EVENT, TABLE_FILE, TABLES };
extern const char *const schema_tables[TABLES];

enum { SCHEMA_ID = 0x756c6c67 }; /* application_id */

extern const char *const schema_steps[];
extern const unsigned schema_version;

/*
 * Brings a database that is new or older up to n steps, in one transaction. UNSUPPORTED: it is newer, in words. FORMAT: it is
 * another program's.
 */
MUST_CHECK struct err *schema_apply(struct db *db, const char *const *steps, unsigned n);
/* FORMAT: the tables, and what belongs to them, are not those that our steps make: SQL of somebody else would be run. */
MUST_CHECK struct err *schema_compare(struct db *db);
/* For those who only read: UNSUPPORTED, FORMAT as above; an older version is UNSUPPORTED too, with the remedy. */
MUST_CHECK struct err *schema_check(struct db *db);
