/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proc/test_child.h"

static void read_tree(const char *name, pid_t pid, struct proc_status *st)
{
	AUTO_FREE char *procfs = tree(name);
	struct proc_process p;
	ok(proc_process_open(procfs, pid, &p));
	ok(proc_status_read(&p, st));
	proc_process_close(&p);
}

static void a_plain_status(void **state)
{
	struct proc_status st;
	read_tree("plain/proc", 81, &st);
	assert_int_equal(st.state, 'S');
	assert_int_equal(st.tgid, 81);
	assert_int_equal(st.ppid, 1);
	assert_int_equal(st.tracer, 0);
	assert_int_equal(st.uid, 1001);
	assert_int_equal(st.threads, 9);
	assert_int_equal(st.vm_size, 803580 * 1024);
	assert_int_equal(st.vm_rss, 52000 * 1024);
	assert_int_equal(st.rss_anon, 41000 * 1024);
	assert_int_equal(st.rss_file, 10900 * 1024);
	assert_int_equal(st.rss_shmem, 100 * 1024);
	assert_int_equal(st.vm_pte, 352 * 1024);
	assert_int_equal(st.vm_swap, 12 * 1024);
	assert_int_equal(st.ns_levels, 3);
	assert_int_equal(st.ns_pid, 1);
}

static void a_kernel_thread_has_no_memory(void **state)
{
	struct proc_status st;
	read_tree("plain/proc", 2, &st);
	assert_int_equal(st.vm_rss, 0);
	assert_int_equal(st.ns_levels, 0);
}

static void a_name_is_only_a_name(void **state)
{
	struct proc_status st;
	read_tree("hostile/proc", 81, &st);
	assert_int_equal(st.vm_rss, 52000 * 1024);
}

static void huge_and_missing_numbers(void **state)
{
	struct proc_status st;
	read_tree("hostile/proc", 86, &st);
	assert_int_equal(st.tgid, 0);
	assert_int_equal(st.ppid, 0);
	assert_true(st.vm_rss == UINT64_MAX);
	assert_int_equal(st.vm_size, 0);
	assert_int_equal(st.threads, 7);
	assert_int_equal(st.ns_levels, 64); /* more than there can be */
}

static void no_status_at_all(void **state)
{
	struct proc_status st;
	AUTO_CLOSE int fd = text_file("nothing\n\nStat:\tX\nxState:\tX\n");
	not_ok(ERR_FORMAT, proc_status_parse(fd, &st));
	AUTO_CLOSE int empty = text_file("");
	not_ok(ERR_FORMAT, proc_status_parse(empty, &st));
}

/* Groups come before the memory lines, and there may be 65536 of them. */
static void a_line_longer_than_any_buffer(void **state)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	strbuf_puts(&text, "State:\tR (running)\nGroups:\t");
	for (unsigned i = 0; i < 65536; i++)
		strbuf_printf(&text, "%u ", 1000000000 + i);
	strbuf_puts(&text, "\nVmRSS:\t  5 kB\n");
	AUTO_CLOSE int fd = text_file(text.buf);
	struct proc_status st;
	ok(proc_status_parse(fd, &st));
	assert_int_equal(st.vm_rss, 5 * 1024);
}

static void stat_lines(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "", false },
		{ "1", false },
		{ "1 (", false },
		{ ")(", false },
		{ "1 ()", false },
		{ "1 (a) ", false },
		{ "1 (a) S", false },
		{ "1 (a) SS 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22", false },
		{ "1 (a) S 1 2 3 4 5 x 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22", false },
		{ "1 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18", false },
		{ "1 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 1234", true },
		{ "1 (\n) () S -1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 1234 20 21 22", true },
		{ "1 (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 -4", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proc_stat st;
		assert_int_equal(proc_stat_parse(rows[i].text, strlen(rows[i].text), &st), rows[i].good);
		if (rows[i].good)
			assert_int_equal(st.start_ticks, 1234);
	}
}

static void this_process(void **state)
{
	struct proc_process p;
	struct proc_status st;
	ok(proc_process_open("/proc", getpid(), &p));
	ok(proc_status_read(&p, &st));
	assert_int_equal(st.tgid, getpid());
	assert_int_equal(st.ppid, getppid());
	assert_int_equal(st.uid, geteuid());
	assert_true(st.vm_rss > 0 && st.vm_pte > 0 && st.ns_levels >= 1);
	proc_process_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_status),
		cmocka_unit_test(a_kernel_thread_has_no_memory),
		cmocka_unit_test(a_name_is_only_a_name),
		cmocka_unit_test(huge_and_missing_numbers),
		cmocka_unit_test(no_status_at_all),
		cmocka_unit_test(a_line_longer_than_any_buffer),
		cmocka_unit_test(stat_lines),
		cmocka_unit_test(this_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
