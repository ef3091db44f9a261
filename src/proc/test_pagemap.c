/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "proc/maps.h"
#include "proc/pagemap.h"
#include "proc/test_child.h"

enum { PAGE = 4096, MIB = 1024 * 1024, GUARD_INSTALL = 102 };

#define GIB (UINT64_C(1) << 30)
#define LARGE (256 * GIB)

struct layout {
	unsigned char *touched, *sparse, *zero, *huge, *huge_zero, *shared, *reserve, *file, *guard;
	bool guarded;
	/* By the kernel's sums: there are kernels that give pages of their own to what is only read. */
	uint64_t zero_resident, huge_zero_resident;
};

struct scene {
	struct layout at;
	pid_t pid;
	struct proc_process process;
	struct proc_pagemap pagemap;
	struct arena arena;
	struct vma_vec vmas;
};

static unsigned char *anon(size_t len, int prot)
{
	unsigned char *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

static unsigned char *huge_aligned(size_t len)
{
	uintptr_t p = (uintptr_t)anon(len + 2 * MIB, PROT_READ | PROT_WRITE);
	unsigned char *at = (unsigned char *)((p + 2 * MIB - 1) & ~(uintptr_t)(2 * MIB - 1));
	madvise(at, len, MADV_HUGEPAGE);
	return at;
}

static uint64_t anonymous(void)
{
	struct proc_process self;
	struct proc_rollup r;
	ok(proc_process_open("/proc", getpid(), &self));
	ok(proc_rollup_read(&self, &r));
	proc_process_close(&self);
	return r.anonymous;
}

static void child_body(void *layout, void *arg)
{
	struct layout *l = layout;
	volatile unsigned char sink = 0;
	l->touched = anon(40 * MIB, PROT_READ | PROT_WRITE);
	memset(l->touched, 1, 40 * MIB);
	l->sparse = anon(20 * MIB, PROT_READ | PROT_WRITE);
	for (size_t i = 0; i < 20 * MIB; i += 2 * PAGE)
		l->sparse[i] = 1; /* 2560 runs: more than a vector of one scan */
	l->zero = anon(MIB, PROT_READ | PROT_WRITE);
	uint64_t before = anonymous();
	for (size_t i = 0; i < MIB; i += PAGE)
		sink = (unsigned char)(sink + l->zero[i]);
	l->zero_resident = (anonymous() - before + MIB / 2) / MIB * MIB;
	l->huge = huge_aligned(4 * MIB);
	memset(l->huge, 1, 4 * MIB);
	l->huge_zero = huge_aligned(4 * MIB);
	before = anonymous();
	sink = (unsigned char)(sink + l->huge_zero[0] + l->huge_zero[2 * MIB]);
	l->huge_zero_resident = (anonymous() - before + MIB / 2) / MIB * MIB;
	l->shared = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(l->shared, 1, MIB / 2);
	l->reserve = anon(LARGE, PROT_NONE);
	mprotect(l->reserve + LARGE / 2 + 3 * PAGE, 5 * PAGE, PROT_READ | PROT_WRITE);
	memset(l->reserve + LARGE / 2 + 3 * PAGE, 1, 5 * PAGE);
	mprotect(l->reserve + LARGE / 2 + 3 * PAGE, 5 * PAGE, PROT_NONE);
	l->guard = anon(16 * PAGE, PROT_READ | PROT_WRITE);
	memset(l->guard, 1, 16 * PAGE);
	l->guarded = madvise(l->guard, 4 * PAGE, GUARD_INSTALL) == 0;
	prctl(PR_SET_THP_DISABLE, 1); /* else khugepaged may change what we have made */
}

static int set_up(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));
	arena_init(&s->arena);
	s->pid = child_start(child_body, NULL, &s->at, sizeof(s->at));
	usleep(10000); /* it goes to sleep */
	ok(proc_process_open("/proc", s->pid, &s->process));
	ok(proc_maps_read(&s->process, &s->arena, &s->vmas));
	ok(proc_pagemap_open(&s->process, &s->pagemap));
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	proc_pagemap_close(&s->pagemap);
	proc_process_close(&s->process);
	vec_deinit(&s->vmas);
	arena_deinit(&s->arena);
	child_end(s->pid);
	free(s);
	return 0;
}

