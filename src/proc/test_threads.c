/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proc/test_child.h"

static void threads_are_sorted(void **state)
{
	AUTO_FREE char *procfs = tree("plain/proc");
	struct proc_process p;
	struct tid_vec tids = { 0 };
	ok(proc_process_open(procfs, 81, &p));
	ok(proc_threads(&p, &tids));
	assert_int_equal(tids.n, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(tids.v[i], 81 + i);
	vec_deinit(&tids);
	proc_process_close(&p);
}

static void names_of_threads(void **state)
{
	AUTO_FREE char *procfs = tree("plain/proc");
	struct proc_process p;
	char name[16];
	ok(proc_process_open(procfs, 81, &p));
	proc_thread_comm(&p, 83, name, sizeof(name));
	assert_string_equal(name, "worker");
	proc_thread_comm(&p, 82, name, sizeof(name));
	assert_string_equal(name, "two\nlines");
	proc_thread_comm(&p, 82, name, 4);
	assert_string_equal(name, "two");
	proc_thread_comm(&p, 84, name, sizeof(name));
	assert_string_equal(name, "");
	proc_process_close(&p);
}

static void calls_that_threads_sleep_in(void **state)
{
	AUTO_FREE char *procfs = tree("plain/proc");
	struct proc_process p;
	struct proc_thread_call call;
	ok(proc_process_open(procfs, 81, &p));
	assert_false(proc_thread_call(&p, 81, &call)); /* running */
	assert_true(proc_thread_call(&p, 82, &call));
	assert_int_equal(call.sp, 0x7ffd00001230);
	assert_true(proc_thread_call(&p, 83, &call));
	assert_int_equal(call.sp, 0x7ffd00004560);
	assert_false(proc_thread_call(&p, 84, &call));
	proc_process_close(&p);
}

static void only_numbers_are_pids(void **state)
{
	AUTO_FREE char *procfs = tree("plain/proc");
	struct tid_vec pids = { 0 };
	ok(proc_pids(procfs, &pids));
	assert_int_equal(pids.n, 3);
	assert_int_equal(pids.v[0], 1);
	assert_int_equal(pids.v[1], 2);
	assert_int_equal(pids.v[2], 81);
	not_ok(ERR_OS, proc_pids("/nonexistent", &pids));
	assert_int_equal(pids.n, 0);
	ok(proc_pids("/proc", &pids));
	bool found = false;
	for (size_t i = 0; i < pids.n; i++)
		found = found || pids.v[i] == getpid();
	assert_true(found);
	vec_deinit(&pids);
}

static void asleep(void *layout, void *arg)
{
	*(uintptr_t *)layout = (uintptr_t)&layout;
}

static void a_sleeping_child(void **state)
{
	uintptr_t near = 0;
	struct proc_thread_call call = { 0 };
	struct proc_process p;
	pid_t pid = child_start(asleep, NULL, &near, sizeof(near));
	ok(proc_process_open("/proc", pid, &p));
	bool told = false;
	for (int i = 0; i < 1000 && !(told = proc_thread_call(&p, pid, &call)); i++)
		usleep(1000);
	assert_true(told);
	assert_true(call.sp > near - 65536 && call.sp < near + 65536);
	proc_process_close(&p);
	child_end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_are_sorted),
		cmocka_unit_test(names_of_threads),
		cmocka_unit_test(calls_that_threads_sleep_in),
		cmocka_unit_test(only_numbers_are_pids),
		cmocka_unit_test(a_sleeping_child),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
