/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/diagnose.h"

#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/num.h"
#include "engine/diagnose_record.h"
#include "engine/evidence.h"
#include "engine/sampler.h"

enum {
	LOOKS = 20,		  /* in a window, when no interval is given */
	INTERVAL_MIN = 250000000, /* nanoseconds: quicker looks see the same collections */
	POLL = 50000000,	  /* nanoseconds between questions whether a collection has ended */
};

/* A heap is walked up to this size, and up to this much for each second of the window. */
static const uint64_t WALKED_MAX = UINT64_C(1) << 30, WALKED_PER_SECOND = 64 << 20;
/* A walk may take this part of the time: the next one waits for so many times what the last one took. */
enum { WALK_REST = 8 };

static const double SLACK = 0.15; /* of the window, in which its end waits for a collection */

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool interrupted(const struct diagnose_options *opt)
{
	return opt->interrupted && *opt->interrupted;
}

static int64_t interval_of(const struct diagnose_options *opt)
{
	int64_t interval = opt->interval_ns > 0 ? opt->interval_ns : opt->window_ns / LOOKS;
	int64_t least = opt->window_ns / (DIAGNOSIS_SAMPLES - 2);
	if (opt->interval_ns <= 0 && interval < INTERVAL_MIN)
		interval = INTERVAL_MIN;
	return interval < least ? least : interval;
}

static void progress(const struct diagnose_options *opt, const char *step)
{
	if (opt->progress)
		opt->progress(step);
}

/* When the heap is walked next between the ends, and whether at all. */
struct walks {
	bool wanted;
	int64_t next;
	uint64_t least; /* heap_live since the last walk */
};

/* Is the heap small enough for this window? */
static bool can_walk(const struct sampler *s, const struct diagnose_options *opt, struct diagnose_run *run)
{
	char is[NUM_SIZE_LEN], most[NUM_SIZE_LEN];
	uint64_t heap = sampler_heap_live(s);
	uint64_t bound = num_min(WALKED_MAX, (uint64_t)((double)opt->window_ns / 1e9 * (double)WALKED_PER_SECOND));
	if (heap == ACCOUNT_UNKNOWN || heap <= bound)
		return heap != ACCOUNT_UNKNOWN;
	free(run->unwalked);
	run->unwalked = xasprintf("the heap of %s was not walked: that is done up to %s in a window of this length; "
				  "`ullage owners PID` says who holds it",
				  num_size(heap, is), num_size(bound, most));
	return false;
}

/* A walk that was wanted and failed has a note. */
static void tell_unwalked(const struct snapshot *s, struct diagnose_run *run)
{
	for (size_t i = 0; i < s->notes.n && !(s->parts & SNAPSHOT_OWNERS) && !run->unwalked; i++) {
		if (s->note_parts.v[i] == SNAPSHOT_OWNERS)
			run->unwalked = xstrdup(s->notes.v[i]);
	}
}

/* The first reading is quick; the last one looks for maps that were larger once, too. */
static struct err *read_whole(int pid, const struct diagnose_options *opt, const struct sampler *s,
			      struct diagnose_run *run, struct snapshot *ret)
{
	bool walk = can_walk(s, opt, run);
	struct evidence_options want = {
		.parts = (SNAPSHOT_ALL & ~(unsigned)SNAPSHOT_CENSUS) | (walk ? SNAPSHOT_OWNERS : 0),
		.owners = { .quick = ret == &run->first },
		.account = { .procfs = opt->procfs, .cgroup = true, .progress = opt->progress },
	};
	TRY(engine_evidence(pid, &want, ret));
	if (walk)
		tell_unwalked(ret, run);
	return NULL;
}

/* Between two walks the heap was only allocated from; where it was not, the same is reachable. */
static bool may_have_grown(const struct walks *w, const struct diagnosis_sample *now)
{
	enum { BREATH = 64 << 10 };
	return now->heap_live > w->least + BREATH;
}

static void walk(struct sampler *s, struct walks *w, bool last, struct diagnosis_sample *ret)
{
	int64_t start = now_ns();
	w->least = num_min(w->least, ret->heap_live);
	if (!w->wanted || (!last && (start < w->next || !may_have_grown(w, ret))))
		return;
	w->wanted = sampler_reachable(s, &ret->reachable);
	w->least = ret->heap_live;
	w->next = now_ns() + WALK_REST * (now_ns() - start);
}

static struct err *look(struct sampler *s, struct walks *w, bool last, struct diagnose_run *run)
{
	struct diagnosis_sample sample;
	TRY(sampler_look(s, &sample));
	walk(s, w, last, &sample);
	*vec_push(&run->samples) = sample;
	return NULL;
}

