/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/reader - what the files of the reading side share.
 */

#include "store/db.h"
#include "store/delta.h"
#include "store/journal.h"
#include "store/read.h"

enum read_statement { READ_LIVES, READ_CHUNKS, READ_JOURNAL, READ_EVENTS, READ_FILES, READ_RUNS, READ_MAX_ };
extern const char *const reader_sql[];

struct store_reader {
	struct db db;
	char *directory;
	bool within;
	char *damage; /* a sentence; NULL */
	char *copy;   /* a directory of our own with a copy of the database; NULL */
};

/* The looks that are in no chunk yet, of one target or (0) of all. To be given back with journal_deinit(). */
MUST_CHECK struct err *reader_journal(struct store_reader *r, int64_t only, struct journal *ret);

/* Several questions at one moment. */
MUST_CHECK struct err *reader_begin(struct store_reader *r);
void reader_end(struct store_reader *r);
