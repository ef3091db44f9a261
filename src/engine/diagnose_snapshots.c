/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "engine/diagnose.h"
#include "engine/sites.h"

/* ---- are they of one process ---- */

static struct err *check_one(const struct snapshot *s)
{
	if (!(s->parts & SNAPSHOT_ACCOUNT))
		return err_new(ERR_ARG, "%s holds no account of memory: it cannot be judged", s->source);
	if (!s->id.boot_id || !s->id.start_ticks || !s->clock.monotonic)
		return err_new(ERR_ARG, "%s does not say of which process it is and when it was taken", s->source);
	return NULL;
}

static struct err *check_same(const struct snapshot *a, const struct snapshot *b)
{
	if (strcmp(a->id.boot_id, b->id.boot_id) != 0 || a->id.pid != b->id.pid ||
	    a->id.start_ticks != b->id.start_ticks)
		return err_new(ERR_ARG,
			       "%s and %s are not of the same process (%s %d and %s %d): `ullage diff` compares those",
			       a->source, b->source, a->id.comm ? a->id.comm : "?", a->id.pid,
			       b->id.comm ? b->id.comm : "?", b->id.pid);
	return NULL;
}

static int by_time(const void *a, const void *b)
{
	const struct snapshot *x = *(const struct snapshot *const *)a, *y = *(const struct snapshot *const *)b;
	return (x->clock.monotonic > y->clock.monotonic) - (x->clock.monotonic < y->clock.monotonic);
}

/* *ret, of n, in order of time. */
static struct err *put_in_order(struct snapshot *v, size_t n, struct snapshot **ret)
{
	for (size_t i = 0; i < n; i++) {
		TRY(check_one(&v[i]));
		TRY(check_same(&v[0], &v[i]));
		ret[i] = &v[i];
	}
	qsort(ret, n, sizeof(*ret), by_time);
	if (ret[0]->clock.monotonic == ret[n - 1]->clock.monotonic)
		return err_new(ERR_ARG, "%s and %s are of the same moment: growth needs two", ret[0]->source,
			       ret[n - 1]->source);
	return NULL;
}

/* ---- a look at one ---- */

static void look_at_process(const struct snapshot *s, struct diagnosis_sample *ret)
{
	const struct account *a = &s->account;
	ret->rss = a->rss;
	ret->rss_anon = ret->virtual_size = 0;
	for (size_t i = 0; i < CLASS_MAX_; i++)
		ret->rss_anon += a->classes[i].anon;
	for (size_t i = 0; i < a->maps.n; i++)
		ret->virtual_size += a->maps.v[i].end - a->maps.v[i].start;
	ret->vmas = a->maps.n;
	ret->threads = a->runtime.threads;
	if (s->parts & SNAPSHOT_FDS)
		ret->fds = s->fds.total;
}

static void look_at_cgroup(const struct account_cgroup *cg, struct diagnosis_sample *ret)
{
	if (!cg->version)
		return;
	ret->cgroup_usage = cg->usage;
	ret->working_set = cg->working_set;
	ret->anon = cg->anon;
	ret->file = cg->file;
	ret->inactive_file = cg->inactive_file;
	ret->shmem = cg->shmem;
	ret->kernel = cg->kernel;
	ret->sock = cg->sock;
}

static void look_at_runtime(const struct snapshot *s, struct diagnosis_sample *ret)
{
	const struct account *a = &s->account;
	if (!a->go.layout_known)
		return;
	ret->gc_count = a->gc.count;
	if (a->gc.last_unix_ns > 0 && s->clock.wall)
		ret->last_gc_ns = s->clock.monotonic - (s->clock.wall - a->gc.last_unix_ns);
	ret->gc_cpu = a->gc.cpu_fraction;
	ret->heap_live = a->runtime.heap_alloc;
	ret->heap_marked = a->gc.heap_marked;
	ret->heap_goal = a->gc.heap_goal;
	ret->heap_inuse = a->runtime.heap_inuse;
	ret->heap_idle = num_sub(a->runtime.heap_idle, a->runtime.heap_released);
	ret->stack_inuse = a->runtime.stack_inuse;
	ret->goroutines = a->runtime.goroutines;
}

static void look_at_goroutines(const struct goroutines *gs, struct sites *sites, struct diagnosis_sample *ret)
{
	ret->goroutines = gs->total;
	ret->deepest_stack = 0;
	for (size_t i = 0; i < gs->v.n; i++) {
		const struct goroutine *g = &gs->v.v[i];
		if (g->flags & GOROUTINE_SYSTEM)
			continue;
		if (stacks_depth(&gs->stacks, g->created_by))
			sites_goroutine(sites, sites_of_go(sites, stacks_at(&gs->stacks, g->created_by, 0)), g->id,
					g->count);
		if (g->stack_bytes != ACCOUNT_UNKNOWN && g->stack_bytes > ret->deepest_stack) {
			ret->deepest_stack = g->stack_bytes;
			ret->deepest = g->id;
		}
	}
}

static void look(const struct snapshot *s, struct sites *sites, struct diagnosis_sample *ret)
{
	diagnosis_sample_init(ret);
	ret->time_ns = s->clock.monotonic;
	look_at_process(s, ret);
	look_at_cgroup(&s->account.cgroup, ret);
	look_at_runtime(s, ret);
	if (s->parts & SNAPSHOT_OWNERS)
		ret->reachable = s->owners.reachable;
	sites_begin(sites);
	if (s->parts & SNAPSHOT_GOROUTINES)
		look_at_goroutines(&s->goroutines, sites, ret);
	if (s->parts & SNAPSHOT_TIMERS) {
		ret->timers = s->timers.total;
		sites_timers(sites, &s->timers);
	}
	sites_end(sites);
}

/* ---- the verdict ---- */

static double age_of(const struct snapshot *s)
{
	long hz = sysconf(_SC_CLK_TCK); /* the same on every Linux that Go runs on */
	if (hz <= 0 || !s->clock.boot)
		return (double)NAN;
	return (double)s->clock.boot / 1e9 - (double)s->id.start_ticks / (double)hz;
}

static void take(struct snapshot *from, struct snapshot *ret, bool *has)
{
	*ret = *from;
	*has = true;
	snapshot_init(from);
}

static void judge(struct snapshot **v, size_t n, struct sites *sites, struct diagnose_run *run)
{
	for (size_t i = 0; i < n; i++)
		look(v[i], sites, vec_push(&run->samples));
	take(v[0], &run->first, &run->has_first);
	take(v[n - 1], &run->last, &run->has_last);
	struct diagnosis_input in = {
		.samples = run->samples.v,
		.n = n,
		.first = &run->first,
		.last = &run->last,
		.age_seconds = age_of(&run->last),
		.module = run->last.id.module,
	};
	in.sites = sites_view(sites, &in.n_sites);
	diagnose(&in, &run->diagnosis);
}

struct err *engine_diagnose_snapshots(struct snapshot *v, size_t n, struct diagnose_run *ret)
{
	struct snapshot *order[DIAGNOSIS_SAMPLES];
	struct sites sites;
	*ret = (struct diagnose_run){ 0 };
	if (n < 2 || n > DIAGNOSIS_SAMPLES)
		return err_new(ERR_ARG, "a verdict takes 2 to %d snapshots of one process, not %zu", DIAGNOSIS_SAMPLES,
			       n);
	TRY(put_in_order(v, n, order));
	sites_init(&sites, order[n - 1]->id.module);
	judge(order, n, &sites, ret);
	sites_deinit(&sites);
	return NULL;
}
