/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proc/cgplace.h"
#include "proc/pidfd.h"
#include "sense/parts.h"

static const int64_t EXEC_LASTS = INT64_C(20) * 1000 * 1000;

enum {
	CGROUP_TEXT = 64 * 1024,
	STAT_TEXT = 4096,
	PF_EXITING = 0x4, /* among the flags of stat */
};

void sense_target_facts(const struct sense_target *t, struct sense_facts *ret)
{
	*ret = (struct sense_facts){ t->process.comm, t->exe,	    t->cgroup_path,
				     t->unit,	      t->container, t->program && t->program->is_go };
}

/* ---- identity ---- */

static void read_exe(struct sense_target *t)
{
	static const char deleted[] = " (deleted)";
	const size_t cut = sizeof(deleted) - 1;
	char *path = NULL;
	err_free(proc_process_link(&t->process, "exe", &t->arena, &path));
	size_t len = path ? strlen(path) : 0;
	if (len > cut && !strcmp(path + len - cut, deleted))
		path[len - cut] = 0;
	t->exe = path;
}

/* The hierarchy of memory is where limits are; where systemd keeps units apart, that one names them. */
static void read_names(struct sense_target *t, const char *text)
{
	static const char *const controllers[] = { "memory", "name=systemd" };
	t->cgroup_path = t->unit = t->container = NULL;
	for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
		struct cgplace place;
		proc_cgplace_find(text, controllers[i], &t->arena, &place);
		if (!place.version)
			continue;
		t->cgroup_path = t->cgroup_path ? t->cgroup_path : place.path;
		t->unit = t->unit ? t->unit : sense_unit_of(place.path, &t->arena);
		t->container = t->container ? t->container : sense_container_of(place.path, &t->arena);
	}
}

/* All strings anew. */
static void read_identity(struct sense_target *t, const char *cgroup_text)
{
	/* Those that were lent stay until they are asked for again: its end may be what comes next. */
	struct arena *old = t->lent ? &t->lent_arena : &t->arena;
	arena_deinit(old);
	if (t->lent)
		t->lent_arena = t->arena;
	t->lent = false;
	arena_init(&t->arena);
	read_exe(t);
	read_names(t, cgroup_text);
}

static const struct sense_target *neighbour(const struct sense *s, const struct sense_target *t)
{
	for (size_t i = 0; i < s->targets.n; i++) {
		const struct sense_target *other = s->targets.v[i];
		if (other != t && other->cgroup_hash == t->cgroup_hash && other->group && !other->group->dead)
			return other;
	}
	return NULL;
}

bool sense_target_is_exiting(const struct sense_target *t)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	struct proc_stat st;
	struct err *err AUTO(err) = proc_process_text(&t->process, "stat", STAT_TEXT, &text);
	return err || (proc_stat_parse(text.buf, text.len, &st) && st.flags & PF_EXITING);
}

bool sense_target_place(struct sense *s, struct sense_target *t)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	t->check_cgroup = false;
	err_free(proc_process_text(&t->process, "cgroup", CGROUP_TEXT, &text));
	uint64_t hash = hash_bytes(text.buf, text.len);
	bool dead = t->group && t->group->dead;
	if (!text.len || (hash == t->cgroup_hash && !dead))
		return false;
	if (sense_target_is_exiting(t)) /* v1 shows it in the root by now: not where it was */
		return false;
	bool first = !t->cgroup_hash;
	t->cgroup_hash = hash;
	read_identity(t, text.buf);
	struct sense_group *before = t->group;
	struct sense_tasks *tasks_before = t->tasks;
	const struct sense_target *other = neighbour(s, t);
	t->tasks = other ? sense_tasks_join(other->tasks) : NULL;
	t->group = other ? sense_group_join(other->group)
			 : sense_group_of(&s->groups, &t->process, s->mountinfo, &t->tasks);
	sense_tasks_leave(&s->groups.tasks, tasks_before);
	sense_group_leave(&s->groups, before);
	return !first && (t->group != before || dead);
}

/* ---- beginning and end ---- */

static bool open_files(struct sense *s, struct sense_target *t)
{
	/* In this order: a file that can be opened below its directory proves that the process lived after the pidfd was made. */
	t->pidfd = s->own_procfs ? proc_pidfd_open(t->process.pid) : -1;
	t->statm = openat(t->process.dir, "statm", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (t->statm < 0 || (s->own_procfs && t->pidfd < 0))
		return false;
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &t->source };
	return t->pidfd < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, t->pidfd, &ev) == 0;
}

static void close_exe(struct proc_process *p)
{
	if (p->exe >= 0)
		close(p->exe);
	p->exe = -1;
}

