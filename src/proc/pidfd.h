/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/pidfd - a descriptor of a process: readable once the process has ended, whatever becomes of its number.
 *
 * Source: pidfd_open(2), 5.3 on. How a process ended that is not our child: field 52 of its stat while it is a zombie, and
 * from 6.15 on PIDFD_GET_INFO after that.
 */

#include "proc/process.h"

/* Close-on-exec; -1 with errno: ESRCH there is none; EINVAL, or ENOENT from 6.9 on: the number is that of a thread. */
int proc_pidfd_open(pid_t pid);

/* Has it ended? Asks the kernel, does not wait. */
bool proc_pidfd_ended(int pidfd);

/*
 * The signal that ended a process; 0: it exited by itself; -1: the kernel does not say (any more). The process's directory is
 * asked while it is a zombie, so `p` is still open.
 */
int proc_pidfd_signal(int pidfd, const struct proc_process *p);
