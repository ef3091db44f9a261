/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sense - finding the processes to watch, following them, and looking at them cheaply.
 *
 * A target is held by pidfd, its statm and its cgroup's files by open descriptors: a look is a pread of each. Go's figures
 * are some words of memory. Cgroups are shared between their processes: each is read once per round, which is what is
 * looked at with times less than 10 ms apart. What the kernel tells by itself (memory.events, PSI triggers, v1's events,
 * exits, its log) wakes sense_fd(). Executables are looked into once, whoever runs them.
 *
 * Descriptors: three a target, two more when it is Go, some ten a cgroup, four for each ancestor of one. The soft limit is
 * raised to the hard one; what does not fit is not watched, and told.
 * Needs: CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH for the processes of others; without, their executables are unknown, so
 * whether they are Go is. Triggers (PSI, v1's events) need the right to write to the cgroup's files: without, polling does.
 * Threads: none; one object, one thread.
 */

#include "base/err.h"
#include "config/config.h"
#include "model/watch.h"

struct sense;
struct sense_target; /* one process that is watched, with its cgroup */

int64_t sense_now(void); /* the clock of all looks: CLOCK_BOOTTIME, nanoseconds */

struct sense_options {
	const char *procfs, *mountinfo; /* "/proc", "/proc/self/mountinfo" */
	const struct config *config;	/* borrowed until the next sense_configure() */
};

/* OS when even an epoll instance cannot be had. What else is missing is told by note(). */
MUST_CHECK struct err *sense_new(const struct sense_options *opt, struct sense **ret);
void sense_free(struct sense *s);
/* Other rules from the next sense_discover() on: what they do not name ends, what they newly name appears. */
void sense_configure(struct sense *s, const struct config *config);

/* An epoll descriptor that is readable when the kernel has something to tell. */
int sense_fd(const struct sense *s);

/* What happened, told through these calls; all optional. */
struct sense_calls {
	void (*appeared)(void *arg, struct sense_target *t);
	/* an exec: identity and Go version are new; id.generation counts them */
	void (*became)(void *arg, struct sense_target *t);
	void (*moved)(void *arg, struct sense_target *t); /* to another cgroup: limit and usage are others */
	void (*ended)(void *arg, struct sense_target *t); /* gone after this returns */
	/* the kernel reported something about its cgroup: look now */
	void (*urgent)(void *arg, struct sense_target *t);
	/*
	 * A kill for lack of memory: of a target (before its `ended`), or, t NULL, of another process in the cgroup of one;
	 * with the kernel's log, of any process. pid 0 and comm NULL: which one is not known. `text`: whose limit, and "probably"
	 * where the kernel did not say that it was this one.
	 */
	void (*oom_kill)(void *arg, struct sense_target *t, int pid, const char *comm, const char *cgroup,
			 const char *text);
	/* once per sentence: what cannot be seen, and why */
	void (*note)(void *arg, const char *text);
	void *arg;
};

/*
 * Looks for new processes, and at what ended or became another program. Cost: nothing but a read of /proc/loadavg while no
 * process began anywhere; else one system call for each number that was given out since, or one readdir of /proc.
 */
void sense_discover(struct sense *s, const struct sense_calls *calls);
/* Takes what sense_fd() has. */
void sense_dispatch(struct sense *s, const struct sense_calls *calls);

enum sense_look {
	SENSE_FAST = 1,
	SENSE_GO = 2,
	SENSE_SLOW = 4
}; /* statm and cgroup; Go's figures; fds, threads, swap */
/*
 * False when the target has ended (which sense_dispatch() tells). Only members of what was asked for are written: what could
 * not be read is unknown then, the others stay. The figures of the cgroup are those of the level whose limit is nearest:
 * usage and working set of an ancestor, where that one's limit binds. `now_ns`: CLOCK_BOOTTIME.
 */
bool sense_look(struct sense *s, struct sense_target *t, unsigned what, int64_t now_ns, struct watch_process_sample *p,
		struct watch_cgroup_sample *g);

/*
 * Identity: id, key, comm, exe, go_version, build_id, module, container, unit, cgroup_path, limit_source, is_go, go_known,
 * first_wall_ns.
 * Strings live until the next sense_describe(), or the target's end; limit_source until the next look.
 */
void sense_describe(struct sense_target *t, struct watch_target *ret);
void sense_set_data(struct sense_target *t, void *data);
void *sense_data(const struct sense_target *t);
size_t sense_count(const struct sense *s);
/* In no order; one that ends takes its place from the last. */
struct sense_target *sense_at(const struct sense *s, size_t i);
