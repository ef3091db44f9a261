/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * history/history - what the black box has on one process, put together: how it ended, what the last looks said, what was
 * known beforehand, what is on disk. And what was known of all.
 *
 * Nothing is judged here: signals and forecasts are what the daemon said then.
 */

#include "store/read.h"

struct history_options {
	const char *directory;
	const char *any;	    /* key, pid, name, unit, container, cgroup; NULL: all lives are listed */
	int64_t now_ns;		    /* the wall clock */
	int64_t since_ns, until_ns; /* 0: the last ten minutes of its life */
	int64_t at_ns;		    /* the life that was or ended then; 0 */
};

enum history_end {
	HISTORY_ALIVE,	/* it is being looked at */
	HISTORY_OOM,	/* the kernel killed it for memory */
	HISTORY_EXIT,	/* it ended; no OOM kill was seen */
	HISTORY_EXEC,	/* the process became another program */
	HISTORY_UNSEEN, /* nobody looked when it ended, if it did */
};
extern const char *const history_ends[]; /* "alive", "oom-killed", "exited", "exec", "unknown" */

/* A signal or warning that was on at the end. */
struct history_on {
	const struct watch_event *event; /* that said it came on */
};

struct history {
	struct arena arena;
	int64_t now_ns;
	const char *directory;
	int holder; /* pid of the daemon that runs, 0 none */
	struct store_run_vec runs;
	struct store_life_vec lives; /* that match, newest first */
	size_t chosen;		     /* of these; lives.n when all are listed */
	enum history_end *ends;	     /* of each of lives */

	/* of the chosen one */
	struct store_event_vec events; /* newest first */
	const struct watch_event *end; /* that tells its end, or NULL */
	int64_t end_ns;		       /* wall clock: of the end, or of the last look */
	VEC(struct history_on) on;     /* the longest on first */
	int64_t from_ns, to_ns;	       /* of the looks below */
	struct store_point_vec points; /* over that time, thinned */
	struct store_point_vec last;   /* every look of the last two minutes before to_ns */
	struct store_file_vec files;   /* newest first */
	VEC(const char *) notes;
};

/* *ret is to be given back with history_deinit() whatever happens. NOT_FOUND: no data, or nothing matches. */
MUST_CHECK struct err *history_read(const struct history_options *opt, struct history *ret);
void history_deinit(struct history *h);
