/* SPDX-License-Identifier: Apache-2.0 */
#include "account/copy.h"

#include <time.h>

#include "proc/priority.h"
#include "proc/stop.h"

enum {
	LIVE_WALKS = 2,
	STOP_TRIES = 3,
	RELEASE_NS = 2000000, /* kept back for letting go */
	EXACT = 10000,	      /* a sum within 1/EXACT of the counter is as good as it gets */
};

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void copy_clear(struct copy *c)
{
	gort_heap_deinit(&c->heap);
	gort_goroutines_deinit(&c->gs);
	vec_deinit(&c->threads);
	c->have = false;
}

static struct err *copy_all(const struct gort *g, unsigned walks, struct copy *c)
{
	struct err *err = gort_heap_read(g, walks, &c->heap);
	if (!err)
		err = gort_goroutines_read(g, &c->gs);
	if (!err)
		err = gort_threads_read(g, &c->threads);
	if (!err && !gort_stats_read(g, &c->stats))
		err = err_new(ERR_FAULT, "the runtime's counters cannot be read");
	return err;
}

/*
 * The target's memory while it is held, or while we run ahead of others: the first read past the deadline ends both, and
 * reading goes on. So neither is ever longer than its budget and one read, whatever the size of the heap.
 */
struct held {
	struct memsrc src; /* first */
	struct memsrc *under;
	struct proc_stop stop;
	struct proc_priority priority;
	int64_t deadline;
	bool late;
};

static void let_go(struct held *h)
{
	proc_stop_release(&h->stop);
	proc_priority_restore(&h->priority);
}

static bool held_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct held *h = (struct held *)src;
	if (!h->late && now_ns() > h->deadline) {
		h->late = true;
		let_go(h);
	}
	return memsrc_read(h->under, addr, buf, len);
}

static const struct memsrc_ops held_ops = { .read = held_read };

static struct err *copy_through(struct target *t, struct held *h, unsigned walks, struct copy *c)
{
	t->gort.src = &h->src;
	struct err *err = copy_all(&t->gort, walks, c);
	t->gort.src = h->under;
	return err;
}

static struct err *copy_live(struct target *t, struct copy *c)
{
	struct held h = { .src = { &held_ops }, .under = t->mem, .deadline = now_ns() + COPY_AHEAD_NS };
	proc_priority_raise(&h.priority);
	struct err *err = copy_through(t, &h, LIVE_WALKS, c);
	let_go(&h);
	return err;
}

/* Threads may all be waiting for a processor: give them a few more chances before doing without. */
static struct err *hold(const struct target *t, int64_t budget, struct held *h)
{
	struct err *err = NULL;
	for (int i = 0; i < STOP_TRIES; i++) {
		err_free(err);
		err = proc_stop_all(&t->live->process, budget / 2, &h->stop);
		if (!err || err_code(err) != ERR_LIMIT)
			break;
		proc_stop_release(&h->stop);
		if (h->stop.tids.n) /* latecomers are still ours: they must not be seized again */
			break;
	}
	h->deadline = h->stop.since + budget - RELEASE_NS;
	return err;
}

/* One stop and one copy. Fails only when the target could not be stopped, or not be read at all. */
static struct err *copy_held(struct target *t, int64_t budget, struct held *h, struct copy *c)
{
	*h = (struct held){ .src = { &held_ops }, .under = t->mem };
	proc_priority_raise(&h->priority);
	struct err *err = hold(t, budget, h);
	if (!err)
		err = copy_through(t, h, 1, c);
	let_go(h);
	return err;
}

/*
 * A stop may fall between a span's change of state and the counter's: the sum is then off by that span. While the budget
 * lasts, a second stop a moment later is worth its while.
 */
static struct err *copy_stopped(struct target *t, int64_t budget, struct account *a, struct copy *c)
{
	struct held h;
	struct err *err = NULL;
	for (int i = 0; i < STOP_TRIES; i++) {
		copy_clear(c);
		err = copy_held(t, budget, &h, c);
		int64_t used = h.stop.stopped_ns;
		a->stopped_ns += used;
		budget -= used;
		if (err || h.late || c->heap.error_bound <= c->heap.heap_bytes / EXACT ||
		    budget < used + used / 2 + RELEASE_NS)
			break;
	}
	if (err) {
		account_note(a, "the target was not stopped: %s", err_text(err));
		err_free(err);
		copy_clear(c);
		return copy_live(t, c);
	}
	if (h.late)
		account_note(a, "the stop's budget was over before all was copied: the rest was read from the running "
				"target");
	return NULL;
}

struct err *copy_take(struct target *t, int64_t stop_budget_ns, struct account *a, struct copy *ret)
{
	*ret = (struct copy){ 0 };
	TRY(stop_budget_ns > 0 ? copy_stopped(t, stop_budget_ns, a, ret) : copy_live(t, ret));
	gort_heap_marks(&ret->heap);
	gort_goroutines_judge(&t->gort, &ret->gs);
	ret->have = true;
	return NULL;
}
