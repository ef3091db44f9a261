/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#include "fixture/ok.h"
#include "proc/test_child.h"
#include "sense/sense.h"

enum { MIB = 1 << 20, WAIT_MS = 20000, STEP_MS = 20 };

/* What was told. */
struct told {
	unsigned appeared, became, moved, ended, urgent, kills;
	struct sense_target *last;
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

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void appeared(void *arg, struct sense_target *t)
{
	struct told *told = arg;
	told->appeared++;
	told->last = t;
	sense_set_data(t, told);
}

static void became(void *arg, struct sense_target *t)
{
	struct told *told = arg;
	assert_ptr_equal(sense_data(t), told);
	told->became++;
}

static void moved(void *arg, struct sense_target *t)
{
	struct told *told = arg;
	told->moved++;
}

static void ended(void *arg, struct sense_target *t)
{
	struct told *told = arg;
	told->ended++;
	told->last = NULL;
}

static void urgent(void *arg, struct sense_target *t)
{
	struct told *told = arg;
	told->urgent++;
}

static void oom_kill(void *arg, struct sense_target *t, int pid, const char *comm, const char *cgroup, const char *text)
{
	struct told *told = arg;
	told->kills++;
	told->kill_pid = pid;
	told->kill_of_target = t != NULL;
	snprintf(told->kill_comm, sizeof(told->kill_comm), "%s", comm ? comm : "");
	snprintf(told->kill_text, sizeof(told->kill_text), "%s", text);
}

static void note(void *arg, const char *text)
{
	struct told *told = arg;
	if (strstr(text, "targets_max")) /* others depend on where this runs */
		snprintf(told->note, sizeof(told->note), "%s", text);
}

static void watch(struct scene *s, const char *pattern)
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

static void done(struct scene *s)
{
	sense_free(s->sense);
	config_deinit(&s->config);
	AUTO_FREE char *command = xasprintf("rm -r %s", s->dir);
	assert_int_equal(system(command), 0);
}

/* Rounds until a counter is at least that much. */
static void wait_for(struct scene *s, const unsigned *counter, unsigned want)
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
static char *copy_program(const struct scene *s, const char *from, const char *name)
{
	AUTO_FREE char *command = xasprintf("cp -L --remove-destination %s %s/%s", from, s->dir, name);
	assert_int_equal(system(command), 0);
	return xasprintf("%s/%s", s->dir, name);
}

/* Runs a shell script under that name, with its input from *input. */
static pid_t start_shell(const struct scene *s, const char *script, int *input)
{
	AUTO_FREE char *path = copy_program(s, "/bin/sh", s->name);
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(ends[0], 0);
		execl(path, s->name, "-c", script, (char *)NULL);
		_exit(127);
	}
	close(ends[0]);
	*input = ends[1];
	return pid;
}

static void look(struct scene *s, unsigned what, struct watch_process_sample *p, struct watch_cgroup_sample *g)
{
	watch_process_sample_init(p);
	watch_cgroup_sample_init(g);
	assert_true(sense_look(s->sense, s->told.last, what, now_ns(), p, g));
}

static void processes_are_found_and_their_end_is_told(void **state)
{
	struct scene s;
	watch(&s, NULL);
	int input = -1;
	pid_t pid = start_shell(&s, "read x", &input);
	wait_for(&s, &s.told.appeared, 1);
	assert_int_equal(sense_count(s.sense), 1);
	assert_ptr_equal(sense_at(s.sense, 0), s.told.last);
	struct watch_target t = { 0 };
	sense_describe(s.told.last, &t);
	assert_int_equal(t.id.pid, pid);
	assert_string_equal(t.comm, s.name);
	assert_false(t.is_go);
	assert_null(t.go_version);
	assert_non_null(t.exe);
	AUTO_FREE char *key = xasprintf("%d-%llu", pid, (unsigned long long)t.id.start_ticks);
	assert_string_equal(t.key, key);
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	look(&s, SENSE_FAST | SENSE_GO | SENSE_SLOW, &p, &g);
	assert_true(p.rss > 0 && p.rss < 64 * MIB && p.virtual_size > p.rss);
	assert_true(p.threads == 1 && p.fds >= 1 && p.swap == 0);
	assert_true(p.gc_count == WATCH_UNKNOWN && g.available > 0 && g.available != WATCH_UNKNOWN);
	struct sense_target *target = s.told.last;
	child_end(pid);
	assert_false(sense_look(s.sense, target, SENSE_FAST, now_ns(), &p, &g));
	wait_for(&s, &s.told.ended, 1);
	assert_int_equal(sense_count(s.sense), 0);
	assert_int_equal(s.told.kills, 0);
	close(input);
	done(&s);
}

