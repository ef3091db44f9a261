/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ebpf/probes/emit - a record is begun, filled by its program, and handed on or counted as lost. */

#include "ebpf/probes/stack.h"

static __always_inline void count_hit(__u32 kind)
{
	struct ebpf_counters *c = counter();
	if (c)
		c->hits[kind & 15]++;
}

static __always_inline void count_lost(struct ebpf_watched *w, __u32 kind)
{
	struct ebpf_counters *c = counter();
	if (c)
		__sync_fetch_and_add(&c->lost[kind & 15], 1);
	__sync_fetch_and_add(&w->lost, 1);
}

static __always_inline void count_unpaired(void)
{
	struct ebpf_counters *c = counter();
	if (c)
		__sync_fetch_and_add(&c->unpaired, 1);
}

/* A slot that nobody uses, NULL when there is none. */
static __always_inline struct ebpf_slot *claim(void)
{
	if (!session.n_slots)
		return NULL;
	__u32 first = bpf_get_smp_processor_id() * EBPF_SLOTS_PER_CPU;
	for (int i = 0; i < 2 * EBPF_SLOTS_PER_CPU; i++) {
		__u32 n = (first + i) % session.n_slots;
		struct ebpf_slot *s = bpf_map_lookup_elem(&slots, &n);
		if (s && __sync_val_compare_and_swap(&s->busy, 0, 1) == 0)
			return s;
	}
	return NULL;
}

/* A record of `kind` that began at `began` and was done at `time`; NULL: counted as lost. */
static __always_inline struct ebpf_slot *begin(const struct who *who, __u32 kind, __u64 began, __u64 time)
{
	count_hit(kind);
	struct ebpf_slot *s = claim();
	if (!s) {
		count_lost(who->process, kind);
		return NULL;
	}
	__builtin_memset(&s->event, 0, sizeof(s->event));
	s->event.time = time;
	s->event.began = began;
	s->event.pid = who->pid;
	s->event.tid = who->tid;
	s->event.kind = kind;
	s->event.weight = 1;
	return s;
}

/* Only the record that makes it much wakes the reader: a wake-up costs ten times what a record does. */
static __always_inline __u64 wake(void *to, __u32 size)
{
	__u64 waiting = bpf_ringbuf_query(to, BPF_RB_AVAIL_DATA);
	bool much = waiting < session.wake_bytes && waiting + size >= session.wake_bytes;
	return much ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void hand_on(const struct who *who, struct ebpf_slot *s, __u64 started)
{
	__u32 kind = s->event.kind;
	__u32 size = sizeof(s->event) + 8 * (s->event.n_user + s->event.n_go) + s->event.n_bytes;
	if (size > sizeof(struct ebpf_slot) - __builtin_offsetof(struct ebpf_slot, event))
		size = sizeof(s->event);
	bool masses = kind >= EBPF_FAULT && kind <= EBPF_GOALLOC;
	long failed = masses ? bpf_ringbuf_output(&bulk, &s->event, size, wake(&bulk, size))
			     : bpf_ringbuf_output(&ring, &s->event, size, wake(&ring, size));
	__sync_lock_test_and_set(&s->busy, 0);
	if (failed)
		count_lost(who->process, kind);
	struct ebpf_counters *c = counter();
	if (c)
		c->program_ns += bpf_ktime_get_ns() - started;
}

static __always_inline void add_stack(struct ebpf_slot *s, const struct who *who, const struct place *at)
{
	struct task_struct *task = who->task;
	struct ebpf_call *call = bpf_map_lookup_elem(&allocs, &who->id);
	s->probed_sp = call ? call->sp : at->caller ? at->sp : 0;
	s->probed_caller = call ? call->caller : at->caller;
	note_stack(s, &who->process->process, at, BPF_CORE_READ(task, thread.fsbase));
}

static __always_inline void place_of_call(const struct pt_regs *regs, struct place *ret)
{
	*ret = (struct place){ regs->ip, regs->sp, regs->bp, regs->bx, regs->r12, regs->r13, 0 };
}
