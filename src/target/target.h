/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/target - a live process, opened: identity, mappings, memory, executable, Go runtime.
 *
 * What may be missing (memory not readable, not Go, unknown layout) is no error; the fields say so.
 */

#include "gort/gort.h"
#include "gort/refs.h"
#include "model/account.h"
#include "proc/maps.h"
#include "proc/mem.h"
#include "proc/pagemap.h"
#include "proc/process.h"
#include "sym/elf.h"

struct target {
	struct arena arena;
	const char *procfs;
	struct proc_process process;
	const char *exe_path; /* as /proc/PID/exe says, " (deleted)" cut; NULL = unknown */
	struct vma_vec maps;
	struct proc_pagemap pagemap;
	bool has_pagemap;
	struct proc_mem mem;
	bool has_mem;
	struct sym_elf elf;
	bool has_elf;
	uint64_t bias;	      /* live address - ELF address */
	struct vma library;   /* the Go image is this library, when inode is set */
	struct vma_vec image; /* mappings of the Go image: the executable's, and the bss that follows */
	struct sym_symbol_vec symbols;
	struct gort_ref_vec refs; /* for stripped images, when target_find_refs() was called */
	struct gort gort;
	bool is_go;
	struct err *mem_err; /* why has_mem or has_pagemap is false */
};

/* NOT_FOUND, GONE, DENIED when not even the mappings can be read. */
MUST_CHECK struct err *target_open(const char *procfs, int pid, struct target *ret);
void target_close(struct target *t);

static inline void target_auto(struct target *t)
{
	target_close(t);
}

/*
 * The outcome of a read that ended with `err`, which is taken (NULL: well): GONE when the process has ended or is
 * ending, whatever the read stumbled over then. Memory goes before the process does, so what is found in the last
 * moment may look like damage, or like a runtime of another layout.
 */
MUST_CHECK struct err *target_outcome(const struct target *t, struct err *err);

/* Is it Go, and which build: fills elf, image and gort.module, without reading the runtime. */
void target_identify(struct target *t);

/* Was runtime/cgo linked in? By the functions of an attached target, by the build's settings otherwise. */
bool target_uses_cgo(const struct target *t);

/* Look for a Go runtime. Notes go to `a` (may be NULL). */
MUST_CHECK struct err *target_attach(struct target *t, struct account *a);

/* Read which code refers to which data, if the image is Go and has no symbols. */
void target_find_refs(struct target *t);

/* Read the mappings again, into the target's arena. */
MUST_CHECK struct err *target_remap(struct target *t);
