/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/members - the processes of a cgroup, as they come.
 */

#include "proc/cgroup.h"
#include "record/watch.h"

struct record_members {
	struct arena arena;
	struct cgroup cgroup;
	bool known;
};

/* The cgroup of the options, found by the first process. Nothing when there is none. */
void record_members_init(struct record_members *m, struct record_watch *w);
void record_members_deinit(struct record_members *m);

/* Adds who has come since. */
void record_members_look(struct record_members *m, struct record_watch *w);
