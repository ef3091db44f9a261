/* SPDX-License-Identifier: Apache-2.0 */

/* Processes: where they begin and end, and which numbers they have where we are. */

#include "ebpf/probes/emit.h"

struct ebpf_session session;

static __always_inline void tell(const struct who *who, __u32 kind, __u64 addr, __u64 arg)
{
	__u64 now = bpf_ktime_get_ns();
	struct ebpf_slot *s = begin(who, kind, now, now);
	if (!s)
		return;
	s->event.addr = addr;
	s->event.arg = arg;
	hand_on(who, s, now);
}

/* Run once by the loader itself: the pid namespace it lives in. */
SEC("raw_tracepoint")
int locate(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	if (!pid)
		return 1;
	__u32 level = BPF_CORE_READ(pid, level);
	struct upid upid = { 0 };
	bpf_probe_read_kernel(&upid, sizeof(upid),
			      (char *)pid + bpf_core_field_offset(struct pid, numbers) +
				      bpf_core_type_size(struct upid) * (level & 31));
	if (!upid.ns)
		return 1;
	session.namespace = BPF_CORE_READ(upid.ns, ns.inum);
	session.level = level;
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec)
{
	struct who who;
	if (!identify(&who))
		return 0;
	who.process->process.is_go = 0; /* what was said of it held for another program */
	forget_call(who.id);
	bpf_map_delete_elem(&allocs, &who.id);
	tell(&who, EBPF_EXEC, 0, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	struct who who;
	if (!identify(&who))
		return 0;
	forget_call(who.id);
	bpf_map_delete_elem(&allocs, &who.id);
	if (BPF_CORE_READ(task, signal, live.counter) || __sync_val_compare_and_swap(&who.process->ended, 0, 1))
		return 0;
	tell(&who, EBPF_EXIT, 0, 0);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct who who;
	if (BPF_CORE_READ(parent, tgid) == BPF_CORE_READ(child, tgid) || !identify(&who))
		return 0;
	bool shared = BPF_CORE_READ(parent, mm) == BPF_CORE_READ(child, mm);
	tell(&who, EBPF_FORK, number_of(child), shared);
	return 0;
}
