/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sense/tasks - how many tasks a cgroup and those above it have, of how many that they may have.
 *
 * Source: pids.current and pids.max, of the hierarchy that has the controller: with v1 that is another one than memory's, and
 * a process may be elsewhere in it. A pod's maximum stands above its containers, a slice's above its services: the level that
 * is nearest to its own counts. Descriptors: one a level, one more of the lowest and of those that have a maximum.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"

struct sense_tasks {
	struct sense_tasks *parent;
	unsigned refs; /* targets in it, levels below it */
	char *dir;
	int current, most; /* descriptors, -1 */
	uint64_t n, max;   /* UINT64_MAX: unknown, none */
	int64_t looked_ns;
	bool dead; /* removed; another may have its name by now */
};

VEC_TYPE(sense_tasks_vec, struct sense_tasks *);

/* The level of that directory, with one more reference; those that are known are not opened again. NULL for dir NULL. */
struct sense_tasks *sense_tasks_of(struct sense_tasks_vec *all, const char *dir);
struct sense_tasks *sense_tasks_join(struct sense_tasks *t);		    /* one more reference; NULL is fine */
void sense_tasks_leave(struct sense_tasks_vec *all, struct sense_tasks *t); /* NULL is fine */
/* Of the level that is nearest to its maximum; where none has one, how many the lowest has. */
void sense_tasks_look(struct sense_tasks *t, int64_t now_ns, uint64_t *n, uint64_t *max);