/* Until a collection ends, or the window does. */
static void await_collection(const struct sampler *s, struct diagnose_record *rec, int64_t end)
{
	const struct diagnose_options *opt = rec->opt;
	uint64_t before = sampler_gc_count(s);
	while (!interrupted(opt) && now_ns() < end && sampler_gc_count(s) == before && before != ACCOUNT_UNKNOWN)
		diagnose_record_until(rec, (int64_t)num_min((uint64_t)now_ns() + POLL, (uint64_t)end));
	if (before == ACCOUNT_UNKNOWN)
		diagnose_record_until(rec, end);
}

/* Looks that a busy machine or a long walk made late are not made up for: many in one moment see one moment. */
static int64_t next_look(int64_t last, int64_t interval)
{
	int64_t late = now_ns() - (last + interval);
	return last + interval + (late > 0 ? late / interval * interval : 0);
}

static struct err *watch(struct sampler *s, struct diagnose_record *rec, struct diagnose_run *run)
{
	const struct diagnose_options *opt = rec->opt;
	int64_t end = rec->end, start = end - opt->window_ns, interval = interval_of(opt);
	int64_t slack = end - (int64_t)((double)opt->window_ns * SLACK);
	struct walks walks = { .wanted = run->first.parts & SNAPSHOT_OWNERS };
	progress(opt, "watching the process");
	for (int64_t next = start; !interrupted(opt) && run->samples.n + 2 < DIAGNOSIS_SAMPLES;
	     next = next_look(next, interval)) {
		while (!interrupted(opt) && now_ns() < next)
			diagnose_record_until(rec, next);
		TRY(look(s, &walks, false, run));
		diagnose_record_consider(rec, run);
		if (next + interval >= slack)
			break;
	}
	while (!interrupted(opt) && now_ns() < slack)
		diagnose_record_until(rec, slack);
	if (!interrupted(opt))
		await_collection(s, rec, end);
	return look(s, &walks, true, run);
}

/* What was seen of a target that ended is still worth a verdict; at the start there is nothing yet. */
static struct err *end_early(struct err *err, struct diagnose_run *run)
{
	if (err_code(err) != ERR_GONE && err_code(err) != ERR_NOT_FOUND)
		return err;
	if (!run->samples.n)
		return err;
	err_free(err);
	run->gone = true;
	return NULL;
}

static struct err *run_window(int pid, const struct diagnose_options *opt, struct sampler *s, struct diagnose_run *run)
{
	struct diagnose_record rec;
	diagnose_record_init(&rec, pid, opt, now_ns() + opt->window_ns);
	struct err *err = watch(s, &rec, run);
	diagnose_record_finish(&rec, run);
	if (err)
		return end_early(err, run);
	err = read_whole(pid, opt, s, run, &run->last);
	if (err)
		return end_early(err, run);
	run->has_last = true;
	return NULL;
}

static void judge(const struct diagnose_options *opt, struct sampler *s, struct diagnose_run *run)
{
	struct diagnosis_input in = {
		.samples = run->samples.v,
		.n = run->samples.n,
		.first = run->has_first ? &run->first : NULL,
		.last = run->has_last ? &run->last : NULL,
		.age_seconds = sampler_age(s),
		.module = s->t.is_go ? s->t.gort.module.main_path : NULL,
		.cut = run->gone || interrupted(opt),
		.unwalked = run->unwalked,
		.record = run->has_record ? &run->record : NULL,
		.unrecorded = run->unrecorded,
	};
	in.sites = sites_view(&s->sites, &in.n_sites);
	diagnose(&in, &run->diagnosis);
}

struct err *engine_diagnose(int pid, const struct diagnose_options *opt, struct diagnose_run *ret)
{
	struct sampler s;
	*ret = (struct diagnose_run){ 0 }; /* what is read initializes its snapshot; zeroes may be given back too */
	struct err *err = sampler_open(opt->procfs, pid, &s);
	if (!err)
		err = read_whole(pid, opt, &s, ret, &ret->first);
	if (!err) {
		ret->has_first = true;
		err = run_window(pid, opt, &s, ret);
	}
	if (!err)
		judge(opt, &s, ret);
	sampler_close(&s);
	return err;
}

void diagnose_run_deinit(struct diagnose_run *run)
{
	diagnosis_deinit(&run->diagnosis);
	vec_deinit(&run->samples);
	snapshot_deinit(&run->first);
	snapshot_deinit(&run->last);
	free(run->unwalked);
	record_deinit(&run->record);
	free(run->unrecorded);
}
