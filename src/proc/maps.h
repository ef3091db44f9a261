/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/maps - the address space of a process, mapping by mapping.
 *
 * Source: /proc/PID/maps (proc(5)): "start-end perms offset major:minor inode   path". The path may hold spaces; the
 * kernel writes a newline in it as \012, which is decoded. " (deleted)" is cut off and flagged.
 * Cost: about 0.1 us a mapping. Units: bytes.
 */

#include "base/arena.h"
#include "model/vma.h"
#include "proc/process.h"

enum { PROC_MAPS_MAX = 4 * 1024 * 1024 }; /* mappings; more is LIMIT */

/* Appends all mappings to `ret`; names live in `arena`. FORMAT with the line number. */
MUST_CHECK struct err *proc_maps_read(const struct proc_process *p, struct arena *arena, struct vma_vec *ret);

/* The same for text in a descriptor (tests, fuzzing, recorded files). */
MUST_CHECK struct err *proc_maps_parse(int fd, struct arena *arena, struct vma_vec *ret);

/* Totals of the whole process: /proc/PID/smaps_rollup, all in bytes. */
struct proc_rollup {
	uint64_t rss, pss, swap, swap_pss, anonymous, lazyfree, anon_huge, hugetlb;
};

MUST_CHECK struct err *proc_rollup_read(const struct proc_process *p, struct proc_rollup *ret);
MUST_CHECK struct err *proc_rollup_parse(int fd, struct proc_rollup *ret);

/* One mapping of /proc/PID/smaps; costs the kernel a page table walk, so ask only when needed (--pss, lazyfree). */
struct proc_smap {
	uint64_t start, end;
	uint64_t rss, pss, swap, swap_pss, anonymous, lazyfree, anon_huge, hugetlb, dirty; /* bytes */
};

VEC_TYPE(proc_smap_vec, struct proc_smap);
MUST_CHECK struct err *proc_smaps_read(const struct proc_process *p, struct proc_smap_vec *ret);
MUST_CHECK struct err *proc_smaps_parse(int fd, struct proc_smap_vec *ret);
