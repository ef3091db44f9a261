/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * record/record - a window in which processes are watched for what takes memory outside the Go heap and keeps it.
 *
 * Mappings are exact: every byte that was mapped in the window and is mapped at its end has a call path. What a process
 * has mapped is compared with what the kernel says at the end; the kernel is right, and a difference has a note. Memory of
 * mremap(2) and brk(2) counts as it grows. Blocks of C allocators are exact as long as the budget allows to watch without
 * a pause, else an interval (record/blocks). Page faults are samples (record/faults). The Go heap only where asked for.
 *
 * Memory: a book for each process (ceilings in record/ranges, blocks, faults), call paths and symbols (callpath), and
 *         the rings of the probes. Threads: none.
 */

#include <signal.h>

#include "model/record.h"

struct record_options {
	const int *pids;
	size_t n_pids;
	const char *cgroup; /* processes that appear in it are recorded too; NULL: none */
	const char *procfs;
	int64_t window_ns;
	unsigned wanted; /* 1u << enum record_kind */
	double budget;	 /* share of the targets' CPU time that probes of allocators and page faults may cost; 0: 1 % */
	size_t ring_bytes;			  /* of the kernel, for events, twice (ebpf); 0: the usual */
	const volatile sig_atomic_t *interrupted; /* ends the window; may be NULL */
	void (*progress)(const char *step);	  /* may be NULL */
};

/* What progress() is told while the window runs, every second. */
extern const char record_step_recording[];

/*
 * `ret`: of record_init(). An error only when nothing could be recorded: DENIED, UNSUPPORTED (no BTF, ...) as ebpf_open(),
 * NOT_FOUND and GONE of the only process. Everything else is a note, and `partial`.
 */
MUST_CHECK struct err *record_run(const struct record_options *opt, struct record *ret);

/*
 * The same in pieces, for who has other things to do meanwhile: begin, any number of steps, end. `ret`, of record_init(),
 * is filled until record_end() returns; what opt->pids and opt->procfs point to is borrowed until then. window_ns is only
 * the plan by which probes pause: the window ends with record_end(). Events are heard in steps; a second between two of
 * them is fine. Errors as record_run(), then *session is NULL and nothing is left.
 */
struct record_session;
MUST_CHECK struct err *record_begin(const struct record_options *opt, struct record *ret,
				    struct record_session **session);
void record_step(struct record_session *s,
		 int64_t until_ns); /* CLOCK_MONOTONIC; earlier when interrupted or all are over */
void record_end(struct record_session *s);
