/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include <time.h>

#include "owners/owners.h"
#include "proc/available.h"
#include "target/hold.h"

enum { WALKS = 4 }; /* at most, of a heap that changes too fast */

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
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

static struct err *copy_held(struct target *t, const struct owners_options *opt, struct owners_work *w)
{
	struct target_hold h = { .target = t };
	struct err *err = hold(t, opt, &h);
	if (!err)
		err = owners_copy_roots(w, opt->stop == OWNERS_STOP_FULL ? OWNERS_STANDS : OWNERS_PAUSES);
	if (opt->stop == OWNERS_STOP_ROOTS)
		target_let_go(&h);
	if (!err)
		err = owners_copy_heap(w);
	target_let_go(&h);
	w->out->stopped_ns = h.stop.stopped_ns;
	if (h.late)
		snapshot_note(w->snapshot, "the stop's budget was over before all roots were copied: the rest was read "
					   "from the running process; --stop=MS gives it more");
	return err;
}

static struct err *copy_heap(struct target *t, const struct owners_options *opt, struct owners_work *w)
{
	if (opt->stop != OWNERS_STOP_NO)
		return copy_held(t, opt, w);
	TRY(owners_copy_roots(w, t->live ? OWNERS_RUNS : OWNERS_STANDS));
	return owners_copy_heap(w);
}

uint64_t engine_memory_budget(const char *procfs)
{
	return proc_available(procfs) / 2;
}

/*
 * A variable that is changed for each new object points to one that was not there when the spans were read: all that
 * hangs on it is lost to this walk. What the last collection marked tells; another walk mostly meets it at rest.
 */
static bool missed_much(const struct snapshot *s)
{
	static const double MOST = 0.8;
	const struct owners *o = &s->owners;
	return o->inconsistencies && !o->stopped_ns && o->heap_marked != ACCOUNT_UNKNOWN &&
	       (double)o->reachable < MOST * (double)o->heap_marked;
}

static struct err *walk(struct target *t, const struct owners_options *o, const struct owners_input *in,
			struct snapshot *s)
{
	struct owners_work w;
	owners_deinit(&s->owners);
	owners_init(&s->owners);
	owners_work_init(&w, in, s);
	struct err *err = copy_heap(t, o, &w);
	if (!err)
		err = owners_finish(&w);
	owners_work_deinit(&w);
	return err;
}

struct err *evidence_owners(struct target *t, const struct evidence_options *opt, struct snapshot *s)
{
	const struct owners_options *o = &opt->owners;
	int64_t since = now_ns();
	if (!o->sums)
		target_find_refs(t); /* for names */
	const struct owners_input in = {
		.g = &t->gort,
		.symbols = &t->symbols,
		.refs = &t->refs,
		.bias = t->bias,
		.exe = t->exe,
		.memory = o->memory ? o->memory : engine_memory_budget(opt->account.procfs),
		.quick = o->quick || t->blank,
		.sums = o->sums,
		.type = o->type,
	};
	if (t->blank && !o->quick)
		snapshot_note(s, "maps, holders and waste are told by contents, which this core has not");
	struct err *err = walk(t, o, &in, s);
	for (int i = 1; !err && i < WALKS && missed_much(s); i++)
		err = walk(t, o, &in, s);
	if (!err && missed_much(s))
		snapshot_note(s,
			      "much less is reachable than the last collection marked: much was freed since, or what "
			      "holds it changed while it was read; --stop=full reads it as of one moment");
	s->owners.elapsed_ns = now_ns() - since;
	return err;
}
