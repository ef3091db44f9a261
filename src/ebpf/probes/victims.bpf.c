/* SPDX-License-Identifier: Apache-2.0 */

/* Processes that the kernel chooses to kill for lack of memory. An object of its own: whoever wants only this loads no more. */

#include "ebpf/probes/vmlinux_min.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 12);
} victims SEC(".maps");

/* Up to 6.7 the tracepoint is given a number, since then the task. */
SEC("raw_tp/mark_victim")
int mark_victim(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 arg = ctx->args[0];
	__u32 pid = (__u32)arg;
	if (arg >> 32)
		pid = BPF_CORE_READ((struct task_struct *)arg, tgid);
	bpf_ringbuf_output(&victims, &pid, sizeof(pid), BPF_RB_FORCE_WAKEUP);
	return 0;
}

char licence[] SEC("license") = "Dual BSD/GPL"; /* what the kernel asks for where kernel memory is read */
