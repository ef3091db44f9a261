/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Allocators of C libraries, and Go's. One call that a program makes is one event, whatever the library calls within:
 * of the calls of a thread only the outermost is told, which is the one whose stack pointer is highest.
 */

#include "ebpf/probes/emit.h"

/* Registers that may hold arguments, as struct ebpf_probe numbers them; number 0 is none. */
struct arguments {
	__u64 v[16];
};

static __always_inline void arguments_read(const struct pt_regs *regs, struct arguments *ret)
{
	*ret = (struct arguments){ { 0, regs->di, regs->si, regs->dx, regs->cx, regs->r8, regs->r9, regs->ax,
				     regs->bx } };
}

static __always_inline __u64 argument(const struct arguments *args, __u64 cookie, __u32 which)
{
	return args->v[cookie >> which & 15];
}

static __always_inline __u64 size_asked(const struct arguments *args, __u64 cookie)
{
	__u64 size = argument(args, cookie, EBPF_COOKIE_SIZE);
	return cookie >> EBPF_COOKIE_COUNT & 15 ? size * argument(args, cookie, EBPF_COOKIE_COUNT) : size;
}

/* Where returns of probed functions are caught: what stands for the caller while another probe waits for its return. */
static __always_inline __u64 trampoline(struct task_struct *task)
{
	return BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);
}

/* Is this call made by another one that is not over yet? One that was left by longjmp() is none. */
static __always_inline bool nested(const struct who *who, __u64 sp, __u64 caller)
{
	struct ebpf_call *outer = bpf_map_lookup_elem(&allocs, &who->id);
	if (!outer || sp > outer->sp)
		return false;
	return sp < outer->sp || caller == trampoline(who->task);
}

static __always_inline void place_of_entry(struct pt_regs *regs, __u64 cookie, struct place *ret)
{
	*ret = (struct place){ regs->ip, regs->sp, regs->bp, regs->bx, regs->r12, regs->r13, 0 };
	ret->sp += 8 * (cookie >> EBPF_COOKIE_ADJUST & 255);
	user_word(ret->sp, &ret->caller);
}

/* Without a return probe: a block that goes, or a function of Go. */
static __always_inline int told_at_once(const struct arguments *args, const struct who *who, const struct place *at,
					__u64 cookie)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 kind = cookie >> EBPF_COOKIE_KIND & 255;
	__u64 addr = argument(args, cookie, EBPF_COOKIE_ADDR);
	if (kind == EBPF_FREE && !addr)
		return 0;
	struct ebpf_slot *s = begin(who, kind, now, now);
	if (!s)
		return 0;
	s->event.arg = (__u32)cookie;
	s->event.addr = addr;
	s->event.len = size_asked(args, cookie);
	if (kind == EBPF_FREE)
		user_word(addr - 8, &s->event.old_len);
	else
		add_stack(s, who, at);
	hand_on(who, s, now);
	return 0;
}

SEC("uprobe")
int alloc_entry(struct pt_regs *ctx)
{
	struct who who;
	if (!identify(&who))
		return 0;
	__u64 cookie = bpf_get_attach_cookie(ctx);
	__u32 kind = cookie >> EBPF_COOKIE_KIND & 255;
	struct place at;
	struct arguments args;
	place_of_entry(ctx, cookie, &at);
	if (kind != EBPF_GOALLOC && nested(&who, at.sp, at.caller))
		return 0;
	arguments_read(ctx, &args);
	if (kind != EBPF_ALLOC && kind != EBPF_REALLOC)
		return told_at_once(&args, &who, &at, cookie);
	struct ebpf_call call = {
		.began = bpf_ktime_get_ns(),
		.cookie = cookie,
		.len = size_asked(&args, cookie),
		.old_addr = argument(&args, cookie, EBPF_COOKIE_ADDR),
		.out = argument(&args, cookie, EBPF_COOKIE_OUT),
		.ip = at.ip,
		.sp = at.sp,
		.caller = at.caller,
	};
	if (kind == EBPF_REALLOC && call.old_addr)
		user_word(call.old_addr - 8, &call.old_len);
	if (bpf_map_update_elem(&allocs, &who.id, &call, BPF_ANY))
		count_unpaired();
	return 0;
}

/* The block that a call gave: its result, or what it wrote through a pointer. */
static __always_inline __u64 block_given(const struct ebpf_call *call, __u64 result)
{
	if (!(call->cookie >> EBPF_COOKIE_OUT & 15))
		return result;
	__u64 block = 0;
	if ((int)result == 0)
		user_word(call->out, &block);
	return block;
}

SEC("uretprobe")
int alloc_return(struct pt_regs *ctx)
{
	struct who who;
	if (!identify(&who))
		return 0;
	__u64 cookie = bpf_get_attach_cookie(ctx);
	struct ebpf_call *found = bpf_map_lookup_elem(&allocs, &who.id);
	if (!found)
		return 0; /* it began before the probes did, or told already by the one that jumped there */
	struct ebpf_call call = *found;
	if (ctx->sp != call.sp + 8 || (__u32)cookie != (__u32)call.cookie)
		return 0; /* of a call within */
	bpf_map_delete_elem(&allocs, &who.id);
	__u64 now = bpf_ktime_get_ns();
	struct ebpf_slot *s = begin(&who, call.cookie >> EBPF_COOKIE_KIND & 255, call.began, now);
	if (!s)
		return 0;
	s->event.addr = block_given(&call, ctx->ax);
	s->event.len = call.len;
	s->event.old_addr = call.old_addr;
	s->event.old_len = call.old_len;
	s->event.arg = (__u32)call.cookie;
	/* The callee-saved registers are again what they were: this is the stack as it was at the function's entry. */
	struct place at = { call.ip, call.sp, ctx->bp, ctx->bx, ctx->r12, ctx->r13, call.caller };
	add_stack(s, &who, &at);
	hand_on(&who, s, now);
	return 0;
}