struct sums {
	uint64_t anon, file, swap, huge;
	size_t runs;
};

static void add_runs(const struct page_vec *v, struct sums *sum)
{
	for (size_t i = 0; i < v->n; i++) {
		uint64_t len = v->v[i].end - v->v[i].start;
		assert_true(len && !(v->v[i].start % PAGE) && !(len % PAGE));
		assert_true(!i || v->v[i].start >= v->v[i - 1].end);
		sum->anon += v->v[i].kind == PAGE_ANON ? len : 0;
		sum->file += v->v[i].kind == PAGE_FILE ? len : 0;
		sum->swap += v->v[i].kind == PAGE_SWAP ? len : 0;
		sum->huge += v->v[i].huge ? len : 0;
	}
	sum->runs += v->n;
}

static struct sums look(struct scene *s, const void *addr, size_t len)
{
	struct page_vec v = { 0 };
	struct sums sum = { 0 };
	ok(proc_pagemap_read(&s->pagemap, (uintptr_t)addr, (uintptr_t)addr + len, &v));
	add_runs(&v, &sum);
	vec_deinit(&v);
	return sum;
}

static void check_regions(struct scene *s)
{
	struct sums t = look(s, s->at.touched, 40 * MIB);
	assert_int_equal(t.anon, 40 * MIB);
	assert_int_equal(t.file + t.swap, 0);
	t = look(s, s->at.sparse, 20 * MIB);
	assert_int_equal(t.anon, 10 * MIB);
	assert_int_equal(t.runs, 2560);
	if (s->pagemap.zero_known)
		assert_int_equal(look(s, s->at.zero, MIB).anon, s->at.zero_resident);
	t = look(s, s->at.shared, MIB);
	assert_int_equal(t.file, MIB / 2);
	assert_int_equal(t.anon, 0);
	t = look(s, s->at.touched + PAGE, 1); /* a part of a page is that page */
	assert_int_equal(t.anon, PAGE);
	if (s->at.guarded) {
		t = look(s, s->at.guard, 16 * PAGE);
		assert_int_equal(t.anon, 12 * PAGE);
		assert_int_equal(t.swap, 0);
	}
}

static void regions_by_scan(void **state)
{
	struct scene *s = *state;
	if (!s->pagemap.scan)
		skip();
	check_regions(s);
}

/* Pages somewhere in the middle of a quarter of a terabyte that nobody may touch. */
static void a_large_reservation(void **state)
{
	struct scene *s = *state;
	if (!s->pagemap.scan)
		skip();
	struct sums t = look(s, s->at.reserve, LARGE);
	assert_int_equal(t.anon, 5 * PAGE);
	assert_int_equal(t.runs, 1);
}

static void the_whole_process_is_its_rss(void **state)
{
	struct scene *s = *state;
	struct proc_rollup r;
	struct sums sum = { 0 };
	for (size_t i = 0; i < s->vmas.n; i++) {
		struct page_vec v = { 0 };
		ok(proc_pagemap_vma(&s->pagemap, &s->vmas.v[i], &v));
		add_runs(&v, &sum);
		vec_deinit(&v);
	}
	ok(proc_rollup_read(&s->process, &r));
	if (!s->pagemap.zero_known)
		skip();
	assert_int_equal(sum.anon + sum.file, r.rss);
	assert_int_equal(sum.anon, r.anonymous);
	assert_int_equal(sum.swap, r.swap);
	assert_true(sum.huge >= r.anon_huge);
}

static void what_is_no_memory_is_left_out(void **state)
{
	struct scene *s = *state;
	struct page_vec v = { 0 };
	for (size_t i = 0; i < s->vmas.n; i++) {
		if (!strncmp(s->vmas.v[i].name, "[vvar", 5) || !strcmp(s->vmas.v[i].name, "[vsyscall]"))
			ok(proc_pagemap_vma(&s->pagemap, &s->vmas.v[i], &v));
	}
	struct vma huge = *vma_find(&s->vmas, (uintptr_t)s->at.touched);
	huge.flags |= VMA_HUGETLB;
	ok(proc_pagemap_vma(&s->pagemap, &huge, &v));
	struct vma device = *vma_find(&s->vmas, (uintptr_t)s->at.touched);
	device.flags |= VMA_SHARED; /* shared, yet its pages are no file's */
	ok(proc_pagemap_vma(&s->pagemap, &device, &v));
	assert_int_equal(v.n, 0);
	vec_deinit(&v);
}

