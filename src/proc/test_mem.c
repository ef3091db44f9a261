/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "base/num.h"
#include "proc/maps.h"
#include "proc/mem.h"
#include "proc/test_child.h"

enum {
	PAGE = 4096,
	KIB = 1024,
	MIB = 1024 * 1024,
	UNTOUCHED = 256 * MIB,
	FILE_LEN = 64 * MIB + 100,
	TOUCHED = 16 * MIB,
	SPLIT = 1 * MIB,
	SMALL_FILE = 5000,
	SMALL_MAP = 4 * PAGE,
	MEMFD = 1 * MIB,
};

/* Where the child has what. */
struct layout {
	unsigned char *untouched, *file, *touched, *hidden, *split, *dirty, *memfd, *small, *hole, *zero, *huge,
		*swapped;
};

struct scene {
	char path[32], small_path[32];
	struct layout at;
	pid_t pid;
	struct proc_process process;
	struct arena arena;
	struct vma_vec vmas;
	struct proc_pagemap pagemap;
	struct proc_mem mem;
};

static unsigned char byte_at(uint64_t i)
{
	return (unsigned char)((i * 2654435761u) >> 13 | 1);
}

static void fill(unsigned char *p, size_t len, uint64_t from)
{
	for (size_t i = 0; i < len; i++)
		p[i] = byte_at(from + i);
}

