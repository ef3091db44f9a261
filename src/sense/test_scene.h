/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sense/test_scene - processes and cgroups that a test makes, a struct sense that sees them, and what it told. The cgroups are
 * of the memory controller, v1's or v2's; where none can be made the test is skipped. Include after cmocka.h.
 */

#include <poll.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fixture/ok.h"
#include "proc/test_child.h"
#include "sense/sense.h"

enum { MIB = 1 << 20, WAIT_MS = 20000, STEP_MS = 20 };

/* What was told. */
struct told {
	unsigned appeared, became, moved, ended, urgent, kills;
	struct sense_target *last;
	struct watch_target described; /* ... by a test */
	char kill_text[512], kill_comm[64], note[512];
	int kill_pid;
	bool kill_of_target;
};

struct scene {
	struct config config;
	struct sense *sense;
	struct sense_calls calls;
	struct told told;
	char dir[32], name[16], other[16], rule[32];
};

/* A cgroup with a limit, and one below it. */
struct box {
	char path[128], below[160];
	bool v1;
};

static inline void appeared(void *arg, struct sense_target *t)
{
	struct told *told = arg;
	told->appeared++;
	told->last = t;
	sense_set_data(t, told);
}

static inline void became(void *arg, struct sense_target *t)
{
	struct told *told = arg;
	assert_ptr_equal(sense_data(t), told);
	told->became++;
}

static inline void moved(void *arg, struct sense_target *t)
{
	struct told *told = arg;
	told->moved++;
}

static inline void ended(void *arg, struct sense_target *t)
{
	struct told *told = arg;
	if (told->described.cgroup_path) /* what was known of it still can be said */
		assert_true(strlen(told->described.cgroup_path) > 0);
	told->described = (struct watch_target){ 0 };
	told->ended++;
	told->last = NULL;
}

static inline void urgent(void *arg, struct sense_target *t)
{
	struct told *told = arg;
	told->urgent++;
}

static inline void oom_kill(void *arg, struct sense_target *t, int pid, const char *comm, const char *cgroup,
			    const char *text)
{
	struct told *told = arg;
	char own[32];
	snprintf(own, sizeof(own), "ullage-sense-%d", getpid());
	if (!cgroup || !strstr(cgroup, own)) /* what others do on this machine is told as well */
		return;
	told->kills++;
	told->kill_pid = pid;
	told->kill_of_target = t != NULL;
	snprintf(told->kill_comm, sizeof(told->kill_comm), "%s", comm ? comm : "");
	snprintf(told->kill_text, sizeof(told->kill_text), "%s", text);
}

static inline void note(void *arg, const char *text)
{
	struct told *told = arg;
	if (strstr(text, "targets_max")) /* others depend on where this runs */
		snprintf(told->note, sizeof(told->note), "%s", text);
}

/* Watches processes of that name, which may be a pattern; NULL: of `name`. */
static inline void scene_begin(struct scene *s, const char *pattern)
{
	*s = (struct scene){ .dir = "/tmp/ullage-sense-XXXXXX" };
	s->calls = (struct sense_calls){ appeared, became, moved, ended, urgent, oom_kill, note, &s->told };
	assert_non_null(mkdtemp(s->dir));
	assert_int_equal(chmod(s->dir, 0755), 0);
	snprintf(s->name, sizeof(s->name), "ua-%d", getpid());
	snprintf(s->other, sizeof(s->other), "ub-%d", getpid());
	snprintf(s->rule, sizeof(s->rule), "%s", pattern ? pattern : s->name);
	config_defaults(&s->config);
	*vec_push(&s->config.targets) = (struct config_match){ .name = s->rule };
	ok(sense_new(&(struct sense_options){ "/proc", "/proc/self/mountinfo", &s->config }, &s->sense));
}

static inline void scene_end(struct scene *s)
{
	sense_free(s->sense);
	config_deinit(&s->config);
	AUTO_FREE char *command = xasprintf("rm -r %s", s->dir);
	assert_int_equal(system(command), 0);
}

