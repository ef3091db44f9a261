/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/cpu - CPU time that a process has used, all threads, in user and kernel mode, to the nanosecond.
 *
 * Source: the process's CPU clock (clock_getcpuclockid(3)). Needs no right, costs a system call.
 */

#include <stdbool.h>
#include <stdint.h>

/* False when there is no such process; *ret is left alone then. */
bool proc_cpu_ns(int pid, uint64_t *ret);
