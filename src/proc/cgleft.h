/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/cgleft - cgroups that nobody lives in any more: directories without processes, below those that a process lives
 * in or holds open. What is still charged to one (page cache, tmpfs, kernel memory) stays so until it is removed.
 *
 * Source: cgroup.procs, memory.usage_in_bytes or memory.current, cgroup.stat, and the times of the directories.
 * Age: the kernel keeps no time of birth of a cgroup. The times of its directory are those of the first look at it,
 * which is as a rule when a process was put in; the real age is that or more.
 * A cgroup of a hierarchy of v1 does not show processes of another pid namespace: from within a container nothing can
 * be said about those.
 */

#include "proc/cgroup.h"
#include "proc/fds.h"

enum { PROC_CGLEFT_MAX = 65536 }; /* directories looked at */

struct proc_cgleft_one {
	const char *path;
	int64_t age_ns;	  /* at least */
	uint64_t charged; /* with those below it; CGROUP_UNKNOWN where there is no memory controller */
};

VEC_TYPE(proc_cgleft_vec, struct proc_cgleft_one);

struct proc_cgleft {
	struct proc_cgleft_vec v;
	uint64_t charged; /* in all: what is below another one counts once */
	uint64_t dying;	  /* v2: removed and still charged; CGROUP_UNKNOWN on v1 */
	unsigned roots;	  /* cgroups below which was looked */
	bool cut;	  /* there were more than PROC_CGLEFT_MAX */
	bool hidden;	  /* v1, and we are in a pid namespace of our own */
	bool by_age;	  /* where others may make some: only what its user made since it started was counted */
};

/*
 * Below the target's own memory cgroup and those that `fds` has open, or has a file of; not those themselves. In v2
 * also beside its own. Beside it, and in the root of a hierarchy, others may make some: there only those count that the
 * target's user made, and that are not older than the target. Strings in `arena`;
 * ret->v to be freed with vec_deinit(). What cannot be seen is left out.
 */
MUST_CHECK struct err *proc_cgleft_read(const struct proc_process *p, const char *sysfs_mountinfo,
					const struct proc_fds *fds, struct arena *arena, struct proc_cgleft *ret);
