/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/diagnose.h"

#include <time.h>

#include "base/num.h"
#include "engine/evidence.h"
#include "engine/sampler.h"

enum {
	LOOKS = 20,		  /* in a window, when no interval is given */
	INTERVAL_MIN = 250000000, /* nanoseconds: quicker looks see the same collections */
	POLL = 50000000,	  /* nanoseconds between questions whether a collection has ended */
};

static const double SLACK = 0.15; /* of the window, in which its end waits for a collection */

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void sleep_until(int64_t at)
{
	struct timespec ts = { at / 1000000000, at % 1000000000 };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts,
			NULL); /* an interrupt ends it: the caller looks at the clock */
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

static struct err *read_whole(int pid, const struct diagnose_options *opt, struct snapshot *ret)
{
	struct evidence_options want = {
		.parts = SNAPSHOT_ALL & ~(unsigned)SNAPSHOT_CENSUS,
		.account = { .procfs = opt->procfs, .cgroup = true, .progress = opt->progress },
	};
	return engine_evidence(pid, &want, ret);
}

static struct err *look(struct sampler *s, struct diagnose_run *run)
{
	struct diagnosis_sample sample;
	TRY(sampler_look(s, &sample));
	*vec_push(&run->samples) = sample;
	return NULL;
}

/* Until a collection ends, or the window does. */
static void await_collection(const struct sampler *s, const struct diagnose_options *opt, int64_t end)
{
	uint64_t before = sampler_gc_count(s);
	while (!interrupted(opt) && now_ns() < end && sampler_gc_count(s) == before && before != ACCOUNT_UNKNOWN)
		sleep_until((int64_t)num_min((uint64_t)now_ns() + POLL, (uint64_t)end));
	if (before == ACCOUNT_UNKNOWN)
		sleep_until(end);
}

static struct err *watch(struct sampler *s, const struct diagnose_options *opt, struct diagnose_run *run)
{
	int64_t start = now_ns(), end = start + opt->window_ns, interval = interval_of(opt);
	int64_t slack = end - (int64_t)((double)opt->window_ns * SLACK);
	progress(opt, "watching the process");
	for (int64_t next = start; !interrupted(opt) && run->samples.n + 2 < DIAGNOSIS_SAMPLES; next += interval) {
		while (!interrupted(opt) && now_ns() < next)
			sleep_until(next);
		TRY(look(s, run));
		if (next + interval >= slack)
			break;
	}
	while (!interrupted(opt) && now_ns() < slack)
		sleep_until(slack);
	if (!interrupted(opt))
		await_collection(s, opt, end);
	return look(s, run);
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
	struct err *err = watch(s, opt, run);
	if (err)
		return end_early(err, run);
	err = read_whole(pid, opt, &run->last);
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
		err = read_whole(pid, opt, &ret->first);
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
}
