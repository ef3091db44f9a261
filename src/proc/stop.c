/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/stop.h"

#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"

enum { NOT_STOPPED = -1, YIELDS = 20 };

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Give way; after the first few rounds really sleep. */
static void pause_round(unsigned round)
{
	if (round < YIELDS)
		sched_yield();
	else
		nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
}

/* State letter of a thread, 0 when it is gone. */
static char thread_state(const struct proc_process *p, pid_t tid)
{
	char name[64];
	snprintf(name, sizeof(name), "task/%d/stat", tid);
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	struct err *err = proc_process_text(p, name, 4096, &text);
	struct proc_stat st = { .state = 0 };
	if (err || !proc_stat_parse(text.buf, text.len, &st))
		st.state = 0;
	err_free(err);
	return st.state;
}

static void forget(struct proc_stop *s, size_t i)
{
	s->tids.v[i] = s->tids.v[--s->tids.n];
	s->signals.v[i] = s->signals.v[--s->signals.n];
}

static struct err *refused(const struct proc_process *p)
{
	struct proc_status st;
	TRY(proc_status_read(p, &st));
	if (!st.tracer)
		return proc_process_denied(p, "stopping it", "CAP_SYS_PTRACE");
	return err_new(ERR_DENIED, "pid %d: it is being traced by pid %d already; end that first", p->pid, st.tracer);
}

/* Seize and interrupt one more thread. One that is exiting is none of ours: a success, nothing is added. */
static struct err *seize(const struct proc_process *p, pid_t tid, struct proc_stop *s)
{
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) {
		int os = errno;
		char state = '\0';
		if (os == EPERM)
			state = thread_state(p, tid);
		if (os == EPERM && state && state != 'Z' && state != 'X')
			return refused(p);
		return os == EPERM || os == ESRCH ? NULL : err_os(os, "pid %d: seizing thread %d", p->pid, tid);
	}
	if (!s->since)
		s->since = now_ns();
	*vec_push(&s->tids) = tid;
	*vec_push(&s->signals) = NOT_STOPPED;
	/* Fails only for a thread that has died; wait_for() will see that. */
	(void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
	return NULL;
}

static int by_id(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
	return x < y ? -1 : x > y;
}

static struct err *seize_new(const struct proc_process *p, struct proc_stop *s, size_t *added)
{
	struct tid_vec all = { 0 };
	struct err *err = proc_threads(p, &all);
	size_t before = s->tids.n;
	AUTO_FREE pid_t *known = xmalloc((before + 1) * sizeof(*known));
	if (before) {
		memcpy(known, s->tids.v, before * sizeof(*known));
		qsort(known, before, sizeof(*known), by_id);
	}
	for (size_t i = 0; !err && i < all.n; i++) {
		if (!bsearch(&all.v[i], known, before, sizeof(*known), by_id))
			err = seize(p, all.v[i], s);
	}
	*added = s->tids.n - before;
	vec_deinit(&all);
	return err;
}

/* Look once at threads that have not stopped yet; how many are left of them. */
static size_t collect(struct proc_stop *s)
{
	size_t running = 0;
	for (size_t i = 0; i < s->tids.n;) {
		int status = 0;
		if (s->signals.v[i] != NOT_STOPPED) {
			i++;
			continue;
		}
		pid_t got = waitpid(s->tids.v[i], &status, __WALL | WNOHANG);
		if ((got < 0 && errno != EINTR) || (got > 0 && !WIFSTOPPED(status))) {
			forget(s, i); /* it has exited */
			continue;
		}
		/*
		 * PTRACE_EVENT_STOP: our interrupt, or a group stop that was there before us; both go on by themselves
		 * after a detach. Any other stop is a signal on its way, which has to be handed on.
		 */
		if (got > 0)
			s->signals.v[i] = status >> 16 == PTRACE_EVENT_STOP ? 0 : WSTOPSIG(status);
		else
			running++;
		i++;
	}
	return running;
}

static bool wait_for(struct proc_stop *s, int64_t deadline)
{
	for (unsigned round = 0; collect(s) > 0; round++) {
		if (now_ns() >= deadline)
			return false;
		pause_round(round);
	}
	return true;
}

/* Hand the stopped ones back with their signals. */
static void detach_stopped(struct proc_stop *s)
{
	for (size_t i = 0; i < s->tids.n;) {
		int sig = s->signals.v[i];
		if (sig == NOT_STOPPED) {
			i++;
		} else if (ptrace(PTRACE_DETACH, s->tids.v[i], NULL, (void *)(intptr_t)sig) == 0) {
			forget(s, i);
		} else {
			/* Killed while we held it: unless we reap it, its parent will never hear of its end. */
			s->signals.v[i++] = NOT_STOPPED;
		}
	}
}

