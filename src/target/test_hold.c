/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <time.h>

#include "proc/test_child.h"
#include "target/hold.h"

#define MS INT64_C(1000000)

/* Memory that takes its time, and sees whether the target is held while it is read. */
struct slow {
	struct memsrc src; /* first */
	const struct proc_process *process;
	int64_t takes;
	bool held;
};

static bool is_held(const struct proc_process *p)
{
	struct proc_status st;
	ok(proc_status_read(p, &st));
	return st.tracer == getpid();
}

static bool slow_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct slow *s = (struct slow *)src;
	s->held = is_held(s->process);
	nanosleep(&(struct timespec){ .tv_nsec = s->takes }, NULL);
	memset(buf, 0, len);
	return true;
}

static const struct memsrc_ops slow_ops = { .read = slow_read };

static void nothing(void *layout, void *arg)
{
	*(char *)layout = 1;
}

struct fixture {
	pid_t pid;
	struct target_live live;
	struct target target;
	struct slow memory;
};

static void begin(struct fixture *f)
{
	char layout = '\0';
	*f = (struct fixture){ .pid = child_start(nothing, NULL, &layout, sizeof(layout)) };
	ok(proc_process_open("/proc", f->pid, &f->live.process));
	f->memory = (struct slow){ .src = { &slow_ops }, .process = &f->live.process };
	f->target.live = &f->live;
	f->target.mem = f->target.gort.src = &f->memory.src;
}

static void end(struct fixture *f)
{
	proc_process_close(&f->live.process);
	child_end(f->pid);
}

static void read_one(struct fixture *f)
{
	uint64_t word = 0;
	assert_true(memsrc_u64(f->target.gort.src, 8, &word));
}

/* Whatever the machine does: the deadline is over when the second read begins. */
static void the_first_read_past_the_deadline_lets_go(void **state)
{
	struct fixture f;
	struct target_hold h;
	int policy = sched_getscheduler(0);
	begin(&f);
	f.memory.takes = 600 * MS;
	ok(target_hold(&f.target, 500 * MS, &h));
	read_one(&f);
	bool first = f.memory.held, late = h.late;
	read_one(&f);
	assert_true(first || late); /* a machine that takes half a second between the two lines */
	assert_false(f.memory.held);
	assert_true(h.late);
	assert_true(h.stop.stopped_ns >= 500 * MS);
	assert_int_equal(sched_getscheduler(0), policy);
	read_one(&f); /* and from now on it runs */
	assert_false(f.memory.held);
	target_let_go(&h);
	assert_ptr_equal(f.target.gort.src, &f.memory.src);
	end(&f);
}

static void without_a_late_read_it_is_held_until_it_is_let_go(void **state)
{
	struct fixture f;
	struct target_hold h;
	begin(&f);
	ok(target_hold(&f.target, 60000 * MS, &h));
	read_one(&f);
	assert_true(f.memory.held);
	assert_true(is_held(&f.live.process));
	target_let_go(&h);
	assert_false(is_held(&f.live.process));
	assert_false(h.late);
	assert_true(h.stop.stopped_ns > 0);
	int64_t stopped = h.stop.stopped_ns;
	target_let_go(&h);
	assert_true(h.stop.stopped_ns == stopped);
	end(&f);
}

static void running_ahead_holds_nothing(void **state)
{
	struct fixture f;
	struct target_hold h;
	int policy = sched_getscheduler(0);
	begin(&f);
	target_run_ahead(&f.target, 60000 * MS, &h);
	read_one(&f);
	assert_false(f.memory.held);
	target_let_go(&h);
	assert_true(h.stop.stopped_ns == 0);
	assert_int_equal(sched_getscheduler(0), policy);
	end(&f);
}

static void a_stop_beyond_its_budget_is_told(void **state)
{
	char text[TARGET_HOLD_TEXT];
	assert_false(target_hold_exceeded(20 * MS, 20 * MS, text));
	assert_true(target_hold_exceeded(25 * MS + MS / 2, 20 * MS, text));
	assert_non_null(strstr(text, "held for 25.5 ms, longer than the budget of 20 ms"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_read_past_the_deadline_lets_go),
		cmocka_unit_test(without_a_late_read_it_is_held_until_it_is_let_go),
		cmocka_unit_test(running_ahead_holds_nothing),
		cmocka_unit_test(a_stop_beyond_its_budget_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
