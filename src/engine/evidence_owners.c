/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include <time.h>

#include "owners/owners.h"
#include "proc/stop.h"
#include "target/target.h"

enum { WALKS = 4 }; /* at most, of a heap that changes too fast */

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The part that may need a target that stands still. */
static struct err *copy_heap(struct target *t, const struct owners_options *opt, struct owners_work *w)
{
	struct proc_stop stop = { 0 };
	if (opt->stop != OWNERS_STOP_NO && !t->live)
		return err_new(ERR_ARG, "--stop is for a process; a core stands still");
	if (opt->stop != OWNERS_STOP_NO)
		TRY(proc_stop_all(&t->live->process, opt->stop_budget_ns, &stop));
	struct err *err = owners_copy_roots(w, opt->stop != OWNERS_STOP_NO);
	if (opt->stop == OWNERS_STOP_ROOTS)
		proc_stop_release(&stop);
	if (!err)
		err = owners_copy_heap(w);
	if (opt->stop != OWNERS_STOP_NO)
		proc_stop_release(&stop);
	w->out->stopped_ns = stop.stopped_ns;
	return err;
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
		.memory = o->memory,
		.quick = o->quick,
		.sums = o->sums,
		.type = o->type,
	};
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
