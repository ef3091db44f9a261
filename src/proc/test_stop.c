/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ptrace.h>

#include "proc/stop.h"
#include "proc/test_child.h"

#define MS INT64_C(1000000)

enum { THREADS = 20, STACK = 64 * 1024 };

/* In memory that we share with the child. */
struct shared {
	atomic_ulong ticks[THREADS], made, signals;
};

static struct shared *share(void)
{
	return mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void unshare_all(struct shared *s)
{
	munmap(s, sizeof(*s));
}

static void thread(void *(*run)(void *), void *arg)
{
	pthread_t t;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	while (pthread_create(&t, &attr, run, arg) != 0)
		sched_yield();
	pthread_attr_destroy(&attr);
}

static void *ticker(void *arg)
{
	atomic_ulong *ticks = arg;
	for (;;) {
		atomic_fetch_add(ticks, 1);
		if (*ticks % 64 == 0)
			usleep(50);
	}
	return NULL;
}

static void tickers_body(void *layout, void *arg)
{
	struct shared *s = arg;
	for (int i = 0; i < THREADS; i++)
		thread(ticker, &s->ticks[i]);
}

static unsigned long all_ticks(struct shared *s)
{
	unsigned long sum = s->made;
	for (int i = 0; i < THREADS; i++)
		sum += s->ticks[i];
	return sum;
}

static pid_t tracer_of(pid_t pid)
{
	struct proc_process p;
	struct proc_status st;
	ok(proc_process_open("/proc", pid, &p));
	ok(proc_status_read(&p, &st));
	proc_process_close(&p);
	return st.tracer;
}

static void expect_running(pid_t pid, struct shared *s)
{
	unsigned long before = all_ticks(s);
	for (int i = 0; i < 1000 && all_ticks(s) == before; i++)
		usleep(1000);
	assert_true(all_ticks(s) > before);
	assert_int_equal(tracer_of(pid), 0);
}

static void all_threads_stand_still_and_go_on(void **state)
{
	struct shared *s = share();
	char layout = 0;
	pid_t pid = child_start(tickers_body, s, &layout, 1);
	struct proc_process p;
	ok(proc_process_open("/proc", pid, &p));
	for (int round = 0; round < 10; round++) {
		struct proc_stop stop;
		ok(proc_stop_all(&p, 2000 * MS, &stop));
		assert_int_equal(stop.tids.n, THREADS + 1);
		unsigned long before = all_ticks(s);
		for (size_t i = 0; i < stop.tids.n; i++) {
			struct proc_regs regs;
			assert_true(proc_stop_regs(stop.tids.v[i], &regs));
			assert_true(regs.ip && regs.sp && regs.fs_base);
		}
		usleep(3000);
		assert_int_equal(all_ticks(s), before);
		proc_stop_release(&stop);
		assert_true(stop.stopped_ns >= 3 * MS);
		assert_int_equal(stop.tids.n, 0);
		proc_stop_release(&stop);
		expect_running(pid, s);
	}
	proc_process_close(&p);
	child_end(pid);
	unshare_all(s);
}

static void *short_lived(void *arg)
{
	struct shared *s = arg;
	atomic_fetch_add(&s->made, 1);
	return NULL;
}

static void *maker(void *arg)
{
	for (;;) {
		thread(short_lived, arg);
		usleep(20);
	}
	return NULL;
}

static void makers_body(void *layout, void *arg)
{
	for (int i = 0; i < 4; i++)
		thread(maker, arg);
}

static void threads_made_meanwhile_are_stopped_too(void **state)
{
	struct shared *s = share();
	char layout = 0;
	pid_t pid = child_start(makers_body, s, &layout, 1);
	struct proc_process p;
	ok(proc_process_open("/proc", pid, &p));
	for (int round = 0; round < 50; round++) {
		struct proc_stop stop;
		ok(proc_stop_all(&p, 2000 * MS, &stop));
		unsigned long before = all_ticks(s);
		struct tid_vec now = { 0 };
		ok(proc_threads(&p, &now));
		usleep(500);
		assert_int_equal(all_ticks(s), before);
		assert_true(now.n <= stop.tids.n);
		vec_deinit(&now);
		proc_stop_release(&stop);
		expect_running(pid, s);
	}
	proc_process_close(&p);
	child_end(pid);
	unshare_all(s);
}

static struct shared *in_handler; /* of the child */

static void count_signal(int sig)
{
	atomic_fetch_add(&in_handler->signals, 1);
}

static void handler_body(void *layout, void *arg)
{
	in_handler = arg;
	struct sigaction sa = { .sa_handler = count_signal };
	sigaction(SIGRTMIN, &sa, NULL);
	tickers_body(layout, arg);
}

static unsigned long send_signals(pid_t pid, unsigned n)
{
	unsigned long sent = 0;
	for (unsigned i = 0; i < n; i++) {
		sent += sigqueue(pid, SIGRTMIN, (union sigval){ .sival_int = 1 }) == 0;
		if (i % 8 == 0)
			usleep(100);
	}
	return sent;
}

static void *sender(void *arg)
{
	pid_t pid = *(pid_t *)arg;
	return (void *)(uintptr_t)send_signals(pid, 4000);
}

static void no_signal_is_lost(void **state)
{
	struct shared *s = share();
	char layout = 0;
	pid_t pid = child_start(handler_body, s, &layout, 1);
	struct proc_process p;
	ok(proc_process_open("/proc", pid, &p));
	pthread_t t;
	assert_int_equal(pthread_create(&t, NULL, sender, &pid), 0);
	unsigned caught = 0;
	unsigned long sent = 0;
	for (int round = 0; round < 100; round++) {
		struct proc_stop stop;
		ok(proc_stop_all(&p, 2000 * MS, &stop));
		for (size_t i = 0; i < stop.signals.n; i++)
			caught += stop.signals.v[i] > 0;
		sent += send_signals(pid, 1);
		proc_stop_release(&stop);
		usleep(300);
	}
	void *from_thread = NULL;
	pthread_join(t, &from_thread);
	sent += (unsigned long)(uintptr_t)from_thread;
	for (int i = 0; i < 2000 && s->signals < sent; i++)
		usleep(1000);
	assert_int_equal(s->signals, sent);
	print_message("%u signals were on their way at a stop\n", caught);
	proc_process_close(&p);
	child_end(pid);
	unshare_all(s);
}

static char state_of(pid_t pid)
{
	struct proc_process p;
	ok(proc_process_open("/proc", pid, &p));
	char state = p.state;
	proc_process_close(&p);
	return state;
}

static void a_stopped_process_stays_stopped(void **state)
{
	struct shared *s = share();
	char layout = 0;
	pid_t pid = child_start(tickers_body, s, &layout, 1);
	struct proc_process p;
	int status = 0;
	ok(proc_process_open("/proc", pid, &p));
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	struct proc_stop stop;
	ok(proc_stop_all(&p, 2000 * MS, &stop));
	proc_stop_release(&stop);
	usleep(20000);
	assert_int_equal(state_of(pid), 'T');
	unsigned long before = all_ticks(s);
	usleep(5000);
	assert_int_equal(all_ticks(s), before);
	assert_int_equal(waitpid(pid, &status, WUNTRACED | WCONTINUED | WNOHANG), 0); /* its parent saw nothing */
	kill(pid, SIGCONT);
	expect_running(pid, s);
	proc_process_close(&p);
	child_end(pid);
	unshare_all(s);
}

static void another_tracer_is_named(void **state)
{
	struct shared *s = share();
	char layout = 0;
	pid_t pid = child_start(tickers_body, s, &layout, 1);
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t tracer = fork();
	if (tracer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 && write(ends[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	char c = 0;
	assert_int_equal(read(ends[0], &c, 1), 1);
	close(ends[0]);
	close(ends[1]);
	struct proc_process p;
	struct proc_stop stop;
	ok(proc_process_open("/proc", pid, &p));
	struct err *err = proc_stop_all(&p, 100 * MS, &stop);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_DENIED);
	AUTO_FREE char *who = xasprintf("traced by pid %d", tracer);
	assert_non_null(strstr(err_text(err), who));
	err_free(err);
	proc_stop_release(&stop);
	child_end(tracer);
	expect_running(pid, s);
	proc_process_close(&p);
	child_end(pid);
	unshare_all(s);
}

/* A parent of its own for the target, which tells how that ended. */
static void parent_body(void *layout, void *arg)
{
	pid_t *out = layout;
	int *status_pipe = arg;
	*out = fork();
	if (*out == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		struct shared *s = share();
		char none = 0;
		tickers_body(&none, s);
		for (;;)
			pause();
	}
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return; /* hands the pid on and sleeps, while its parent waits */
	}
	int status = 0;
	if (waitpid(*out, &status, 0) == *out && write(status_pipe[1], &status, sizeof(status)) > 0)
		_exit(0);
	_exit(1);
}

static void death_while_stopped_reaches_the_parent(void **state)
{
	int ends[2], status = 0;
	pid_t pid = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t parent = child_start(parent_body, ends, &pid, sizeof(pid));
	struct proc_process p;
	struct proc_stop stop;
	ok(proc_process_open("/proc", pid, &p));
	ok(proc_stop_all(&p, 2000 * MS, &stop));
	kill(pid, SIGKILL);
	usleep(5000);
	proc_stop_release(&stop);
	assert_int_equal(stop.tids.n, 0);
	/* We are alive, and traced it: its parent must hear of it all the same. */
	assert_int_equal(read(ends[0], &status, sizeof(status)), sizeof(status));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	close(ends[0]);
	close(ends[1]);
	not_ok(ERR_GONE, proc_stop_all(&p, 100 * MS, &stop));
	proc_process_close(&p);
	assert_int_equal(waitpid(parent, &status, 0), parent);
}

/* A thread in vfork(2) sleeps uninterruptibly until its child ends. */
struct vforks {
	struct shared *shared;
	useconds_t each, pause;
	atomic_bool once;
};

static void *vforker(void *arg)
{
	struct vforks *v = arg;
	do {
		pid_t pid = vfork();
		if (pid == 0) {
			usleep(v->each);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		atomic_fetch_add(&v->shared->made, 1);
		usleep(v->pause);
	} while (!v->once);
	return NULL;
}

static void vforks_body(void *layout, void *arg)
{
	struct vforks *v = arg;
	for (int i = 0; i < 3; i++)
		thread(vforker, v);
	usleep(20000);
}

static struct vforks *vforks(useconds_t each, useconds_t pause, bool once)
{
	struct vforks *v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*v = (struct vforks){ .shared = share(), .each = each, .pause = pause, .once = once };
	return v;
}

static void uninterruptible_sleep_is_waited_for_or_told(void **state)
{
	struct vforks *v = vforks(400000, 100, true);
	char layout = 0;
	pid_t pid = child_start(vforks_body, v, &layout, 1);
	struct proc_process p;
	struct proc_stop stop;
	ok(proc_process_open("/proc", pid, &p));
	not_ok(ERR_LIMIT, proc_stop_all(&p, 20 * MS, &stop));
	assert_int_equal(stop.since, 0); /* nothing was stopped for it */
	assert_int_equal(tracer_of(pid), 0);
	ok(proc_stop_all(&p, 5000 * MS, &stop));
	proc_stop_release(&stop);
	while (v->shared->made < 3) /* all three go on, or the test's time runs out */
		usleep(1000);
	assert_int_equal(tracer_of(pid), 0);
	proc_process_close(&p);
	child_end(pid);
	unshare_all(v->shared);
	munmap(v, sizeof(*v));
}

static unsigned count_traced(const struct proc_process *p)
{
	struct tid_vec tids = { 0 };
	ok(proc_threads(p, &tids));
	unsigned traced = 0;
	for (size_t i = 0; i < tids.n; i++) {
		AUTO_FREE char *name = xasprintf("task/%d/status", tids.v[i]);
		AUTO_CLOSE int fd = openat(p->dir, name, O_RDONLY | O_CLOEXEC);
		struct proc_status st = { 0 };
		if (fd >= 0)
			ok(proc_status_parse(fd, &st));
		traced += st.tracer != 0;
	}
	vec_deinit(&tids);
	return traced;
}

static void too_short_a_budget_leaves_nothing_behind(void **state)
{
	struct vforks *v = vforks(2000, 3000, false);
	char layout = 0;
	pid_t pid = child_start(vforks_body, v, &layout, 1);
	struct proc_process p;
	ok(proc_process_open("/proc", pid, &p));
	unsigned stopped = 0;
	for (int round = 0; round < 200; round++) {
		struct proc_stop stop;
		struct err *err = proc_stop_all(&p, MS / 2, &stop);
		if (err)
			assert_int_equal(err_code(err), ERR_LIMIT);
		else
			stopped++;
		err_free(err);
		proc_stop_release(&stop);
		assert_int_equal(stop.tids.n, 0);
		assert_int_equal(count_traced(&p), 0);
		usleep(500);
	}
	print_message("%u of 200 stops were in time\n", stopped);
	expect_running(pid, v->shared);
	proc_process_close(&p);
	child_end(pid);
	unshare_all(v->shared);
	munmap(v, sizeof(*v));
}

static void what_cannot_be_stopped_says_so(void **state)
{
	struct proc_process p;
	struct proc_stop stop;
	struct err *err = proc_process_open("/proc", 2, &p);
	if (!err && p.kernel_thread)
		not_ok(ERR_UNSUPPORTED, proc_stop_all(&p, 100 * MS, &stop));
	if (!err)
		proc_process_close(&p);
	err_free(err);
	pid_t zombie = fork();
	if (zombie == 0)
		_exit(0);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT), 0);
	ok(proc_process_open("/proc", zombie, &p));
	assert_int_equal(p.state, 'Z');
	not_ok(ERR_UNSUPPORTED, proc_stop_all(&p, 100 * MS, &stop));
	proc_process_close(&p);
	assert_int_equal(waitpid(zombie, NULL, 0), zombie);
	struct proc_regs regs;
	assert_false(proc_stop_regs(getpid(), &regs));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_threads_stand_still_and_go_on),
		cmocka_unit_test(threads_made_meanwhile_are_stopped_too),
		cmocka_unit_test(no_signal_is_lost),
		cmocka_unit_test(a_stopped_process_stays_stopped),
		cmocka_unit_test(another_tracer_is_named),
		cmocka_unit_test(death_while_stopped_reaches_the_parent),
		cmocka_unit_test(uninterruptible_sleep_is_waited_for_or_told),
		cmocka_unit_test(too_short_a_budget_leaves_nothing_behind),
		cmocka_unit_test(what_cannot_be_stopped_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