static void an_exec_makes_another_generation(void **state)
{
	struct scene s;
	AUTO_FREE char *pattern = xasprintf("u[ab]-%d", getpid());
	watch(&s, pattern);
	AUTO_FREE char *sleeper = copy_program(&s, "/bin/sleep", s.other);
	AUTO_FREE char *script = xasprintf("read x; exec %s 1000", sleeper);
	int input = -1;
	pid_t pid = start_shell(&s, script, &input);
	wait_for(&s, &s.told.appeared, 1);
	assert_int_equal(write(input, "\n", 1), 1);
	wait_for(&s, &s.told.became, 1);
	struct watch_target t = { 0 };
	sense_describe(s.told.last, &t);
	assert_int_equal(t.id.pid, pid);
	assert_int_equal(t.id.generation, 1);
	assert_string_equal(t.comm, s.other);
	assert_string_equal(t.exe, sleeper);
	child_end(pid);
	wait_for(&s, &s.told.ended, 1);
	assert_int_equal(s.told.appeared, 1);
	close(input);
	done(&s);
}

static void what_becomes_a_program_of_no_interest_ends(void **state)
{
	struct scene s;
	watch(&s, NULL);
	AUTO_FREE char *sleeper = copy_program(&s, "/bin/sleep", s.other);
	AUTO_FREE char *script = xasprintf("read x; exec %s 1000", sleeper);
	int input = -1;
	pid_t pid = start_shell(&s, script, &input);
	wait_for(&s, &s.told.appeared, 1);
	assert_int_equal(write(input, "\n", 1), 1);
	wait_for(&s, &s.told.ended, 1);
	assert_int_equal(s.told.became, 0);
	child_end(pid);
	close(input);
	done(&s);
}

static void what_becomes_of_interest_is_found(void **state)
{
	struct scene s;
	watch(&s, NULL);
	char mine[16];
	memcpy(mine, s.name, sizeof(mine));
	AUTO_FREE char *wanted = copy_program(&s, "/bin/sleep", mine);
	memcpy(s.name, s.other, sizeof(mine)); /* the shell goes by the other name */
	AUTO_FREE char *script = xasprintf("read x; exec %s 1000", wanted);
	int input = -1;
	pid_t pid = start_shell(&s, script, &input);
	for (int i = 0; i < 8; i++)
		sense_discover(s.sense, &s.calls);
	assert_int_equal(s.told.appeared, 0);
	assert_int_equal(write(input, "\n", 1), 1);
	wait_for(&s, &s.told.appeared, 1);
	child_end(pid);
	close(input);
	done(&s);
}

static void other_rules_end_and_begin(void **state)
{
	struct scene s;
	watch(&s, NULL);
	int input = -1;
	pid_t pid = start_shell(&s, "read x", &input);
	wait_for(&s, &s.told.appeared, 1);
	struct config other;
	config_defaults(&other);
	sense_configure(s.sense, &other);
	wait_for(&s, &s.told.ended, 1);
	sense_configure(s.sense, &s.config);
	wait_for(&s, &s.told.appeared, 2);
	child_end(pid);
	config_deinit(&other);
	close(input);
	done(&s);
}

static void thousands_of_short_lives_leave_nothing_behind(void **state)
{
	struct scene s;
	watch(&s, NULL);
	AUTO_FREE char *path = copy_program(&s, "/bin/true", s.name);
	for (int i = 0; i < 300; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			execl(path, s.name, (char *)NULL);
			_exit(127);
		}
		if (i % 3 == 0)
			sense_discover(s.sense, &s.calls);
		sense_dispatch(s.sense, &s.calls);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	for (int i = 0; i < 3; i++) {
		sense_discover(s.sense, &s.calls);
		sense_dispatch(s.sense, &s.calls);
	}
	assert_int_equal(sense_count(s.sense), 0);
	assert_int_equal(s.told.appeared, s.told.ended);
	assert_int_equal(s.told.kills, 0);
	done(&s);
}

