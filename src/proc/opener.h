/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/opener - files of other users' processes, opened by somebody who may.
 *
 * Whoever analyses a process need not have the rights to: it is enough to be given the descriptors. proc_opener_serve() runs
 * in a process of its own, which keeps CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH and does nothing else. A request is a
 * process, by pid and start time, and one of
 *
 *	auxv exe maps mem pagemap smaps smaps_rollup	of its directory in procfs
 *	fd						the directory: its entries can be counted, not read
 *	/path						a regular file that it has mapped, as it sees it (its root, no escape)
 *
 * and all else is refused, environ and the names of open files above all. What is given is open for reading only.
 *
 * Who asks says so by the name of procfs: "opener:FD:/proc", FD being the socket (SOCK_SEQPACKET). It is asked where we are
 * refused ourselves. Several threads may ask at once: each request brings a socket for its answer.
 * Cost: about 30 us a request, half of it for the switch to another process and back.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { OPENER_NAME_MAX = 4096, OPENER_WAIT_MS = 1000 };

/* Of a name of procfs: the socket, or -1; and the directory. */
int proc_opener_of(const char *procfs);
const char *proc_opener_dir(const char *procfs);

/*
 * A descriptor, given; or -1 with errno. ETIMEDOUT: no answer within OPENER_WAIT_MS. EPERM: refused, or the opener may not
 * either.
 * Opening a file may take forever, where that is on a file system whose server is gone. Who is not answered marks the socket,
 * for all who have it: then nobody waits (EAGAIN) until the mark is taken away, or the socket is another one.
 */
int proc_opener_ask(int opener, pid_t pid, uint64_t start_ticks, const char *name);
bool proc_opener_is_stuck(int opener);
/* Asks for nothing and does not wait: a descriptor that becomes readable when the opener goes on, or -1. */
int proc_opener_ping(int opener);
void proc_opener_trust(int opener); /* takes the mark away */

/* Serves until the other end closes; an exit status. `procfs` is a directory. */
int proc_opener_serve(int socket, const char *procfs);
