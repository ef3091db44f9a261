/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>

#include "proc/peek.h"
#include "proc/pidfd.h"
#include "proc/test_child.h"

enum { PAGE = 4096, PAGES = 300 };

/* Of the pages of a mapping every third has something in it. */
static void touch(void *layout, void *arg)
{
	char *at = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(at, (size_t)PAGES * PAGE, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < PAGES; i += 3)
		memset(at + i * PAGE, (int)(i % 100) + 1, PAGE);
	uint64_t addr = (uintptr_t)at;
	memcpy(layout, &addr, sizeof(addr));
}

static uint64_t resident(pid_t pid)
{
	struct proc_process p;
	struct proc_status st;
	ok(proc_process_open("/proc", pid, &p));
	ok(proc_status_read(&p, &st));
	proc_process_close(&p);
	return st.vm_rss;
}

/* A process that has touched some pages from *at on, and who peeks into it. */
static pid_t begin(uint64_t *at, struct proc_process *p, struct proc_peek *k)
{
	pid_t pid = child_start(touch, NULL, at, sizeof(*at));
	ok(proc_process_open("/proc", pid, p));
	ok(proc_peek_open(p, k));
	return pid;
}

static void ranges_near_and_far_are_read_and_nothing_is_touched(void **state)
{
	uint64_t at = 0;
	struct proc_process p;
	struct proc_peek k;
	pid_t pid = begin(&at, &p, &k);
	uint64_t before = resident(pid);
	unsigned char buf[80][16];
	struct memsrc_range ranges[80];
	for (size_t i = 0; i < 80; i++)
		ranges[i] = (struct memsrc_range){ at + 3 * i * PAGE + 100, sizeof(buf[i]), buf[i], false };
	memsrc_read_ranges(&k.src, ranges, 80);
	for (size_t i = 0; i < 80; i++) {
		assert_true(ranges[i].ok);
		for (size_t b = 0; b < sizeof(buf[i]); b++)
			assert_int_equal(buf[i][b], 3 * i % 100 + 1);
	}
	/* A range that crosses into pages that are not there. */
	unsigned char wide[3 * PAGE];
	assert_true(memsrc_read(&k.src, at, wide, sizeof(wide)));
	assert_int_equal(wide[PAGE - 1], 1);
	assert_int_equal(wide[PAGE], 0);
	assert_int_equal(wide[sizeof(wide) - 1], 0);
	assert_true(memsrc_read(&k.src, at + PAGE, wide, 2 * PAGE));
	assert_int_equal(wide[0], 0);
	assert_false(memsrc_read(&k.src, UINT64_MAX - 4, wide, 16));
	assert_false(k.gone);
	assert_int_equal(resident(pid), before);
	child_end(pid);
	assert_false(memsrc_read(&k.src, at, wide, 16));
	assert_true(k.gone);
	proc_peek_close(&k);
	proc_process_close(&p);
}

/* Pages 0 and 3 are there; what lies between ranges is copied along only where no page of it is absent. */
static void by_descriptor_close_ranges_are_read_as_one_and_nothing_is_touched(void **state)
{
	uint64_t at = 0;
	struct proc_process p;
	struct proc_peek k;
	pid_t pid = begin(&at, &p, &k);
	ok(proc_process_file(&p, "mem", O_RDONLY, &k.mem));
	uint64_t before = resident(pid);
	static const size_t offsets[] = { 0, 8, 500, PAGE - 8, 3 * PAGE, 3 * PAGE + 100, 6 * PAGE - 4, 6 * PAGE };
	enum { N = sizeof(offsets) / sizeof(offsets[0]) };
	unsigned char buf[N][8];
	struct memsrc_range ranges[N];
	for (size_t i = 0; i < N; i++)
		ranges[i] = (struct memsrc_range){ at + offsets[i], 8, buf[i], false };
	memsrc_read_ranges(&k.src, ranges, N);
	for (size_t i = 0; i < N; i++) {
		assert_true(ranges[i].ok);
		for (size_t b = 0; b < 8; b++) {
			size_t page = (offsets[i] + b) / PAGE;
			assert_int_equal(buf[i][b], page % 3 ? 0 : page % 100 + 1);
		}
	}
	assert_int_equal(resident(pid), before);
	child_end(pid);
	memsrc_read_ranges(&k.src, ranges, N);
	for (size_t i = 0; i < N; i++)
		assert_false(ranges[i].ok);
	assert_true(k.gone);
	proc_peek_close(&k);
	proc_process_close(&p);
}

static void an_exec_is_an_end_for_who_peeks(void **state)
{
	int ends[2], status = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	static volatile uint64_t here = 42;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char c = 0;
		here = 43;
		(void)!read(ends[0], &c, 1);
		execl("/bin/sleep", "sleep", "1000", (char *)NULL);
		_exit(127);
	}
	struct proc_process p;
	struct proc_peek k;
	uint64_t value = 0;
	ok(proc_process_open("/proc", pid, &p));
	ok(proc_peek_open(&p, &k));
	for (int i = 0; i < 500 && value != 43; i++) {
		usleep(10000);
		assert_true(memsrc_u64(&k.src, (uintptr_t)&here, &value));
	}
	assert_int_equal(value, 43);
	assert_int_equal(write(ends[1], "x", 1), 1);
	for (int i = 0; i < 500 && !k.gone; i++) {
		usleep(10000);
		(void)memsrc_u64(&k.src, (uintptr_t)&here, &value);
	}
	assert_true(k.gone);
	proc_peek_close(&k);
	proc_process_close(&p);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ends[0]);
	close(ends[1]);
}

static void how_a_process_ended_can_be_told(void **state)
{
	uint64_t at = 0;
	pid_t pid = child_start(touch, NULL, &at, sizeof(at));
	struct proc_process p;
	ok(proc_process_open("/proc", pid, &p));
	AUTO_CLOSE int fd = proc_pidfd_open(pid);
	assert_true(fd >= 0);
	assert_false(proc_pidfd_ended(fd));
	assert_int_equal(proc_pidfd_signal(fd, &p), -1);
	kill(pid, SIGKILL);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&wait, 1, 20000), 1);
	assert_true(proc_pidfd_ended(fd));
	assert_int_equal(proc_pidfd_signal(fd, &p), SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(proc_pidfd_ended(fd));
	int after = proc_pidfd_signal(fd, &p); /* from 6.15 on it is still known */
	assert_true(after == SIGKILL || after == -1);
	assert_int_equal(proc_pidfd_open(pid), -1);
	proc_process_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_near_and_far_are_read_and_nothing_is_touched),
		cmocka_unit_test(by_descriptor_close_ranges_are_read_as_one_and_nothing_is_touched),
		cmocka_unit_test(an_exec_is_an_end_for_who_peeks),
		cmocka_unit_test(how_a_process_ended_can_be_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