static void no_more_are_watched_than_allowed(void **state)
{
	struct scene s;
	watch(&s, NULL);
	s.config.targets_max = 1;
	int input[2];
	pid_t pid[2] = { start_shell(&s, "read x", &input[0]) };
	wait_for(&s, &s.told.appeared, 1);
	pid[1] = start_shell(&s, "read x", &input[1]);
	for (int i = 0; i < 50 && !*s.told.note; i++) {
		sense_discover(s.sense, &s.calls);
		usleep(STEP_MS * 1000);
	}
	assert_int_equal(s.told.appeared, 1);
	assert_true(*s.told.note);
	child_end(pid[0]);
	wait_for(&s, &s.told.appeared, 2); /* now there is room */
	child_end(pid[1]);
	wait_for(&s, &s.told.ended, 2);
	close(input[0]);
	close(input[1]);
	done(&s);
}

/* ---- cgroups of our own ---- */

struct box {
	char path[128], below[160];
	bool v1;
};

static bool put(const char *dir, const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* False where none can be made. */
static bool make_box(struct box *b, const char *limit)
{
	b->v1 = access("/sys/fs/cgroup/memory/memory.usage_in_bytes", F_OK) == 0;
	const char *base = b->v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
	snprintf(b->path, sizeof(b->path), "%s/ullage-sense-%d", base, getpid());
	snprintf(b->below, sizeof(b->below), "%s/inner", b->path);
	if (!b->v1)
		(void)put(base, "cgroup.subtree_control", "+memory +pids");
	if (mkdir(b->path, 0755) != 0 || mkdir(b->below, 0755) != 0)
		return false;
	if (!b->v1)
		(void)put(b->path, "cgroup.subtree_control", "+memory +pids");
	return put(b->path, b->v1 ? "memory.limit_in_bytes" : "memory.max", limit);
}

static void remove_box(const struct box *b)
{
	for (int i = 0; i < 200 && rmdir(b->below) != 0; i++)
		usleep(10000);
	for (int i = 0; i < 200 && rmdir(b->path) != 0; i++)
		usleep(10000);
}

/* A child of this program, in that cgroup, with that name; it touches memory, as much as its input says, or without end. */
static pid_t start_eater(const struct scene *s, const char *dir, int *input)
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!put(dir, "cgroup.procs", "0"))
			_exit(1);
		prctl(PR_SET_NAME, s->name);
		close(ends[1]);
		for (unsigned char mib = 0; read(ends[0], &mib, 1) == 1;) {
			size_t size = mib ? (size_t)mib * MIB : (size_t)128 * MIB;
			char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
					-1, 0);
			for (size_t i = 0; i < size; i += 4096)
				at[i] = 1;
		}
		pause();
	}
	close(ends[0]);
	*input = ends[1];
	return pid;
}

static void eat(int input, unsigned char mib)
{
	assert_int_equal(write(input, &mib, 1), 1);
}

static void the_limit_of_an_ancestor_binds_with_its_usage(void **state)
{
	struct scene s;
	struct box b;
	if (!make_box(&b, "67108864"))
		skip();
	watch(&s, NULL);
	int input = -1;
	pid_t pid = start_eater(&s, b.below, &input);
	wait_for(&s, &s.told.appeared, 1);
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	look(&s, SENSE_FAST, &p, &g);
	assert_int_equal(g.limit, 64 * MIB);
	assert_true(g.working_set < 16 * MIB);
	struct watch_target t = { 0 };
	sense_describe(s.told.last, &t);
	AUTO_FREE char *source =
		xasprintf("cgroup /ullage-sense-%d %s", getpid(), b.v1 ? "memory.limit_in_bytes" : "memory.max");
	assert_string_equal(t.limit_source, source);
	eat(input, 40);
	/* On 6.1 memory.stat is up to two seconds behind memory.current. */
	for (int i = 0; i < 400 && (g.working_set < 40 * MIB || g.anon < 40 * MIB); i++) {
		usleep(STEP_MS * 1000);
		look(&s, SENSE_FAST, &p, &g);
	}
	assert_true(g.working_set >= 40 * MIB && g.working_set < 56 * MIB);
	assert_true(g.anon >= 40 * MIB && g.anon < 56 * MIB);
	/* A lower limit is seen without asking often. */
	assert_true(put(b.path, b.v1 ? "memory.limit_in_bytes" : "memory.max", "58720256"));
	for (int i = 0; i < 200 && g.limit != 56 * MIB; i++) {
		usleep(STEP_MS * 1000);
		sense_dispatch(s.sense, &s.calls);
		look(&s, SENSE_FAST, &p, &g);
	}
	assert_int_equal(g.limit, 56 * MIB);
	child_end(pid);
	wait_for(&s, &s.told.ended, 1);
	assert_int_equal(s.told.kills, 0);
	close(input);
	done(&s);
	remove_box(&b);
}

