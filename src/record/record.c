/* SPDX-License-Identifier: Apache-2.0 */
#include "record/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "proc/cpu.h"
#include "proc/priority.h"
#include "proc/process.h"
#include "record/apply.h"
#include "record/duty.h"
#include "record/heap.h"
#include "record/members.h"
#include "record/probes.h"
#include "record/process.h"
#include "record/rows.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define DEFAULT_BUDGET 0.01

const char record_step_recording[] = "recording";

enum { RING_BYTES = 16 << 20 };

/* A window under way. */
struct run {
	struct record_watch w;
	struct record_duty duty;
	struct record_members members;
	bool probing, on; /* allocators are watched at all; now */
	bool paused;	  /* they were not, for a while */
	int64_t on_ns, phase_began;
	double cpu_on, cpu_all, spent_on; /* of the targets, ns: in phases, in all; by probes in phases */
	double cpu_mark, spent_mark;	  /* when the phase began */
	uint64_t peak;
	uint64_t faults_seen, lost_seen;
	int64_t faults_at;
	uint32_t period;
	int64_t next_second;
	uint64_t own_cpu; /* of ours, when the window began */
};

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

static int64_t wall_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

static void say(const struct run *run, const char *step)
{
	if (run->w.opt->progress)
		run->w.opt->progress(step);
}

static bool wants(const struct run *run, enum record_kind kind)
{
	return run->w.opt->wanted & 1u << kind;
}

/* ---- the clockwork ---- */

static double cpu_of_all(struct run *run)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < run->w.targets.n; i++) {
		struct record_target *t = run->w.targets.v[i];
		if (!t->over)
			proc_cpu_ns(t->pid, &t->cpu_last);
		sum += num_sub(t->cpu_last, t->cpu_began);
	}
	return (double)sum;
}

static double spent(const struct run *run, struct ebpf_stats *stats)
{
	ebpf_stats(run->w.e, stats);
	return record_probes_spent(&run->w, stats);
}

static struct record_duty_step step_of(struct run *run)
{
	struct ebpf_stats stats;
	return (struct record_duty_step){ now_ns(), (uint64_t)cpu_of_all(run), (uint64_t)spent(run, &stats) };
}

static void mark(struct run *run, unsigned kind, int64_t time)
{
	struct record_op op = { .time = time, .began = time, .kind = kind };
	record_order_add(&run->w.order, &op, record_apply_op, &run->w);
}

static void phase_begin(struct run *run)
{
	struct ebpf_stats stats;
	struct proc_priority priority;
	proc_priority_raise(&priority); /* each probe that goes on or off waits for a lock of the target */
	struct err *err AUTO(err) = ebpf_probes_on(run->w.e);
	proc_priority_restore(&priority);
	if (err) {
		record_note(run->w.r, "allocators were not watched: %s", err_text(err));
		run->w.r->partial = true;
		run->probing = false;
		return;
	}
	run->on = true;
	run->phase_began = now_ns();
	run->cpu_mark = cpu_of_all(run);
	run->spent_mark = spent(run, &stats);
	mark(run, RECORD_OP_ON, run->phase_began);
}

static void phase_end(struct run *run, int64_t time)
{
	struct ebpf_stats stats;
	if (!run->on)
		return;
	mark(run, RECORD_OP_OFF, time);
	run->on_ns += time - run->phase_began;
	struct proc_priority priority;
	proc_priority_raise(&priority);
	ebpf_probes_off(run->w.e);
	proc_priority_restore(&priority);
	run->cpu_on += cpu_of_all(run) - run->cpu_mark;
	run->spent_on += spent(run, &stats) - run->spent_mark;
	run->on = false;
}

/* A phase that ends and begins at once: what was lost, or could not be seen, makes a pause. */
static void phase_break(struct run *run)
{
	int64_t now = now_ns();
	mark(run, RECORD_OP_OFF, now);
	mark(run, RECORD_OP_ON, now);
}

