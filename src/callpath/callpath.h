/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * callpath/callpath - raw stacks of the threads of one process as call paths, from C into Go and back.
 *
 * A probe in the kernel cannot unwind; it hands over where a thread was, what frame pointers lead to, and a copy of the
 * C stack. Here these become one path, innermost first: C functions (a stripped library's as "libx.so.1+0x1234"), the
 * cgo stub, the runtime's switch of stacks, Go functions with those that were inlined, up to runtime.goexit or to where
 * a C thread began. Wrappers that the Go compiler made are left out.
 *
 * What is believed: the copy of the stack, followed by .eh_frame in C and by pclntab in Go; where there is none, the
 * chain of frame pointers, as far as the same tables say that the functions on it keep one. A function that a chain
 * skips is put back when the call before a return address names it. What cannot be known is a frame "(unknown)".
 *
 * Files are read as they are mapped (map_files, /proc/PID/root), by inode; what they say is bounded.
 * Cost:   a stack seen before: a look-up of 10 ns a frame of the copy and one of the whole. A new one: some 10 us, and
 *         once for each file what reading its symbols and frame information costs (a millisecond for libc).
 * Memory: symbols, frame and debug information of the files that stacks go through, within CALLPATH_FILES_BYTES and
 *         CALLPATH_LINES_MAX; the rest within CALLPATH_PLACES_MAX and CALLPATH_STACKS_MAX.
 * Threads: none; one object, one thread.
 */

#include "model/stack.h"
#include "target/target.h"

enum {
	CALLPATH_PLACES_MAX = 1 << 20,	/* addresses remembered; more than that and all are forgotten once */
	CALLPATH_STACKS_MAX = 1 << 18,	/* different ones of a process; the rest is the stack "(unknown)" */
	CALLPATH_FILES_BYTES = 1 << 30, /* of symbols and frame information; what is more has offsets for names */
	CALLPATH_LINES_MAX = 8,		/* files whose debug information is read */
};

/* What the probe says of a stack: the same bits as in ebpf/event.h. */
enum callpath_flags {
	CALLPATH_ON_GOROUTINE = 1u << 0, /* `user` is Go from the start */
	CALLPATH_ON_SYSTEM = 1u << 1,	 /* a thread's own stack; `go` is the goroutine that waits for it */
	CALLPATH_NO_GO = 1u << 2,
	CALLPATH_USER_CUT = 1u << 3,
	CALLPATH_GO_CUT = 1u << 4,
	CALLPATH_BYTES_CUT = 1u << 5,
	CALLPATH_CALLER_READ = 1u << 6, /* user[1] is the word at sp, at a function's entry */
};

/* A raw stack; all of it is borrowed. */
struct callpath_raw {
	uint64_t ip, sp, bp, regs[3]; /* rbx, r12, r13 */
	const uint64_t *user, *go;    /* return addresses by frame pointers; user[0] is ip, go[0] the saved pc */
	size_t n_user, n_go;
	const unsigned char *bytes; /* of the stack, from sp */
	size_t n_bytes;
	unsigned flags; /* enum callpath_flags */
};

struct callpath;

/* Of one process; borrows both, which outlive it. An attached target's Go frames are named, another's are not. */
MUST_CHECK struct err *callpath_new(struct target *t, struct stacks *out, struct callpath **ret);
void callpath_free(struct callpath *c); /* NULL is fine */

/* Mappings changed (a library came or went): they are read again. What was known stays known where nothing took its place. */
void callpath_remap(struct callpath *c);

/* The number of the stack in `out`. *whole is false when some frames could not be known, or the stack was cut. */
uint32_t callpath_resolve(struct callpath *c, const struct callpath_raw *raw, bool *whole);

static inline void callpath_auto(struct callpath **c)
{
	callpath_free(*c);
}
