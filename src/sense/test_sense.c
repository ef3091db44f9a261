/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/resource.h>

#include "sense/test_scene.h"

static void processes_are_found_and_their_end_is_told(void **state)
{
	struct scene s;
	scene_begin(&s, NULL);
	int input = -1;
	pid_t pid = scene_found(&s, scene_shell(&s, "read x", &input));
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
	scene_look(&s, SENSE_FAST | SENSE_GO | SENSE_SLOW, &p, &g);
	assert_true(p.rss > 0 && p.rss < 64 * MIB && p.virtual_size > p.rss);
	assert_true(p.threads == 1 && p.fds >= 1 && p.swap == 0);
	assert_true(p.gc_count == WATCH_UNKNOWN && g.available > 0 && g.available != WATCH_UNKNOWN);
	struct sense_target *target = s.told.last;
	child_end(pid);
	assert_false(sense_look(s.sense, target, SENSE_FAST, sense_now(), &p, &g));
	scene_wait(&s, &s.told.ended, 1);
	assert_int_equal(sense_count(s.sense), 0);
	assert_int_equal(s.told.kills, 0);
	close(input);
	scene_end(&s);
}

static void an_exec_makes_another_generation(void **state)
{
	struct scene s;
	AUTO_FREE char *pattern = xasprintf("u[ab]-%d", getpid());
	scene_begin(&s, pattern);
	AUTO_FREE char *sleeper = scene_program(&s, "/bin/sleep", s.other);
	AUTO_FREE char *script = xasprintf("read x; exec %s 1000", sleeper);
	int input = -1;
	pid_t pid = scene_found(&s, scene_shell(&s, script, &input));
	assert_int_equal(write(input, "\n", 1), 1);
	scene_wait(&s, &s.told.became, 1);
	struct watch_target t = { 0 };
	sense_describe(s.told.last, &t);
	assert_int_equal(t.id.pid, pid);
	assert_int_equal(t.id.generation, 1);
	assert_string_equal(t.comm, s.other);
	assert_string_equal(t.exe, sleeper);
	child_end(pid);
	scene_wait(&s, &s.told.ended, 1);
	assert_int_equal(s.told.appeared, 1);
	close(input);
	scene_end(&s);
}

static void what_becomes_a_program_of_no_interest_ends(void **state)
{
	struct scene s;
	scene_begin(&s, NULL);
	s.config.targets.v[0] = (struct config_match){ .exe = s.rule };
	AUTO_FREE char *sleeper = scene_program(&s, "/bin/sleep", s.other);
	AUTO_FREE char *script = xasprintf("read x; exec %s 1000", sleeper);
	int input = -1;
	pid_t pid = scene_found(&s, scene_shell(&s, script, &input));
	sense_describe(s.told.last, &s.told.described);
	assert_non_null(s.told.described.cgroup_path);
	assert_int_equal(write(input, "\n", 1), 1);
	scene_wait(&s, &s.told.ended, 1);
	assert_int_equal(s.told.became, 0);
	child_end(pid);
	close(input);
	scene_end(&s);
}

static void what_becomes_of_interest_is_found(void **state)
{
	struct scene s;
	scene_begin(&s, NULL);
	char mine[16];
	memcpy(mine, s.name, sizeof(mine));
	AUTO_FREE char *wanted = scene_program(&s, "/bin/sleep", mine);
	memcpy(s.name, s.other, sizeof(mine)); /* the shell goes by the other name */
	AUTO_FREE char *script = xasprintf("read x; exec %s 1000", wanted);
	int input = -1;
	pid_t pid = scene_shell(&s, script, &input);
	for (int i = 0; i < 8; i++)
		sense_discover(s.sense, &s.calls);
	assert_int_equal(s.told.appeared, 0);
	assert_int_equal(write(input, "\n", 1), 1);
	scene_wait(&s, &s.told.appeared, 1);
	child_end(pid);
	close(input);
	scene_end(&s);
}

