/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ebpf/ebpf - probes in the kernel and in libraries, and what they see, handed on.
 *
 * A session loads the programs once; processes are added to it, and from then on what they do to their address space comes
 * as events (event.h says which, in which order, with which stacks). Allocators are probed besides, for as long as
 * ebpf_probes_on() says: that is what costs.
 *
 * Everything hangs from descriptors of this process. When it ends, however it ends, the kernel takes all of it back: no
 * program and no changed instruction stays behind.
 *
 * Needs:  Linux 5.15 with BTF (6.1, 6.12 and 6.18 are tested); CAP_BPF and CAP_PERFMON, on kernels before 6.10
 *         CAP_SYS_ADMIN for allocators. CAP_DAC_READ_SEARCH to open tracefs or a library of another user.
 * Memory: in the kernel, all of it taken at the start: two rings of `ring_bytes`, 45 KiB a processor, 6 MiB of tables.
 * Cost:   CPU time of whoever is probed (bench_probes, 6.18 on a busy virtual machine; bare metal is cheaper):
 *         mmap() with its stack and 2 KiB of copy, and munmap() 1.3 us; a page fault that is told 1.1 us, one that is not
 *         below what can be measured; malloc() with return and stack, and free() at a `push` 3.2 us, of which the three
 *         traps are half. At an instruction that the kernel must step over (most that are no `push`) 29 us.
 *         Every other system call of the machine: 15 ns while calls are hooked one by one, 55 ns at the tracepoint of all.
 *         Probes go on in 10 ms and off in 70 ms (which waits for the kernel; hits end at once), on kernels before 6.10 in
 *         some ms for each probe.
 * Threads: none; one session, one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ebpf/event.h"

struct ebpf;

enum ebpf_want {
	EBPF_WANT_MAP = 1u << 0,     /* mmap, munmap, mremap, brk, madvise, shmat, shmdt */
	EBPF_WANT_FAULT = 1u << 1,   /* page faults */
	EBPF_WANT_ALLOC = 1u << 2,   /* C allocators */
	EBPF_WANT_GOALLOC = 1u << 3, /* the Go runtime's allocator */
	EBPF_WANT_OLD = 1u << 4,     /* in the ways of kernels before 6.10, and without tracefs: for tests */
};

struct ebpf_options {
	unsigned wanted;   /* enum ebpf_want */
	size_t ring_bytes; /* of each of the two rings, rounded up to a power of two; 0: EBPF_RING_BYTES */
};

enum {
	EBPF_RING_BYTES = 8 << 20,
	EBPF_RING_BYTES_MAX = 1 << 30,
	EBPF_PROBES_MAX = 65536,
};

/*
 * Load the programs. Nothing is attached yet.
 * Errors: DENIED names the capability, or what else refuses; UNSUPPORTED: no BTF, or built without this room.
 */
MUST_CHECK struct err *ebpf_open(const struct ebpf_options *opt, struct ebpf **ret);
void ebpf_close(struct ebpf *e); /* NULL is fine */

/*
 * Attach what `wanted` says, but for allocators. System calls are hooked one by one where tracefs can be reached (mounted
 * or not: no mount of the machine is changed), else at the tracepoint that every system call passes.
 */
MUST_CHECK struct err *ebpf_attach(struct ebpf *e);

/*
 * Events of process `pid` (as this process calls it) come from now on; called again it changes what is said of the process.
 * After EBPF_EXEC nothing of Go is believed until it is called again; after EBPF_EXIT nothing comes any more, whoever gets its number.
 * LIMIT: too many processes.
 */
MUST_CHECK struct err *ebpf_process_add(struct ebpf *e, int pid, const struct ebpf_process *p);
void ebpf_process_remove(struct ebpf *e, int pid);
/* Events of this process that were lost since it was first added, until it is removed. */
uint64_t ebpf_process_lost(struct ebpf *e, int pid);

/* Where an argument of a function is when it is entered. */
enum ebpf_register {
	EBPF_REG_NONE,
	EBPF_REG_DI, /* the first of a C function */
	EBPF_REG_SI,
	EBPF_REG_DX,
	EBPF_REG_CX,
	EBPF_REG_R8,
	EBPF_REG_R9,
	EBPF_REG_AX, /* the first of a Go function */
	EBPF_REG_BX,
};

