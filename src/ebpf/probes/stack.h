/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ebpf/probes/stack - where a thread is: addresses by frame pointers, its goroutine, and a copy of the C stack.
 *
 * Nothing here believes what it reads: a frame pointer must lie within the bounds of the stack at hand and above the one
 * before; a goroutine must name the thread that named it, and have the stack pointer within its own bounds. Pages that
 * are not there are not brought in: reading them fails, and ends what was being read.
 */

#include "ebpf/probes/session.h"

/* Registers of the thread in user space. */
struct place {
	__u64 ip, sp, bp, bx, r12, r13;
	__u64 caller; /* the return address, where a function has just been entered; else 0 */
};

static __always_inline bool user_word(__u64 at, __u64 *ret)
{
	return bpf_probe_read_user(ret, sizeof(*ret), (void *)at) == 0;
}

/*
 * Where the thread is, into the slot: frames, bytes and what the event says of them. Verified on its own, once.
 * `fsbase` is the thread pointer.
 */
int note_stack(struct ebpf_slot *s, const struct ebpf_process *p, const struct place *at, __u64 fsbase);
