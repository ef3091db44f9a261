/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sense/test_scene.h"

static void expect_a_kill(bool kernel_log, bool bpf)
{
	struct scene s;
	struct box b;
	box_begin(&s, &b, "33554432");
	s.config.kernel_log = kernel_log;
	s.config.bpf = bpf;
	int input = -1;
	pid_t pid = scene_found(&s, box_eater(&s, b.below, &input));
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	scene_look(&s, SENSE_FAST, &p, &g);
	box_eat(input, 0);
	scene_wait(&s, &s.told.kills, 1);
	assert_int_equal(s.told.kill_pid, pid);
	assert_true(s.told.kill_of_target);
	assert_string_equal(s.told.kill_comm, s.name);
	AUTO_FREE char *whose = xasprintf("cgroup /ullage-sense-%d reached its limit", getpid());
	assert_non_null(strstr(s.told.kill_text, whose));
	assert_non_null(strstr(s.told.kill_text, "killed by the kernel for lack of memory"));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	scene_wait(&s, &s.told.ended, 1);
	for (int i = 0; i < 5; i++)
		sense_discover(s.sense, &s.calls);
	assert_int_equal(s.told.kills, 1);
	close(input);
	scene_end(&s);
	box_remove(&b);
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

/* A process of no interest takes more than there is in that cgroup; its number. */
static pid_t kill_neighbour(const struct scene *s, const char *dir)
{
	struct scene other = *s;
	int input = -1;
	memcpy(other.name, s->other, sizeof(other.name));
	pid_t pid = box_eater(&other, dir, &input);
	box_eat(input, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(input);
	return pid;
}

static void a_kill_of_another_process_in_the_cgroup_is_told_as_such(void **state)
{
	struct scene s;
	struct box b;
	box_begin(&s, &b, "33554432");
	int input = -1;
	pid_t quiet = scene_found(&s, box_eater(&s, b.below, &input));
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	scene_look(&s, SENSE_FAST, &p, &g);
	pid_t victim = kill_neighbour(&s, b.below);
	scene_wait(&s, &s.told.kills, 1);
	assert_false(s.told.kill_of_target);
	assert_true(s.told.kill_pid == 0 || s.told.kill_pid == victim);
	assert_int_equal(s.told.ended, 0);
	/* The end of the target has nothing to do with it. */
	child_end(quiet);
	scene_wait(&s, &s.told.ended, 1);
	assert_int_equal(s.told.kills, 1);
	close(input);
	scene_end(&s);
	box_remove(&b);
}

/* v2 raises memory.events of all levels above, and their pressure too: what is beside a target is not short of memory for that. */
static void a_neighbour_that_is_short_of_memory_is_no_news(void **state)
{
	struct scene s;
	struct box b;
	box_begin(&s, &b, "268435456");
	AUTO_FREE char *beside = xasprintf("%s/beside", b.path);
	assert_int_equal(mkdir(beside, 0755), 0);
	assert_true(box_put(beside, "memory.max", "16777216"));
	int input = -1;
	pid_t quiet = scene_found(&s, box_eater(&s, b.below, &input));
	struct watch_process_sample p;
	struct watch_cgroup_sample g;
	scene_look(&s, SENSE_FAST, &p, &g);
	(void)kill_neighbour(&s, beside);
	scene_wait(&s, &s.told.kills, 1);
	assert_int_equal(s.told.urgent, 0);
	scene_look(&s, SENSE_FAST, &p, &g);
	assert_false(g.psi_triggered);
	child_end(quiet);
	scene_wait(&s, &s.told.ended, 1);
	close(input);
	scene_end(&s);
	assert_int_equal(rmdir(beside), 0);
	box_remove(&b);
}

/* A container's processes end together, and its cgroup goes at once: what a look has seen until then has to do. */
static void a_kill_is_told_though_its_cgroup_goes_with_all_of_it(void **state)
{
	struct scene s;
	struct box b;
	box_begin(&s, &b, "33554432");
	int input = -1;
	pid_t quiet = scene_found(&s, box_eater(&s, b.below, &input));
	struct watch_process_sample p;
	struct watch_cgroup_sample g = { 0 };
	scene_look(&s, SENSE_FAST, &p, &g);
	(void)kill_neighbour(&s, b.below);
	uint64_t before = g.events_oom_kill;
	for (int i = 0; i < 200 && g.events_oom_kill == before; i++) {
		usleep(STEP_MS * 1000);
		scene_look(&s, SENSE_FAST, &p, &g);
	}
	assert_true(g.events_oom_kill != before);
	assert_int_equal(kill(quiet, SIGTERM), 0);
	box_remove(&b);
	scene_wait(&s, &s.told.ended, 1);
	/* Only now: before 6.15 nobody is told how one ended that is gone. */
	assert_int_equal(waitpid(quiet, NULL, 0), quiet);
	assert_int_equal(s.told.kills, 1);
	assert_false(s.told.kill_of_target);
	close(input);
	scene_end(&s);
}

/* Not even one process of that cgroup was watched. */
static void a_kill_where_nothing_is_watched_is_told(void **state)
{
	struct scene s;
	struct box b;
	box_begin(&s, &b, "33554432");
	sense_discover(s.sense, &s.calls);
	memcpy(s.name, s.other, sizeof(s.name));
	for (unsigned n = 1; n <= 2; n++) {
		int input = -1;
		pid_t victim = box_eater(&s, b.below, &input);
		box_eat(input, 0);
		assert_int_equal(waitpid(victim, NULL, 0), victim);
		scene_wait(&s, &s.told.kills, n);
		assert_false(s.told.kill_of_target);
		assert_int_equal(s.told.kill_pid, 0);
		assert_non_null(strstr(s.told.kill_text, "has a limit of 32.0 MiB"));
		close(input);
	}
	assert_int_equal(s.told.appeared, 0);
	scene_end(&s);
	box_remove(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kill_for_lack_of_memory_is_told),
		cmocka_unit_test(a_kill_is_told_once_whoever_tells_it),
		cmocka_unit_test(a_kill_of_another_process_in_the_cgroup_is_told_as_such),
		cmocka_unit_test(a_neighbour_that_is_short_of_memory_is_no_news),
		cmocka_unit_test(a_kill_is_told_though_its_cgroup_goes_with_all_of_it),
		cmocka_unit_test(a_kill_where_nothing_is_watched_is_told),
	};
	if (access("/sys/fs/cgroup/memory/memory.usage_in_bytes", F_OK) == 0)
		cmocka_set_skip_filter("a_neighbour_*"); /* of v2: the virtual machine's */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
