/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/process - one process, held by identity.
 *
 * A pid may be reused at any moment. An opened process keeps its directory under procfs (whose files answer ESRCH once
 * the process is gone) and its start time, so that a second life of the pid is never mistaken for the first.
 * An exec keeps pid and start time: proc_process_check() also compares the executable (device and inode).
 *
 * Source: proc(5). `procfs` is a directory, "/proc" or a test's tree; "opener:FD:/proc" where what we may not open is asked
 * for (proc/opener.h).
 * Errors: NOT_FOUND when there is no such process at open, GONE when it exited later, DENIED with what is needed.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/strbuf.h"
#include "base/vec.h"

struct proc_process {
	pid_t pid;
	int dir;	      /* O_PATH|O_DIRECTORY on PROCFS/PID */
	int exe;	      /* O_RDONLY on PROCFS/PID/exe, the image that is mapped, or -1 (kernel thread, denied) */
	int exe_errno;	      /* why exe is -1 */
	int opener;	      /* who is asked for what we may not open, or -1; borrowed */
	uint64_t start_ticks; /* field 22 of stat */
	uint64_t exe_dev, exe_inode;
	uint64_t start_stack; /* field 28 of stat: random per exec; 0 when not shown to us */
	char comm[64];	      /* as the kernel gives it; hostile */
	char state;	      /* R S D Z T t X I */
	bool kernel_thread;   /* PF_KTHREAD */
};

/* What is needed of /proc/PID/stat. The name in it may hold anything, ") Z (" too. */
struct proc_stat {
	char comm[64];
	char state;
	uint64_t flags, start_ticks, start_stack;
};

bool proc_stat_parse(const char *text, size_t len, struct proc_stat *ret);

MUST_CHECK struct err *proc_process_open(const char *procfs, pid_t pid, struct proc_process *ret);
void proc_process_close(struct proc_process *p);

static inline void proc_process_auto(struct proc_process *p)
{
	proc_process_close(p);
}

/*
 * GONE when the process exited, its pid was reused, or it has exec'ed since open: another executable, or the same one
 * with its stack elsewhere (told only when stat shows us addresses and the target has address randomisation).
 */
MUST_CHECK struct err *proc_process_check(const struct proc_process *p);

/*
 * Is the file now at the path of PROCFS/PID/exe the very one that is mapped? 1: it is; 0: it was replaced or deleted;
 * -1: cannot be told from here.
 */
int proc_exe_on_disk(const struct proc_process *p);

/*
 * O_PATH descriptor on `path` as the process sees it (its root, no escape by symlinks), or -1 with errno. Given. Of the opener
 * it is one for reading, on a file that is mapped.
 */
int proc_process_open_path(const struct proc_process *p, const char *path);

/* DENIED "pid N: DOING: permission denied; run as root or with CAPS (...)". */
MUST_CHECK struct err *proc_process_denied(const struct proc_process *p, const char *doing, const char *caps);

/* What ESRCH means: GONE, or UNSUPPORTED for what was a kernel thread or a zombie already at open. */
MUST_CHECK struct err *proc_process_gone(const struct proc_process *p);

/*
 * Open PROCFS/PID/name close-on-exec. DENIED names the capability or sysctl that is missing, UNSUPPORTED when the
 * process is there and the file is not.
 */
MUST_CHECK struct err *proc_process_file(const struct proc_process *p, const char *name, int flags, int *ret);

/* A descriptor on PROCFS/PID/name, by us or by the opener; or -1 with errno. */
int proc_process_at(const struct proc_process *p, const char *name, int flags);

/* All of a small text file (at most max bytes; the rest is left out) appended to `out`. */
MUST_CHECK struct err *proc_process_text(const struct proc_process *p, const char *name, size_t max,
					 struct strbuf *out);

/* A symbolic link of the process (exe, root, ns/pid), in `arena`. */
MUST_CHECK struct err *proc_process_link(const struct proc_process *p, const char *name, struct arena *arena,
					 char **ret);

/* Fields of /proc/PID/status; what the kernel does not print stays 0. */
struct proc_status {
	char state;
	pid_t tgid, ppid;
	unsigned uid; /* effective */
	uint64_t threads;
	uint64_t vm_size, vm_rss, rss_anon, rss_file, rss_shmem, vm_pte, vm_swap; /* bytes */
	pid_t tracer;								  /* who traces it, or 0 */
	unsigned ns_levels; /* how many pid namespaces deep it is, 1 = ours */
	pid_t ns_pid;	    /* its pid in its own namespace */
};

MUST_CHECK struct err *proc_status_read(const struct proc_process *p, struct proc_status *ret);
MUST_CHECK struct err *proc_status_parse(int fd, struct proc_status *ret);

/* Threads of the process: ids under task/, sorted. */
VEC_TYPE(tid_vec, pid_t);
MUST_CHECK struct err *proc_threads(const struct proc_process *p, struct tid_vec *ret);

/* The thread\'s name, "" when it is gone. */
void proc_thread_comm(const struct proc_process *p, pid_t tid, char *buf, size_t len);

/* Where a thread that sleeps is, as the kernel shows it without stopping it. False of one that runs. */
struct proc_thread_call {
	int64_t number; /* of the system call, -1: it sleeps outside of one */
	uint64_t args[6], sp, pc;
};
bool proc_thread_call(const struct proc_process *p, pid_t tid, struct proc_thread_call *ret);

/* Value of one environment variable as of exec, in `arena`; *ret NULL when unset. */
MUST_CHECK struct err *proc_environ_get(const struct proc_process *p, const char *name, struct arena *arena,
					char **ret);

/* All pids under procfs, sorted. */
MUST_CHECK struct err *proc_pids(const char *procfs, struct tid_vec *ret);
