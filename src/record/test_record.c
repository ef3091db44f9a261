/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "record/record.h"

#define K UINT64_C(4096)

static int started = -1; /* closed when the window runs */

static void on_step(const char *step)
{
	if (strcmp(step, record_step_recording) != 0 || started < 0)
		return;
	close(started);
	started = -1;
}

/* A child that runs body() when the window runs, and stays. */
static pid_t child(void (*body)(void))
{
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[1]);
		while (read(ends[0], &c, 1) > 0)
			continue;
		body();
		for (;;)
			pause();
	}
	close(ends[0]);
	started = ends[1];
	return pid;
}

static void record(pid_t pid, unsigned wanted, struct record *r)
{
	int64_t window = 2500000000;
	/* All of a CPU may be spent: a call of an idle program costs more than its share on a slow machine. */
	struct record_options opt = { .pids = &pid, .n_pids = 1, .window_ns = window, .wanted = wanted, .budget = 1 };
	opt.progress = on_step;
	record_init(r);
	struct err *err = record_run(&opt, r);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!err)
		return;
	print_message("%s\n", err_text(err));
	bool cannot = err_code(err) == ERR_DENIED || err_code(err) == ERR_UNSUPPORTED;
	err_free(err);
	record_deinit(r);
	assert_true(cannot);
	skip();
}

static void map_and_unmap(void)
{
	char *a = mmap(NULL, 10 * K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(a + 2 * K, 3 * K);
	char *b = mmap(NULL, 50 * K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(b, 50 * K);
	a[0] = 1;
}

static void mappings_are_exact_to_the_page(void **state)
{
	(void)state;
	struct record r;
	record(child(map_and_unmap), 1u << RECORD_MMAP, &r);
	uint64_t bytes = 0, total = 0, count = 0;
	for (size_t i = 0; i < r.rows.n; i++) {
		assert_int_equal(r.rows.v[i].low_bytes, r.rows.v[i].high_bytes);
		bytes += r.rows.v[i].bytes;
		total += r.rows.v[i].total_bytes;
		count += r.rows.v[i].count;
	}
	assert_int_equal(bytes, 7 * K);
	assert_int_equal(count, 1);
	assert_true(total >= 10 * K);
	assert_int_equal(r.events[RECORD_EVENT_MMAP], 2);
	assert_int_equal(r.events[RECORD_EVENT_MUNMAP], 2);
	assert_int_equal(r.lost, 0);
	record_deinit(&r);
}

static void take_blocks(void)
{
	static void *volatile kept;
	for (int i = 0; i < 100; i++) {
		kept = malloc(1000);
		if (i % 10 != 9)
			free(kept);
	}
	kept = realloc(kept, 3000);
}

static void blocks_are_exact_when_they_are_few(void **state)
{
	(void)state;
	struct record r;
	record(child(take_blocks), 1u << RECORD_MALLOC, &r);
	uint64_t bytes = 0, count = 0;
	for (size_t i = 0; i < r.rows.n; i++) {
		assert_int_equal(r.rows.v[i].low_bytes, r.rows.v[i].high_bytes);
		bytes += r.rows.v[i].bytes;
		count += r.rows.v[i].count;
	}
	if (r.have & 1u << RECORD_MALLOC) {
		assert_int_equal(count, 10); /* the last one became larger */
		assert_int_equal(bytes, 9 * 1000 + 3000);
	}
	record_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_are_exact_to_the_page),
		cmocka_unit_test(blocks_are_exact_when_they_are_few),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
