/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/pagemap - which pages are there, without touching them.
 *
 * Source: the PAGEMAP_SCAN ioctl of Linux 6.7 where it works, else /proc/PID/pagemap entries (bit 63 present, 62 swapped,
 * 61 file or shared), with zero pages told by /proc/kpageflags where page frame numbers are shown (CAP_SYS_ADMIN).
 * The kernel holds mmap_lock for one whole ioctl, so a scan goes in pieces of at most PROC_PAGEMAP_STEP bytes.
 * vec_len is kept at 512 or less: above that the kernel may report a walk_end that repeats pages (seen on 6.18).
 */

#include "model/vma.h"
#include "proc/process.h"

enum { PROC_PAGEMAP_STEP = 16 * 1024 * 1024 };

struct proc_pagemap {
	int fd;		   /* /proc/PID/pagemap */
	int kpageflags;	   /* fallback only, or -1 */
	bool scan;	   /* PAGEMAP_SCAN works here */
	bool guard;	   /* ... and tells guard regions (6.15) from swap */
	bool zero_known;   /* zero pages can be told from resident ones */
	uint64_t zero_pfn; /* fallback only: frame of the zero page, or 0 */
};

MUST_CHECK struct err *proc_pagemap_open(const struct proc_process *p, struct proc_pagemap *ret);
void proc_pagemap_close(struct proc_pagemap *pm);

/* From now on do without PAGEMAP_SCAN, as on an older kernel. */
void proc_pagemap_use_entries(struct proc_pagemap *pm);

/* Appends the resident and swapped pages of [start, end) as runs, in order, neighbours of one kind joined. */
MUST_CHECK struct err *proc_pagemap_read(struct proc_pagemap *pm, uint64_t start, uint64_t end, struct page_vec *ret);

/*
 * The same for one mapping, as Rss counts it: nothing of hugetlbfs, of [vvar] and [vsyscall], and no device memory
 * (present in a shared mapping, yet no page of a file).
 */
MUST_CHECK struct err *proc_pagemap_vma(struct proc_pagemap *pm, const struct vma *vma, struct page_vec *ret);

/* Raw entries of n pages from `addr` on. False when the address space is gone, or addr is no address of a process. */
#define PROC_PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PROC_PAGEMAP_SWAP (UINT64_C(1) << 62)
#define PROC_PAGEMAP_FILE (UINT64_C(1) << 61)
#define PROC_PAGEMAP_GUARD (UINT64_C(1) << 58)
bool proc_pagemap_entries(struct proc_pagemap *pm, uint64_t addr, size_t n, uint64_t *ret);

/* Whether the address space that was opened still exists: false after exit and after exec. About 0.3 us. */
bool proc_pagemap_alive(struct proc_pagemap *pm);
