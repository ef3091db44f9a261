/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Address space that is taken and given back: the system calls that do it. Hooked in one of two ways, which do the same:
 * tracepoints of just these calls, or, without tracefs, the one tracepoint that every system call passes.
 */

#include "ebpf/probes/emit.h"

#include <asm/unistd.h>

/* What gives memory back: its beginning must be known. */
static __always_inline bool gives_back(long nr)
{
	return nr == __NR_munmap || nr == __NR_mremap || nr == __NR_brk || nr == __NR_madvise || nr == __NR_shmdt;
}

static __always_inline bool ours(long nr)
{
	return gives_back(nr) || nr == __NR_mmap || nr == __NR_shmat;
}

static __always_inline bool failed(long ret)
{
	return ret < 0 && ret >= -4095;
}

static __noinline int call_begins(long nr)
{
	struct who who;
	if (!identify(&who))
		return 0;
	struct task_struct *task = who.task;
	struct ebpf_call call = { .began = bpf_ktime_get_ns() };
	if (nr == __NR_brk)
		call.old_addr = BPF_CORE_READ(task, mm, brk);
	if (bpf_map_update_elem(&calls, &who.id, &call, BPF_ANY))
		count_unpaired();
	else
		__sync_fetch_and_add(&session.calls_begun, 1);
	return 0;
}

static __always_inline void fill(struct ebpf_event *e, long nr, const struct pt_regs *regs, long ret)
{
	switch (nr) {
	case __NR_mmap:
		e->addr = ret;
		e->len = regs->si;
		e->arg = regs->dx << 32 | (__u32)regs->r10;
		break;
	case __NR_munmap:
		e->addr = regs->di;
		e->len = regs->si;
		break;
	case __NR_mremap:
		e->addr = ret;
		e->len = regs->dx;
		e->old_addr = regs->di;
		e->old_len = regs->si;
		e->arg = regs->r10;
		break;
	case __NR_brk:
		e->addr = ret;
		break;
	case __NR_madvise:
		e->addr = regs->di;
		e->len = regs->si;
		e->arg = regs->dx;
		break;
	case __NR_shmat:
		e->addr = ret;
		e->arg = regs->di;
		break;
	default:
		e->addr = regs->di;
	}
}

static __always_inline __u32 kind_of(long nr)
{
	switch (nr) {
	case __NR_mmap:
		return EBPF_MMAP;
	case __NR_munmap:
		return EBPF_MUNMAP;
	case __NR_mremap:
		return EBPF_MREMAP;
	case __NR_brk:
		return EBPF_BRK;
	case __NR_madvise:
		return EBPF_MADVISE;
	case __NR_shmat:
		return EBPF_SHMAT;
	default:
		return EBPF_SHMDT;
	}
}

static __noinline int call_ends(long nr, long ret)
{
	struct who who;
	if (!identify(&who))
		return 0;
	__u64 now = bpf_ktime_get_ns(), began = now, before = 0;
	if (gives_back(nr)) {
		struct ebpf_call *call = bpf_map_lookup_elem(&calls, &who.id);
		if (call) {
			began = call->began;
			before = call->old_addr;
			forget_call(who.id);
		}
	}
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(who.task);
	if (failed(ret) || (nr == __NR_brk && (before == 0 || (__u64)ret == before)))
		return 0;
	bool shrinks = nr == __NR_brk && (__u64)ret < before;
	bool takes = nr == __NR_mmap || nr == __NR_mremap || nr == __NR_shmat || (nr == __NR_brk && !shrinks);
	struct ebpf_slot *s = begin(&who, kind_of(nr), began, takes ? now : began);
	if (!s)
		return 0;
	fill(&s->event, nr, regs, ret);
	s->event.old_addr |= before;
	if (takes) {
		struct place at;
		place_of_call(regs, &at);
		add_stack(s, &who, &at);
	}
	hand_on(&who, s, now);
	return 0;
}

/* ---- tracepoints of single calls: number at 8, result at 16 ---- */

struct syscall_event {
	__u64 common;
	long nr, ret;
};

SEC("tracepoint")
int classic_enter(struct syscall_event *ctx)
{
	return call_begins((int)ctx->nr);
}

SEC("tracepoint")
int classic_exit(struct syscall_event *ctx)
{
	return call_ends((int)ctx->nr, ctx->ret);
}

/* ---- the tracepoint of all calls ---- */

SEC("tp_btf/sys_enter")
int BPF_PROG(every_enter, struct pt_regs *regs, long nr)
{
	return gives_back(nr) ? call_begins(nr) : 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(every_exit, struct pt_regs *regs, long ret)
{
	long nr = regs->orig_ax;
	return ours(nr) ? call_ends(nr, ret) : 0;
}

char licence[] SEC("license") = "Dual BSD/GPL";
