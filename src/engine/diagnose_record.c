/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/diagnose_record.h"

#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "record/record.h"

enum { LOOKS_LEAST = 3 }; /* two may stand before and after the end of a start */

/* What is left of the window must be worth it: less than that shows nothing going on. */
static const int64_t LEFT_LEAST = INT64_C(1500) * 1000000;

void diagnose_record_init(struct diagnose_record *d, int pid, const struct diagnose_options *opt, int64_t end)
{
	*d = (struct diagnose_record){ .pid = pid, .opt = opt, .end = end };
}

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- does anything grow ---- */

/*
 * A false alarm costs what a record costs, a missed one the verdict: so little suffices. Counters of the kernel lag by up
 * to 32 pages a processor; the Go runtime touches late what it counts, makes a thread or two for a burst of system calls,
 * and cuts its mappings where it treats huge pages differently.
 */
static const double OUTSIDE = 256 << 10, OUTSIDE_OF_GO_ALONE = 1 << 20; /* where there is no C allocator */
static const double FILES = 1 << 20, MAPPINGS = 16, THREADS = 3;
static const uint64_t SPACE = 1 << 20, GO_ARENA = 64 << 20, GO_ARENA_COSTS = 4 << 20, SPACE_ANYHOW = 512 << 20;

/* By how much a member grew; 0 where it is unknown. */
static double grown(const struct diagnosis_sample *a, const struct diagnosis_sample *b, size_t offset)
{
	uint64_t x = *(const uint64_t *)(const void *)((const char *)a + offset);
	uint64_t y = *(const uint64_t *)(const void *)((const char *)b + offset);
	return x == ACCOUNT_UNKNOWN || y == ACCOUNT_UNKNOWN ? 0 : (double)y - (double)x;
}

#define GROWN(a, b, member) grown(a, b, offsetof(struct diagnosis_sample, member))

/* The Go heap takes its address space in whole arenas, and some for what it keeps about each. */
static bool space_grew(double growth)
{
	uint64_t by = growth > 0 ? (uint64_t)growth : 0;
	return by >= SPACE_ANYHOW || (by < GO_ARENA ? by >= SPACE : by % GO_ARENA >= GO_ARENA_COSTS);
}

static bool grew(const struct snapshot *first, const struct diagnosis_sample *a, const struct diagnosis_sample *b)
{
	bool c = !first->account.go.is_go || first->account.c_heap.allocator;
	double anon = GROWN(a, b, rss_anon);
	return anon - GROWN(a, b, go_anon) >= (c ? OUTSIDE : OUTSIDE_OF_GO_ALONE) || GROWN(a, b, rss) - anon >= FILES ||
	       space_grew(GROWN(a, b, virtual_size)) || GROWN(a, b, vmas) >= MAPPINGS ||
	       GROWN(a, b, threads) >= THREADS;
}

/* ---- recording ---- */

/* Blocks of C only where there is C; the budget is record's default. */
static void start(struct diagnose_record *d, struct diagnose_run *run)
{
	struct record_options want = {
		.pids = &d->pid,
		.n_pids = 1,
		.procfs = d->opt->procfs,
		.window_ns = d->end - now_ns(),
		.wanted = 1u << RECORD_MMAP | 1u << RECORD_MALLOC | 1u << RECORD_RESIDENT,
		.interrupted = d->opt->interrupted,
	};
	d->tried = true;
	if (d->opt->progress)
		d->opt->progress("watching the process, and recording what it takes outside of the Go heap");
	record_init(&run->record);
	struct err *err AUTO(err) = record_begin(&want, &run->record, &d->session);
	if (err)
		run->unrecorded = xstrdup(err_text(err));
}

void diagnose_record_consider(struct diagnose_record *d, struct diagnose_run *run)
{
	size_t n = run->samples.n;
	if (d->tried || n < LOOKS_LEAST || d->end - now_ns() < LEFT_LEAST)
		return;
	if (!grew(&run->first, &run->samples.v[0], &run->samples.v[n - 1]))
		return;
	if (!d->opt->no_bpf) {
		start(d, run);
		return;
	}
	d->tried = true;
	run->unrecorded = xstrdup("leave --no-bpf out");
}

void diagnose_record_until(struct diagnose_record *d, int64_t at)
{
	struct timespec ts = { at / 1000000000, at % 1000000000 };
	if (!d->session) {
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts,
				NULL); /* an interrupt ends it: the caller looks at the clock */
		return;
	}
	record_step(d->session, at);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

void diagnose_record_finish(struct diagnose_record *d, struct diagnose_run *run)
{
	if (!d->session)
		return;
	if (d->opt->progress)
		d->opt->progress("putting names to what was recorded");
	record_end(d->session);
	d->session = NULL;
	run->has_record = true;
}
