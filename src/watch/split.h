/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watch/split - the daemon in parts, each with the power of its job and no more (docs/watch-privileges.md).
 *
 * The actor is a part of its own already (act/act.h). Here another is: the opener, which keeps the right to open files of
 * other users' processes (proc/opener.h). What remains, which reads what targets made, gives up all of it.
 */

#include "base/strbuf.h"
#include "config/config.h"
#include "sandbox/child.h"

enum { SPLIT_PROCFS = 4200 };

struct split {
	struct child opener;	   /* none where we have no more rights than the opener would */
	char procfs[SPLIT_PROCFS]; /* for everybody who opens processes */
};

#define SPLIT_NONE ((struct split){ .opener = CHILD_NONE })

/* Forks the opener, where there is something that only it should have. Before threads are made. */
MUST_CHECK struct err *split_open(struct split *s, const char *procfs);
void split_close(struct split *s);

/*
 * Gives up what is not needed any more: capabilities, and system calls. What `c` asks for is kept. For good: a later
 * configuration can ask for no more. What could not be given up is added to `problems`, a line each.
 */
void split_confine(const struct config *c, struct strbuf *problems);
