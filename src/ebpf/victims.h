/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ebpf/victims - the processes that the kernel chooses to kill for lack of memory, told as it happens.
 *
 * Source: tracepoint oom:mark_victim, as a raw one: no tracefs is needed.
 * Needs:  CAP_BPF and CAP_PERFMON, BTF. One page of memory in the kernel, some megabytes while it is loaded. Costs nothing
 *         but when a process is killed.
 */

#include "base/err.h"

struct ebpf_victims;

/* DENIED names the capability; UNSUPPORTED: no BTF, or built without this room. */
MUST_CHECK struct err *ebpf_victims_open(struct ebpf_victims **ret);
void ebpf_victims_close(struct ebpf_victims *v); /* NULL is fine */

/* Readable when there is something to take. */
int ebpf_victims_fd(const struct ebpf_victims *v);

/* Hands over what came: pids as the first pid namespace numbers them. */
typedef void (*ebpf_victim_fn)(void *arg, int pid);
void ebpf_victims_take(struct ebpf_victims *v, ebpf_victim_fn fn, void *arg);
