/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/census - the Go processes of this machine: the list of `ullage ps`.
 *
 * Only what a statm, a cgroup and the head of the executable tell; no runtime structure is read. A process that
 * cannot be looked into is left out and counted in `denied`.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/vec.h"

struct census_row {
	int pid;
	const char *comm, *exe, *go_version, *module, *cgroup_path;
	bool stripped, pie, cgo;
	uint64_t rss, cgroup_usage, working_set, cgroup_limit; /* ACCOUNT_UNKNOWN = none or unknown */
};

VEC_TYPE(census_vec, struct census_row);

struct census {
	struct arena arena;
	struct census_vec rows; /* by rss, largest first */
	uint64_t denied;
};

struct proc_process;

/* Is its executable a Go program, by the file alone: 1 yes, 0 no, -1 unknown (not readable). */
int census_is_go(const struct proc_process *p);

MUST_CHECK struct err *engine_census(const char *procfs, struct census *ret);
void engine_census_free(struct census *c);

/* How a live target is named on the command line; exactly one is set (pid > 0). */
struct target_name {
	int pid;
	const char *comm, *cgroup, *unit, *container;
};

/* All pids that match, sorted. NOT_FOUND says what was looked for. */
VEC_TYPE(pid_vec, int);
MUST_CHECK struct err *engine_target_find(const char *procfs, const struct target_name *name, struct pid_vec *ret);
