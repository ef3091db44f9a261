/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_paths PID [-b BYTES] [-r]: the call path of each thread, for tests. Stops one thread after the other, gathers
 * what the probes in the kernel would hand over of it, and has it resolved. -b 0 copies no stack; -r repeats each resolve
 * and says what it costs.
 *
 * A line "thread TID FLAGS whole|partial", then a line a frame, innermost first: function, file and line by tabs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cursor.h"
#include "callpath/callpath.h"
#include "proc/process.h"

enum { FRAMES_MAX = 127, BYTES_MAX = 16384, REPEATS = 20000, CALLBACK_BYTES = 96 };

struct thread {
	int pid;
	const struct target *t;
	struct user_regs_struct regs;
	uint64_t user[FRAMES_MAX], go[FRAMES_MAX];
	unsigned char bytes[BYTES_MAX];
	struct callpath_raw raw;
	size_t copy;
};

static size_t copy_from(int pid, uint64_t addr, void *buf, size_t len)
{
	struct iovec local = { buf, len }, remote = { (void *)(uintptr_t)addr, len };
	ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	return n > 0 ? (size_t)n : 0;
}

static uint64_t word(const struct thread *th, uint64_t addr)
{
	uint64_t v = 0;
	return copy_from(th->pid, addr, &v, 8) == 8 ? v : 0;
}

static uint64_t field(const struct thread *th, uint64_t base, enum gort_field f)
{
	return base ? word(th, gort_at(th->t->gort.layout, base, f)) : 0;
}

struct bounds {
	uint64_t lo, hi;
	uint64_t left; /* the frame pointer that led out of them */
};

/* By frame pointers, upwards only; s->lo is above the last frame then. */
static size_t follow(const struct thread *th, uint64_t bp, struct bounds *s, uint64_t *ret, size_t n)
{
	s->left = bp;
	while (n < FRAMES_MAX && bp >= s->lo && bp + 16 <= s->hi && bp % 8 == 0) {
		uint64_t ra = word(th, bp + 8);
		if (!ra)
			break;
		ret[n++] = ra;
		s->lo = bp + 16;
		s->left = bp = word(th, bp);
	}
	return n;
}

/* Where the goroutine's stack goes on beyond a callback from C; 0: it does not. */
static uint64_t beyond_callback(const struct thread *th, const struct bounds *s, uint64_t mark)
{
	for (uint64_t at = s->lo; at < s->lo + CALLBACK_BYTES && at + 16 <= s->hi; at += 8) {
		uint64_t saved = word(th, at) == mark ? word(th, at + 8) : 0;
		if (saved)
			return saved > at && saved < s->hi ? at + 8 : 0;
	}
	return 0;
}

/* The goroutine below; true: it was called back from C. */
static bool follow_goroutine(struct thread *th, uint64_t curg)
{
	struct callpath_raw *raw = &th->raw;
	struct bounds s = { field(th, curg, GORT_g_stack_lo), field(th, curg, GORT_g_stack_hi), 0 };
	uint64_t at = field(th, curg, GORT_g_sched_bp), mark = field(th, curg, GORT_g_sched_pc);
	bool nested = false;
	while (at && raw->n_go < FRAMES_MAX) {
		th->go[raw->n_go++] = mark;
		raw->n_go = follow(th, at, &s, th->go, raw->n_go);
		at = beyond_callback(th, &s, mark);
		nested |= s.left != 0; /* to where a thread was in C */
	}
	return nested;
}

