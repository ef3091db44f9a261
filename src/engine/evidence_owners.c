/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include <time.h>

#include "owners/owners.h"
#include "proc/available.h"
#include "target/hold.h"

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* A copy of everything takes what it takes; only to stop the threads has a bound. */
#define FULL_STOP_NS INT64_C(1000000000)

static struct err *hold(struct target *t, const struct owners_options *opt, struct target_hold *h)
{
	bool full = opt->stop == OWNERS_STOP_FULL;
	if (!t->live)
		return err_new(ERR_ARG, "--stop is for a process; a core stands still");
	TRY(target_hold(t, full ? FULL_STOP_NS : opt->stop_budget_ns, h));
	if (full)
		h->deadline = INT64_MAX;
	return NULL;
}

static struct err *copy_running(struct target *t, struct owners_work *w)
{
	TRY(owners_copy_roots(w, t->live ? OWNERS_RUNS : OWNERS_STANDS));
	return owners_copy_heap(w);
}

static struct err *copy_held(struct target *t, const struct owners_options *opt, struct owners_work *w)
{
	struct target_hold h = { .target = t };
	struct err *err = hold(t, opt, &h);
	if (err && err_code(err) == ERR_LIMIT) { /* a busy machine, a thread that waits for a disk */
		snapshot_note(w->snapshot, "the target was not stopped: %s", err_text(err));
		err_free(err);
		target_let_go(&h);
		return copy_running(t, w);
	}
	if (!err)
		err = owners_copy_roots(w, opt->stop == OWNERS_STOP_FULL ? OWNERS_STANDS : OWNERS_PAUSES);
	if (opt->stop == OWNERS_STOP_ROOTS)
		target_let_go(&h);
	if (!err)
		err = owners_copy_heap(w);
	target_let_go(&h);
	w->out->stopped_ns = h.stop.stopped_ns;
	char text[TARGET_HOLD_TEXT];
	if (opt->stop == OWNERS_STOP_ROOTS && target_hold_exceeded(h.stop.stopped_ns, opt->stop_budget_ns, text))
		snapshot_note(w->snapshot, "%s", text);
	if (h.late)
		snapshot_note(w->snapshot, "the stop's budget was over before all roots were copied: the rest was read "
					   "from the running process; --stop=MS gives it more");
	return err;
}

static struct err *copy_heap(struct target *t, const struct owners_options *opt, struct owners_work *w)
{
	return opt->stop != OWNERS_STOP_NO ? copy_held(t, opt, w) : copy_running(t, w);
}

uint64_t engine_memory_budget(const char *procfs)
{
	return proc_available(procfs) / 2;
}

/* Much of what the last collection marked was not met, in a heap that may have moved while it was read. */
static bool missed_much(const struct target *t, const struct owners *o)
{
	static const double MOST = 0.8;
	return t->live && !o->stopped_ns && o->heap_marked != ACCOUNT_UNKNOWN &&
	       (double)o->reachable < MOST * (double)o->heap_marked;
}

/* What there is besides memory: which code refers to which data, and debug information. */
static void find_names(struct target *t, struct snapshot *s)
{
	target_find_refs(t);
	struct err *err = target_find_declared(t);
	if (err)
		snapshot_note(s, "%s", err_text(err));
	err_free(err);
}

static struct err *walk(struct target *t, const struct owners_options *opt, const struct owners_input *in,
			struct snapshot *s)
{
	struct owners_work w;
	owners_work_init(&w, in, s);
	struct err *err = copy_heap(t, opt, &w);
	if (!err)
		err = owners_finish(&w);
	owners_work_deinit(&w);
	return err;
}

/*
 * A slice that is copied while it is read hides all below it; the next moment it is there. Only what takes little is done
 * again, of the processor's time: a busy machine is where it is most often missed.
 */
static struct err *walk_again(struct target *t, const struct owners_options *opt, const struct owners_input *in,
			      struct snapshot *s)
{
	enum { WALKS = 3, LITTLE_NS = 500000000 };
	int64_t since = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct err *err = walk(t, opt, in, s);
	for (int i = 1; i < WALKS && !err && !opt->sums && missed_much(t, &s->owners); i++) {
		if (clock_ns(CLOCK_THREAD_CPUTIME_ID) - since > LITTLE_NS)
			break;
		owners_deinit(&s->owners);
		owners_init(&s->owners);
		err = walk(t, opt, in, s);
	}
	return err;
}

struct err *evidence_owners(struct target *t, const struct evidence_options *opt, struct snapshot *s)
{
	const struct owners_options *o = &opt->owners;
	int64_t since = clock_ns(CLOCK_MONOTONIC);
	if (!o->sums)
		find_names(t, s);
	const struct owners_input in = {
		.g = &t->gort,
		.symbols = &t->symbols,
		.refs = &t->refs,
		.declared = &t->declared,
		.bias = t->bias,
		.memory = o->memory ? o->memory : engine_memory_budget(opt->account.procfs),
		.quick = o->quick || t->blank,
		.sums = o->sums,
		.type = o->type,
	};
	if (t->blank && !o->quick)
		snapshot_note(s, "maps, holders and waste are told by contents, which this core has not");
	struct err *err = walk_again(t, o, &in, s);
	if (!err && s->owners.inconsistencies && missed_much(t, &s->owners))
		snapshot_note(s,
			      "much less is reachable than the last collection marked: much was freed since, or what "
			      "holds it changed while it was read; --stop=full reads it as of one moment");
	s->owners.elapsed_ns = clock_ns(CLOCK_MONOTONIC) - since;
	return err;
}
