/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sandbox/power - giving up capabilities for good.
 *
 * docs/watch-privileges.md says which of them what needs, and what is lost without.
 */

#include "base/err.h"

enum power {
	POWER_PTRACE = 1u << 0,		 /* CAP_SYS_PTRACE: memory and maps of other users' processes */
	POWER_DAC_READ_SEARCH = 1u << 1, /* CAP_DAC_READ_SEARCH: files of theirs in procfs that only they may open */
	POWER_BPF = 1u << 2,		 /* CAP_BPF and CAP_PERFMON: probes in the kernel */
	POWER_SYSLOG = 1u << 3,		 /* CAP_SYSLOG: the kernel's log */
};

/*
 * From now on this process has, of what it had, the powers in `keep` and can never get another one: neither by a program with
 * file capabilities or set-user-ID that it runs (no_new_privs), nor of what it may inherit. What it never had is no
 * error. For the calling thread: before threads are made.
 */
MUST_CHECK struct err *power_keep(unsigned keep);

/* Which of them this process has. */
unsigned power_have(void);
