/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watch/split - the daemon in parts, each with the power of its job and no more (docs/watch-privileges.md).
 *
 * The actor is a part of its own already (act/act.h). Here another is: the opener, which keeps the right to open files of
 * other users' processes (proc/opener.h). What remains, which reads what targets made, gives up all of it. Both are begun by
 * the spawner, which begins them again when they end.
 */

#include "base/strbuf.h"
#include "config/config.h"
#include "sandbox/spawner.h"

enum { SPLIT_PROCFS = 4200 };

enum split_part { SPLIT_OPENER, SPLIT_ACTOR, SPLIT_PARTS };

struct split {
	struct spawner spawner;
	struct child opener; /* none where we have no more rights than the opener would */
	struct spawner_again again;
	bool opener_dead;
	int ping;		   /* it did not answer, and is asked once more */
	char procfs[SPLIT_PROCFS]; /* for everybody who opens processes */
};

#define SPLIT_NONE ((struct split){ .spawner = SPAWNER_NONE, .opener = CHILD_NONE, .ping = -1 })

/* Forks the spawner and, where there is something that only it should have, begins the opener. Before threads are made. */
MUST_CHECK struct err *split_open(struct split *s, const char *procfs);
void split_close(struct split *s); /* after act_stop() */

/*
 * From time to time: has the opener ended, or does it not answer any more, it begins again; those who ask it go on with the
 * name of procfs they have. What there is to tell is added to `news`, a line each. GONE: there is no spawner any more.
 */
MUST_CHECK struct err *split_tend(struct split *s, int64_t now_ns, struct strbuf *news);

/*
 * Gives up what is not needed any more: capabilities, and system calls. What `c` asks for is kept. For good: a later
 * configuration can ask for no more. What could not be given up is added to `problems`, a line each.
 */
void split_confine(const struct config *c, struct strbuf *problems);