static void other_rules_end_and_begin(void **state)
{
	struct scene s;
	scene_begin(&s, NULL);
	int input = -1;
	pid_t pid = scene_found(&s, scene_shell(&s, "read x", &input));
	struct config other;
	config_defaults(&other);
	sense_configure(s.sense, &other);
	scene_wait(&s, &s.told.ended, 1);
	sense_configure(s.sense, &s.config);
	scene_wait(&s, &s.told.appeared, 2);
	child_end(pid);
	config_deinit(&other);
	close(input);
	scene_end(&s);
}

static void thousands_of_short_lives_leave_nothing_behind(void **state)
{
	struct scene s;
	scene_begin(&s, NULL);
	AUTO_FREE char *path = scene_program(&s, "/bin/true", s.name);
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
	scene_end(&s);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* A host has thousands that a rule of a cgroup does not ask for: a round must not open the cgroup of each. */
static void those_of_no_interest_leave_nothing_open(void **state)
{
	enum { N = 20 };
	struct scene s;
	scene_begin(&s, NULL);
	s.config.targets.v[0].cgroup = "/nobody-is-here*";
	int input[N];
	pid_t pid[N];
	for (int i = 0; i < N; i++)
		pid[i] = scene_shell(&s, "read x", &input[i]);
	usleep(STEP_MS * 1000);
	unsigned before = open_descriptors();
	sense_discover(s.sense, &s.calls);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(s.told.appeared, 0);
	for (int i = 0; i < N; i++) {
		child_end(pid[i]);
		close(input[i]);
	}
	scene_end(&s);
}

/* A reader of snapshots has all descriptors until it has closed them: nothing of a target that is gone may come through them. */
static void an_end_is_over_though_a_child_has_the_descriptor(void **state)
{
	struct scene s;
	scene_begin(&s, NULL);
	int input = -1;
	pid_t pid = scene_found(&s, scene_shell(&s, "read x", &input));
	pid_t heir = fork();
	if (heir == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
	}
	assert_true(heir > 0);
	child_end(pid);
	scene_wait(&s, &s.told.ended, 1);
	bool quiet = false;
	for (int i = 0; i < 50 && !quiet; i++) { /* others write to cgroups, too */
		sense_dispatch(s.sense, &s.calls);
		struct pollfd p = { .fd = sense_fd(s.sense), .events = POLLIN };
		quiet = poll(&p, 1, 0) == 0;
	}
	assert_true(quiet);
	child_end(heir);
	close(input);
	scene_end(&s);
}

static void leave_descriptors(unsigned n)
{
	struct rlimit l;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	int lowest = n ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	assert_true(!n || lowest >= 0);
	if (n)
		close(lowest);
	l.rlim_cur = n ? (rlim_t)lowest + n : l.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
}

/* Whatever it was that there was no descriptor for. */
static void want_of_descriptors_passes(void **state)
{
	for (unsigned n = 1; n <= 5; n++) {
		struct scene s;
		scene_begin(&s, NULL);
		s.config.targets.v[0] = (struct config_match){ .exe = s.rule };
		int input = -1;
		pid_t pid = scene_shell(&s, "read x", &input);
		usleep(2 * STEP_MS * 1000);
		leave_descriptors(n);
		for (int i = 0; i < 4; i++)
			sense_discover(s.sense, &s.calls);
		leave_descriptors(0);
		scene_wait(&s, &s.told.appeared, 1);
		struct watch_process_sample p;
		struct watch_cgroup_sample g;
		scene_look(&s, SENSE_FAST, &p, &g);
		assert_true(p.rss != WATCH_UNKNOWN);
		child_end(pid);
		scene_wait(&s, &s.told.ended, 1);
		close(input);
		scene_end(&s);
	}
}

static void no_more_are_watched_than_allowed(void **state)
{
	struct scene s;
	scene_begin(&s, NULL);
	s.config.targets_max = 1;
	int input[2];
	pid_t pid[2] = { scene_shell(&s, "read x", &input[0]) };
	scene_wait(&s, &s.told.appeared, 1);
	pid[1] = scene_shell(&s, "read x", &input[1]);
	for (int i = 0; i < 50 && !*s.told.note; i++) {
		sense_discover(s.sense, &s.calls);
		usleep(STEP_MS * 1000);
	}
	assert_int_equal(s.told.appeared, 1);
	assert_true(*s.told.note);
	child_end(pid[0]);
	scene_wait(&s, &s.told.appeared, 2); /* now there is room */
	child_end(pid[1]);
	scene_wait(&s, &s.told.ended, 2);
	close(input[0]);
	close(input[1]);
	scene_end(&s);
}

/* ---- in cgroups of our own ---- */

static void the_limit_of_an_ancestor_binds_with_its_usage(void **state)
{
	struct scene s;
	struct box b;
	box_begin(&s, &b, "67108864");
	int input = -1;
	pid_t pid = scene_found(&s, box_eater(&s, b.below, &input));
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	scene_look(&s, SENSE_FAST, &p, &g);
	assert_int_equal(g.limit, 64 * MIB);
	assert_true(g.working_set < 16 * MIB);
	struct watch_target t = { 0 };
	sense_describe(s.told.last, &t);
	AUTO_FREE char *source =
		xasprintf("cgroup /ullage-sense-%d %s", getpid(), b.v1 ? "memory.limit_in_bytes" : "memory.max");
	assert_string_equal(t.limit_source, source);
	box_eat(input, 40);
	/* On 6.1 memory.stat is up to two seconds behind memory.current. */
	for (int i = 0; i < 400 && (g.working_set < 40 * MIB || g.anon < 40 * MIB); i++) {
		usleep(STEP_MS * 1000);
		scene_look(&s, SENSE_FAST, &p, &g);
	}
	assert_true(g.working_set >= 40 * MIB && g.working_set < 56 * MIB);
	assert_true(g.anon >= 40 * MIB && g.anon < 56 * MIB);
	/* A lower limit is seen without asking often. */
	assert_true(box_put(b.path, b.v1 ? "memory.limit_in_bytes" : "memory.max", "58720256"));
	for (int i = 0; i < 200 && g.limit != 56 * MIB; i++) {
		usleep(STEP_MS * 1000);
		sense_dispatch(s.sense, &s.calls);
		scene_look(&s, SENSE_FAST, &p, &g);
	}
	assert_int_equal(g.limit, 56 * MIB);
	assert_true(s.told.urgent > 0);
	child_end(pid);
	scene_wait(&s, &s.told.ended, 1);
	assert_int_equal(s.told.kills, 0);
	close(input);
	scene_end(&s);
	box_remove(&b);
}

static void a_limit_that_does_not_bind_is_not_taken_for_a_hidden_one(void **state)
{
	struct scene s;
	struct box b;
	box_begin(&s, &b, "67108864");
	AUTO_FREE char *beside = xasprintf("%s/beside", b.path);
	assert_int_equal(mkdir(beside, 0755), 0);
	int input[2] = { -1, -1 };
	pid_t pid = scene_found(&s, box_eater(&s, b.below, &input[0]));
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	struct watch_target t = { 0 };
	scene_look(&s, SENSE_FAST, &p, &g);
	/* Its own limit is the lower one, the memory is short above it. */
	assert_true(box_put(b.below, b.v1 ? "memory.limit_in_bytes" : "memory.max", "33554432"));
	pid_t other = box_eater(&s, beside, &input[1]);
	box_eat(input[1], 40);
	for (int i = 0; i < 400 && g.working_set < 40 * MIB; i++) {
		usleep(STEP_MS * 1000);
		scene_look(&s, SENSE_FAST, &p, &g);
		sense_describe(s.told.last, &t);
		assert_null(strstr(t.limit_source, "not visible"));
	}
	assert_int_equal(g.limit, 64 * MIB);
	assert_true(g.working_set >= 40 * MIB);
	child_end(pid);
	child_end(other);
	scene_wait(&s, &s.told.ended, 1);
	close(input[0]);
	close(input[1]);
	scene_end(&s);
	for (int i = 0; i < 200 && rmdir(beside) != 0; i++)
		usleep(10000);
	box_remove(&b);
}

static void a_process_that_moves_is_followed(void **state)
{
	struct scene s;
	struct box b;
	box_begin(&s, &b, "67108864");
	int input = -1;
	pid_t pid = scene_found(&s, box_eater(&s, b.v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup", &input));
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	scene_look(&s, SENSE_FAST, &p, &g);
	assert_true(g.limit == WATCH_UNKNOWN);
	AUTO_FREE char *number = xasprintf("%d", pid);
	assert_true(box_put(b.below, "cgroup.procs", number));
	scene_wait(&s, &s.told.moved, 1);
	scene_look(&s, SENSE_FAST, &p, &g);
	assert_int_equal(g.limit, 64 * MIB);
	child_end(pid);
	scene_wait(&s, &s.told.ended, 1);
	close(input);
	scene_end(&s);
	box_remove(&b);
}

/* Of a cgroup whose parent has the maximum, as a pod's container; v1 has the controller in a hierarchy of its own. */
static void tasks_are_counted_against_the_nearest_maximum(void **state)
{
	struct scene s;
	struct box b;
	if (!box_make(&b, "67108864"))
		skip();
	struct box tasks = b;
	if (b.v1) {
		snprintf(tasks.path, sizeof(tasks.path), "/sys/fs/cgroup/pids/ullage-tasks-%d", getpid());
		snprintf(tasks.below, sizeof(tasks.below), "%s/inner", tasks.path);
	}
	if (b.v1 && (mkdir(tasks.path, 0755) != 0 || mkdir(tasks.below, 0755) != 0)) {
		box_remove(&b);
		skip();
	}
	assert_true(box_put(tasks.path, "pids.max", "10"));
	scene_begin(&s, NULL);
	int input = -1;
	pid_t pid = box_eater(&s, b.below, &input);
	AUTO_FREE char *number = xasprintf("%d", pid);
	assert_true(box_put(tasks.below, "cgroup.procs", number));
	scene_wait(&s, &s.told.appeared, 1);
	struct watch_process_sample p;
	struct watch_cgroup_sample g = { 0 };
	for (int i = 0; i < 100 && g.pids_max != 10; i++) { /* it may have been found before it was moved */
		sense_discover(s.sense, &s.calls);
		scene_look(&s, SENSE_FAST, &p, &g);
		usleep(STEP_MS * 1000);
	}
	assert_int_equal(g.pids_max, 10);
	assert_int_equal(g.pids, 1);
	assert_int_equal(g.limit, 64 * MIB);
	child_end(pid);
	scene_wait(&s, &s.told.ended, 1);
	close(input);
	scene_end(&s);
	box_remove(&b);
	if (b.v1)
		box_remove(&tasks);
}

/* Of names that an argument may choose, as in "a_*": in the virtual machine of tests/integration/vm_watch.py each costs time. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_are_found_and_their_end_is_told),
		cmocka_unit_test(an_exec_makes_another_generation),
		cmocka_unit_test(what_becomes_a_program_of_no_interest_ends),
		cmocka_unit_test(what_becomes_of_interest_is_found),
		cmocka_unit_test(other_rules_end_and_begin),
		cmocka_unit_test(thousands_of_short_lives_leave_nothing_behind),
		cmocka_unit_test(those_of_no_interest_leave_nothing_open),
		cmocka_unit_test(an_end_is_over_though_a_child_has_the_descriptor),
		cmocka_unit_test(want_of_descriptors_passes),
		cmocka_unit_test(no_more_are_watched_than_allowed),
		cmocka_unit_test(the_limit_of_an_ancestor_binds_with_its_usage),
		cmocka_unit_test(a_limit_that_does_not_bind_is_not_taken_for_a_hidden_one),
		cmocka_unit_test(a_process_that_moves_is_followed),
		cmocka_unit_test(tasks_are_counted_against_the_nearest_maximum),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
