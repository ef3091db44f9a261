/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/record - what `ullage record` saw in its window: who took memory outside the Go heap and did not give it back.
 *
 * Plain data. Stacks are those of `stacks`; strings live in the arena; everything dies with record_deinit().
 * A row is one call path of one kind in one process. Its bytes are those taken in the window and not given back when it
 * ended: exact where low == high, else the truth lies between the two and `bytes` is the best single figure. Unknown is
 * ACCOUNT_UNKNOWN; time is CLOCK_MONOTONIC in nanoseconds, or since the window began where it says so.
 */

#include "model/account.h"
#include "model/stack.h"

/* What is outstanding. The names are those of the contract ("mmap", "malloc", "resident", "go"). */
enum record_kind {
	RECORD_MMAP,	 /* mapped (mmap, mremap, brk, shmat) and still mapped */
	RECORD_MALLOC,	 /* allocated by a C allocator and not freed */
	RECORD_RESIDENT, /* faulted in, and resident still: from samples of page faults */
	RECORD_GO,	 /* allocated on the Go heap, whether collected since or not */
	RECORD_KIND_MAX_
};

extern const char *const record_kinds[RECORD_KIND_MAX_];

/* What was seen, for `events`: the names of the contract. */
enum record_event {
	RECORD_EVENT_MMAP,
	RECORD_EVENT_MUNMAP,
	RECORD_EVENT_MREMAP,
	RECORD_EVENT_BRK,
	RECORD_EVENT_MADVISE,
	RECORD_EVENT_MALLOC, /* malloc, calloc, realloc, posix_memalign, ... */
	RECORD_EVENT_FREE,
	RECORD_EVENT_FAULT, /* sampled ones */
	RECORD_EVENT_GO,
	RECORD_EVENT_MAX_
};

extern const char *const record_events[RECORD_EVENT_MAX_];

/* What memory of a row is, by what the kernel says of its pages or mapping at the end. */
enum record_what {
	RECORD_WHAT_UNKNOWN,
	RECORD_WHAT_ANON,	/* private memory */
	RECORD_WHAT_FILE_CLEAN, /* page cache that the kernel can drop */
	RECORD_WHAT_FILE_DIRTY, /* written and not yet stored, or of a deleted file: held */
	RECORD_WHAT_SHARED,	/* shared memory: tmpfs, memfd, SysV */
	RECORD_WHAT_UNTOUCHED,	/* mapped and (nearly) none of it ever touched */
	RECORD_WHAT_STACK,	/* a thread's stack */
	RECORD_WHAT_GO,		/* of the Go runtime: its arenas and metadata */
	RECORD_WHAT_MAX_
};

extern const char *const record_whats[RECORD_WHAT_MAX_];

enum { RECORD_PARTS = 8 };

struct record_row {
	enum record_kind kind;
	enum record_what what;
	int pid;
	uint32_t stack;
	uint64_t bytes, low_bytes, high_bytes;
	uint64_t count, low_count, high_count; /* mappings, blocks, pages */
	uint64_t resident_bytes;	       /* RECORD_MMAP: of its bytes at the end; ACCOUNT_UNKNOWN */
	uint64_t peak_bytes;		       /* outstanding at the peak of the series; ACCOUNT_UNKNOWN */
	uint64_t total_bytes, total_count;     /* taken in the window, given back or not; of what was seen */
	int64_t first_ns, last_ns;	       /* of what is outstanding, since the window began */
	uint64_t parts[RECORD_PARTS];	       /* of `bytes`: taken in each eighth of the window; all 0: not known */
};

VEC_TYPE(record_row_vec, struct record_row);

/* A second of the window. Bytes are outstanding at its end, against the beginning of the window. */
struct record_point {
	int64_t t_ns;		 /* since the window began */
	int64_t mapped_bytes;	 /* less what was mapped before the window and unmapped in it: may be negative */
	int64_t malloc_bytes;	 /* of the blocks seen */
	uint64_t resident_bytes; /* of the process at that moment: VmRSS; ACCOUNT_UNKNOWN */
};

VEC_TYPE(record_point_vec, struct record_point);

/* The C allocator at the beginning and the end, read from outside without a probe. ACCOUNT_UNKNOWN where it could not be. */
struct record_allocator {
	const char *name; /* "glibc 2.36", "jemalloc", ...; NULL: none found */
	uint64_t inuse_before, inuse_after, free_before, free_after;
};

struct record_process {
	int pid;
	const char *comm, *exe, *go_version; /* go_version NULL: not Go */
	bool exited, execed;		     /* in the window: its rows are of what was seen until then */
	struct record_allocator allocator;
};

VEC_TYPE(record_process_vec, struct record_process);

struct record {
	struct arena arena;
	struct stacks stacks;
	struct record_process_vec processes;
	struct record_row_vec rows; /* by kind, then by bytes, largest first */
	struct record_point_vec series;
	uint64_t events[RECORD_EVENT_MAX_];
	uint64_t lost;		/* events that did not fit into the buffers */
	uint64_t unwound_short; /* stacks with frames that could not be known */
	unsigned wanted, have;	/* 1u << enum record_kind: asked for, and what could be recorded */
	int64_t start_wall_ns;	/* CLOCK_REALTIME */
	int64_t window_ns;	/* as long as it really was */
	double malloc_on_ratio; /* share of the window in which malloc was watched, 0..1 */
	uint32_t fault_period;	/* one of so many faults was sampled */
	double cpu_ratio;	/* what the probes cost, of the targets' CPU time in the window; NAN unknown */
	size_t peak;		/* index in series of the largest mapped_bytes */
	bool partial;		/* something is missing that was asked for; a note says what */
	struct str_vec notes;
};

void record_init(struct record *r);
void record_deinit(struct record *r);
void record_note(struct record *r, const char *fmt, ...) ERR_PRINTF(2, 3); /* a repeated note is kept once */

/*
 * Who a stack is about. What only passes a call on is nobody: the runtime, cgo's stubs, wrappers of system calls, the
 * allocator itself.
 */
struct record_site {
	const struct frame *go; /* the innermost Go function; NULL: no Go function called this */
	const struct frame
		*entry; /* the C function that it called, or where a thread of C began; NULL: none is known */
	const struct frame *inner; /* the innermost C function; may be `entry` */
	const char *called;	   /* name of `entry`; of a C function that cgo called also where no frame has a name */
	bool allocator;		   /* a C allocator is on the way: what is mapped is where its blocks go */
	bool thread;		   /* a thread is made: what is mapped is its stack */
	bool runtime;		   /* the Go runtime did it for itself, whoever called it */
};

struct record_site record_site(const struct stacks *s, uint32_t stack);

/* For whom a row was taken. Rows of two of these must not be added up: blocks of an allocator lie in what it mapped. */
enum record_taker { RECORD_BY_PROGRAM, RECORD_BY_ALLOCATOR, RECORD_BY_RUNTIME, RECORD_BY_MAX_ };

extern const char *const record_takers[RECORD_BY_MAX_];
enum record_taker record_taker(const struct record *r, const struct record_row *row);

static inline void record_auto(struct record *r)
{
	record_deinit(r);
}