/* Hears what is there, and enters it as far as its order is known. False: the probes are broken. */
static bool hear(struct run *run, int timeout_ms)
{
	const int64_t patience = 2 * SECOND; /* a call that began earlier and is not over is not waited for */
	int64_t settled = (int64_t)ebpf_settled(run->w.e);
	struct err *err AUTO(err) = ebpf_poll(run->w.e, timeout_ms, record_apply_event, &run->w);
	if (err) {
		record_note(run->w.r, "%s", err_text(err));
		run->w.r->partial = true;
		return false;
	}
	int64_t latest = now_ns() - patience;
	record_order_flush(&run->w.order, settled > latest ? settled : latest, record_apply_op, &run->w);
	return true;
}

/* ---- what is done now and then ---- */

/* Files that came while the window runs may have allocators, and code that is on call paths. */
static void look_at_files(struct run *run)
{
	size_t more = 0;
	for (size_t i = 0; i < run->w.targets.n; i++) {
		struct record_target *t = run->w.targets.v[i];
		if (!t->remap || t->over)
			continue;
		t->remap = false;
		callpath_remap(t->paths);
		more += record_probes_add(&run->w, t);
	}
	if (!more || !run->probing)
		return;
	phase_end(run, now_ns());
	struct err *err AUTO(err) = ebpf_probes_set(run->w.e, run->w.probes.v, run->w.probes.n);
	if (err)
		record_note(run->w.r, "an allocator that was loaded in the window is not watched: %s", err_text(err));
	phase_begin(run);
}

/* One of so many page faults, as the budget allows: a power of two. */
static void adapt_faults(struct run *run, const struct ebpf_stats *stats, int64_t now)
{
	static const double SAMPLE_NS = 2500; /* with a stack that is copied */
	double seconds = (double)(now - run->faults_at) / 1e9;
	if (!wants(run, RECORD_RESIDENT) || seconds < 0.2)
		return;
	double rate = (double)(stats->hits[EBPF_FAULT] - run->faults_seen) / seconds;
	double cpus = cpu_of_all(run) / (double)(now - run->w.began);
	double allowed = run->w.opt->budget / 2 * (cpus > RECORD_DUTY_IDLE ? cpus : RECORD_DUTY_IDLE) * 1e9 / SAMPLE_NS;
	uint32_t period = 1;
	while (rate / period > allowed && period < 1 << 20)
		period *= 2;
	run->faults_seen = stats->hits[EBPF_FAULT];
	run->faults_at = now;
	if (period == run->period)
		return;
	run->period = period;
	for (size_t i = 0; i < run->w.targets.n; i++) {
		struct record_target *t = run->w.targets.v[i];
		t->probe.fault_period = period;
		if (!t->over)
			err_free(ebpf_process_add(run->w.e, t->pid, &t->probe));
	}
}

static void add_point(struct run *run, int64_t now)
{
	struct record_point *p = vec_push(&run->w.r->series);
	p->t_ns = now - run->w.began;
	for (size_t i = 0; i < run->w.targets.n; i++) {
		struct record_target *t = run->w.targets.v[i];
		struct proc_status status = { 0 };
		struct err *err AUTO(err) = t->over ? err_gone() : proc_status_read(&t->t.live->process, &status);
		p->malloc_bytes += (int64_t)t->blocks.sums.bytes;
		if (err)
			continue;
		p->mapped_bytes += (int64_t)status.vm_size - (int64_t)t->vm_size;
		p->resident_bytes += status.vm_rss;
	}
	size_t peak = run->w.r->peak;
	if (run->w.r->series.n > 1 && p->mapped_bytes <= run->w.r->series.v[peak].mapped_bytes)
		return;
	run->w.r->peak = run->w.r->series.n - 1;
	for (size_t i = 0; i < run->w.targets.n; i++) {
		record_sums_peak(&run->w.targets.v[i]->ranges.sums);
		record_sums_peak(&run->w.targets.v[i]->blocks.sums);
	}
}

static void each_second(struct run *run, int64_t now)
{
	if (now < run->next_second)
		return;
	run->next_second += SECOND;
	say(run, record_step_recording);
	add_point(run, now);
	record_members_look(&run->members, &run->w);
}