/* Without huge pages, which khugepaged would make resident for us. */
static void *anon(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

static void map_files_of(struct layout *l, const struct scene *s)
{
	int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	l->file = mmap(NULL, FILE_LEN, PROT_READ, MAP_PRIVATE, fd, 0);
	l->dirty = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4 * MIB);
	l->dirty[300 * KIB] = 0xee;
	close(fd);
	fd = open(s->small_path, O_RDONLY | O_CLOEXEC);
	l->small = mmap(NULL, SMALL_MAP, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	fd = memfd_create("half", MFD_CLOEXEC);
	l->memfd = mmap(NULL, MEMFD, PROT_READ | PROT_WRITE, ftruncate(fd, MEMFD) ? MAP_PRIVATE : MAP_SHARED, fd, 0);
	fill(l->memfd, 8 * PAGE, 7);
	unsigned char page[PAGE];
	fill(page, PAGE, 99);
	if (pwrite(fd, page, PAGE, 512 * KIB) != PAGE) /* in the file, and not in our page table */
		_exit(1);
}

static void child_body(void *layout, void *arg)
{
	struct layout *l = layout;
	volatile unsigned char sink = 0;
	l->untouched = anon(UNTOUCHED);
	map_files_of(l, arg);
	l->touched = anon(TOUCHED);
	fill(l->touched, TOUCHED, 0);
	for (size_t i = 0; i < TOUCHED; i += 3 * PAGE)
		madvise(l->touched + i, PAGE, MADV_DONTNEED);
	l->hidden = anon(64 * KIB);
	fill(l->hidden, 64 * KIB, 5);
	mprotect(l->hidden, 64 * KIB, PROT_NONE);
	l->split = anon(SPLIT);
	fill(l->split, SPLIT, 1);
	for (size_t i = 0; i < SPLIT; i += 2 * PAGE)
		mprotect(l->split + i, PAGE, i % (8 * PAGE) ? PROT_READ : PROT_NONE);
	l->hole = anon(3 * PAGE);
	fill(l->hole, 3 * PAGE, 3);
	munmap(l->hole + PAGE, PAGE);
	l->swapped = anon(64 * KIB);
	fill(l->swapped, 64 * KIB, 17);
	madvise(l->swapped, 64 * KIB, MADV_PAGEOUT);
	l->zero = anon(MIB);
	for (size_t i = 0; i < MIB; i += PAGE)
		sink = (unsigned char)(sink + l->zero[i]);
	unsigned char *huge = anon(8 * MIB);
	l->huge = (unsigned char *)(((uintptr_t)huge + 2 * MIB - 1) & ~(uintptr_t)(2 * MIB - 1));
	madvise(l->huge, 4 * MIB, MADV_HUGEPAGE);
	fill(l->huge, 4 * MIB, 11);
}

static void write_file(char *path, size_t len, uint64_t from)
{
	int fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	AUTO_FREE unsigned char *data = xmalloc(len);
	fill(data, len, from);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
}

static void attach(struct scene *s)
{
	ok(proc_process_open("/proc", s->pid, &s->process));
	ok(proc_maps_read(&s->process, &s->arena, &s->vmas));
	ok(proc_pagemap_open(&s->process, &s->pagemap));
	ok(proc_mem_init(&s->mem, &s->process, &s->vmas, &s->pagemap));
}

static int set_up(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	*s = (struct scene){ .path = "/tmp/ullage-test-XXXXXX", .small_path = "/tmp/ullage-test-XXXXXX" };
	arena_init(&s->arena);
	write_file(s->path, FILE_LEN, 0);
	write_file(s->small_path, SMALL_FILE, 21);
	s->pid = child_start(child_body, s, &s->at, sizeof(s->at));
	attach(s);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	proc_mem_deinit(&s->mem);
	proc_pagemap_close(&s->pagemap);
	proc_process_close(&s->process);
	vec_deinit(&s->vmas);
	arena_deinit(&s->arena);
	unlink(s->path);
	unlink(s->small_path);
	child_end(s->pid);
	free(s);
	return 0;
}

static bool read_at(struct scene *s, const unsigned char *addr, void *buf, size_t len)
{
	return memsrc_read(&s->mem.src, (uintptr_t)addr, buf, len);
}

/* All of [addr, addr + len) is zeros, or the pattern from `from` on. */
static void expect(struct scene *s, const unsigned char *addr, size_t len, bool zeros, uint64_t from)
{
	AUTO_FREE unsigned char *buf = xmalloc(len);
	memset(buf, 0x55, len);
	assert_true(read_at(s, addr, buf, len));
	for (size_t i = 0; i < len; i++) {
		unsigned char want = zeros ? 0 : byte_at(from + i);
		if (buf[i] != want)
			fail_msg("byte %zu is %02x, not %02x", i, buf[i], want);
	}
}

static void absent_pages_read_right_and_stay_absent(void **state)
{
	struct scene *s = *state;
	struct proc_status before, after;
	ok(proc_status_read(&s->process, &before));
	expect(s, s->at.untouched, UNTOUCHED, true, 0);
	expect(s, s->at.file, FILE_LEN, false, 0);
	for (size_t i = 0; i < 64; i++) {
		expect(s, s->at.untouched + i * 4 * MIB + 4090, 100, true, 0);
		expect(s, s->at.file + i * MIB + 4090, 100, false, i * MIB + 4090);
	}
	ok(proc_status_read(&s->process, &after));
	assert_int_equal(after.vm_rss, before.vm_rss);
	assert_int_equal(after.rss_file, before.rss_file);
	assert_int_equal(after.vm_pte, before.vm_pte);
}

/* Everything the process has, in one pass, as the tool would at its worst. */
static void reading_all_changes_nothing(void **state)
{
	struct scene *s = *state;
	struct proc_status before, after;
	AUTO_FREE unsigned char *buf = xmalloc(4 * MIB);
	ok(proc_status_read(&s->process, &before));
	for (size_t i = 0; i < s->vmas.n; i++) {
		const struct vma *v = &s->vmas.v[i];
		if (vma_size(v) > (uint64_t)1 << 30)
			continue; /* a sanitizer's shadow */
		for (uint64_t at = v->start; at < v->end; at += 4 * MIB)
			(void)memsrc_read(&s->mem.src, at, buf, num_min(4 * MIB, v->end - at));
	}
	ok(proc_status_read(&s->process, &after));
	assert_int_equal(after.vm_rss, before.vm_rss);
	assert_int_equal(after.vm_pte, before.vm_pte);
	assert_int_equal(after.vm_swap, before.vm_swap);
	assert_false(s->mem.gone);
	assert_int_equal(s->mem.denied, 0);
}

/* Far and near, odd and empty, some of them absent: the same as one after the other. */
static void ranges_are_read_as_each_by_itself(void **state)
{
	struct scene *s = *state;
	enum { RANGES = 40, LEN = 3 * PAGE + 17 };
	AUTO_FREE unsigned char *together = xcalloc(RANGES, LEN), *alone = xcalloc(RANGES, LEN);
	struct memsrc_range ranges[RANGES];
	for (size_t i = 0; i < RANGES; i++) {
		size_t at = i * (TOUCHED / RANGES) + i * 7;
		ranges[i] = (struct memsrc_range){ (uintptr_t)s->at.touched + at, i % 5 ? LEN - i : 0,
						   together + i * LEN, false };
		assert_true(memsrc_read(&s->mem.src, ranges[i].addr, alone + i * LEN, ranges[i].len));
	}
	memsrc_read_ranges(&s->mem.src, ranges, RANGES);
	for (size_t i = 0; i < RANGES; i++)
		assert_true(ranges[i].ok);
	assert_memory_equal(together, alone, (size_t)RANGES * LEN);
}

static void a_range_that_cannot_be_read_leaves_the_others(void **state)
{
	struct scene *s = *state;
	unsigned char buf[3 * PAGE];
	struct memsrc_range ranges[3];
	for (size_t i = 0; i < 3; i++)
		ranges[i] = (struct memsrc_range){ (uintptr_t)s->at.hole + i * PAGE, PAGE, buf + i * PAGE, false };
	memsrc_read_ranges(&s->mem.src, ranges, 3);
	assert_true(ranges[0].ok);
	assert_false(ranges[1].ok);
	assert_true(ranges[2].ok);
	assert_int_equal(buf[2 * PAGE], byte_at(3 + 2 * PAGE));
}

static void released_pages_are_zeros(void **state)
{
	struct scene *s = *state;
	AUTO_FREE unsigned char *buf = xmalloc(TOUCHED);
	assert_true(read_at(s, s->at.touched, buf, TOUCHED));
	for (size_t i = 0; i < TOUCHED; i++) {
		unsigned char want = i / PAGE % 3 == 0 ? 0 : byte_at(i);
		if (buf[i] != want)
			fail_msg("byte %zu is %02x, not %02x", i, buf[i], want);
	}
	expect(s, s->at.touched + 3 * PAGE - 5, 5, false, 3 * PAGE - 5);
	expect(s, s->at.touched + 3 * PAGE, 5, true, 0);
}

static void protection_does_not_hide(void **state)
{
	struct scene *s = *state;
	expect(s, s->at.hidden, 64 * KIB, false, 5);
	expect(s, s->at.hidden + 4000, 200, false, 4005);
}

static void reads_cross_mappings(void **state)
{
	struct scene *s = *state;
	expect(s, s->at.split, SPLIT, false, 1);
	expect(s, s->at.split + PAGE - 8, 16, false, PAGE - 7);
}

static void zero_and_huge_pages(void **state)
{
	struct scene *s = *state;
	expect(s, s->at.zero, MIB, true, 0);
	expect(s, s->at.huge, 4 * MIB, false, 11);
}

static void private_changes_win_over_the_file(void **state)
{
	struct scene *s = *state;
	AUTO_FREE unsigned char *buf = xmalloc(MIB);
	assert_true(read_at(s, s->at.dirty, buf, MIB));
	for (size_t i = 0; i < MIB; i++) {
		unsigned char want = i == 300 * KIB ? 0xee : byte_at(4 * MIB + i);
		assert_int_equal(buf[i], want);
	}
}

static void beyond_the_end_of_a_file_are_zeros(void **state)
{
	struct scene *s = *state;
	expect(s, s->at.small, SMALL_FILE, false, 21);
	expect(s, s->at.small + SMALL_FILE, SMALL_MAP - SMALL_FILE, true, 0);
}

static void shared_memory_is_read_from_its_file(void **state)
{
	struct scene *s = *state;
	expect(s, s->at.memfd, 8 * PAGE, false, 7);
	if (geteuid() != 0)
		skip(); /* only map_files/ leads to it */
	expect(s, s->at.memfd + 8 * PAGE, 512 * KIB - 8 * PAGE, true, 0);
	expect(s, s->at.memfd + 512 * KIB, PAGE, false, 99);
}

static void holes_fail(void **state)
{
	struct scene *s = *state;
	unsigned char buf[3 * PAGE];
	expect(s, s->at.hole, PAGE, false, 3);
	expect(s, s->at.hole + 2 * PAGE, PAGE, false, 3 + 2 * PAGE);
	assert_false(read_at(s, s->at.hole, buf, 3 * PAGE));
	assert_false(read_at(s, s->at.hole + PAGE, buf, 1));
	assert_false(memsrc_read(&s->mem.src, 0, buf, 8));
	assert_false(memsrc_read(&s->mem.src, UINT64_MAX - 7, buf, 8));
	assert_false(memsrc_read(&s->mem.src, UINT64_MAX - 3, buf, 8));
	assert_false(memsrc_read(&s->mem.src, UINT64_C(1) << 63, buf, 8));
	assert_false(memsrc_read(&s->mem.src, UINT64_C(0xffffffffff600000), buf, 8));
	assert_true(memsrc_read(&s->mem.src, 0, buf, 0));
	assert_false(s->mem.gone);
}

static void mem_alone_does_as_well(void **state)
{
	struct scene *s = *state;
	s->mem.only_mem = true; /* as where process_vm_readv(2) is filtered */
	expect(s, s->at.split, SPLIT, false, 1);
	expect(s, s->at.huge, 4 * MIB, false, 11);
	s->mem.only_mem = false;
	int mem = s->mem.mem;
	s->mem.mem = -1; /* as where only that is allowed */
	expect(s, s->at.huge, 4 * MIB, false, 11);
	unsigned char buf[8];
	assert_false(read_at(s, s->at.hidden, buf, 8));
	s->mem.mem = mem;
}

/* Only where there is swap. */
static void swapped_pages_are_left_there(void **state)
{
	struct scene *s = *state;
	uint64_t e[64 * KIB / PAGE];
	bool all = proc_pagemap_entries(&s->pagemap, (uintptr_t)s->at.swapped, 64 * KIB / PAGE, e);
	for (size_t i = 0; i < 64 * KIB / PAGE; i++)
		all = all && e[i] & PROC_PAGEMAP_SWAP;
	if (!all)
		skip();
	struct proc_status before, after;
	unsigned char buf[64 * KIB];
	ok(proc_status_read(&s->process, &before));
	s->mem.swapped_bytes = 0;
	assert_false(read_at(s, s->at.swapped, buf, 64 * KIB));
	uint64_t first = s->mem.swapped_bytes;
	assert_true(first >= PAGE && first <= 64 * KIB);
	assert_false(read_at(s, s->at.swapped + 100, buf, 8));
	assert_int_equal(s->mem.swapped_bytes, first + 8);
	ok(proc_status_read(&s->process, &after));
	assert_true(before.vm_swap >= 64 * KIB);
	assert_int_equal(after.vm_swap, before.vm_swap);
	assert_int_equal(after.vm_rss, before.vm_rss);
}

static void files_are_opened_once(void **state)
{
	struct scene *s = *state;
	const struct vma *v = vma_find(&s->vmas, (uintptr_t)s->at.file);
	assert_non_null(v);
	int fd = proc_mem_file(&s->mem, v);
	assert_true(fd >= 0);
	assert_int_equal(proc_mem_file(&s->mem, vma_find(&s->vmas, (uintptr_t)s->at.dirty)), fd);
	assert_int_equal(proc_mem_file(&s->mem, vma_find(&s->vmas, (uintptr_t)s->at.touched)), -1);
}

static void without_map_files_the_path_is_taken_if_it_is_the_file(void **state)
{
	struct scene *s = *state;
	struct vma v = *vma_find(&s->vmas, (uintptr_t)s->at.file);
	v.start += PAGE; /* no such name in map_files/ */
	v.offset += PAGE;
	int fd = proc_mem_file(&s->mem, &v);
	assert_true(fd >= 0);
	unsigned char buf[8];
	assert_int_equal(pread(fd, buf, 8, 1000), 8);
	assert_int_equal(buf[0], byte_at(1000));
	v.inode ^= 0x55555555; /* another file took its place */
	assert_int_equal(proc_mem_file(&s->mem, &v), -1);
	v.inode ^= 0x33333333;
	v.name = "/dev/zero"; /* never opened */
	assert_int_equal(proc_mem_file(&s->mem, &v), -1);
}

static void exit_is_noticed(void **state)
{
	struct scene *s = *state;
	unsigned char buf[64];
	kill(s->pid, SIGKILL);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(read_at(s, s->at.untouched, buf, 64)); /* would be zeros */
	assert_true(s->mem.gone);
	s->mem.gone = false;
	assert_false(read_at(s, s->at.touched + PAGE, buf, 64));
	assert_true(s->mem.gone);
	s->mem.gone = false;
	assert_false(read_at(s, s->at.file, buf, 64)); /* though the file could be read */
	assert_true(s->mem.gone);
	not_ok(ERR_GONE, proc_process_check(&s->process));
}

static void on_signal(int sig)
{
	execl("/bin/sleep", "sleep", "100", (char *)NULL);
	_exit(1);
}

static void ready_to_exec(void *layout, void *arg)
{
	signal(SIGUSR1, on_signal);
	child_body(layout, arg);
}

static void exec_is_noticed(void **state)
{
	struct scene *outer = *state, s = { 0 };
	arena_init(&s.arena);
	s.pid = child_start(ready_to_exec, outer, &s.at, sizeof(s.at));
	attach(&s);
	ok(proc_process_check(&s.process));
	unsigned char buf[64];
	assert_true(read_at(&s, s.at.untouched, buf, 64));
	kill(s.pid, SIGUSR1);
	for (int i = 0; i < 5000 && proc_pagemap_alive(&s.pagemap); i++)
		usleep(1000);
	assert_false(read_at(&s, s.at.untouched, buf, 64));
	assert_true(s.mem.gone);
	not_ok(ERR_GONE, proc_process_check(&s.process));
	proc_mem_deinit(&s.mem);
	proc_pagemap_close(&s.pagemap);
	proc_process_close(&s.process);
	vec_deinit(&s.vmas);
	arena_deinit(&s.arena);
	child_end(s.pid);
}

static void drop_privileges(void)
{
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534) || prctl(PR_SET_DUMPABLE, 1))
		_exit(3);
}

