/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include <time.h>

#include "owners/owners.h"
#include "proc/stop.h"
#include "target/target.h"

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
	struct owners_work w;
	owners_work_init(&w, &in, s);
	struct err *err = copy_heap(t, o, &w);
	if (!err)
		err = owners_finish(&w);
	owners_work_deinit(&w);
	s->owners.elapsed_ns = now_ns() - since;
	return err;
}