static void watch_for_losses(struct run *run, const struct ebpf_stats *stats)
{
	uint64_t lost = stats->lost_of[EBPF_ALLOC] + stats->lost_of[EBPF_FREE] + stats->lost_of[EBPF_REALLOC];
	if (lost == run->lost_seen)
		return;
	run->lost_seen = lost;
	if (run->on)
		phase_break(run);
}

static bool all_over(const struct run *run)
{
	for (size_t i = 0; i < run->w.targets.n; i++)
		if (!run->w.targets.v[i]->over)
			return false;
	return true;
}

/* Until the deadline, an interrupt, or the end of all that is recorded. */
static void window(struct run *run, int64_t deadline)
{
	for (;;) {
		int64_t now = now_ns();
		bool interrupted = run->w.opt->interrupted && *run->w.opt->interrupted;
		if (now >= deadline || interrupted || (all_over(run) && !run->w.opt->cgroup))
			return;
		int64_t wait = run->paused && run->on ? 2 : run->paused ? 10 : 20;
		if (deadline - now < wait * MS)
			wait = (deadline - now) / MS + 1;
		if (!hear(run, (int)wait))
			return;
		struct ebpf_stats stats;
		struct record_duty_step step = step_of(run);
		ebpf_stats(run->w.e, &stats);
		look_at_files(run);
		watch_for_losses(run, &stats);
		adapt_faults(run, &stats, step.now);
		each_second(run, step.now);
		if (!run->probing)
			continue;
		bool want = record_duty_want(&run->duty, &step);
		if (run->on && !want)
			phase_end(run, now_ns());
		else if (!run->on && want)
			phase_begin(run);
		run->paused = run->paused || !want;
	}
}

/* ---- beginning and end ---- */

static unsigned ebpf_wanted(const struct run *run)
{
	unsigned wanted = EBPF_WANT_MAP;
	wanted |= wants(run, RECORD_RESIDENT) ? EBPF_WANT_FAULT : 0u;
	wanted |= wants(run, RECORD_MALLOC) ? EBPF_WANT_ALLOC : 0u;
	wanted |= wants(run, RECORD_GO) ? EBPF_WANT_GOALLOC : 0u;
	return wanted;
}

static struct err *add_processes(struct run *run)
{
	const struct record_options *opt = run->w.opt;
	struct err *first = NULL;
	for (size_t i = 0; i < opt->n_pids; i++) {
		struct err *err = record_process_add(&run->w, opt->pids[i]);
		if (!err)
			continue;
		if (opt->n_pids > 1)
			record_note(run->w.r, "not recorded: %s", err_text(err));
		if (first)
			err_free(err);
		else
			first = err;
	}
	if (run->w.targets.n) {
		err_free(first);
		return NULL;
	}
	return first ? first : err_new(ERR_NOT_FOUND, "there is no process to record");
}

static void prepare_probes(struct run *run)
{
	for (size_t i = 0; i < run->w.targets.n; i++) {
		struct record_target *t = run->w.targets.v[i];
		size_t found = record_probes_add(&run->w, t);
		bool may = !t->t.is_go || target_uses_cgo(&t->t);
		if (!found && may && wants(run, RECORD_MALLOC))
			record_note(run->w.r,
				    "pid %d: no C allocator was found in its files; one that is built in without "
				    "symbols cannot be seen",
				    t->pid);
	}
	struct err *err AUTO(err) =
		run->w.probes.n ? ebpf_probes_set(run->w.e, run->w.probes.v, run->w.probes.n) : NULL;
	if (err) {
		record_note(run->w.r, "allocators were not watched: %s", err_text(err));
		run->w.r->partial = true;
	}
	run->probing = run->w.probes.n && !err;
}

