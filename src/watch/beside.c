/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/beside.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/num.h"
#include "format/parts.h"

enum { PASTS = sizeof(((struct watched *)NULL)->past) / sizeof(struct watch_past) };
static const int64_t APART = INT64_C(10) * 1000 * 1000 * 1000;
static const int64_t EACH = 10000000; /* the same answer for so long, for each target that was asked */
static const double LEAST = 0.02;     /* of the limit: less is no growth to explain */

static uint64_t source_of(const struct watched *w)
{
	const char *source = w->shown.limit_source ? w->shown.limit_source : "";
	return hash_bytes(source, strlen(source));
}

void beside_keep(struct watched *w, int64_t now)
{
	const struct watch_target *t = &w->shown;
	const struct watch_past *last = &w->past[0];
	if (last->source != source_of(w)) /* another level, or another file of it: nothing to compare with */
		memset(w->past, 0, sizeof(w->past));
	if (t->process.rss == WATCH_UNKNOWN || t->cgroup.working_set == WATCH_UNKNOWN ||
	    (last->time_ns && now - last->time_ns < APART))
		return;
	memmove(&w->past[1], &w->past[0], sizeof(w->past) - sizeof(w->past[0]));
	w->past[0] = (struct watch_past){ now, t->process.rss, t->cgroup.working_set, source_of(w) };
}

/* When the level had least, of what is kept: a kill, or a collection, may have been since. NULL: nothing is. */
static const struct watch_past *least(const struct watched *w)
{
	const struct watch_past *found = NULL;
	for (size_t i = 0; i < PASTS && w->past[i].time_ns; i++) {
		if (!found || w->past[i].level <= found->level)
			found = &w->past[i];
	}
	return found;
}

/* Since about then. Of one that came later it is all that it has; of one that was bound by another limit it is not known: 0. */
static uint64_t grown(const struct watched *w, int64_t after_ns)
{
	const struct watch_target *t = &w->shown;
	if (t->process.rss == WATCH_UNKNOWN)
		return 0;
	for (size_t i = 0; i < PASTS && w->past[i].time_ns; i++) {
		if (w->past[i].time_ns <= after_ns + APART / 2)
			return num_sub(t->process.rss, w->past[i].rss);
	}
	int64_t age = parts_now() - t->first_wall_ns;
	return age < t->process.time_ns - after_ns + APART / 2 ? t->process.rss : 0;
}

/* A policy's limit is of each process alone. */
static bool shares(const struct watched *a, const struct watched *b)
{
	const char *x = a->shown.limit_source, *y = b->shown.limit_source;
	return x && y && !a->policy->limit && !b->policy->limit && strcmp(x, y) == 0;
}

/* Whose it is, of what the level grew by since `was`. */
static void ask_all(const struct daemon *d, const struct watched *w, const struct watch_past *was, uint64_t all,
		    char buf[BESIDE_LEN])
{
	char size[NUM_SIZE_LEN];
	uint64_t sum = grown(w, was->time_ns), most = 0;
	const struct watched *who = NULL;
	for (size_t i = 0; i < d->targets.n; i++) {
		const struct watched *o = d->targets.v[i];
		uint64_t by = o == w || !shares(o, w) ? 0 : grown(o, was->time_ns);
		sum += by;
		who = by > most ? o : who;
		most = num_max(most, by);
	}
	unsigned seconds = (unsigned)((w->shown.process.time_ns - was->time_ns) / 1000000000);
	*buf = 0;
	if (who && most >= all / 2)
		(void)!snprintf(buf, BESIDE_LEN, "it was %.15s (pid %d), by %s in %u s, not this process",
				who->shown.comm, who->shown.id.pid, num_size(most, size), seconds);
	else if (sum < all / 4)
		(void)!snprintf(buf, BESIDE_LEN,
				"what grows is of no process that is watched: another's, tmpfs or the kernel's");
}

const char *beside_say(const struct daemon *d, struct watched *w, int64_t now)
{
	const struct watch_past *was = least(w);
	const struct watch_cgroup_sample *g = &w->shown.cgroup;
	if (!was || w->policy->limit || was->source != source_of(w) || g->limit == WATCH_UNKNOWN ||
	    g->working_set == WATCH_UNKNOWN || w->shown.process.rss == WATCH_UNKNOWN)
		return NULL;
	uint64_t all = num_sub(g->working_set, was->level);
	if ((double)all < LEAST * (double)g->limit || grown(w, was->time_ns) >= all / 2)
		return NULL;
	if (now >= w->beside.due_ns) {
		ask_all(d, w, was, all, w->beside.text);
		w->beside.due_ns = now + (int64_t)d->targets.n * EACH;
	}
	return *w->beside.text ? w->beside.text : NULL;
}
