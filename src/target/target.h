/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * target/target - what is looked at, opened: a live process or an ELF core. Mappings, memory, executable, Go runtime.
 *
 * What both have is in struct target and the functions below, and nobody asks which it is; what only the kernel tells of
 * a running process (descriptors, cgroup, smaps, stopping) is asked of `live`, which is NULL for a core.
 * What may be missing (memory not readable, not Go, unknown layout) is no error; the fields say so.
 */

#include "gort/gort.h"
#include "gort/refs.h"
#include "model/account.h"
#include "model/vma.h"
#include "proc/mem.h"
#include "proc/pagemap.h"
#include "proc/process.h"
#include "sym/dwarf.h"
#include "sym/elf.h"

struct target_core;
struct target_row; /* how a live process or a core answers: target/row.h */

/* A live process. */
struct target_live {
	const char *procfs;
	struct proc_process process;
	struct proc_pagemap pagemap;
	struct proc_mem mem;
};

/* Nanoseconds; 0 = unknown. */
struct target_clock {
	int64_t wall, monotonic, boot; /* CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME */
};

struct target {
	struct arena arena;
	const struct target_row *row;
	struct target_live *live; /* NULL of a core */
	struct target_core *core; /* NULL of a live process; private */
	const char *name;	  /* for people: "pid 4711", or the file's name */
	int pid;
	const char *comm;     /* hostile */
	const char *exe_path; /* as /proc/PID/exe says, " (deleted)" cut; NULL = unknown */
	int exe;	      /* the executable that is mapped, or -1 (borrowed) */
	uint64_t exe_inode;   /* of its mappings */
	uint64_t start_ticks; /* field 22 of /proc/PID/stat; 0 = unknown */
	const char *boot_id;  /* of the machine that a core is from, or NULL */
	uint64_t threads;     /* of a core */
	struct vma_vec maps;
	bool blank;	      /* a core without contents of the heap: only its structure can be told */
	struct memsrc *mem;   /* NULL: cannot be read */
	bool has_pages;	      /* target_pages() works */
	bool has_page_list;   /* ... as they were resident; the pages of other cores are those that the file has */
	struct str_vec notes; /* sentences on what a core lacks */
	const char *lack;     /* of these, the one without which there may be nothing to find, or NULL */
	struct err *mem_err;  /* why `mem` or `has_pages` is missing */
	struct sym_elf elf;
	bool has_elf;
	bool no_symbols;      /* set by the caller before it attaches: do without the symbol table, for less memory */
	uint64_t bias;	      /* live address - ELF address */
	struct vma library;   /* the Go image is this library, when inode is set */
	struct vma_vec image; /* mappings of the Go image: the executable's, and the bss that follows */
	struct sym_symbol_vec symbols;
	struct gort_ref_vec refs;		/* for stripped images, when target_find_refs() was called */
	struct sym_dwarf_variable_vec declared; /* when target_find_declared() was called */
	bool declared_known;
	struct gort gort;
	bool is_go;
};

/* A live process. NOT_FOUND, GONE, DENIED when not even the mappings can be read. */
MUST_CHECK struct err *target_open(const char *procfs, int pid, struct target *ret);

/* A core: a descriptor on the (unpacked) file, its name for messages, and the executable that somebody named, or NULL. */
struct target_source {
	int fd;
	const char *name, *exe;
};

/*
 * Borrows all of it. What the core leaves out of files is read from the files themselves where these are the same: the
 * build id in the core's copy of their first page decides, or that page. FORMAT, UNSUPPORTED, LIMIT as core_open(); ARG
 * when the named executable is another one.
 */
MUST_CHECK struct err *target_open_core(const struct target_source *source, struct target *ret);
void target_close(struct target *t);

static inline void target_auto(struct target *t)
{
	target_close(t);
}

/*
 * The outcome of a read that ended with `err`, which is taken (NULL: well): GONE when the process has ended or is
 * ending, whatever the read stumbled over then. Memory goes before the process does, so what is found in the last
 * moment may look like damage, or like a runtime of another layout. A core is never gone.
 */
MUST_CHECK struct err *target_outcome(const struct target *t, struct err *err);

/* A read failed because the process exited. */
bool target_gone(const struct target *t);

/* Bytes that were asked for and not read because they are in swap. */
uint64_t target_swapped(const struct target *t);

/* Appends the resident and swapped pages of [start, end) in order. Only with has_pages. */
MUST_CHECK struct err *target_pages(struct target *t, uint64_t start, uint64_t end, struct page_vec *ret);

/* A read-only descriptor on the file behind a mapping (borrowed, valid until close), or -1. */
int target_file(struct target *t, const struct vma *v);

/* Now, or when the core was written. */
struct target_clock target_clock(const struct target *t);

/* Value of one environment variable as of exec, in `arena`, or NULL. */
const char *target_environ(struct target *t, const char *name, struct arena *arena);

/* The thread's name, "" when it is not known. */
void target_thread_comm(const struct target *t, int tid, char *buf, size_t len);

/* Read the mappings again, into the target's arena. */
MUST_CHECK struct err *target_remap(struct target *t);

/* Is it Go, and which build: fills elf, image and gort.module, without reading the runtime. */
void target_identify(struct target *t);

/* Was runtime/cgo linked in? By the functions of an attached target, by the build's settings otherwise. */
bool target_uses_cgo(const struct target *t);

/* Look for a Go runtime. Notes go to `a` (may be NULL). */
MUST_CHECK struct err *target_attach(struct target *t, struct account *a);

/* Read which code refers to which data, if the image is Go and has no symbols. */
void target_find_refs(struct target *t);

/*
 * Read what debug information says of variables, if the image is the executable, is Go, and has any; once. FORMAT or LIMIT
 * as sym_dwarf_variables(): what could be read is there.
 */
MUST_CHECK struct err *target_find_declared(struct target *t);
