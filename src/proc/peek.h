/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/peek - a few words of a live process's anonymous memory, again and again, as cheaply as can be.
 *
 * A memsrc without a table of mappings: one descriptor and some words a process, where struct proc_mem needs kilobytes.
 * For anonymous memory only (bss, heaps), where an absent page reads as zeros. Pages that are not there are never touched:
 * every range is asked of the page map first; what is in swap is not read, and fails.
 * The page map is that of the address space at open. When the process ends or starts another program the kernel says so
 * there: `gone`, and nothing is believed that was read before that was seen.
 * Cost: about a microsecond for ranges within some pages of each other, and half a microsecond for each further place, or
 * a whole one where a descriptor is read. Ranges in order of address are cheapest.
 */

#include "model/memsrc.h"
#include "proc/process.h"

struct proc_peek {
	struct memsrc src; /* first: a struct memsrc * is this object */
	const struct proc_process *process;
	int pagemap;
	int mem; /* -1: process_vm_readv(2) reads, as long as it is allowed */
	bool gone;
};

/* Borrows p. DENIED names what is missing; GONE. On failure *ret needs no close. */
MUST_CHECK struct err *proc_peek_open(const struct proc_process *p, struct proc_peek *ret);
void proc_peek_close(struct proc_peek *k);