static void begin(struct run *run)
{
	for (size_t i = 0; i < run->w.targets.n; i++)
		if (run->probing && wants(run, RECORD_MALLOC))
			record_heap_read(run->w.targets.v[i], &run->w.targets.v[i]->heap_before);
	proc_cpu_ns(getpid(), &run->own_cpu);
	run->w.began = now_ns();
	run->w.r->start_wall_ns = wall_ns();
	run->next_second = run->w.began + SECOND;
	run->faults_at = run->w.began;
	for (size_t i = 0; i < run->w.targets.n; i++)
		record_process_begin(run->w.targets.v[i]);
	if (run->probing)
		phase_begin(run);
	run->duty = (struct record_duty){ .budget = run->w.opt->budget, .window = run->w.opt->window_ns };
	run->duty.random = (uint64_t)run->w.began;
	struct record_duty_step step = step_of(run);
	record_duty_begin(&run->duty, &step);
}

/* The last events of the window, and those in which the kernel's lists were read. */
static void drain(struct run *run)
{
	int64_t until = now_ns(), patience = until + SECOND / 2;
	while ((int64_t)ebpf_settled(run->w.e) < until && now_ns() < patience)
		if (!hear(run, 5))
			return;
	if (hear(run, 0))
		record_order_flush(&run->w.order, INT64_MAX, record_apply_op, &run->w);
}

/* The least CPU time of its own that the program can have had in phases, whose calls were seen. */
static double least_own_cpu(const struct run *run, double seen)
{
	static const double CALL_NS = 10; /* no allocator gives and takes back a block in less */
	double own = run->cpu_on - 2 * run->spent_on, least = seen * CALL_NS;
	return own > least ? own : least;
}

/*
 * How much further the program got in the window than in phases: by the clock, or by its CPU time. One that is held up by
 * probes gets along less in a phase than either says, by more than can be told: the upper bound takes that into account.
 */
static struct record_scale scale_of(struct run *run)
{
	struct ebpf_stats stats;
	if (!run->paused || run->on_ns <= 0 || run->cpu_on <= 0)
		return (struct record_scale){ 1, 1 };
	spent(run, &stats);
	double wall = (double)(run->w.end - run->w.began) / (double)run->on_ns, outside = run->cpu_all - run->cpu_on;
	double own = run->cpu_on - run->spent_on, floor = run->cpu_on / 20;
	double cpu = outside / (own > floor ? own : floor) + 1;
	double most = outside / least_own_cpu(run, (double)(stats.hits[EBPF_ALLOC] + stats.hits[EBPF_REALLOC]) + 1) + 1;
	double high = wall > cpu ? wall : cpu;
	return (struct record_scale){ (wall + cpu) / 2, high > most ? high : most };
}

static void end_target(struct run *run, struct record_target *t, const struct record_scale *scale)
{
	struct record_allocator *row = &run->w.r->processes.v[t->process].allocator;
	if (run->probing && wants(run, RECORD_MALLOC) && !t->over) {
		uint64_t gone = record_heap_confirm(t, &t->heap_after);
		t->confirmed = t->heap_after.known;
		if (gone && !t->blocks.paused)
			record_note(run->w.r, "pid %d: %llu blocks were freed without being seen", t->pid,
				    (unsigned long long)gone);
	}
	if (t->heap_before.name)
		row->name = arena_strdup(&run->w.r->arena, t->heap_before.name);
	if (t->heap_before.known && t->heap_after.known) {
		row->inuse_before = t->heap_before.inuse;
		row->inuse_after = t->heap_after.inuse;
		row->free_before = t->heap_before.free;
		row->free_after = t->heap_after.free;
	}
	if (!t->over)
		record_rows_compare(&run->w, t);
	record_rows_add(&run->w, t, scale);
}

static void note_losses(struct run *run, const struct ebpf_stats *stats)
{
	struct record *r = run->w.r;
	r->lost = stats->lost + run->w.order.forced;
	if (stats->lost) {
		r->partial = true;
		record_note(r, "%llu events did not fit into the buffers", (unsigned long long)stats->lost);
	}
	if (stats->refused)
		record_note(r, "%llu probes could not be placed", (unsigned long long)stats->refused);
	uint64_t own = 0;
	if (proc_cpu_ns(getpid(), &own) && (double)(own - run->own_cpu) > 0.1 * (double)r->window_ns)
		record_note(r, "ullage itself used %.1f s of CPU time", (double)(own - run->own_cpu) / 1e9);
}

