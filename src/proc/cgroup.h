/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/cgroup - the memory cgroup of a process, v1 or v2, and the limit that binds it.
 *
 * Source: /proc/PID/cgroup ("hierarchy:controllers:path") joined with the mount that shows it in /proc/self/mountinfo
 * (mount root and cgroup namespace considered). v1: the hierarchy with the memory controller; v2: "0::path" when the
 * memory controller is there. On a hybrid host the hierarchy that has the memory controller counts.
 * The limit that binds is the lowest of all ancestors'; v1 "no limit" (9223372036854771712) and v2 "max" are none.
 * Units: bytes. Unknown values are CGROUP_UNKNOWN.
 */

#include "base/arena.h"
#include "proc/process.h"

#define CGROUP_UNKNOWN UINT64_MAX

struct cgroup_event {
	const char *name; /* low high max oom oom_kill oom_group_kill (v2); failcnt under_oom oom_kill (v1) */
	uint64_t value;
};

VEC_TYPE(cgroup_event_vec, struct cgroup_event);

struct cgroup_stat {
	/* v1 figures are the hierarchical ones (total_*) */
	uint64_t anon, file, inactive_file, shmem, kernel, slab, slab_reclaimable, sock, pagetables, percpu,
		kernel_stack, vmalloc, swap_cached, file_dirty, unevictable;
	uint64_t swap, hierarchical_limit; /* v1 only */
};

struct cgroup {
	unsigned version; /* 1 or 2; 0: no memory cgroup to be seen */
	const char *
		path; /* the one that its memory is charged to, "/" = root; an ancestor of own_path, as a rule the same */
	const char *own_path; /* as in /proc/PID/cgroup */
	const char *dir;      /* where its files are, or NULL when not visible from here */
	const char *pids_dir; /* the same of its cgroup of the pids controller, whose files may stand above it */
	uint64_t usage, swap;
	uint64_t limit;		/* lowest of the ancestors, CGROUP_UNKNOWN = none */
	const char *limit_path; /* whose it is, NULL = none */
	uint64_t high;		/* v2 memory.high, lowest of the ancestors; CGROUP_UNKNOWN = none; v1 has none */
	uint64_t kmem_usage, tcp_usage; /* v1 memory.kmem.usage_in_bytes and kmem.tcp, CGROUP_UNKNOWN on v2 */
	double cpu_quota;		/* CPUs by cpu.max or cpu.cfs_quota_us, lowest of the ancestors; 0 = none */
	struct cgroup_event_vec events;
	struct cgroup_stat stat;
	struct tid_vec pids; /* processes in it and below it, as pids of our namespace: proc_cgroup_pids() */
};

/*
 * Fills `ret` (strings in `arena`). A host without a visible memory cgroup is no error: version 0.
 * `sysfs_mountinfo` is the path of mountinfo ("/proc/self/mountinfo", or a test's).
 */
MUST_CHECK struct err *proc_cgroup_read(const struct proc_process *p, const char *sysfs_mountinfo, struct arena *arena,
					struct cgroup *ret);
void proc_cgroup_deinit(struct cgroup *cg);

/*
 * Fills cg->pids, by a walk over the cgroups below. Those of processes outside of our pid namespace are missing, and
 * with more than some ten thousand cgroups the rest. Nothing when the directory is not visible.
 */
void proc_cgroup_pids(struct cgroup *cg);

/* Is that directory the root of its hierarchy, and not only the first that a namespace or a mount shows? */
bool proc_cgroup_is_root(const char *dir, unsigned version);

/* Only own_path; *ret NULL when there is none. Reads one small file. */
MUST_CHECK struct err *proc_cgroup_path(const struct proc_process *p, struct arena *arena, const char **ret);

/* memory.stat of that version out of a descriptor; keys that are missing or malformed stay CGROUP_UNKNOWN. */
void proc_cgroup_stat_parse(int fd, unsigned version, struct cgroup_stat *ret);
/* The same of text that was read: for whoever looks often, on a descriptor that stays open. */
void proc_cgroup_stat_text(const char *text, size_t len, unsigned version, struct cgroup_stat *ret);

/* usage - inactive_file: what counts as pressure. CGROUP_UNKNOWN when either is. */
uint64_t proc_cgroup_working_set(const struct cgroup *cg);