static int64_t wall_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct sense_target *sense_target_new(struct sense *s, struct proc_process *process, struct sense_program *program)
{
	struct sense_target *t = xcalloc(1, sizeof(*t));
	*t = (struct sense_target){
		.source = SENSE_SOURCE_TARGET,
		.id = { process->pid, process->start_ticks, 0 },
		.process = *process,
		.program = program,
		.first_wall_ns = wall_now(),
		.seen_ns = sense_now(),
		.check_exec = true,
	};
	*process = (struct proc_process){ .dir = -1, .exe = -1 };
	arena_init(&t->arena);
	arena_init(&t->lent_arena);
	snprintf(t->key, sizeof(t->key), "%d-%llu", t->id.pid, (unsigned long long)t->id.start_ticks);
	close_exe(&t->process);
	if (!open_files(s, t)) {
		sense_target_free(s, t);
		return NULL;
	}
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	err_free(proc_process_text(&t->process, "cgroup", CGROUP_TEXT, &text));
	read_identity(t, text.buf);
	return t;
}

static void drop_memory(struct sense_target *t)
{
	if (t->has_peek)
		proc_peek_close(&t->peek);
	t->has_peek = t->peek_refused = false;
	t->quick = (struct gort_quick_state){ 0 };
	t->go_after_ns = 0;
}

void sense_target_free(struct sense *s, struct sense_target *t)
{
	drop_memory(t);
	proc_process_close(&t->process);
	if (t->statm >= 0)
		close(t->statm);
	if (t->pidfd >= 0) {
		/* While a child of ours has it too, closing it does not take it out. */
		(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, t->pidfd, NULL);
		close(t->pidfd);
	}
	sense_program_unref(t->program);
	sense_group_leave(&s->groups, t->group);
	sense_tasks_leave(&s->groups.tasks, t->tasks);
	arena_deinit(&t->arena);
	arena_deinit(&t->lent_arena);
	free(t);
}

/* ---- exec ---- */

/* The files in its directory follow the process through an exec; what is of its memory does not. */
static bool become(struct sense *s, struct sense_target *t)
{
	struct proc_process now;
	struct err *err AUTO(err) = proc_process_open(s->procfs, t->id.pid, &now);
	if (err)
		return false;
	/* The pid is another's, or its first thread ended before the others: no exec. */
	if (now.start_ticks != t->id.start_ticks || now.state == 'Z' || now.state == 'X') {
		proc_process_close(&now);
		return false;
	}
	proc_process_close(&t->process);
	struct sense_program *before_exec = t->program;
	t->process = now;
	t->program = sense_program_of(&s->programs, &now);
	sense_program_unref(before_exec);
	close_exe(&t->process);
	drop_memory(t);
	t->id.generation++;
	t->seen_ns = sense_now();
	t->cgroup_hash = 0; /* so that the strings are made anew */
	struct sense_group *before = t->group;
	t->group = NULL;
	(void)sense_target_place(s, t);
	sense_group_leave(&s->groups, before);
	return true;
}

bool sense_target_exec(struct sense *s, struct sense_target *t)
{
	t->check_exec = false;
	struct err *err AUTO(err) = proc_process_check(&t->process);
	/* Of the same executable once more, only its memory tells, to who may not ask for more. */
	if (!err && !(t->has_peek && t->peek.gone))
		return false;
	bool ended = t->pidfd >= 0 ? proc_pidfd_ended(t->pidfd) : faccessat(t->process.dir, "stat", F_OK, 0) != 0;
	if (ended) {
		t->ended = t->ended || t->pidfd < 0; /* a pidfd tells by itself */
		return false;
	}
	if (sense_target_is_exiting(t)) /* it has no executable any more */
		return false;
	/* An exec is no moment: the executable is the new one before the name is. */
	int64_t now = sense_now();
	t->exec_ns = t->exec_ns ? t->exec_ns : now;
	if (now - t->exec_ns < EXEC_LASTS) {
		t->check_exec = true;
		return false;
	}
	t->exec_ns = 0;
	return become(s, t);
}

bool sense_target_renamed(struct sense_target *t)
{
	char was[sizeof(t->process.comm)];
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	struct err *err AUTO(err) = proc_process_text(&t->process, "comm", sizeof(was), &text);
	if (err || !text.len)
		return false;
	size_t len = text.len - (text.buf[text.len - 1] == '\n'); /* one of its own may be before that */
	memcpy(was, t->process.comm, sizeof(was));
	snprintf(t->process.comm, sizeof(t->process.comm), "%.*s", (int)len, text.buf);
	return strcmp(was, t->process.comm) != 0;
}
