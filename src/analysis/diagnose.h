/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/diagnose - the verdict: does this process leak, what explains its memory, and what to do about it.
 *
 * Pure: from samples over a window and the snapshots at its ends to findings. The rules are a table (diagnose.c) of
 * small functions by family (rules_*.c); each row has its thresholds, and the reason for each.
 *
 * "leak" is said of what keeps growing without bound. A heap is compared only at equal points of GC cycles, by the bytes
 * that each collection marked, or by what was reachable when it was walked, at any moments. Counts are compared by where they were made, and with what survived. What grows for a
 * reason that cannot be proved from here is an open question, and the verdict "inconclusive".
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/record.h"
#include "model/snapshot.h"

enum { DIAGNOSIS_SAMPLES = 240 };

/* One quick look. ACCOUNT_UNKNOWN is unknown. */
struct diagnosis_sample {
	int64_t time_ns; /* of one clock for all samples */
	uint64_t gc_count;
	int64_t last_gc_ns; /* when it ended, by the same clock; 0 never */
	double gc_cpu;	    /* since the start, of all CPUs; NAN unknown */
	uint64_t rss, rss_anon, virtual_size;
	uint64_t reachable; /* bytes of the heap that roots led to, where it was walked */
	uint64_t heap_live, heap_marked, heap_goal, heap_inuse, heap_idle; /* idle: free, not returned */
	uint64_t stack_inuse;
	uint64_t go_anon; /* all that the runtime holds and has not returned */
	uint64_t goroutines, threads, fds, timers, vmas;
	uint64_t deepest, deepest_stack; /* id of the goroutine with the largest stack; bytes */
	uint64_t deepest_used;		 /* of that stack */
	uint64_t cgroup_usage, working_set, anon, file, inactive_file, shmem, kernel, sock;
};

void diagnosis_sample_init(struct diagnosis_sample *s); /* all unknown */

/* Goroutines by go statement, or timers by callback, sample by sample. */
enum diagnosis_site_kind { DIAGNOSIS_GOROUTINE, DIAGNOSIS_TIMER };

struct diagnosis_site {
	enum diagnosis_site_kind kind;
	const char *function, *file;
	uint32_t line;
	const uint64_t *counts; /* as many as samples */
	uint64_t gone;		/* that were there at one sample and not at the next */
	bool gone_known;
	bool library; /* a timer's callback that only says which function of the library made it */
};

struct diagnosis_input {
	const struct diagnosis_sample *samples; /* in order of time */
	size_t n;
	const struct diagnosis_site *sites;
	size_t n_sites;
	const struct snapshot *first, *last; /* NULL: not there */
	double age_seconds;		     /* of the process, at the last sample; NAN unknown */
	const char *module;		     /* of the main package, or NULL */
	bool cut;			     /* interrupted, or the target exited */
	const char *unwalked;		     /* why the heap was not walked, a sentence without a full stop, or NULL */
	const struct record *record; /* who took memory outside of the Go heap, up to the last sample; NULL: none */
	const char *unrecorded; /* why there is none, and what would help, a sentence without a full stop, or NULL */
};

enum diagnosis_level { DIAGNOSIS_INFO, DIAGNOSIS_WARNING, DIAGNOSIS_CRITICAL };
enum diagnosis_verdict { DIAGNOSIS_NO_LEAK, DIAGNOSIS_LEAK, DIAGNOSIS_INCONCLUSIVE };

extern const char *const diagnosis_levels[];   /* "info", "warning", "critical" */
extern const char *const diagnosis_verdicts[]; /* "no-leak", "leak", "inconclusive" */

enum { FINDING_ALSO = 6 };

struct finding {
	const char *kind;
	bool leak; /* one of the kinds that make the verdict */
	const char *also[FINDING_ALSO];
	enum diagnosis_level level;
	double confidence;
	const char *class;  /* a class of the account, or NULL */
	uint64_t bytes;	    /* what it is about now; ACCOUNT_UNKNOWN */
	double rate;	    /* bytes per second; NAN unknown */
	uint64_t count;	    /* ACCOUNT_UNKNOWN */
	double count_rate;  /* per second; NAN */
	struct frame site;  /* function "": unknown */
	const char *holder; /* NULL: unknown */
	struct {
		struct frame *v;
		size_t n;
	} stack;
	struct str_vec evidence; /* sentences */
	const char *advice;
	const char *unsure, *settle; /* sentences: why it is no proof, and what would be; NULL: none in particular */
};

/* What grew and could not be judged. */
struct diagnosis_open {
	const char *class; /* "go.heap.live", "mmap.anon", ... or NULL */
	uint64_t bytes;	   /* it grew by */
	double rate;
	const char *why, *settle; /* sentences */
};

struct diagnosis_oom {
	uint64_t limit;	    /* ACCOUNT_UNKNOWN: none */
	const char *source; /* "cgroup /pod1", NULL none */
	uint64_t working_set;
	double rate; /* bytes per second, without page cache; NAN unknown */
	double eta;  /* seconds; NAN: not in sight */
};

struct diagnosis {
	struct arena arena;
	enum diagnosis_verdict verdict;
	VEC(struct finding) findings; /* leaks first, then by level */
	VEC(struct diagnosis_open) open;
	struct diagnosis_oom oom;
	double seconds;	    /* of the window */
	uint64_t gc_points; /* collections that ended with a known marked size */
	struct str_vec notes;
};

/* The last two elements of a path: enough to find a file, and short enough for a sentence. */
const char *diagnosis_file(const char *file);

/* `ret` keeps no pointer into the input. */
void diagnose(const struct diagnosis_input *in, struct diagnosis *ret);
void diagnosis_deinit(struct diagnosis *d);
