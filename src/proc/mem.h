/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/mem - a live process as a memsrc.
 *
 * What the process would see at an address, without changing it:
 *   resident private pages   process_vm_readv(2), or the already open /proc/PID/mem where that is refused
 *   pages of a file mapping that are clean or absent    read from the file (exe: the open /proc/PID/exe; others by
 *                            map_files/ or PROCFS/PID/root + path, only when device and inode agree)
 *   absent anonymous pages   zeros
 *   swapped pages            not read (that would swap them in): the read fails and swapped_bytes counts them
 * Every range is asked of pagemap before it is read. proc_mem_refresh() takes a new table of mappings.
 * Cost: about 2 us a read (one pagemap question, one copy); bulk 2 to 5 GB/s.
 * Threads: several may read at once; proc_mem_refresh() is for when none does.
 */

#include <stdatomic.h>

#include "model/memsrc.h"
#include "model/vma.h"
#include "proc/pagemap.h"
#include "proc/process.h"

enum { PROC_MEM_CONSTANTS = 8 };

/* Bytes that a file says and nobody may change: a segment that is not writable. */
struct proc_mem_constant {
	uint64_t start, end, offset;
	int fd; /* borrowed */
};

struct proc_mem {
	struct memsrc src; /* first: a struct memsrc * is this object */
	const struct proc_process *process;
	const struct vma_vec *vmas;
	struct proc_pagemap *pagemap;
	_Atomic(const struct vma *) hint; /* the mapping last read */
	int mem;			  /* /proc/PID/mem, or -1 */
	bool only_mem;			  /* process_vm_readv(2) is refused */
	atomic_bool gone;		  /* a read failed because the process exited */
	atomic_int denied;		  /* errno of a refused read, else 0 */
	_Atomic uint64_t swapped_bytes;	  /* asked for and not read: at least so many */
	struct proc_mem_files *files;
	size_t n_constants;
	struct proc_mem_constant constants[PROC_MEM_CONSTANTS];
};

/* Borrows all three; they outlive the memsrc. DENIED when neither way of reading is allowed. */
MUST_CHECK struct err *proc_mem_init(struct proc_mem *m, const struct proc_process *p, const struct vma_vec *vmas,
				     struct proc_pagemap *pagemap);
void proc_mem_deinit(struct proc_mem *m);

/*
 * Another table of mappings from now on (borrowed). Also to be called when the table given before was changed in place:
 * pointers into it are kept.
 */
void proc_mem_refresh(struct proc_mem *m, const struct vma_vec *vmas);

/*
 * These are read from the file once the process is gone: names of code that it was seen in outlive it. All else fails then, and
 * `gone` is set as before. Before threads read.
 */
void proc_mem_constant(struct proc_mem *m, const struct proc_mem_constant *c);

/* A read-only descriptor on the file behind a mapping (borrowed, valid until deinit), or -1. */
int proc_mem_file(struct proc_mem *m, const struct vma *v);
