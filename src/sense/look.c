/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "proc/pidfd.h"
#include "sense/discover.h"
#include "sense/parts.h"
#include "sense/text.h"

enum {
	PAGE = 4096,
	STATM_TEXT = 128,
	MEMINFO_TEXT = 4096,
	FDS_MAX = 4 << 20, /* fs.nr_open has no larger value in practice */
};

static const int64_t SECOND = INT64_C(1000) * 1000 * 1000;
static const int64_t ATTACH_BUDGET = INT64_C(100) * 1000 * 1000; /* of each second */
static const int64_t SCARCE_INTERVAL = INT64_C(100) * 1000 * 1000;
static const double SCARCE = 0.1; /* of the machine's memory: then what is left is asked for more often */

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

int64_t sense_now(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

/* ---- statm ---- */

static bool has_ended(const struct sense_target *t)
{
	return t->ended || (t->pidfd >= 0 && proc_pidfd_ended(t->pidfd));
}

static bool look_fast(struct sense_target *t, struct watch_process_sample *p)
{
	char text[STATM_TEXT];
	struct sense_statm m;
	ssize_t n = pread(t->statm, text, sizeof(text), 0);
	p->rss = p->shared = p->virtual_size = WATCH_UNKNOWN;
	if (n <= 0 && errno == ESRCH && t->pidfd < 0)
		t->ended = true;
	if (n <= 0 || !sense_text_statm(text, (size_t)n, &m) || !m.size) /* no memory any more: it is ending */
		return !has_ended(t);
	p->rss = m.resident * PAGE;
	p->shared = m.shared * PAGE;
	p->virtual_size = m.size * PAGE;
	t->check_exec = t->check_exec || p->virtual_size < t->size / 2;
	t->size = p->virtual_size;
	t->rss = p->rss;
	return true;
}

/* ---- the machine ---- */

static uint64_t kib(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	uint64_t value = 0;
	if (!at)
		return WATCH_UNKNOWN;
	at += strlen(key);
	at += strspn(at, " ");
	return num_dec(at, strspn(at, "0123456789"), &value) ? value << 10 : WATCH_UNKNOWN;
}

void sense_machine(struct sense *s, int64_t now_ns)
{
	char text[MEMINFO_TEXT];
	bool scarce = s->total != WATCH_UNKNOWN && (double)s->available < (double)s->total * SCARCE;
	int64_t age = now_ns - s->available_ns;
	if (s->available_ns && age >= 0 && age < (scarce ? SCARCE_INTERVAL : SECOND * 9 / 10))
		return;
	s->available_ns = now_ns;
	ssize_t n = s->meminfo < 0 ? -1 : pread(s->meminfo, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	s->available = kib(text, "MemAvailable:");
	s->total = kib(text, "MemTotal:");
	s->groups.machine = s->total;
}

static void look_at_group(struct sense *s, struct sense_target *t, int64_t now_ns, struct watch_cgroup_sample *g)
{
	sense_machine(s, now_ns);
	if (t->group) {
		sense_group_look(&s->groups, t->group, now_ns, g);
		t->check_cgroup = t->check_cgroup || t->group->dead;
		if (t->group->list)
			sense_oom_list(s, t->group, now_ns);
	} else {
		watch_cgroup_sample_init(g);
	}
	g->time_ns = now_ns;
	g->available = s->available;
	sense_tasks_look(t->tasks, now_ns, &g->pids, &g->pids_max);
}

/* ---- Go ---- */

static void forget_go(struct watch_process_sample *p)
{
	p->gc_count = p->heap_alloc = p->heap_objects = p->heap_goal = p->heap_marked = p->goroutines = WATCH_UNKNOWN;
	p->gc_pause_total_ns = p->gc_pause_last_ns = p->memory_limit = WATCH_UNKNOWN;
	p->gc_cpu_fraction = (double)NAN;
	p->gc_last_ns = 0;
}

static void say_refusal(struct sense *s, const struct sense_target *t)
{
	const struct sense_program *program = t->program;
	if (program->runtime == SENSE_RUNTIME_REFUSED)
		sense_note(s, NULL, "%s: Go's own figures are unknown: %s", t->exe ? t->exe : t->process.comm,
			   program->refusal);
}

/* Each attach takes some milliseconds. When there are many to do, they are spread: looks at others are not to be late. */
static bool may_attach(struct sense *s)
{
	int64_t now = sense_now();
	if (now - s->attach_window_ns >= SECOND || now < s->attach_window_ns) {
		s->attach_window_ns = now;
		s->attach_spent_ns = 0;
	}
	return s->attach_spent_ns < ATTACH_BUDGET;
}

static bool attach(struct sense *s, struct sense_target *t, int64_t now_ns)
{
	struct sense_program *program = t->program;
	if (program->runtime != SENSE_RUNTIME_UNTRIED)
		return program->runtime == SENSE_RUNTIME_KNOWN;
	if (now_ns < program->after_ns || !may_attach(s))
		return false;
	int64_t began = sense_now();
	err_free(sense_program_attach(program, s->procfs, t->id.pid)); /* gone: another process will tell */
	s->attach_spent_ns += sense_now() - began;
	program->after_ns = now_ns + (SECOND << program->tries);
	say_refusal(s, t);
	return program->runtime == SENSE_RUNTIME_KNOWN;
}

/* What fails for want of descriptors, or because nobody answers, is tried again. */
static void not_opened(struct sense *s, struct sense_target *t, const struct err *err, int64_t now_ns)
{
	t->peek_refused = err_code(err) == ERR_DENIED || err_code(err) == ERR_UNSUPPORTED;
	t->go_after_ns = now_ns + SECOND;
	if (!t->peek_refused || t->program->told_refusal)
		return;
	t->program->told_refusal = true;
	sense_note(s, NULL, "Go's own figures of %s are unknown: %s", t->exe ? t->exe : t->process.comm, err_text(err));
}

static bool open_memory(struct sense *s, struct sense_target *t, int64_t now_ns)
{
	if (t->has_peek || t->peek_refused || now_ns < t->go_after_ns)
		return t->has_peek;
	struct err *err AUTO(err) = NULL;
	if (!s->own_procfs)
		err = err_new(ERR_UNSUPPORTED,
			      "%s is of another pid namespace: the memory of its processes cannot be "
			      "named from here",
			      s->procfs);
	else
		err = proc_peek_open(&t->process, &t->peek);
	t->has_peek = !err && sense_program_bias(t->program, &t->process, &t->bias);
	if (!err && !t->has_peek)
		proc_peek_close(&t->peek);
	if (err)
		not_opened(s, t, err, now_ns);
	return t->has_peek;
}

static void look_at_go(struct sense *s, struct sense_target *t, int64_t now_ns, struct watch_process_sample *p)
{
	struct gort_quick_values v;
	forget_go(p);
	if (!t->program || !t->program->is_go || !open_memory(s, t, now_ns) || !attach(s, t, now_ns))
		return;
	bool known = gort_quick_read(&t->program->quick, t->bias, &t->peek.src, &t->quick, &v);
	t->check_exec = t->check_exec || t->peek.gone;
	if (!known)
		return;
	p->gc_count = v.gc_count;
	p->heap_alloc = v.heap_alloc;
	p->heap_objects = v.heap_objects;
	p->heap_goal = v.heap_goal;
	p->heap_marked = v.heap_marked;
	p->goroutines = v.goroutines;
	p->gc_pause_total_ns = v.gc_pause_total_ns;
	p->gc_pause_last_ns = v.gc_pause_last_ns;
	p->memory_limit = v.memory_limit >= INT64_MAX ? WATCH_UNKNOWN : v.memory_limit; /* there is none */
	p->gc_cpu_fraction = v.gc_cpu_fraction;
	/* The runtime's clock stands still while the machine sleeps, ours does not. */
	int64_t asleep = now_ns ? clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC) : 0;
	p->gc_last_ns = v.gc_last_monotonic_ns ? (int64_t)v.gc_last_monotonic_ns + asleep : 0;
}

/* ---- what is slow ---- */

/* The size of the directory is their number from 6.2 on. */
static uint64_t count_fds(const struct sense_target *t)
{
	struct stat st;
	if (fstatat(t->process.dir, "fd", &st, 0) == 0 && st.st_size > 0)
		return (uint64_t)st.st_size;
	int fd = proc_process_at(&t->process, "fd", O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return WATCH_UNKNOWN;
	uint64_t n = 0;
	for (struct dirent *e = readdir(d); e && n < FDS_MAX; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void look_slow(struct sense_target *t, struct watch_process_sample *p)
{
	struct proc_status st;
	struct err *err AUTO(err) = proc_status_read(&t->process, &st);
	p->threads = err ? WATCH_UNKNOWN : st.threads;
	p->swap = err ? WATCH_UNKNOWN : st.vm_swap;
	p->fds = count_fds(t);
	t->check_exec = t->check_exec || !t->has_peek; /* who peeks is told of an exec */
	t->check_cgroup = true;
}

bool sense_look(struct sense *s, struct sense_target *t, unsigned what, int64_t now_ns, struct watch_process_sample *p,
		struct watch_cgroup_sample *g)
{
	p->time_ns = now_ns;
	if (what & SENSE_FAST) {
		if (!look_fast(t, p))
			return false;
		look_at_group(s, t, now_ns, g);
	}
	if (what & SENSE_GO)
		look_at_go(s, t, now_ns, p);
	if (what & SENSE_SLOW)
		look_slow(t, p);
	return true;
}
