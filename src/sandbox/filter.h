/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox/filter - which system calls a part of this program may still make: a table of calls by role (filter.c).
 *
 * A call that is not in the table fails with EPERM and, where that is no part of what we expect, writes a line that names
 * it to standard error (as the role `act` passes its filter on to the commands it runs, which have no such handler, a
 * refused call is in the kernel's audit log there). What the kernel or the C library tries and does without is refused silently.
 */

#include "base/err.h"

enum filter_role {
	FILTER_ANALYSE =
		1u
		<< 0, /* looks, judges, keeps, shows: no exec, no ptrace, no other process's memory but by descriptor. It
				   * may fork what does the same, and kill with SIGKILL. */
	FILTER_OPEN = 1u << 1,	/* opens files and hands their descriptors on, nothing else */
	FILTER_ACT = 1u << 2,	/* tells others, and runs commands: these have the same filter */
	FILTER_SPAWN = 1u << 4, /* with FILTER_ACT: seccomp(), so that what it begins can take a filter of its own */
	FILTER_BPF = 1u << 3,	/* with FILTER_ANALYSE: bpf() and perf_event_open(), where these were asked for */
};

/*
 * For all threads, and for good. Sets no_new_privs. `roles`: one of the first three. UNSUPPORTED: this kernel has no
 * filters; the sentence says so, and one may go on without.
 */
MUST_CHECK struct err *filter_apply(unsigned roles);