/* One function of one library in one process. */
struct ebpf_probe {
	int pid;
	const char *path; /* a way for us to open the file: /proc/PID/root/..., /proc/PID/map_files/...; copied */
	uint64_t offset;  /* in the file, of the instruction to probe. A `push` costs a tenth of what most others do */
	enum ebpf_kind
		kind; /* EBPF_ALLOC, EBPF_REALLOC: its return is probed as well; EBPF_FREE, EBPF_GOALLOC: it is not */
	uint32_t function;			/* comes back in `arg` of its events */
	enum ebpf_register arg_size, arg_count; /* bytes asked for; times so many (calloc) */
	enum ebpf_register arg_addr;		/* block that is given back, or the old one of EBPF_REALLOC */
	enum ebpf_register arg_out;		/* points to where the new block is written (posix_memalign) */
	unsigned
		sp_adjust; /* bytes between sp at that instruction and the return address; must be 0 where the return is
			       probed */
	bool often; /* called all the time: such probes go on last and off first, since each takes milliseconds */
};

/* The probes of allocators; those before are switched off and forgotten. ARG: one that cannot be. */
MUST_CHECK struct err *ebpf_probes_set(struct ebpf *e, const struct ebpf_probe *probes, size_t n);

/*
 * All of them on, or off. An allocator's call is seen when it began and returned in between: one that was under way when
 * they went off is counted in `unfinished`, and so is its block unknown.
 * A library that is gone, or a process: its probes are left out, and counted in `refused`. DENIED, OS when that is all.
 */
MUST_CHECK struct err *ebpf_probes_on(struct ebpf *e);
void ebpf_probes_off(struct ebpf *e);

typedef void (*ebpf_event_fn)(void *arg, const struct ebpf_event *ev);

/*
 * Wait until much is there or the time is over, and hand over what came: every event, valid during the call. They
 * come in any order: sort by `time` (ebpf_settled() says how far that is final). Comes back early when interrupted. At most about one ring's contents a call.
 */
MUST_CHECK struct err *ebpf_poll(struct ebpf *e, int timeout_ms, ebpf_event_fn fn, void *arg);

/*
 * A time (CLOCK_MONOTONIC): when all is handed over that was there at the moment of asking, every event that comes later has
 * a later `time`. Ask, then poll, then believe.
 */
uint64_t ebpf_settled(struct ebpf *e);

/* The addresses of an event: n_user, then n_go; and the copy of the stack behind them. */
static inline const uint64_t *ebpf_event_user(const struct ebpf_event *ev)
{
	return (const uint64_t *)(ev + 1);
}

static inline const uint64_t *ebpf_event_go(const struct ebpf_event *ev)
{
	return ebpf_event_user(ev) + ev->n_user;
}

static inline const unsigned char *ebpf_event_bytes(const struct ebpf_event *ev)
{
	return (const unsigned char *)(ebpf_event_go(ev) + ev->n_go);
}

struct ebpf_stats {
	uint64_t lost;			  /* events that did not fit into a ring, exactly; and */
	uint64_t lost_of[EBPF_KIND_MAX_]; /* which */
	uint64_t hits[EBPF_KIND_MAX_];	  /* seen by probes, handed on or not (page faults between samples) */
	uint64_t missed;		  /* runs that the kernel left out, because a program was running already */
	uint64_t unfinished; /* allocator's calls under way when probes went off, or that could not be kept */
	uint64_t refused;    /* probes that could not be placed */
	uint64_t program_ns; /* time in programs for events that were handed on */
};

void ebpf_stats(struct ebpf *e, struct ebpf_stats *ret);

/* What works here, for `doctor`: each asked of the thing itself. */
enum { EBPF_ROWS_MAX = 4 };

struct ebpf_rows {
	struct ebpf_row {
		const char *check;
		bool ok;
		char found[256];
		const char *remedy; /* NULL when ok */
	} v[EBPF_ROWS_MAX];
	size_t n;
};

void ebpf_doctor(struct ebpf_rows *ret);