/* As stack.bpf.c does. */
static void gather(struct thread *th)
{
	const struct user_regs_struct *r = &th->regs;
	struct callpath_raw *raw = &th->raw;
	struct bounds own = { r->rsp, r->rsp + (256 << 20), 0 };
	uint64_t g = th->t->is_go && th->t->gort.layout ? word(th, r->fs_base - 8) : 0, m = field(th, g, GORT_g_m);
	uint64_t base = 0, curg = field(th, m, GORT_m_curg), lo = field(th, g, GORT_g_stack_lo);
	uint64_t hi = field(th, g, GORT_g_stack_hi);
	*raw = (struct callpath_raw){ .ip = r->rip, .sp = r->rsp, .bp = r->rbp, .regs = { r->rbx, r->r12, r->r13 } };
	raw->user = th->user;
	raw->go = th->go;
	raw->bytes = th->bytes;
	bool within = r->rsp >= lo && r->rsp < hi;
	if (within)
		own.hi = hi;
	raw->flags = within && curg == g ? CALLPATH_ON_GOROUTINE : CALLPATH_NO_GO;
	th->user[0] = r->rip;
	if (raw->flags & CALLPATH_NO_GO && curg && field(th, m, GORT_m_g0) == g) {
		raw->flags = CALLPATH_ON_SYSTEM;
		base = field(th, g, GORT_g_sched_sp);
		if (follow_goroutine(th, curg))
			base = own.hi;
	}
	raw->n_user = follow(th, r->rbp, &(struct bounds){ own.lo, own.hi, 0 }, th->user, 1);
	if (raw->flags & CALLPATH_ON_GOROUTINE)
		return;
	uint64_t len = (base > r->rsp ? base : own.hi) - r->rsp;
	raw->n_bytes = copy_from(th->pid, r->rsp, th->bytes, len < th->copy ? len : th->copy);
}

static bool stop(int tid, struct user_regs_struct *regs)
{
	int status = 0;
	return ptrace(PTRACE_SEIZE, tid, 0, 0) == 0 && ptrace(PTRACE_INTERRUPT, tid, 0, 0) == 0 &&
	       waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status) && ptrace(PTRACE_GETREGS, tid, 0, regs) == 0;
}

static double cpu_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void show(struct callpath *c, struct stacks *out, int tid, struct thread *th, bool repeat)
{
	bool whole = false;
	double start = cpu_us();
	uint32_t id = callpath_resolve(c, &th->raw, &whole);
	double first = cpu_us() - start;
	printf("thread %d %u %s bytes %zu go %zu user %zu\n", tid, th->raw.flags, whole ? "whole" : "partial",
	       th->raw.n_bytes, th->raw.n_go, th->raw.n_user);
	for (uint32_t i = 0; i < stacks_depth(out, id); i++) {
		const struct frame *f = stacks_at(out, id, i);
		printf("\t%s\t%s:%u%s\n", f->function, f->file, f->line, f->inlined ? "\tinlined" : "");
	}
	if (!repeat)
		return;
	start = cpu_us();
	for (int i = 0; i < REPEATS; i++)
		callpath_resolve(c, &th->raw, &whole);
	printf("cost %.1f us first, %.3f us again\n", first, (cpu_us() - start) / REPEATS);
}

static void each_thread(struct target *t, struct callpath *c, struct stacks *out, size_t copy, bool repeat)
{
	static struct thread th;
	struct tid_vec threads = { 0 };
	struct err *err AUTO(err) = proc_threads(&t->live->process, &threads);
	for (size_t i = 0; !err && i < threads.n; i++) {
		int tid = threads.v[i];
		th = (struct thread){ .pid = t->pid, .t = t, .copy = copy };
		bool stopped = stop(tid, &th.regs);
		if (stopped)
			gather(&th);
		ptrace(PTRACE_DETACH, tid, 0, 0);
		if (stopped)
			show(c, out, tid, &th, repeat);
	}
	vec_deinit(&threads);
}

int main(int argc, char **argv)
{
	size_t copy = BYTES_MAX;
	bool repeat = false;
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "-b") == 0 && i + 1 < argc)
			copy = strtoul(argv[++i], NULL, 10);
		repeat |= strcmp(argv[i], "-r") == 0;
	}
	AUTO(target) struct target t = { 0 };
	AUTO(callpath) struct callpath *c = NULL;
	struct stacks out;
	stacks_init(&out);
	struct err *err = target_open("/proc", argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0, &t);
	if (!err)
		err = target_attach(&t, NULL);
	if (!err)
		err = callpath_new(&t, &out, &c);
	if (!err)
		each_thread(&t, c, &out, copy, repeat);
	else
		fprintf(stderr, "watch_paths: %s\n", err_text(err));
	int rc = err ? 1 : 0;
	err_free(err);
	stacks_deinit(&out);
	return rc;
}
