/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/stop - hold every thread of a process for a few milliseconds.
 *
 * PTRACE_SEIZE and PTRACE_INTERRUPT on each thread (repeated until no new thread shows up), PTRACE_DETACH to go on.
 * No signal is seen by the target or by its parent, none is lost, and a target that was stopped by SIGSTOP stays so. If
 * we die, the kernel detaches and the target runs on. A thread may see EINTR from epoll_wait(2) and the other calls of
 * which signal(7) says that a stop interrupts them.
 * A thread in uninterruptible sleep cannot be stopped. Before anything is touched we wait, for as long as the budget, for such
 * threads to come out of it; LIMIT if they do not. One that falls asleep later also means LIMIT: all others are let go at
 * once, and it as soon as it comes back (waited for up to PROC_STOP_GRACE_NS, then by proc_stop_release() or our end).
 * DENIED when ptrace is refused (CAP_SYS_PTRACE, yama's ptrace_scope, or another tracer, which is named).
 * All calls must come from one thread: the kernel binds a tracee to it.
 */

#include "proc/process.h"

#define PROC_STOP_GRACE_NS INT64_C(50000000)

struct proc_stop {
	struct tid_vec tids; /* seized, and stopped unless the call failed */
	struct tid_vec
		signals;    /* of each: caught on its way, to be given back at release; 0 none, -1 it has not stopped */
	int64_t since;	    /* monotonic ns of the first interrupt */
	int64_t stopped_ns; /* set by proc_stop_release() */
};

MUST_CHECK struct err *proc_stop_all(const struct proc_process *p, int64_t budget_ns, struct proc_stop *ret);
void proc_stop_release(struct proc_stop *s); /* idempotent; safe after a failed proc_stop_all() */

/* Registers of a stopped thread: instruction and stack pointer, frame pointer, fs base. False when it is gone. */
struct proc_regs {
	uint64_t ip, sp, bp, fs_base;
};
bool proc_stop_regs(pid_t tid, struct proc_regs *ret);

/* All of them, as struct user_regs_struct and struct user_fpregs_struct of amd64 have them. False when it is gone, and on other machines. */
enum { PROC_USER_REGS = 27, PROC_FP_REGS = 512 };
bool proc_stop_user_regs(pid_t tid, uint64_t ret[PROC_USER_REGS], unsigned char fp[PROC_FP_REGS]);