static void sum_up(struct run *run)
{
	struct record *r = run->w.r;
	struct ebpf_stats stats;
	double cost = spent(run, &stats);
	r->window_ns = run->w.end - run->w.began;
	r->malloc_on_ratio = run->on_ns && r->window_ns ? (double)run->on_ns / (double)r->window_ns : 0;
	r->malloc_on_ratio = r->malloc_on_ratio > 1 ? 1 : r->malloc_on_ratio;
	r->fault_period = wants(run, RECORD_RESIDENT) ? run->period : 0;
	r->cpu_ratio = run->cpu_all > 0 ? cost / run->cpu_all : (double)NAN;
	r->have = run->w.opt->wanted;
	if (!run->probing)
		r->have &= ~(1u << RECORD_MALLOC | 1u << RECORD_GO);
	note_losses(run, &stats);
}

static void end(struct run *run)
{
	run->w.end = now_ns();
	for (size_t i = 0; i < run->w.targets.n; i++)
		if (!run->w.targets.v[i]->over)
			callpath_remap(run->w.targets.v[i]->paths);
	phase_end(run, run->w.end);
	run->cpu_all = cpu_of_all(run);
	drain(run);
	if (!run->w.r->series.n ||
	    run->w.end - run->w.began - run->w.r->series.v[run->w.r->series.n - 1].t_ns > SECOND / 4)
		add_point(run, run->w.end);
	say(run, "reading what is left");
	struct record_scale scale = scale_of(run);
	for (size_t i = 0; i < run->w.targets.n; i++)
		end_target(run, run->w.targets.v[i], &scale);
	record_rows_sort(run->w.r);
	sum_up(run);
}

static void run_free(struct run *run)
{
	ebpf_close(run->w.e);
	for (size_t i = 0; i < run->w.targets.n; i++)
		record_process_free(run->w.targets.v[i]);
	vec_deinit(&run->w.targets);
	vec_deinit(&run->w.probes);
	record_order_deinit(&run->w.order);
	record_members_deinit(&run->members);
}

static struct err *prepare(struct run *run)
{
	struct ebpf_options how = { ebpf_wanted(run), run->w.opt->ring_bytes ? run->w.opt->ring_bytes : RING_BYTES };
	say(run, "loading the probes");
	TRY(ebpf_open(&how, &run->w.e));
	TRY(add_processes(run));
	record_members_init(&run->members, &run->w);
	if (wants(run, RECORD_MALLOC) || wants(run, RECORD_GO))
		prepare_probes(run);
	TRY(ebpf_attach(run->w.e));
	begin(run);
	return NULL;
}

struct record_session {
	struct record_options own;
	struct run run;
};

static void session_free(struct record_session *s)
{
	run_free(&s->run);
	free(s);
}

struct err *record_begin(const struct record_options *opt, struct record *ret, struct record_session **session)
{
	struct record_session *s = xcalloc(1, sizeof(*s));
	s->own = *opt;
	s->own.budget = opt->budget > 0 ? opt->budget : DEFAULT_BUDGET;
	s->own.procfs = opt->procfs ? opt->procfs : "/proc";
	ret->wanted = s->own.wanted;
	s->run = (struct run){ .w = { .opt = &s->own, .r = ret, .began = INT64_MAX, .end = INT64_MAX } };
	struct err *err = prepare(&s->run);
	if (err)
		session_free(s);
	*session = err ? NULL : s;
	return err;
}

void record_step(struct record_session *s, int64_t until_ns)
{
	window(&s->run, until_ns);
	if (s->run.paused) /* nobody minds the cost until the next step */
		phase_end(&s->run, now_ns());
}

void record_end(struct record_session *s)
{
	end(&s->run);
	session_free(s);
}

struct err *record_run(const struct record_options *opt, struct record *ret)
{
	struct record_session *s = NULL;
	TRY(record_begin(opt, ret, &s));
	record_step(s, s->run.w.began + opt->window_ns);
	record_end(s);
	return NULL;
}
