/* SPDX-License-Identifier: Apache-2.0 */
#include "sense/discover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "proc/opener.h"
#include "proc/pidfd.h"
#include "sense/text.h"

enum {
	LIST_EVERY = 30,   /* rounds between two lists of all, whatever loadavg says */
	PROBES_MAX = 1024, /* numbers asked for one by one; beyond, a list is cheaper */
	SETTLED = 8,	   /* rounds between two looks: by then a new process is in its place */
	TURNED_AWAY = 8,   /* rounds until one for which there was no room is looked at again */
	AGAIN_MAX =
		8, /* rounds until a process that is not watched is asked again what it runs: a script may become a server */
	HANGS = 64,    /* rounds until one whose executable could not be opened in time is looked at again, at first */
	HANGS_MAX = 6, /* times that this is doubled */
	WHOLE_EVERY = 8, /* of these one looks at all that rules ask for */
	LOADAVG_TEXT = 128,
	STATM_TEXT = 128,
	PATH_TEXT = 64,
};

static const int64_t YOUNG = INT64_C(4) * 1000 * 1000 * 1000;

/* ---- the list of those seen ---- */

static size_t position(const struct sense_seen_vec *seen, int pid)
{
	size_t low = 0, high = seen->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (seen->v[mid].pid < pid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void sense_forget_pid(struct sense *s, int pid)
{
	size_t at = position(&s->seen, pid);
	if (at < s->seen.n && s->seen.v[at].pid == pid)
		s->seen.v[at] = (struct sense_seen){ .pid = pid, .again = s->round, .step = 1 };
}

static struct sense_seen fresh(const struct sense *s, int pid)
{
	return (struct sense_seen){ .pid = pid, .again = s->round, .step = 1 };
}

/* Both are sorted. Those that are in `pids` no more are forgotten, but for targets, whose end is told by themselves. */
static void merge(struct sense *s, const struct tid_vec *pids, bool all)
{
	struct sense_seen_vec *to = &s->merged;
	to->n = 0;
	vec_reserve(to, s->seen.n + pids->n + 1);
	for (size_t i = 0, k = 0; i < s->seen.n || k < pids->n;) {
		int old = i < s->seen.n ? s->seen.v[i].pid : INT32_MAX, new = k < pids->n ? pids->v[k] : INT32_MAX;
		if (new < old)
			*vec_push(to) = fresh(s, new);
		else if (old == new || !all || s->seen.v[i].watched)
			*vec_push(to) = s->seen.v[i];
		i += old <= new;
		k += new <= old;
	}
	struct sense_seen_vec now = *to;
	s->merged = s->seen;
	s->seen = now;
}

/* The first process is there, as its number is, and its files are not: procfs hides what is of other users, capabilities or not. */
static bool hides(const struct sense *s)
{
	char text[PATH_TEXT];
	AUTO_CLOSE int first = s->own_procfs ? proc_pidfd_open(1) : -1;
	return first >= 0 && !sense_read_of(s, 1, "stat", text, sizeof(text));
}

static void list(struct sense *s, const struct sense_calls *calls)
{
	if (hides(s))
		sense_note(
			s, calls,
			"%s is mounted with hidepid, so processes of other users are hidden from the watch: mount it "
			"with gid= of a group that the watch is in (SupplementaryGroups= of its unit), or without "
			"hidepid",
			proc_opener_dir(s->procfs));
	struct tid_vec pids = { 0 };
	struct err *err AUTO(err) = proc_pids(s->procfs, &pids);
	if (err)
		sense_note(s, calls, "%s cannot be listed: %s", s->procfs, err_text(err));
	else
		merge(s, &pids, true);
	vec_deinit(&pids);
	s->full_round = s->round;
}

/* Numbers given out since; those of threads are not processes. */
static void probe(struct sense *s, uint64_t after, uint64_t until)
{
	struct tid_vec pids = { 0 };
	for (uint64_t pid = after + 1; pid <= until && pid <= INT32_MAX; pid++) {
		size_t at = position(&s->seen, (int)pid);
		if (at < s->seen.n && s->seen.v[at].pid == (int)pid)
			continue;
		AUTO_CLOSE int fd = proc_pidfd_open((pid_t)pid);
		if (fd >= 0)
			*vec_push(&pids) = (pid_t)pid;
	}
	if (pids.n)
		merge(s, &pids, false);
	vec_deinit(&pids);
}

/* After the numbers began again from below, any of those that we know may be another's. */
static void doubt_all(struct sense *s)
{
	for (size_t i = 0; i < s->seen.n; i++) {
		struct sense_seen *e = &s->seen.v[i];
		if (!e->watched)
			*e = fresh(s, e->pid);
	}
}

static void find_new(struct sense *s, const struct sense_calls *calls)
{
	char text[LOADAVG_TEXT];
	uint64_t last = 0, before = s->last_pid, older = s->older_pid;
	ssize_t n = s->own_procfs && s->loadavg >= 0 ? pread(s->loadavg, text, sizeof(text), 0) : -1;
	bool known = n > 0 && sense_text_last_pid(text, (size_t)n, &last);
	s->older_pid = before;
	s->last_pid = known ? last : 0;
	if (!known || !before || !older || last < before || before < older || last - older > PROBES_MAX ||
	    s->round - s->full_round >= LIST_EVERY) {
		list(s, calls);
		if (last < before)
			doubt_all(s);
		return;
	}
	/* Also what was new the last time: a number is given out some time before the process can be seen. */
	if (last != older)
		probe(s, older, last);
}

/* ---- one process ---- */

/* Of our own executable: only a rule that names it without a wildcard asks for it. */
static bool is_own(const struct sense *s, const struct proc_process *p, const struct sense_facts *f)
{
	if (p->exe_dev != s->own_dev || p->exe_inode != s->own_inode)
		return false;
	for (size_t i = 0; i < s->config->targets.n; i++) {
		const struct config_match *m = &s->config->targets.v[i];
		if (sense_match(m, f))
			return m->exclude || !m->name || strpbrk(m->name, "*?[");
	}
	return true;
}

static bool wanted(const struct sense *s, const struct sense_target *t)
{
	struct sense_facts f;
	sense_target_facts(t, &f);
	return sense_wanted(s->config, &f) && !is_own(s, &t->process, &f);
}

static bool is_full(struct sense *s, const struct sense_calls *calls)
{
	size_t open = s->targets.n * SENSE_FDS_OF_TARGET + s->groups.v.n * SENSE_FDS_OF_GROUP;
	bool short_of = open + SENSE_FDS_OF_TARGET + SENSE_FDS_OF_GROUP > s->descriptors;
	if (!short_of && s->targets.n < s->config->targets_max)
		return false;
	if (short_of)
		sense_note(s, calls,
			   "not all processes that rules name are watched, as there are descriptors for no more: raise "
			   "the limit of open files (LimitNOFILE)");
	else
		sense_note(s, calls, "%zu processes are watched, which is the most that targets_max allows",
			   s->targets.n);
	return true;
}

/*
 * Could it be wanted at all? Most processes are not Go, and a rule that asks for Go, or for another name, needs no look at
 * where they live.
 */
static bool may_be_wanted(const struct sense *s, const struct proc_process *p, const struct sense_program *program)
{
	bool is_go = program && program->is_go;
	bool only_excludes = true;
	for (size_t i = 0; i < s->config->targets.n; i++) {
		const struct config_match *m = &s->config->targets.v[i];
		only_excludes = only_excludes && m->exclude;
		struct config_match first = { .name = m->name, .go_only = m->go_only };
		struct sense_facts f = { .comm = p->comm, .is_go = is_go };
		if (!m->exclude && sense_match(&first, &f))
			return true;
	}
	return only_excludes && is_go;
}

static bool take(struct sense *s, struct proc_process *p, const struct sense_calls *calls)
{
	struct sense_program *program = sense_program_of(&s->programs, p);
	s->denied += p->exe < 0 && (p->exe_errno == EACCES || p->exe_errno == EPERM);
	bool may = may_be_wanted(s, p, program);
	s->turned_away = may && is_full(s, calls);
	if (!may || s->turned_away) {
		sense_program_unref(program);
		return false;
	}
	struct sense_target *t = sense_target_new(s, p, program);
	s->turned_away = !t;
	if (!t)
		return false;
	if (!wanted(s, t)) { /* before its cgroup is opened, as most are not */
		sense_target_free(s, t);
		return false;
	}
	(void)sense_target_place(s, t);
	t->index = s->targets.n;
	*vec_push(&s->targets) = t;
	if (calls->appeared)
		calls->appeared(calls->arg, t);
	return true;
}

/* Pages of its address space, which anybody may know; 0: it has none, or it is not known. */
static uint64_t size_of(const struct sense *s, int pid)
{
	char text[STATM_TEXT];
	struct sense_statm m;
	size_t n = sense_read_of(s, pid, "statm", text, sizeof(text));
	return n && sense_text_statm(text, n, &m) ? m.size : 0;
}

/*
 * The same program as when it was last looked at? Cheaper than opening it. Names and cgroups change without an exec, as a rule
 * soon after a fork. Whose executable may not be asked for has done no exec while its size is the same: asking the opener
 * costs as much as twenty such looks.
 */
static bool is_unchanged(const struct sense *s, const struct sense_seen *e)
{
	char path[PATH_TEXT];
	struct stat st;
	unsigned need = sense_rules_need(s->config);
	bool whole = (s->round / AGAIN_MAX + (unsigned)e->pid) % WHOLE_EVERY == 0;
	bool settled = e->step >= SETTLED && !whole;
	if (!e->exe || (need && !settled))
		return false;
	snprintf(path, sizeof(path), "%d/exe", e->pid);
	if (fstatat(s->proc_dir, path, &st, 0) == 0)
		return (uint32_t)st.st_ino == e->exe;
	return errno == EACCES && e->size && size_of(s, e->pid) == e->size;
}

static void put_off(const struct sense *s, struct sense_seen *e)
{
	e->again = s->round + e->step;
	e->step = (uint16_t)num_min(e->step * UINT64_C(2), AGAIN_MAX);
}

/* Known, or known not to be shown: not what fails for want of descriptors or memory, which may be there the next time. */
static bool is_exe_settled(const struct proc_process *p)
{
	return p->exe >= 0 || p->exe_errno == EACCES || p->exe_errno == EPERM;
}

/* The entry may move while its process is looked at, so it is written last. */
static void consider(struct sense *s, size_t i, const struct sense_calls *calls)
{
	struct sense_seen e = s->seen.v[i];
	if (is_unchanged(s, &e)) {
		put_off(s, &s->seen.v[i]);
		return;
	}
	e.size = size_of(s, e.pid); /* before, so that an exec meanwhile is found the next time */
	struct proc_process p AUTO(proc_process);
	struct err *err AUTO(err) = proc_process_open(s->procfs, e.pid, &p);
	e.never = !err && p.kernel_thread;
	e.exe = err || !is_exe_settled(&p) ? 0 : (uint32_t)p.exe_inode;
	s->turned_away = false;
	if (!err && !p.kernel_thread && p.state != 'Z' && p.state != 'X')
		e.watched = take(s, &p, calls);
	if (!err && p.exe_errno == ETIMEDOUT) { /* as will the next time, perhaps, and others wait behind it */
		e.step = (uint16_t)(HANGS << e.hangs);
		if (e.hangs < HANGS_MAX)
			e.hangs++;
	}
	if (s->turned_away) { /* there may be room soon, or descriptors */
		e.exe = 0;
		e.step = TURNED_AWAY;
	}
	put_off(s, &e);
	s->seen.v[i] = e;
}

static void consider_due(struct sense *s, const struct sense_calls *calls)
{
	s->denied = 0;
	for (size_t i = 0; i < s->seen.n; i++) {
		const struct sense_seen *e = &s->seen.v[i];
		if (!e->watched && !e->never && e->again <= s->round)
			consider(s, i, calls);
	}
	if (s->denied)
		sense_note(s, calls,
			   "the executables of some processes may not be looked at, so whether they are Go is not "
			   "known: it takes CAP_SYS_PTRACE, and a security module may still forbid it");
}

/* ---- those that are watched ---- */

/* Between fork and exec, and on the way into its cgroup, a process is not yet what it will be. */
static bool is_young(const struct sense_target *t)
{
	return sense_now() - t->seen_ns < YOUNG;
}

static void check_exec(struct sense *s, struct sense_target *t, const struct sense_calls *calls)
{
	bool young = is_young(t);
	bool became = (t->check_exec || young) && sense_target_exec(s, t);
	bool renamed = young && !became && sense_target_renamed(t); /* it was found within its exec */
	if ((became || renamed) && !wanted(s, t))
		t->ended = true; /* as far as we are concerned */
	else if (became && calls->became)
		calls->became(calls->arg, t);
}

static void follow(struct sense *s, const struct sense_calls *calls)
{
	for (size_t i = 0; i < s->targets.n; i++) {
		struct sense_target *t = s->targets.v[i];
		check_exec(s, t, calls);
		bool place = t->check_cgroup || is_young(t) || (t->group && t->group->dead);
		if (place && !t->ended && sense_target_place(s, t) && calls->moved)
			calls->moved(calls->arg, t);
	}
}

static void apply_configuration(struct sense *s, const struct sense_calls *calls)
{
	s->reconfigured = false;
	s->groups.config = s->config;
	sense_oom_open(s, calls);
	doubt_all(s);
	for (size_t i = 0; i < s->targets.n; i++) {
		struct sense_target *t = s->targets.v[i];
		t->ended = t->ended || !wanted(s, t);
	}
}

/* In a container. A limit that is not known may be nearer than what is told. */
static void say_hidden(struct sense *s, const struct sense_calls *calls)
{
	if (s->groups.invisible)
		sense_note(
			s, calls,
			"the memory cgroups of some processes are not visible from here, so their limits are not "
			"known, and what the machine has left counts instead: the host's cgroup file system, mounted "
			"here, would show them");
	for (size_t i = 0; i < s->groups.v.n; i++) {
		const struct sense_group *g = s->groups.v.v[i];
		if (g->beyond)
			sense_note(s, calls, "no cgroup above %s is visible from here: %s", g->path,
				   g->version == 1 ? "of theirs only the lowest limit is known, not how much of it is "
						     "in use"
						   : "limits of theirs are not known");
	}
}

void sense_discover(struct sense *s, const struct sense_calls *calls)
{
	sense_groups_sweep(&s->groups);
	sense_notes_flush(s, calls);
	s->round++;
	if (s->reconfigured)
		apply_configuration(s, calls);
	find_new(s, calls);
	consider_due(s, calls);
	follow(s, calls);
	sense_end_ended(s, calls);
	sense_oom_overdue(s, calls);
	say_hidden(s, calls);
	if (s->groups.unwatched)
		sense_note(
			s, calls,
			"changes of some cgroups are only seen by looking again, up to 2 s later: the user's share of "
			"inotify is used up (fs.inotify.max_user_watches, max_user_instances)");
}
