/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/num.h"

/* From linux/fs.h of 6.7 and later; the headers of older systems lack it. */
struct pm_region {
	uint64_t start, end, categories;
};

struct pm_scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define PM_SCAN _IOWR('f', 16, struct pm_scan)

enum {
	PM_FILE = 1 << 2,
	PM_PRESENT = 1 << 3,
	PM_SWAPPED = 1 << 4,
	PM_PFNZERO = 1 << 5,
	PM_HUGE = 1 << 6,
	PM_GUARD = 1 << 8, /* 6.15 */

	VEC_LEN = 512,
	PAGE = 4096,
	ENTRIES = 512, /* page table entries under one huge page */
	HUGE = ENTRIES * PAGE,
};

#define USER_END (UINT64_C(1) << 63) /* [vsyscall] lies above: the kernel has no page map of that */
#define VOID_MIN (UINT64_C(1) << 30)
#define VOID_STEP (UINT64_C(64) << 30)
#define KPF_THP (UINT64_C(1) << 22)
#define KPF_ZERO_PAGE (UINT64_C(1) << 24)
#define PFN_MASK ((UINT64_C(1) << 55) - 1)

static int scan(struct proc_pagemap *pm, uint64_t start, uint64_t end, struct pm_region *vec, struct pm_scan *arg)
{
	/* max_pages matters to steps over a void only, see read_range(). */
	const uint64_t not = PM_PFNZERO | (pm->guard ? PM_GUARD : 0);
	*arg = (struct pm_scan){
		.size = sizeof(*arg),
		.start = start,
		.end = end,
		.walk_end = end,
		.vec = (uintptr_t)vec,
		.vec_len = VEC_LEN,
		.max_pages = PROC_PAGEMAP_STEP / PAGE,
		.category_inverted = not,
		.category_mask = not,
		.category_anyof_mask = PM_PRESENT | PM_SWAPPED,
		.return_mask = PM_PRESENT | PM_SWAPPED | PM_FILE | PM_HUGE,
	};
	int n = ioctl(pm->fd, PM_SCAN, arg);
	while (n < 0 && errno == EINTR)
		n = ioctl(pm->fd, PM_SCAN, arg);
	return n;
}

static void probe_scan(struct proc_pagemap *pm)
{
	struct pm_region vec[VEC_LEN];
	struct pm_scan arg;
	pm->guard = true;
	pm->scan = scan(pm, 0, 0, vec, &arg) >= 0;
	if (pm->scan)
		return;
	pm->guard = false;
	pm->scan = scan(pm, 0, 0, vec, &arg) >= 0;
}

/*
 * The frame number of the zero page: there is one for all processes on x86 and arm64, so two pages of ours that were only
 * read tell it; 0 where each has a frame of its own, so that there are no zero pages. False when frame numbers are not
 * shown to us (CAP_SYS_ADMIN).
 */