static void odd_ranges(void **state)
{
	struct scene *s = *state;
	struct page_vec v = { 0 };
	ok(proc_pagemap_read(&s->pagemap, 0, 0, &v));
	ok(proc_pagemap_read(&s->pagemap, 5 * PAGE, PAGE, &v));
	ok(proc_pagemap_read(&s->pagemap, UINT64_C(0xffffffffff600000), UINT64_C(0xffffffffff601000), &v));
	assert_int_equal(v.n, 0);
	vec_deinit(&v);
	uint64_t e[2];
	assert_false(proc_pagemap_entries(&s->pagemap, UINT64_MAX - PAGE, 2, e));
	assert_true(proc_pagemap_entries(&s->pagemap, (uintptr_t)s->at.touched, 2, e));
	assert_true(e[0] & PROC_PAGEMAP_PRESENT && !(e[0] & PROC_PAGEMAP_FILE));
	assert_true(proc_pagemap_alive(&s->pagemap));
}

/* As on a kernel without PAGEMAP_SCAN. */
static void regions_by_entries(void **state)
{
	struct scene *s = *state;
	struct sums huge = look(s, s->at.huge, 4 * MIB), huge_zero = look(s, s->at.huge_zero, 4 * MIB);
	assert_int_equal(huge.anon, 4 * MIB);
	proc_pagemap_use_entries(&s->pagemap);
	check_regions(s);
	struct sums by_entries = look(s, s->at.huge, 4 * MIB);
	assert_int_equal(by_entries.anon, 4 * MIB);
	if (s->pagemap.kpageflags < 0)
		skip();
	assert_int_equal(by_entries.huge, huge.huge);
	assert_int_equal(huge_zero.anon, s->at.huge_zero_resident);
	assert_int_equal(look(s, s->at.huge_zero, 4 * MIB).anon, s->at.huge_zero_resident);
	assert_int_equal(look(s, s->at.reserve + LARGE / 2, 16 * MIB).anon, 5 * PAGE);
}

static void both_ways_agree(void **state)
{
	struct scene *s = *state;
	struct proc_pagemap other;
	ok(proc_pagemap_open(&s->process, &other));
	if (!other.scan || !s->pagemap.zero_known) {
		proc_pagemap_close(&other);
		skip();
	}
	for (size_t i = 0; i < s->vmas.n; i++) {
		struct page_vec a = { 0 }, b = { 0 };
		if (vma_size(&s->vmas.v[i]) > GIB)
			continue;
		ok(proc_pagemap_vma(&s->pagemap, &s->vmas.v[i], &a));
		ok(proc_pagemap_vma(&other, &s->vmas.v[i], &b));
		struct sums x = { 0 }, y = { 0 };
		add_runs(&a, &x);
		add_runs(&b, &y);
		assert_int_equal(x.anon, y.anon);
		assert_int_equal(x.file, y.file);
		assert_int_equal(x.swap, y.swap);
		vec_deinit(&a);
		vec_deinit(&b);
	}
	proc_pagemap_close(&other);
}

static void a_process_that_is_gone(void **state)
{
	struct scene *s = *state;
	struct page_vec v = { 0 };
	struct proc_pagemap scan;
	ok(proc_pagemap_open(&s->process, &scan));
	kill(s->pid, SIGKILL);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOWAIT), 0);
	uint64_t at = (uintptr_t)s->at.touched;
	assert_false(proc_pagemap_alive(&scan));
	not_ok(ERR_GONE, proc_pagemap_read(&scan, at, at + MIB, &v));
	not_ok(ERR_GONE, proc_pagemap_read(&s->pagemap, at, at + MIB, &v));
	assert_int_equal(v.n, 0);
	proc_pagemap_close(&scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regions_by_scan),
		cmocka_unit_test(a_large_reservation),
		cmocka_unit_test(the_whole_process_is_its_rss),
		cmocka_unit_test(what_is_no_memory_is_left_out),
		cmocka_unit_test(odd_ranges),
		cmocka_unit_test(regions_by_entries),
		cmocka_unit_test(both_ways_agree),
		cmocka_unit_test(a_process_that_is_gone),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
