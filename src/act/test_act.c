/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>

#include "act/act.h"
#include "fixture/ok.h"

struct seen {
	unsigned n, done;
	char text[200], reason[2][64];
};

static void see(void *arg, const struct act_outcome *o)
{
	struct seen *s = arg;
	if (s->n < 2)
		snprintf(s->reason[s->n], sizeof(s->reason[0]), "%s", o->reason ? o->reason : "");
	s->n++;
	s->done += o->done;
	snprintf(s->text, sizeof(s->text), "%s", o->text);
}

static struct act *start(struct spawner *sp)
{
	const struct spawner_part part = act_part();
	struct act *a = NULL;
	*sp = SPAWNER_NONE;
	ok(spawner_start(sp, &part, 1, 0));
	ok(act_start(sp, 0, &a));
	return a;
}

static bool fire(struct act *a, enum watch_state state, bool resolved)
{
	struct watch_target t = { .key = "1-2", .comm = "x", .state = state };
	snprintf(t.reason, sizeof(t.reason), resolved ? "over" : "full");
	watch_process_sample_init(&t.process);
	watch_cgroup_sample_init(&t.cgroup);
	struct watch_event e = { .kind = WATCH_EVENT_STATE, .text = "because" };
	return act_post(a, "p",
			&(struct act_order){ .incident = "i",
					     .alertname = "A",
					     .resolved = resolved,
					     .target = &t,
					     .event = resolved ? NULL : &e });
}

/* Until n outcomes have come, for at most ten seconds. */
static void wait_for(struct act *a, unsigned n, struct seen *s)
{
	for (unsigned i = 0; i < 100 && s->n < n; i++) {
		struct pollfd p = { .fd = act_fd(a), .events = POLLIN };
		poll(&p, 1, 100);
		act_dispatch(a, see, s);
	}
	assert_int_equal(s->n, n);
}

static const char *true_argv[] = { "/bin/true" };

static void a_state_is_told_once_and_its_outcome_comes_back(void **state)
{
	struct spawner sp;
	struct act *a = start(&sp);
	struct seen s = { 0 };
	struct config c = { 0 };
	struct config_policy *p = vec_push(&c.policies);
	p->name = "p";
	*vec_push(&p->actions) = (struct config_action){
		.kind = ACTION_COMMAND, .name = "true", .argv = { .v = true_argv, .n = 1 }, .timeout_ms = 10000
	};
	ok(act_configure(a, &c));
	assert_true(fire(a, WATCH_OK, true)); /* never told: nothing to end */
	assert_int_equal(act_waiting(a), 0);
	assert_true(fire(a, WATCH_WARNING, false));
	assert_true(fire(a, WATCH_WARNING, false));
	assert_true(fire(a, WATCH_OK, true));
	assert_int_equal(act_waiting(a), 2);
	wait_for(a, 2, &s);
	assert_int_equal(s.done, 2);
	assert_string_equal(s.reason[0], "full");
	assert_string_equal(s.reason[1], "over");
	assert_int_equal(act_waiting(a), 0);
	assert_int_equal(act_dropped(a), 0);
	assert_null(act_dead(a));
	act_stop(a);
	spawner_stop(&sp, ACT_GRACE_MS);
	vec_deinit(&p->actions);
	vec_deinit(&c.policies);
}

static void without_a_chain_there_is_nothing_to_do(void **state)
{
	struct spawner sp;
	struct act *a = start(&sp);
	struct config c = { 0 };
	struct strbuf problems;
	strbuf_init(&problems);
	ok(act_configure(a, &c));
	ok(act_rehearse(a, &problems));
	assert_string_equal(problems.buf, "");
	assert_true(fire(a, WATCH_WARNING, false));
	assert_int_equal(act_waiting(a), 0);
	act_stop(a);
	spawner_stop(&sp, ACT_GRACE_MS);
	strbuf_deinit(&problems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_is_told_once_and_its_outcome_comes_back),
		cmocka_unit_test(without_a_chain_there_is_nothing_to_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