void proc_stop_release(struct proc_stop *s)
{
	detach_stopped(s);
	if (s->since && !s->stopped_ns)
		s->stopped_ns = now_ns() - s->since;
	int64_t deadline = now_ns() + PROC_STOP_GRACE_NS;
	for (unsigned round = 0; s->tids.n > 0; round++) {
		(void)collect(s);
		detach_stopped(s);
		if (!s->tids.n || now_ns() >= deadline)
			break;
		pause_round(round);
	}
	if (s->tids.n)
		return; /* latecomers: another call, or our end, lets them go */
	vec_deinit(&s->tids);
	vec_deinit(&s->signals);
}

static struct err *asleep(const struct proc_process *p, pid_t tid)
{
	return err_new(ERR_LIMIT,
		       "pid %d: thread %d is in uninterruptible sleep and cannot be stopped in time; try again or do "
		       "without a stop",
		       p->pid, tid);
}

/*
 * Wait until each thread that is in uninterruptible sleep (page I/O, vfork) was seen to have come out of it: those cannot be
 * stopped, so let none be. Not until none is at one moment: threads that map memory at the same time wait for each other
 * like this again and again.
 */
static struct err *wait_awake(const struct proc_process *p, int64_t deadline)
{
	struct tid_vec sleepers = { 0 };
	struct err *err = proc_threads(p, &sleepers);
	for (unsigned round = 0; !err; round++) {
		size_t left = 0;
		for (size_t i = 0; i < sleepers.n; i++) {
			if (thread_state(p, sleepers.v[i]) == 'D')
				sleepers.v[left++] = sleepers.v[i];
		}
		sleepers.n = left;
		if (!left)
			break;
		if (now_ns() >= deadline)
			err = asleep(p, sleepers.v[0]);
		else
			pause_round(round);
	}
	vec_deinit(&sleepers);
	return err;
}

static struct err *stop_threads(const struct proc_process *p, int64_t deadline, struct proc_stop *s)
{
	/*
	 * Done when passes find nothing new while all that we know stand still. Two of them, because a thread that exits
	 * during the listing makes the kernel skip another one.
	 */
	for (unsigned quiet = 0; quiet < 2;) {
		size_t added = 0;
		TRY(seize_new(p, s, &added));
		quiet = added ? 0 : quiet + 1;
		if (!wait_for(s, deadline)) {
			size_t i = 0;
			while (i + 1 < s->tids.n && s->signals.v[i] != NOT_STOPPED)
				i++;
			return asleep(p, s->tids.v[i]);
		}
		if (added && now_ns() >= deadline)
			return err_new(ERR_LIMIT, "pid %d: its %zu threads could not all be stopped in time", p->pid,
				       s->tids.n);
	}
	return s->tids.n ? NULL : proc_process_gone(p);
}

struct err *proc_stop_all(const struct proc_process *p, int64_t budget_ns, struct proc_stop *ret)
{
	*ret = (struct proc_stop){ 0 };
	if (p->kernel_thread)
		return proc_process_gone(p); /* which says what it is */
	TRY(wait_awake(p, now_ns() + budget_ns));
	struct err *err = stop_threads(p, now_ns() + budget_ns, ret);
	if (err)
		proc_stop_release(ret);
	return err;
}

#if defined(__x86_64__)
bool proc_stop_regs(pid_t tid, struct proc_regs *ret)
{
	struct user_regs_struct regs;
	struct iovec iov = { &regs, sizeof(regs) };
	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov) != 0 || iov.iov_len != sizeof(regs))
		return false; /* shorter: a 32-bit thread */
	*ret = (struct proc_regs){ regs.rip, regs.rsp, regs.rbp, regs.fs_base };
	return true;
}

bool proc_stop_user_regs(pid_t tid, uint64_t ret[PROC_USER_REGS], unsigned char fp[PROC_FP_REGS])
{
	struct iovec iov = { ret, sizeof(struct user_regs_struct) };
	_Static_assert(sizeof(struct user_regs_struct) == PROC_USER_REGS * sizeof(*ret), "registers of amd64");
	struct iovec fp_iov = { fp, PROC_FP_REGS };
	return ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov) == 0 &&
	       iov.iov_len == sizeof(struct user_regs_struct) &&
	       ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRFPREG, &fp_iov) == 0;
}
#elif defined(__aarch64__)
bool proc_stop_regs(pid_t tid, struct proc_regs *ret)
{
	struct user_regs_struct regs;
	struct iovec iov = { &regs, sizeof(regs) };
	uint64_t tls = 0;
	struct iovec tls_iov = { &tls, sizeof(tls) };
	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov) != 0 || iov.iov_len != sizeof(regs) ||
	    ptrace(PTRACE_GETREGSET, tid, (void *)NT_ARM_TLS, &tls_iov) != 0)
		return false;
	*ret = (struct proc_regs){ regs.pc, regs.sp, regs.regs[29], tls };
	return true;
}
#else
bool proc_stop_regs(pid_t tid, struct proc_regs *ret)
{
	*ret = (struct proc_regs){ 0 };
	return false;
}
#endif

#if !defined(__x86_64__)
bool proc_stop_user_regs(pid_t tid, uint64_t ret[PROC_USER_REGS], unsigned char fp[PROC_FP_REGS])
{
	return false;
}
#endif
