/* SPDX-License-Identifier: Apache-2.0 */

/* Page faults, one of so many. The kernel's own, when it copies to or from the process, count as well. */

#include "ebpf/probes/emit.h"

static __noinline int fault(__u64 address, __u64 error)
{
	struct who who;
	if (!identify(&who))
		return 0;
	__u32 period = who.process->process.fault_period;
	if (!period)
		return 0;
	if (period > 1 && bpf_get_prandom_u32() % period) {
		count_hit(EBPF_FAULT);
		return 0;
	}
	__u64 now = bpf_ktime_get_ns();
	struct ebpf_slot *s = begin(&who, EBPF_FAULT, now, now);
	if (!s)
		return 0;
	s->event.addr = address;
	s->event.arg = error;
	s->event.weight = period;
	struct place at;
	place_of_call((const struct pt_regs *)bpf_task_pt_regs(who.task), &at);
	add_stack(s, &who, &at);
	hand_on(&who, s, now);
	return 0;
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(fault_user, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	return fault(address, error);
}

SEC("tp_btf/page_fault_kernel")
int BPF_PROG(fault_kernel, unsigned long address, struct pt_regs *regs, unsigned long error)
{
	/*
	 * What must not fault brings nothing in: that is how probes read, and so our own reads come here as well. Read
	 * without a helper, since those set just this while they read.
	 */
	struct task_struct *task = bpf_get_current_task_btf();
	return (long)address < 0 || task->pagefault_disabled ? 0 : fault(address, error);
}