static bool zero_frame(uint64_t *ret)
{
	const size_t two = (size_t)2 * PAGE;
	volatile const char *page = mmap(NULL, two, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return false;
	AUTO_CLOSE int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry[2] = { 0 }, addr = (uintptr_t)page;
	bool zero = !page[0] && !page[PAGE];
	ssize_t n = fd < 0 ? -1 : pread(fd, entry, sizeof(entry), (off_t)(addr / PAGE * sizeof(entry[0])));
	munmap((void *)(uintptr_t)addr, two);
	uint64_t frame = entry[0] & PFN_MASK, other = entry[1] & PFN_MASK;
	*ret = frame == other ? frame : 0;
	return n == (ssize_t)sizeof(entry) && zero && entry[0] & entry[1] & PROC_PAGEMAP_PRESENT && frame && other;
}

struct err *proc_pagemap_open(const struct proc_process *p, struct proc_pagemap *ret)
{
	*ret = (struct proc_pagemap){ .fd = -1, .kpageflags = -1 };
	TRY(proc_process_file(p, "pagemap", O_RDONLY, &ret->fd));
	ret->kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	probe_scan(ret);
	ret->zero_known = ret->scan;
	if (!ret->scan)
		proc_pagemap_use_entries(ret);
	return NULL;
}

void proc_pagemap_use_entries(struct proc_pagemap *pm)
{
	pm->scan = false;
	pm->zero_known = zero_frame(&pm->zero_pfn);
}

void proc_pagemap_close(struct proc_pagemap *pm)
{
	if (pm->fd >= 0)
		close(pm->fd);
	if (pm->kpageflags >= 0)
		close(pm->kpageflags);
	pm->fd = pm->kpageflags = -1;
}

static void add_run(struct page_vec *ret, size_t base, struct page_run run)
{
	if (ret->n > base) {
		struct page_run *last = &ret->v[ret->n - 1];
		if (last->end == run.start && last->kind == run.kind && last->huge == run.huge) {
			last->end = run.end;
			return;
		}
	}
	*vec_push(ret) = run;
}

static enum page_kind kind_of(uint64_t categories)
{
	if (!(categories & PM_PRESENT))
		return PAGE_SWAP;
	return categories & PM_FILE ? PAGE_FILE : PAGE_ANON;
}

/*
 * The huge zero page: kernels before 6.17 report it as present, huge and anonymous. Frame numbers tell, where we may
 * see them; without them such a run counts as resident.
 */
static bool huge_zero(struct proc_pagemap *pm, uint64_t addr)
{
	uint64_t entry = 0, flags = 0;
	if (pm->kpageflags < 0 || !proc_pagemap_entries(pm, addr, 1, &entry))
		return false;
	uint64_t pfn = entry & PFN_MASK;
	if (!pfn || pread(pm->kpageflags, &flags, sizeof(flags), (off_t)(pfn * sizeof(flags))) != sizeof(flags))
		return false;
	return flags & KPF_ZERO_PAGE;
}

static void add_region(struct proc_pagemap *pm, const struct pm_region *r, uint64_t from, size_t base,
		       struct page_vec *ret)
{
	struct page_run run = {
		.start = num_max(r->start, from),
		.end = r->end,
		.kind = kind_of(r->categories),
		.huge = r->categories & PM_HUGE,
	};
	if (run.start >= run.end)
		return;
	if (!run.huge || run.kind != PAGE_ANON || pm->kpageflags < 0) {
		add_run(ret, base, run);
		return;
	}
	for (uint64_t at = run.start, next = 0; at < run.end; at = next) {
		next = num_min((at | (HUGE - 1)) + 1, run.end);
		if (!huge_zero(pm, at))
			add_run(ret, base, (struct page_run){ at, next, run.kind, true });
	}
}

static struct err *scan_step(struct proc_pagemap *pm, uint64_t start, uint64_t end, size_t base, struct page_vec *ret)
{
	struct pm_region vec[VEC_LEN];
	while (start < end) {
		struct pm_scan arg;
		int n = scan(pm, start, end, vec, &arg);
		if (n < 0)
			return err_os(errno, "scanning the page map");
		uint64_t next = arg.walk_end;
		for (int i = 0; i < n; i++) {
			add_region(pm, &vec[i], start, base, ret);
			next = num_max(next, vec[i].end);
		}
		if (next <= start)
			break;
		start = next;
	}
	return NULL;
}

bool proc_pagemap_entries(struct proc_pagemap *pm, uint64_t addr, size_t n, uint64_t *ret)
{
	size_t want = n * sizeof(*ret), got = 0;
	while (got < want) {
		off_t at = (off_t)(addr / PAGE * sizeof(*ret) + got);
		ssize_t r = pread(pm->fd, (char *)ret + got, want - got, at);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		got += (size_t)r;
	}
	return true;
}

bool proc_pagemap_alive(struct proc_pagemap *pm)
{
	uint64_t entry = 0;
	return proc_pagemap_entries(pm, 0, 1, &entry);
}

/* Do these entries map one transparent huge page? Frame numbers in a row say so, and kpageflags confirms. */
static bool whole_huge(struct proc_pagemap *pm, const uint64_t *e, uint64_t *flags)
{
	uint64_t first = e[0] & PFN_MASK;
	if (pm->kpageflags < 0 || !(e[0] & PROC_PAGEMAP_PRESENT) || !first || first % ENTRIES)
		return false;
	for (size_t i = 1; i < ENTRIES; i++) {
		if ((e[i] & PFN_MASK) != first + i || !(e[i] & PROC_PAGEMAP_PRESENT))
			return false;
	}
	off_t at = (off_t)(first * sizeof(*flags));
	return pread(pm->kpageflags, flags, sizeof(*flags), at) == sizeof(*flags) && *flags & KPF_THP;
}

static void add_entry(struct proc_pagemap *pm, uint64_t addr, uint64_t e, size_t base, struct page_vec *ret)
{
	enum page_kind kind = PAGE_SWAP;
	if (e & PROC_PAGEMAP_PRESENT) {
		if (pm->zero_pfn && (e & PFN_MASK) == pm->zero_pfn)
			return;
		kind = e & PROC_PAGEMAP_FILE ? PAGE_FILE : PAGE_ANON;
	} else if (!(e & PROC_PAGEMAP_SWAP) || e & PROC_PAGEMAP_GUARD) {
		return;
	}
	add_run(ret, base, (struct page_run){ addr, addr + PAGE, kind, false });
}

/* n entries, all under one huge page. */
static void add_entries(struct proc_pagemap *pm, uint64_t addr, const uint64_t *e, size_t n, size_t base,
			struct page_vec *ret)
{
	uint64_t flags = 0;
	if (n == ENTRIES && whole_huge(pm, e, &flags)) {
		enum page_kind kind = e[0] & PROC_PAGEMAP_FILE ? PAGE_FILE : PAGE_ANON;
		if (!(flags & KPF_ZERO_PAGE))
			add_run(ret, base, (struct page_run){ addr, addr + HUGE, kind, true });
		return;
	}
	for (size_t i = 0; i < n; i++)
		add_entry(pm, addr + i * PAGE, e[i], base, ret);
}

static struct err *entries_step(struct proc_pagemap *pm, uint64_t start, uint64_t end, size_t base,
				struct page_vec *ret)
{
	uint64_t e[ENTRIES] = { 0 };
	for (uint64_t next = 0; start < end; start = next) {
		next = num_min((start | (HUGE - 1)) + 1, end);
		size_t n = (size_t)((next - start) / PAGE);
		if (!proc_pagemap_entries(pm, start, n, e))
			return proc_pagemap_alive(pm) ? NULL : err_gone(); /* else: above user space */
		add_entries(pm, start, e, n, base, ret);
	}
	return NULL;
}

/*
 * A reservation may be of terabytes (sanitizers, language runtimes), and a walk over address space that has no page
 * tables is nearly free. So once VOID_MIN of it were found empty the steps grow; the first page ends that, and
 * max_pages keeps one scan from covering more than PROC_PAGEMAP_STEP of pages that are there.
 */
static struct err *read_range(struct proc_pagemap *pm, uint64_t start, uint64_t end, struct page_vec *ret)
{
	size_t base = ret->n;
	uint64_t empty = 0;
	for (uint64_t next = 0; start < end; start = next) {
		size_t before = ret->n;
		uint64_t last_end = before > base ? ret->v[before - 1].end : 0;
		uint64_t step = PROC_PAGEMAP_STEP;
		if (pm->scan && empty >= VOID_MIN)
			step = num_min(empty, VOID_STEP);
		next = end - start > step ? start + step : end;
		TRY(pm->scan ? scan_step(pm, start, next, base, ret) : entries_step(pm, start, next, base, ret));
		bool grew = ret->n > before || (before > base && ret->v[before - 1].end != last_end);
		empty = grew ? 0 : empty + (next - start);
	}
	return NULL;
}

struct err *proc_pagemap_read(struct proc_pagemap *pm, uint64_t start, uint64_t end, struct page_vec *ret)
{
	start &= ~(uint64_t)(PAGE - 1);
	end = num_min(end, USER_END);
	end = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	size_t base = ret->n;
	TRY(read_range(pm, start, end, ret));
	/* An address space that has gone looks empty to a scan. */
	if (ret->n == base && start < end && !proc_pagemap_alive(pm))
		return err_gone();
	return NULL;
}

/* Device memory has neither anonymous nor file pages, and a shared mapping has no anonymous ones. */
static void drop_anon(struct page_vec *ret, size_t base)
{
	size_t out = base;
	for (size_t i = base; i < ret->n; i++) {
		if (ret->v[i].kind != PAGE_ANON)
			ret->v[out++] = ret->v[i];
	}
	ret->n = out;
}

struct err *proc_pagemap_vma(struct proc_pagemap *pm, const struct vma *vma, struct page_vec *ret)
{
	if (vma->flags & VMA_HUGETLB || !strncmp(vma->name, "[vvar", 5) || !strcmp(vma->name, "[vsyscall]"))
		return NULL;
	size_t base = ret->n;
	TRY(proc_pagemap_read(pm, vma->start, vma->end, ret));
	if (vma->flags & VMA_SHARED)
		drop_anon(ret, base);
	return NULL;
}