static void nobodys_body(void *layout, void *arg)
{
	drop_privileges();
	child_body(layout, arg);
}

/* 0 when a reader without capabilities sees what it should. No assertions: this runs in a child. */
static int read_as_nobody(struct scene *s)
{
	unsigned char buf[64];
	drop_privileges();
	attach(s);
	if (!read_at(s, s->at.file + 12345, buf, 64) || buf[0] != byte_at(12345))
		return 4;
	if (!read_at(s, s->at.touched + PAGE, buf, 64) || buf[0] != byte_at(PAGE))
		return 5;
	if (!read_at(s, s->at.memfd, buf, 64) || buf[0] != byte_at(7))
		return 6;
	/* An absent page of a file that we have no way to: better nothing than zeros. */
	if (read_at(s, s->at.memfd + 512 * KIB, buf, 64))
		return 7;
	struct proc_process other;
	struct err *err = proc_process_open("/proc", getppid(), &other);
	if (err || other.exe >= 0)
		return 8;
	int fd = -1;
	err = proc_process_file(&other, "pagemap", O_RDONLY, &fd);
	if (!err || err_code(err) != ERR_DENIED || !strstr(err_text(err), "CAP_SYS_PTRACE"))
		return 9;
	err_free(err);
	return 0;
}

static void without_capabilities(void **state)
{
	struct scene *outer = *state, s = { 0 };
	if (geteuid() != 0)
		skip();
	arena_init(&s.arena);
	s.pid = child_start(nobodys_body, outer, &s.at, sizeof(s.at));
	pid_t reader = fork();
	if (reader == 0)
		_exit(read_as_nobody(&s));
	int status = 0;
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	arena_deinit(&s.arena);
	child_end(s.pid);
}

