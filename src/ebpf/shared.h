/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ebpf/shared - what the loader and the programs keep in common besides the events: values of the maps, and how a probe is
 * written into the 64 bits that come with each of its hits.
 */

#include "ebpf/event.h"

enum {
	EBPF_PROCESSES_MAX = 4096,
	EBPF_CALLS_MAX = 16384, /* threads that are within a call at a time */
	EBPF_SLOTS_PER_CPU = 2,
	EBPF_SLOT_FRAMES = 256, /* a power of two, for both chains */
};

struct ebpf_watched {
	struct ebpf_process process;
	ebpf_u64 lost;
	ebpf_u64 ended; /* its number may be another's by now */
};

struct ebpf_call {
	ebpf_u64 began;
	ebpf_u64 cookie;	     /* of the probe; 0 for a system call */
	ebpf_u64 len, old_addr, out; /* arguments that are gone when it returns */
	ebpf_u64 old_len;	     /* the word before old_addr */
	ebpf_u64 ip, sp, caller;
};

struct ebpf_slot {
	ebpf_u32 busy;
	ebpf_u32 called_back; /* the goroutine's stack was entered from C */
	ebpf_u64 walked,
		left; /* of the last walk: where its last frame ended, and the frame pointer that led nowhere */
	/* The return address of an allocator's call that is not over: where it was, there is another one meanwhile. */
	ebpf_u64 probed_sp, probed_caller;
	struct ebpf_event event;
	/* frames, at once behind each other, then bytes; the last member only bounds what is written */
	unsigned char data[8 * EBPF_SLOT_FRAMES + EBPF_STACK_BYTES_MAX + 4096];
};

struct ebpf_counters {
	ebpf_u64 hits[16], lost[16]; /* by enum ebpf_kind */
	ebpf_u64 unpaired;	     /* beginnings that could not be kept */
	ebpf_u64 program_ns;
};

struct ebpf_session {
	ebpf_u32 level, namespace; /* of our pid namespace; level 0: the first one */
	ebpf_u32 n_slots;
	ebpf_u32 wake_bytes;		   /* a reader is woken when so much waits */
	ebpf_u64 calls_begun, calls_ended; /* of map `calls`: whether it has any need not be asked */
};

/* The cookie of a probe: bits 0..31 function, 32..39 kind, then four bits for each place of an argument. */
enum {
	EBPF_COOKIE_KIND = 32,
	EBPF_COOKIE_SIZE = 40,
	EBPF_COOKIE_COUNT = 44,
	EBPF_COOKIE_ADDR = 48,
	EBPF_COOKIE_OUT = 52,
	EBPF_COOKIE_ADJUST = 56, /* bytes / 8 between sp at the probed instruction and the return address */
};
