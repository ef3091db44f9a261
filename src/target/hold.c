/* SPDX-License-Identifier: Apache-2.0 */
#include "target/hold.h"

#include <stdio.h>
#include <time.h>

enum {
	STOP_TRIES = 3,
	RELEASE_NS = 2000000, /* kept back for letting go */
};

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void release(struct target_hold *h)
{
	proc_stop_release(&h->stop);
	proc_priority_restore(&h->priority);
	h->priority.raised = false;
}

static bool held_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct target_hold *h = (struct target_hold *)src;
	if (!h->late && now_ns() > h->deadline) {
		h->late = true;
		release(h);
	}
	return memsrc_read(h->under, addr, buf, len);
}

static const struct memsrc_ops held_ops = { .read = held_read };

static void begin(struct target *t, struct target_hold *h)
{
	*h = (struct target_hold){ .src = { &held_ops }, .under = t->mem, .target = t };
	proc_priority_raise(&h->priority);
}

/* Threads may all be waiting for a processor: give them a few more chances before doing without. */
struct err *target_hold(struct target *t, int64_t budget_ns, struct target_hold *h)
{
	struct err *err = NULL;
	begin(t, h);
	for (int i = 0; i < STOP_TRIES; i++) {
		err_free(err);
		err = proc_stop_all(&t->live->process, budget_ns / 2, &h->stop);
		if (!err || err_code(err) != ERR_LIMIT)
			break;
		proc_stop_release(&h->stop);
		if (h->stop.tids.n) /* latecomers are still ours: they must not be seized again */
			break;
	}
	h->deadline = h->stop.since + budget_ns - RELEASE_NS;
	if (!err)
		t->gort.src = &h->src;
	return err;
}

void target_run_ahead(struct target *t, int64_t budget_ns, struct target_hold *h)
{
	begin(t, h);
	h->deadline = now_ns() + budget_ns;
	t->gort.src = &h->src;
}

void target_let_go(struct target_hold *h)
{
	release(h);
	if (h->target->gort.src == &h->src)
		h->target->gort.src = h->under;
}

bool target_hold_exceeded(int64_t stopped_ns, int64_t budget_ns, char text[TARGET_HOLD_TEXT])
{
	static const double MS = 1e6;
	if (stopped_ns <= budget_ns)
		return false;
	snprintf(text, TARGET_HOLD_TEXT,
		 "the target was held for %.1f ms, longer than the budget of %g ms: a read, or a wait for a processor, "
		 "took that long",
		 (double)stopped_ns / MS, (double)budget_ns / MS);
	return true;
}