/* /proc/swaps has a line of titles and one for each area. */
static bool machine_swaps(void)
{
	char text[4096];
	AUTO_CLOSE int fd = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));
	const char *end = n > 0 ? memchr(text, '\n', (size_t)n) : NULL;
	return end && end + 1 < text + n;
}

int main(void)
{
	/* Without swap the virtual machine of tests/integration/vm_cgroup.py, which has some, runs this file for it. */
	const struct CMUnitTest swap[] = {
		cmocka_unit_test(swapped_pages_are_left_there),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(absent_pages_read_right_and_stay_absent),
		cmocka_unit_test(reading_all_changes_nothing),
		cmocka_unit_test(ranges_are_read_as_each_by_itself),
		cmocka_unit_test(a_range_that_cannot_be_read_leaves_the_others),
		cmocka_unit_test(released_pages_are_zeros),
		cmocka_unit_test(protection_does_not_hide),
		cmocka_unit_test(reads_cross_mappings),
		cmocka_unit_test(zero_and_huge_pages),
		cmocka_unit_test(private_changes_win_over_the_file),
		cmocka_unit_test(beyond_the_end_of_a_file_are_zeros),
		cmocka_unit_test(shared_memory_is_read_from_its_file),
		cmocka_unit_test(holes_fail),
		cmocka_unit_test(mem_alone_does_as_well),
		cmocka_unit_test(files_are_opened_once),
		cmocka_unit_test(without_map_files_the_path_is_taken_if_it_is_the_file),
		cmocka_unit_test(exec_is_noticed),
		cmocka_unit_test(without_capabilities),
		cmocka_unit_test(exit_is_noticed),
	};
	int failed = cmocka_run_group_tests(tests, set_up, tear_down);
	return machine_swaps() ? failed + cmocka_run_group_tests(swap, set_up, tear_down) : failed;
}
