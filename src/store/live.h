/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * store/live - targets that are being looked at, and the chunk of looks that each has in memory.
 */

#include "store/delta.h"

struct store;

enum { TARGET_TEXTS = 10 };

/* A target that is being looked at. */
struct live {
	struct watch_id id;
	char key[64];
	const char *seen[TARGET_TEXTS]; /* pointers as last given: equal ones are not compared again */
	char *text[TARGET_TEXTS];	/* copies */
	bool is_go;
	int64_t row;
	bool dirty; /* its row must be written */
	int64_t first_ms, first_boot_ms;
	int64_t ended_ms, ended_boot_ms;
	bool ended, stale; /* stale: nobody looked for long, or it is only forgotten here */

	struct delta written; /* the last look in the chunk */
	struct delta skipped; /* a later one, equal to it; boot_ms 0: none */
	struct strbuf chunk;
	uint32_t no, n;
	int64_t from_boot_ms, from_ms;
	size_t journaled;     /* bytes of the chunk that the journal has */
	int64_t journal_from; /* its first row there; 0 none */
	uint32_t unjournaled; /* looks that are on no disk */
};

struct live *live_by_key(const struct store *s, const char *key);
/* Which row it has: the one of another run or database, where there is one; else a new one. */
void live_row(struct store *s, struct live *l);
void live_settle(struct live *l); /* the look that was skipped goes to the chunk */
void live_begin_chunk(struct live *l);
void live_end(struct live *l, int64_t boot_ms, int64_t wall_ms);
void live_forget_ended(struct store *s);
void live_lose_ended(struct store *s); /* nothing can be written: of those that have ended the newest stay */
void live_free(struct live *l);