static void expect_a_kill(bool kernel_log, bool bpf)
{
	struct scene s;
	struct box b;
	if (!make_box(&b, "33554432"))
		skip();
	watch(&s, NULL);
	s.config.kernel_log = kernel_log;
	s.config.bpf = bpf;
	int input = -1;
	pid_t pid = start_eater(&s, b.below, &input);
	wait_for(&s, &s.told.appeared, 1);
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	look(&s, SENSE_FAST, &p, &g);
	eat(input, 0);
	wait_for(&s, &s.told.kills, 1);
	assert_int_equal(s.told.kill_pid, pid);
	assert_true(s.told.kill_of_target);
	assert_string_equal(s.told.kill_comm, s.name);
	AUTO_FREE char *whose = xasprintf("cgroup /ullage-sense-%d reached its limit", getpid());
	assert_non_null(strstr(s.told.kill_text, whose));
	assert_non_null(strstr(s.told.kill_text, "killed by the kernel for lack of memory"));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	wait_for(&s, &s.told.ended, 1);
	for (int i = 0; i < 5; i++)
		sense_discover(s.sense, &s.calls);
	assert_int_equal(s.told.kills, 1);
	assert_true(s.told.urgent > 0);
	close(input);
	done(&s);
	remove_box(&b);
}

static void a_kill_for_lack_of_memory_is_told(void **state)
{
	expect_a_kill(false, false);
}

/* Whoever tells first: it is told once. */
static void a_kill_is_told_once_whoever_tells_it(void **state)
{
	expect_a_kill(true, true);
}

static void a_kill_of_another_process_in_the_cgroup_is_told_as_such(void **state)
{
	struct scene s;
	struct box b;
	if (!make_box(&b, "33554432"))
		skip();
	watch(&s, NULL);
	int input[2] = { -1, -1 };
	pid_t quiet = start_eater(&s, b.below, &input[0]);
	wait_for(&s, &s.told.appeared, 1);
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	look(&s, SENSE_FAST, &p, &g);
	char name[16];
	memcpy(name, s.name, sizeof(name));
	memcpy(s.name, s.other, sizeof(name)); /* of no interest */
	pid_t victim = start_eater(&s, b.below, &input[1]);
	eat(input[1], 0);
	assert_int_equal(waitpid(victim, NULL, 0), victim);
	wait_for(&s, &s.told.kills, 1);
	assert_false(s.told.kill_of_target);
	assert_int_equal(s.told.ended, 0);
	/* The end of the target has nothing to do with it. */
	child_end(quiet);
	wait_for(&s, &s.told.ended, 1);
	assert_int_equal(s.told.kills, 1);
	close(input[0]);
	close(input[1]);
	done(&s);
	remove_box(&b);
}

static void a_process_that_moves_is_followed(void **state)
{
	struct scene s;
	struct box b;
	if (!make_box(&b, "67108864"))
		skip();
	watch(&s, NULL);
	int input = -1;
	pid_t pid = start_eater(&s, b.v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup", &input);
	wait_for(&s, &s.told.appeared, 1);
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	look(&s, SENSE_FAST, &p, &g);
	assert_true(g.limit == WATCH_UNKNOWN);
	AUTO_FREE char *number = xasprintf("%d", pid);
	assert_true(put(b.below, "cgroup.procs", number));
	wait_for(&s, &s.told.moved, 1);
	look(&s, SENSE_FAST, &p, &g);
	assert_int_equal(g.limit, 64 * MIB);
	child_end(pid);
	wait_for(&s, &s.told.ended, 1);
	close(input);
	done(&s);
	remove_box(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_are_found_and_their_end_is_told),
		cmocka_unit_test(an_exec_makes_another_generation),
		cmocka_unit_test(what_becomes_a_program_of_no_interest_ends),
		cmocka_unit_test(what_becomes_of_interest_is_found),
		cmocka_unit_test(other_rules_end_and_begin),
		cmocka_unit_test(thousands_of_short_lives_leave_nothing_behind),
		cmocka_unit_test(no_more_are_watched_than_allowed),
		cmocka_unit_test(the_limit_of_an_ancestor_binds_with_its_usage),
		cmocka_unit_test(a_kill_for_lack_of_memory_is_told),
		cmocka_unit_test(a_kill_is_told_once_whoever_tells_it),
		cmocka_unit_test(a_kill_of_another_process_in_the_cgroup_is_told_as_such),
		cmocka_unit_test(a_process_that_moves_is_followed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