/* Rounds until a counter is at least that much. */
static inline void scene_wait(struct scene *s, const unsigned *counter, unsigned want)
{
	for (int i = 0; i < WAIT_MS / STEP_MS && *counter < want; i++) {
		sense_discover(s->sense, &s->calls);
		struct pollfd p = { .fd = sense_fd(s->sense), .events = POLLIN };
		(void)poll(&p, 1, STEP_MS);
		sense_dispatch(s->sense, &s->calls);
	}
	assert_true(*counter >= want);
}

/* A copy of a program under a name that nobody else has. */
static inline char *scene_program(const struct scene *s, const char *from, const char *name)
{
	AUTO_FREE char *command = xasprintf("cp -L --remove-destination %s %s/%s", from, s->dir, name);
	assert_int_equal(system(command), 0);
	return xasprintf("%s/%s", s->dir, name);
}

/* A child that dies with us and reads what is written to *input; 0 in it. */
static inline pid_t fork_with_input(int *input)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[0], 0);
		close(ends[1]);
		return 0;
	}
	close(ends[0]);
	*input = ends[1];
	return pid;
}

/* Runs a shell script under that name, with its input from *input. */
static inline pid_t scene_shell(const struct scene *s, const char *script, int *input)
{
	AUTO_FREE char *path = scene_program(s, "/bin/sh", s->name);
	pid_t pid = fork_with_input(input);
	if (pid == 0) {
		execl(path, s->name, "-c", script, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* Waits until it is watched, as the first. */
static inline pid_t scene_found(struct scene *s, pid_t pid)
{
	scene_wait(s, &s->told.appeared, 1);
	return pid;
}

/* At the last one that was found. */
static inline void scene_look(struct scene *s, unsigned what, struct watch_process_sample *p,
			      struct watch_cgroup_sample *g)
{
	watch_process_sample_init(p);
	watch_cgroup_sample_init(g);
	assert_true(sense_look(s->sense, s->told.last, what, sense_now(), p, g));
}

/* ---- cgroups of our own ---- */

/* Writes to a file of a cgroup. */
static inline bool box_put(const char *dir, const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* False where none can be made. */
static inline bool box_make(struct box *b, const char *limit)
{
	b->v1 = access("/sys/fs/cgroup/memory/memory.usage_in_bytes", F_OK) == 0;
	const char *base = b->v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
	snprintf(b->path, sizeof(b->path), "%s/ullage-sense-%d", base, getpid());
	snprintf(b->below, sizeof(b->below), "%s/inner", b->path);
	if (!b->v1)
		(void)box_put(base, "cgroup.subtree_control", "+memory +pids");
	if (mkdir(b->path, 0755) != 0 || mkdir(b->below, 0755) != 0)
		return false;
	if (!b->v1)
		(void)box_put(b->path, "cgroup.subtree_control", "+memory +pids");
	if (!b->v1)
		(void)box_put(b->path, "memory.swap.max", "0"); /* so that there is an end */
	return box_put(b->path, b->v1 ? "memory.limit_in_bytes" : "memory.max", limit);
}

static inline void box_remove(const struct box *b)
{
	for (int i = 0; i < 200 && rmdir(b->below) != 0; i++)
		usleep(10000);
	for (int i = 0; i < 200 && rmdir(b->path) != 0; i++)
		usleep(10000);
}

/* A child of this program, in that cgroup, with that name; it touches memory, as much as its input says, or without end. */
static inline pid_t box_eater(const struct scene *s, const char *dir, int *input)
{
	pid_t pid = fork_with_input(input);
	if (pid == 0) {
		if (!box_put(dir, "cgroup.procs", "0"))
			_exit(1);
		prctl(PR_SET_NAME, s->name);
		for (unsigned char mib = 0; read(0, &mib, 1) == 1;) {
			size_t size = mib ? (size_t)mib * MIB : (size_t)128 * MIB;
			char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
					-1, 0);
			for (size_t i = 0; i < size; i += 4096)
				at[i] = 1;
		}
		pause();
	}
	return pid;
}

/* 0: without end. */
static inline void box_eat(int input, unsigned char mib)
{
	assert_int_equal(write(input, &mib, 1), 1);
}

/* scene_begin() beside a cgroup with that limit and one below it. */
static inline void box_begin(struct scene *s, struct box *b, const char *limit)
{
	if (!box_make(b, limit))
		skip();
	scene_begin(s, NULL);
}
