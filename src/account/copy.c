/* SPDX-License-Identifier: Apache-2.0 */
#include "account/copy.h"

#include "target/hold.h"

enum {
	LIVE_WALKS = 2,
	STOP_TRIES = 3,
	WORTH_NS = 2000000, /* a second stop takes at least that much more */
	EXACT = 10000,	    /* a sum within 1/EXACT of the counter is as good as it gets */
};

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

static struct err *copy_live(struct target *t, struct copy *c)
{
	struct target_hold h;
	target_run_ahead(t, COPY_AHEAD_NS, &h);
	struct err *err = copy_all(&t->gort, LIVE_WALKS, c);
	target_let_go(&h);
	return err;
}

/* One stop and one copy. Fails only when the target could not be stopped, or not be read at all. */
static struct err *copy_held(struct target *t, int64_t budget, struct target_hold *h, struct copy *c)
{
	struct err *err = target_hold(t, budget, h);
	if (!err)
		err = copy_all(&t->gort, 1, c);
	target_let_go(h);
	return err;
}

/*
 * A stop may fall between a span's change of state and the counter's: the sum is then off by that span. While the budget
 * lasts, a second stop a moment later is worth its while.
 */
static struct err *copy_stopped(struct target *t, int64_t budget, struct account *a, struct copy *c)
{
	struct target_hold h;
	struct err *err = NULL;
	char text[TARGET_HOLD_TEXT];
	int64_t whole = budget;
	for (int i = 0; i < STOP_TRIES; i++) {
		copy_clear(c);
		err = copy_held(t, budget, &h, c);
		int64_t used = h.stop.stopped_ns;
		a->stopped_ns += used;
		budget -= used;
		if (err || h.late || c->heap.error_bound <= c->heap.heap_bytes / EXACT ||
		    budget < used + used / 2 + WORTH_NS)
			break;
	}
	if (target_hold_exceeded(a->stopped_ns, whole, text))
		account_note(a, "%s", text);
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
