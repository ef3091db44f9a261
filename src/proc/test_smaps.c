/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proc/maps.h"
#include "proc/test_child.h"

static const char rollup[] = "5566f7479000-7ffff07e0000 ---p 00000000 00:00 0                          [rollup]\n"
			     "Rss:                1880 kB\n"
			     "Pss:                 303 kB\n"
			     "Pss_Dirty:           112 kB\n"
			     "Shared_Clean:       1688 kB\n"
			     "Anonymous:           112 kB\n"
			     "KSM:                   0 kB\n"
			     "LazyFree:             16 kB\n"
			     "AnonHugePages:      2048 kB\n"
			     "Shared_Hugetlb:     4096 kB\n"
			     "Private_Hugetlb:    2048 kB\n"
			     "Swap:                 20 kB\n"
			     "SwapPss:              10 kB\n"
			     "Locked:                0 kB\n";

static void totals(void **state)
{
	struct proc_rollup r;
	AUTO_CLOSE int fd = text_file(rollup);
	ok(proc_rollup_parse(fd, &r));
	assert_int_equal(r.rss, 1880 * 1024);
	assert_int_equal(r.pss, 303 * 1024);
	assert_int_equal(r.swap, 20 * 1024);
	assert_int_equal(r.swap_pss, 10 * 1024);
	assert_int_equal(r.anonymous, 112 * 1024);
	assert_int_equal(r.lazyfree, 16 * 1024);
	assert_int_equal(r.anon_huge, 2048 * 1024);
	assert_int_equal(r.hugetlb, 6144 * 1024);
}

static void mapping_by_mapping(void **state)
{
	struct proc_smap_vec v = { 0 };
	AUTO_CLOSE int fd = text_file("1000-3000 r-xp 00001000 fe:00 42    /a name: with-dash and colon\n"
				      "Size:                  8 kB\n"
				      "Rss:                   4 kB\n"
				      "VmFlags: rd ex mr mw me sd\n"
				      "7f0000000000-7f0000001000 rw-p 00000000 00:00 0\n"
				      "Rss:                   0 kB\n"
				      "Swap:                  4 kB\n"
				      "ProtectionKey:         0\n");
	ok(proc_smaps_parse(fd, &v));
	assert_int_equal(v.n, 2);
	assert_int_equal(v.v[0].start, 0x1000);
	assert_int_equal(v.v[0].end, 0x3000);
	assert_int_equal(v.v[0].rss, 4096);
	assert_int_equal(v.v[1].rss, 0);
	assert_int_equal(v.v[1].swap, 4096);
	vec_deinit(&v);
}

static void malformed(void **state)
{
	static const char *const rows[] = {
		"Rss: 4 kB\n",
		"1000-2000 r-xp 0 0:0 0\nRss: kB\n",
		"1000-2000 r-xp 0 0:0 0\nRss: x\n",
		"1000-2000 r-xp 0 0:0 0\nRss: -4 kB\n",
		"1000-2000 r-xp 0 0:0 0\nRss: 99999999999999999999 kB\n",
		"1000-2000 r-xp 0 0:0 0\nRss: 18446744073709551615 kB\n",
		"1000-2000 r-xp 0 0:0 0\nShared_Hugetlb: 18014398509481983 kB\nPrivate_Hugetlb: 18014398509481983 kB\n",
		"1000-2000 r-xp 0 0:0 0\nnonsense\n",
		"1000-2000 r-xp 0 0:0 0\n\n",
		"2000-1000 r-xp 0 0:0 0\n",
		"1000-zzzz r-xp 0 0:0 0\n",
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proc_smap_vec v = { 0 };
		struct proc_rollup r;
		AUTO_CLOSE int fd = text_file(rows[i]);
		not_ok(ERR_FORMAT, proc_smaps_parse(fd, &v));
		vec_deinit(&v);
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		not_ok(ERR_FORMAT, proc_rollup_parse(fd, &r));
		assert_int_equal(r.rss, 0);
	}
}

static void a_rollup_has_one_header(void **state)
{
	struct proc_rollup r;
	AUTO_CLOSE int empty = text_file("");
	not_ok(ERR_FORMAT, proc_rollup_parse(empty, &r));
	AUTO_CLOSE int two = text_file("1000-2000 r-xp 0 0:0 0\n2000-3000 r-xp 0 0:0 0\n");
	not_ok(ERR_FORMAT, proc_rollup_parse(two, &r));
}

static void nothing(void *layout, void *arg)
{
}

static void a_real_process_adds_up(void **state)
{
	char layout = 0;
	struct proc_process p;
	struct proc_rollup r;
	struct proc_smap_vec v = { 0 };
	pid_t pid = child_start(nothing, NULL, &layout, 1);
	usleep(10000); /* it goes to sleep */
	ok(proc_process_open("/proc", pid, &p));
	ok(proc_rollup_read(&p, &r));
	ok(proc_smaps_read(&p, &v));
	uint64_t rss = 0, anon = 0;
	for (size_t i = 0; i < v.n; i++) {
		rss += v.v[i].rss;
		anon += v.v[i].anonymous;
	}
	assert_int_equal(rss, r.rss);
	assert_int_equal(anon, r.anonymous);
	assert_true(rss > 0);
	vec_deinit(&v);
	child_end(pid);
	not_ok(ERR_GONE, proc_rollup_read(&p, &r));
	not_ok(ERR_GONE, proc_smaps_read(&p, &v));
	proc_process_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(totals),
		cmocka_unit_test(mapping_by_mapping),
		cmocka_unit_test(malformed),
		cmocka_unit_test(a_rollup_has_one_header),
		cmocka_unit_test(a_real_process_adds_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
