/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ebpf/event - what the probes hand over, and what they are told about a process: shared by the programs in the kernel
 * (ebpf/probes) and by their readers, so nothing but fixed types stands here.
 *
 * One struct ebpf_event a record, followed by n_user + n_go addresses and n_bytes bytes of stack. Order is by `time`,
 * not by arrival: what takes memory has the time at which the kernel (or the allocator) was done, what gives it back the
 * time at which it began. So, for any address, "given back" never seems to come after "taken again". A call that does
 * both (MREMAP, REALLOC) has both times: it gave back from `began` on, and what it took was there at `time`. Calls that
 * failed are not handed over, but for EBPF_ALLOC and EBPF_REALLOC. The word before a block that goes is where glibc has
 * the size of its chunk, with three flags; 0: it could not be read. ebpf_settled() says how far the order is known.
 */

#ifdef __BPF__ /* the kernel's names */
typedef __u64 ebpf_u64;
typedef __s64 ebpf_s64;
typedef __u32 ebpf_u32;
typedef __u16 ebpf_u16;
#else
#include <stdint.h>
typedef uint64_t ebpf_u64;
typedef int64_t ebpf_s64;
typedef uint32_t ebpf_u32;
typedef uint16_t ebpf_u16;
#endif

/* clang-format off: a line each */
enum ebpf_kind {
	/* kind		   addr			len		old_addr	old_len		arg */
	EBPF_MMAP = 1, /* result		length		-		-		prot << 32 | flags */
	EBPF_MUNMAP,   /* start		length		-		-		-		no stack */
	EBPF_MREMAP,   /* result		new length	old address	old length	flags */
	EBPF_BRK,      /* new break		-		break before	-		-	no stack when it shrinks */
	EBPF_MADVISE,  /* start		length		-		-		advice		no stack */
	EBPF_SHMAT,    /* result		0: see maps	-		-		id */
	EBPF_SHMDT,    /* address		0: see maps	-		-		-		no stack */
	EBPF_FAULT,    /* address		-		-		-		error code */
	EBPF_ALLOC,    /* block, 0: failed	bytes asked	-		-		function	of a C allocator */
	EBPF_FREE,     /* block		-		-		word before	function	no stack */
	EBPF_REALLOC, /* new block		bytes asked	old block	word before	function	addr 0: len 0 freed it, else it failed */
	EBPF_GOALLOC, /* 0			bytes asked	-		-		function	of the Go runtime */
	EBPF_EXEC,    /* -			-		-		-		-		no stack; its memory is another one now */
	EBPF_EXIT,    /* -			-		-		-		-		the whole process; no stack */
	EBPF_FORK,    /* pid of the child	-		-		-		1: it shares the memory (vfork)		no stack */
	EBPF_KIND_MAX_
};
/* clang-format on */

enum ebpf_event_flags {
	EBPF_ON_GOROUTINE = 1u << 0, /* sp is on the stack of the goroutine: `user` is Go from the start */
	EBPF_ON_SYSTEM =
		1u << 1, /* on a thread's stack below a goroutine: C or systemstack; `go` goes on where it was left */
	EBPF_NO_GO = 1u << 2,	 /* a thread that Go does not know, or which has no goroutine now */
	EBPF_USER_CUT = 1u << 3, /* there were more than EBPF_FRAMES_MAX frames */
	EBPF_GO_CUT = 1u << 4,
	EBPF_BYTES_CUT = 1u << 5, /* the stack goes on beyond the copy */
	EBPF_CALLER_READ =
		1u << 6, /* user[1] is the word at sp, which frame pointers at a function's entry do not show */
};

enum {
	EBPF_FRAMES_MAX = 127,	      /* of each chain */
	EBPF_STACK_BYTES_MAX = 16384, /* copied of a C stack */
};

struct ebpf_event {
	ebpf_u64 time;	   /* CLOCK_MONOTONIC, nanoseconds; orders events */
	ebpf_u64 began;	   /* when the call began; equal to `time` where that is all there is to it */
	ebpf_u32 pid, tid; /* in the pid namespace of whoever opened the probes */
	ebpf_u16 kind, flags;
	ebpf_u16 n_user; /* addresses by frame pointers from where the thread is; the first is ip */
	ebpf_u16 n_go; /* addresses of the goroutine below a system stack: its saved pc, then by its frame pointers; the
			    same again and more where C code had called back into it */
	ebpf_u32 n_bytes; /* copy of memory from sp, up to where the C stack of this call began, or of all calls
			     if there was a callback */
	ebpf_u32 weight;  /* it stands for so many: the sampling period of a fault, else 1 */
	ebpf_u64 addr, len, old_addr, old_len, arg;
	ebpf_u64 ip, sp, bp;
	ebpf_u64 regs[3]; /* rbx, r12, r13: what unwinding may need besides */
	ebpf_u64 goid;	  /* 0: none */
};

/*
 * What is needed to find the goroutine of a thread of one process. Offsets in bytes; a g that is found is believed only
 * when the stack pointer and its stack bounds agree.
 */
struct ebpf_process {
	ebpf_u64 is_go; /* 0: no goroutine is looked for */
	ebpf_s64 tls_g; /* of the g pointer, from the thread pointer (fs base); amd64 */
	ebpf_u32 g_m, g_stack_lo, g_stack_hi, g_sched_pc, g_sched_sp, g_sched_bp, g_goid;
	ebpf_u32 m_g0, m_curg, m_gsignal;
	ebpf_u32 copy_stack;   /* bytes of C stack worth copying, 0: frame pointers only */
	ebpf_u32 fault_period; /* one of so many page faults is taken; 0: none */
};
