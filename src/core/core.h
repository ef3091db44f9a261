/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * core/core - an ELF core file of Linux as memory: what the kernel, gcore and `ullage dump` write.
 *
 * PT_LOAD is memory, of which the file may hold less than there was (p_filesz < p_memsz: absent, or left out because a
 * file has it). PT_NOTE has the threads (NT_PRSTATUS), the command (NT_PRPSINFO), the auxiliary vector and the mapped
 * files (NT_FILE). A core of ullage has mappings, resident pages and clocks besides, in notes of its own (core/note.h).
 *
 * What the process would see at an address:
 *   bytes of the file        as they are
 *   left out, of a file      from that file, if core_back() was called for it, else the read fails
 *   left out, anonymous      zeros: such pages were never touched
 *   in swap when written     (of a core of ullage) the read fails
 *   lost                     the core is shorter than it says (a full disk, a limit): the read fails; `lost` counts them
 * Reads keep no state: several threads may read one core. Everything in the file is taken for hostile.
 */

#include "base/arena.h"
#include "base/vec.h"
#include "model/memsrc.h"
#include "model/vma.h"

enum {
	CORE_SEGMENTS_MAX = 1 << 20,
	CORE_FILES_MAX = 1 << 20,
	CORE_THREADS_MAX = 1 << 20,
	CORE_NOTES_MAX = 256 << 20, /* bytes of notes */
	CORE_REGS = 27,		    /* words of struct user_regs_struct */
};

/* Places in core_thread.regs that are asked for. */
enum core_reg { CORE_REG_BP = 4, CORE_REG_IP = 16, CORE_REG_SP = 19, CORE_REG_FS_BASE = 21 };

struct core_thread {
	int tid;
	int signal; /* that ended it, or 0 */
	uint64_t regs[CORE_REGS];
};

/* A file that was mapped. */
struct core_file {
	const char *path;
	uint64_t inode; /* of its mappings in `maps`: the kernel's in a core of ullage, a number of our own otherwise */
	uint32_t dev_major, dev_minor;
	uint64_t header; /* address of its first page, or 0 */
	int fd;		 /* for what the core leaves out, or -1; borrowed */
};

/* Memory that the file may have: [start, end). */
struct core_segment {
	uint64_t start, end;
	uint64_t at;	 /* offset in the file of the first byte */
	uint64_t filled; /* bytes from start on that are in the file */
	uint64_t lost;	 /* bytes after those that should be and are not */
	unsigned flags;	 /* enum vma_flags */
};

/* Of the auxiliary vector; 0 = not there. */
struct core_auxv {
	uint64_t phdr, entry, execfn, random, vdso;
};

/* Nanoseconds and bytes; 0 = unknown, as in a core that ullage did not write. */
struct core_origin {
	bool ullage;	     /* the rest comes from notes of ullage */
	bool structure_only; /* contents of the heap were left blank */
	int64_t wall, monotonic, boot;
	uint64_t start_ticks, rss, stopped_ns;
	const char *boot_id;
};

VEC_TYPE(core_thread_vec, struct core_thread);
VEC_TYPE(core_file_vec, struct core_file);
VEC_TYPE(core_segment_vec, struct core_segment);

struct core {
	struct memsrc src; /* first: a struct memsrc * is this object */
	int fd;		   /* borrowed */
	const char *name;
	struct arena arena;
	uint64_t size, taken;		  /* bytes of the file, and of it in segments */
	bool sparse;			  /* the file has holes: what is absent can be told from what was zero */
	struct core_segment_vec segments; /* sorted, disjoint */
	struct vma_vec maps;
	struct core_file_vec files;
	struct core_thread_vec threads;
	struct page_vec pages;	 /* resident when it was written; of a core of ullage, else empty */
	struct page_vec swapped; /* of these, in swap: their contents are in no file */
	struct core_auxv auxv;
	struct core_origin origin;
	int pid;
	const char *comm;	  /* "" = unknown; hostile */
	uint64_t lost;		  /* bytes that should be in the file and are not */
	bool cut;		  /* notes or headers are cut short, too */
	struct core_parts *parts; /* private */
	bool no_anon; /* not one byte of writable anonymous memory is in it: it was left out (coredump_filter) */
};

/*
 * Borrows the descriptor; `name` is for messages and must live on. FORMAT (with the offset) when it is no core that can
 * be read, UNSUPPORTED for one of another machine or of 32 bits, LIMIT. What a truncated core still has is used.
 */
MUST_CHECK struct err *core_open(int fd, const char *name, struct core *ret);
void core_close(struct core *c);

/* Take what the core leaves out of file number i from this descriptor (borrowed). */
void core_back(struct core *c, size_t i, int fd);

/* The first segment that ends behind addr, or segments.n. */
size_t core_segment_after(const struct core *c, uint64_t addr);

/* The file behind a mapping, or NULL. */
const struct core_file *core_file_of(const struct core *c, const struct vma *v);

/*
 * Appends the pages of [start, end) that the core has, in order. A page of a sparse core that lies in a hole is absent, in
 * another one that is all zeros: those writers store absent pages as such.
 */
MUST_CHECK struct err *core_pages(struct core *c, uint64_t start, uint64_t end, struct page_vec *ret);

/* The value of an environment variable, in `arena`, or NULL. */
const char *core_environ(struct core *c, const char *name, struct arena *arena);
