/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/doctor_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ebpf/victims.h"
#include "proc/cgroup.h"

#define DATA_WANTED (UINT64_C(64) << 20) /* less free space will not hold one snapshot at its ceiling */

/* Whether the file can be opened; errno says why not. */
static bool opens(const char *directory, const char *name, int how)
{
	AUTO_FREE char *path = xasprintf("%s/%s", directory, name);
	AUTO_CLOSE int fd = open(path, how | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0;
}

static const char *why(struct doctor *d, const char *what)
{
	return arena_printf(&d->arena, "%s: %s", what, strerrordesc_np(errno));
}

/* ---- cgroups ---- */

/* What is read to know the limit and the kills, and what is written to be woken by the kernel. */
static const struct {
	const char *limit, *kills, *wake;
	int how;
	const char *woken;
} files[] = {
	[1] = { "memory.limit_in_bytes", "memory.oom_control", "cgroup.event_control", O_WRONLY,
		"the kernel tells of thresholds and of OOM by eventfd (v1)" },
	[2] = { "memory.max", "memory.events", "memory.pressure", O_RDWR,
		"the kernel tells of events by inotify, of pressure by a trigger (v2)" },
};

/* The root of v2 has no limit, so nothing of it is missing. */
static void check_limits(struct doctor *d, const struct cgroup *cg)
{
	bool root = strcmp(cg->path, "/") == 0;
	const char *missing = opens(cg->dir, files[cg->version].limit, O_RDONLY) ? NULL : files[cg->version].limit;
	if (!missing && !opens(cg->dir, files[cg->version].kills, O_RDONLY))
		missing = files[cg->version].kills;
	bool absent = errno == ENOENT;
	if (!missing || (root && absent))
		doctor_row(d, "watch: limits", DOCTOR_OK,
			   arena_printf(&d->arena, "limit and OOM kills of %s can be followed", cg->path), NULL);
	else
		doctor_row(d, "watch: limits", DOCTOR_DEGRADED, why(d, missing),
			   absent ? "enable the memory controller: echo +memory > cgroup.subtree_control of its "
				    "parent (systemd: MemoryAccounting=yes)"
				  : "mount the cgroup filesystem of the host so that we may read it");
}

static void check_wake(struct doctor *d, const struct cgroup *cg)
{
	bool root = strcmp(cg->path, "/") == 0;
	if (opens(cg->dir, files[cg->version].wake, files[cg->version].how) || (root && errno == ENOENT))
		doctor_row(d, "watch: events", DOCTOR_OK, files[cg->version].woken, NULL);
	else
		doctor_row(d, "watch: events", DOCTOR_DEGRADED, why(d, files[cg->version].wake),
			   "an event is seen a look later; run as root, or give the user of the daemon the right to "
			   "write that file "
			   "(systemd: Delegate=yes and User= of the service)");
	if (cg->version == 1)
		doctor_row(d, "watch: psi", DOCTOR_DEGRADED,
			   "cgroup v1 has no memory.pressure: the signal psi stays off",
			   "boot with systemd.unified_cgroup_hierarchy=1 (cgroup v2)");
	else if (opens(root ? "/proc/pressure" : cg->dir, root ? "memory" : "memory.pressure", O_RDONLY))
		doctor_row(d, "watch: psi", DOCTOR_OK, "the kernel tells of pressure by memory (PSI)", NULL);
	else
		doctor_row(d, "watch: psi", DOCTOR_DEGRADED, why(d, "memory.pressure"),
			   "boot with psi=1 (a kernel with CONFIG_PSI)");
}

static void check_groups(struct doctor *d, const char *procfs, int pid)
{
	struct proc_process p AUTO(proc_process);
	struct cgroup cg = { 0 };
	struct err *err AUTO(err) = proc_process_open(procfs, pid, &p);
	if (!err)
		err = proc_cgroup_read(&p, "/proc/self/mountinfo", &d->arena, &cg);
	if (err || !cg.version || !cg.dir) {
		doctor_row(d, "watch: limits", DOCTOR_DEGRADED,
			   err ? arena_strdup(&d->arena, err_text(err)) : "no memory cgroup is visible",
			   "mount the cgroup filesystem of the host; without it what the machine has available is the "
			   "limit");
	} else {
		check_limits(d, &cg);
		check_wake(d, &cg);
	}
	if (!err)
		proc_cgroup_deinit(&cg);
}

/* ---- the machine ---- */

/* Who was killed in cgroups that are not watched: both are asked for by the configuration only. */
static void check_kills(struct doctor *d)
{
	if (opens("/dev", "kmsg", O_RDONLY))
		doctor_row(d, "watch: log", DOCTOR_OK, "kernel.log: true would work", NULL);
	else
		doctor_row(d, "watch: log", DOCTOR_DEGRADED, why(d, "/dev/kmsg"),
			   "only for kernel.log: true: setcap cap_syslog=ep /path/to/ullage, or the drop-in "
			   "kernel-log.conf");
	struct ebpf_victims *v = NULL;
	struct err *err AUTO(err) = ebpf_victims_open(&v);
	ebpf_victims_close(v);
	if (err)
		doctor_row(d, "watch: bpf", DOCTOR_DEGRADED, arena_strdup(&d->arena, err_text(err)),
			   "only for kernel.bpf: true: setcap cap_bpf,cap_perfmon=ep /path/to/ullage, or the drop-in "
			   "bpf.conf");
	else
		doctor_row(d, "watch: bpf", DOCTOR_OK, "kernel.bpf: true would work (oom:mark_victim)", NULL);
}

static void check_lock(struct doctor *d)
{
	struct rlimit limit = { 0, 0 }, all = { RLIM_INFINITY, RLIM_INFINITY };
	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	bool raised = limit.rlim_cur != RLIM_INFINITY && setrlimit(RLIMIT_MEMLOCK, &all) == 0;
	if (raised)
		(void)setrlimit(RLIMIT_MEMLOCK, &limit);
	if (raised || limit.rlim_cur == RLIM_INFINITY)
		doctor_row(d, "watch: memlock", DOCTOR_OK, "the daemon can lock its memory", NULL);
	else
		doctor_row(d, "watch: memlock", DOCTOR_DEGRADED,
			   arena_printf(
				   &d->arena,
				   "only %llu KiB can be locked: the daemon may wait for the disk when memory is short",
				   (unsigned long long)limit.rlim_cur / 1024),
			   "LimitMEMLOCK=infinity in the unit, or: ulimit -l unlimited");
}

/* The directory, or the nearest above it that is there. */
static char *nearest(const char *path)
{
	char *at = xstrdup(path);
	while (faccessat(AT_FDCWD, at, F_OK, 0) != 0 && errno == ENOENT) {
		char *slash = strrchr(at, '/');
		if (!slash)
			at[0] = '.';
		if (!slash || slash == at)
			at[1] = 0;
		else
			*slash = 0;
	}
	return at;
}

static void check_data(struct doctor *d, const char *data)
{
	AUTO_FREE char *at = nearest(data);
	struct statvfs fs;
	if (faccessat(AT_FDCWD, at, W_OK | X_OK, AT_EACCESS) != 0)
		doctor_row(
			d, "watch: data", DOCTOR_MISSING, why(d, at),
			arena_printf(&d->arena,
				     "install -d -m 700 -o USER %s (as root), or --data with a directory of your own",
				     data));
	else if (statvfs(at, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < DATA_WANTED)
		doctor_row(d, "watch: data", DOCTOR_DEGRADED,
			   arena_printf(&d->arena, "%s has %llu MiB left", at,
					(unsigned long long)fs.f_bavail * fs.f_frsize >> 20),
			   "make room, or --data with a directory elsewhere: a snapshot may take 64 MiB");
	else
		doctor_row(d, "watch: data", DOCTOR_OK,
			   arena_printf(&d->arena, strcmp(at, data) == 0 ? "%s is writable" : "%s can be made", data),
			   NULL);
}

void doctor_watch(struct doctor *d, const char *procfs, int pid, const char *data)
{
	check_groups(d, procfs, pid);
	check_kills(d);
	check_lock(d);
	check_data(d, data);
}
