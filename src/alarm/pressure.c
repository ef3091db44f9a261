/* SPDX-License-Identifier: Apache-2.0 */
#include "alarm/look.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/num.h"

/*
 * Active pages of files are in the working set, though the kernel takes them back before it kills. So much less than the
 * share itself must be memory that it cannot take back.
 */
static const double CACHE_SLACK = 0.05;

static double ratio(uint64_t part, uint64_t whole)
{
	return part == WATCH_UNKNOWN || whole == WATCH_UNKNOWN || !whole ? (double)NAN : (double)part / (double)whole;
}

/* Anonymous and shared memory and what the kernel keeps; the working set where the parts are not known. */
static uint64_t hard_of(const struct watch_cgroup_sample *g)
{
	if (g->usage == WATCH_UNKNOWN || g->file == WATCH_UNKNOWN)
		return g->working_set;
	uint64_t shmem = g->shmem == WATCH_UNKNOWN ? 0 : num_min(g->shmem, g->file);
	uint64_t slab = g->slab_reclaimable == WATCH_UNKNOWN ? 0 : g->slab_reclaimable;
	return num_min(num_sub(num_sub(g->usage, g->file - shmem), slab), g->working_set);
}

static uint64_t private_of(const struct watch_process_sample *p)
{
	return p->rss == WATCH_UNKNOWN || p->shared == WATCH_UNKNOWN ? WATCH_UNKNOWN : num_sub(p->rss, p->shared);
}

/* What there would be if all that is left were taken. */
static uint64_t with_rest(uint64_t used, uint64_t available)
{
	return used == WATCH_UNKNOWN || available == WATCH_UNKNOWN ? WATCH_UNKNOWN : used + available;
}

static double less_cache(double share, double hard)
{
	return hard + CACHE_SLACK < share ? hard + CACHE_SLACK : share;
}

void look_pressure(struct alarm_look *l)
{
	uint64_t hard = hard_of(l->g), own = l->policy->limit;
	l->limit = own ? own : l->g->limit;
	l->used = l->g->working_set;
	l->machine = l->limit == WATCH_UNKNOWN;
	if (l->machine ||
	    l->used == WATCH_UNKNOWN) /* of this process alone: the rest of the machine is not its fault */
		l->used = hard = private_of(l->p);
	if (l->machine)
		l->limit = with_rest(l->used, l->g->available);
	l->share = ratio(l->used, l->limit);
	l->hard = ratio(hard, l->limit);
	l->pressure = less_cache(l->share, l->hard);
}

double alarm_share(const struct watch_cgroup_sample *g, uint64_t limit)
{
	uint64_t hard = hard_of(g), binds = limit ? limit : g->limit;
	if (binds != WATCH_UNKNOWN)
		return less_cache(ratio(g->working_set, binds), ratio(hard, binds));
	return ratio(hard, with_rest(hard, g->available));
}

void look_say_use(const struct alarm_look *l, char *buf, size_t len)
{
	char used[NUM_SIZE_LEN], limit[NUM_SIZE_LEN];
	const char *source = l->policy->limit ? "the policy's limit" : l->t->limit_source;
	if (isnan(l->share))
		snprintf(buf, len, "how much of which limit is in use is not known");
	else if (l->machine)
		snprintf(buf, len, "%s in use and %s left to the machine", num_size(l->used, used),
			 num_size(l->limit - l->used, limit));
	else
		snprintf(buf, len, "%s of %s in use (%.0f%%%s%.80s)", num_size(l->used, used),
			 num_size(l->limit, limit), 100 * l->share, source ? ", " : "", source ? source : "");
}

bool look_pressed(const struct alarm_look *l)
{
	return l->hard + CACHE_SLACK >= l->policy->warn;
}

bool look_at_ease(const struct alarm_look *l)
{
	return !l->machine && l->hard + CACHE_SLACK < l->policy->warn;
}

void alarm_say(struct alarm_verdict *v, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(v->evidence, sizeof(v->evidence), fmt, ap);
	va_end(ap);
}
