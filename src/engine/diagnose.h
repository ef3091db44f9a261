/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/diagnose - watch a live process for a while, or look at its snapshots, and judge what was seen: `ullage diagnose`.
 *
 * A whole reading at the start and at the end (just after a collection, where one ends in time), and quick looks between
 * them. The target is never stopped.
 * Cost: a quick look reads counters, the list of goroutines, the timers and the cgroup's files: a few milliseconds.
 * Where the heap is small enough for the window it is walked at both ends for who holds it, and between them, as often as
 * a ninth of the time allows, for how much is reachable.
 * What grows outside of the Go heap is recorded from then on (engine/diagnose_record), which puts probes into the kernel.
 */

#include <signal.h>

#include "analysis/diagnose.h"

struct diagnose_options {
	bool no_bpf;			/* record nothing, whatever grows */
	int64_t window_ns, interval_ns; /* interval 0: a twentieth of the window, at least a quarter second */
	const char *procfs;
	const volatile sig_atomic_t *interrupted; /* nonzero: judge what was seen; may be NULL */
	void (*progress)(const char *step);	  /* may be NULL */
};

VEC_TYPE(diagnosis_sample_vec, struct diagnosis_sample);

struct diagnose_run {
	struct snapshot first, last;
	bool has_first, has_last;
	struct diagnosis_sample_vec samples;
	struct diagnosis diagnosis;
	bool gone;	      /* the target exited meanwhile: the verdict is over what was seen */
	char *unwalked;	      /* why the heap was not walked, a sentence; NULL: it was, or there is none */
	struct record record; /* of the last part of the window, when has_record */
	bool has_record;
	char *unrecorded; /* why there is none though something grew, and what would help; NULL */
};

/*
 * Errors: NOT_FOUND, GONE, DENIED at the start. On every return *ret is to be given to diagnose_run_deinit().
 */
MUST_CHECK struct err *engine_diagnose(int pid, const struct diagnose_options *opt, struct diagnose_run *ret);

/*
 * The same from snapshots of one process, in any order: each is a look, the earliest and the latest are the ends of the
 * window. Takes the snapshots: v[i] are empty afterwards. ARG when they are of several processes, lack the account, or
 * are not of two moments at least. On every return *ret is to be given to diagnose_run_deinit().
 */
MUST_CHECK struct err *engine_diagnose_snapshots(struct snapshot *v, size_t n, struct diagnose_run *ret);

void diagnose_run_deinit(struct diagnose_run *run);
