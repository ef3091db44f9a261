/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ebpf/probes/session - what the programs of one session share: the processes that are watched, the calls that are under
 * way, room to put records together, the rings, and counters. All of it has a fixed size.
 */

#include "ebpf/probes/vmlinux_min.h"

#include "ebpf/event.h"
#include "ebpf/shared.h"

/* Processes by pid, in our own pid namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EBPF_PROCESSES_MAX);
	__type(key, __u32);
	__type(value, struct ebpf_watched);
} processes SEC(".maps") __weak;

/* System calls that give memory back, by thread, while they run. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EBPF_CALLS_MAX);
	__type(key, __u64);
	__type(value, struct ebpf_call);
} calls SEC(".maps") __weak;

/* Calls of a C allocator, by thread, while they run. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EBPF_CALLS_MAX);
	__type(key, __u64);
	__type(value, struct ebpf_call);
} allocs SEC(".maps") __weak;

/* Where records are put together: a program may be preempted, and then another one runs on the same processor. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2); /* two a processor, set by the loader */
	__type(key, __u32);
	__type(value, struct ebpf_slot);
} slots SEC(".maps") __weak;

/* What happens to address space, each of it needed; and what comes in masses and may be lost. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22); /* set by the loader */
} ring SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22); /* set by the loader */
} bulk SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ebpf_counters);
} counters SEC(".maps") __weak;

/* Written by the loader and by program `locate`; memory that the loader maps. */
extern struct ebpf_session session;

/* A thread of a process that is watched. */
struct who {
	__u32 pid, tid; /* as we call them */
	__u64 id;	/* as the kernel does */
	struct task_struct *task;
	struct ebpf_watched *process;
};

static const __u32 zero;

static __always_inline struct ebpf_counters *counter(void)
{
	return bpf_map_lookup_elem(&counters, &zero);
}

/* A call that gives memory back is over. */
static __always_inline void forget_call(__u64 id)
{
	if (bpf_map_delete_elem(&calls, &id) == 0)
		__sync_fetch_and_add(&session.calls_ended, 1);
}

/* Number of a task in our namespace, 0 when it has none there. */
static __always_inline __u32 number_of(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	if (!pid || BPF_CORE_READ(pid, level) < session.level)
		return 0;
	struct upid upid = { 0 };
	bpf_probe_read_kernel(&upid, sizeof(upid),
			      (char *)pid + bpf_core_field_offset(struct pid, numbers) +
				      bpf_core_type_size(struct upid) * (session.level & 31));
	return upid.ns && BPF_CORE_READ(upid.ns, ns.inum) == session.namespace ? (__u32)upid.nr : 0;
}

/* Who runs now, if that is one of ours. */
static __always_inline bool identify(struct who *ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	ret->task = task;
	ret->id = bpf_get_current_pid_tgid();
	ret->pid = ret->id >> 32;
	ret->tid = (__u32)ret->id;
	if (session.level) {
		ret->pid = number_of(BPF_CORE_READ(task, group_leader));
		if (!ret->pid)
			return false;
	}
	ret->process = bpf_map_lookup_elem(&processes, &ret->pid);
	if (!ret->process || ret->process->ended)
		return false;
	if (session.level)
		ret->tid = number_of(task);
	return true;
}
