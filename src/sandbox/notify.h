/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox/notify - telling the service manager how we are.
 *
 * Source: sd_notify(3), which documents the protocol: datagrams of "NAME=VALUE" lines to the socket that NOTIFY_SOCKET names, by a
 * path or "@" and a name of the abstract namespace. Without it everything here does nothing. Nothing here waits, and what
 * the manager does not take is lost.
 */

#include <stdint.h>

#include "base/err.h"

struct notify {
	int fd;		     /* connected, or -1: nobody to tell */
	int64_t watchdog_ns; /* a sign of life is expected this often (twice as often is right); 0: none is */
};

#define NOTIFY_NONE ((struct notify){ .fd = -1 })

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the environment, so that no command that is run
 * speaks for us. Before a filter, and once. OS, ARG: what is named is no socket; one may go on.
 */
MUST_CHECK struct err *notify_open(struct notify *ret);
void notify_close(struct notify *n);

void notify_ready(const struct notify *n);     /* READY=1: also after a reload */
void notify_reloading(const struct notify *n); /* RELOADING=1 */
void notify_stopping(const struct notify *n);  /* STOPPING=1 */
void notify_watchdog(const struct notify *n);  /* WATCHDOG=1, from the loop itself */
/* STATUS=: one line for people, in `systemctl status`. */
void notify_status(const struct notify *n, const char *fmt, ...) ERR_PRINTF(2, 3);
/* EXTEND_TIMEOUT_USEC=: the start or the end may take so long more. */
void notify_extend(const struct notify *n, int64_t ns);
