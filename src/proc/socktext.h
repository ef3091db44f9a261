/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/socktext - sockets as the text tables under /proc/PID/net tell them, for where sock_diag cannot be asked.
 *
 * Source: net/{tcp,tcp6,udp,udp6} (addresses in hexadecimal of the machine's byte order), net/unix, net/netlink,
 * net/packet. They need no privilege, show the target's network namespace, and tell no memory, no limit of a
 * listener, and no peer and queues of a unix socket. Columns are found by their place, as proc(5) has them.
 */

#include "proc/sockdiag.h"

/* The sockets that are wanted out of PROCFS/PID/net/TABLE; nothing where there is no such file. GONE, OS. */
MUST_CHECK struct err *proc_socktext_read(const struct proc_process *p, const char *table, const char *protocol,
					  struct proc_sockets *s);

/* The same from a descriptor; lines that are not a socket's are passed over. */
MUST_CHECK struct err *proc_socktext_parse(int fd, const char *table, const char *protocol, struct proc_sockets *s);
