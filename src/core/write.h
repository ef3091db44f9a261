/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * core/write - the head of a core: ELF header, segments and notes for what somebody copies behind it.
 *
 * Every mapping has segments. What is `stored` of it has room in the file, page by page, so that an absent page inside is
 * a hole; the rest has p_filesz 0. Notes are those that the kernel writes (threads, command, auxiliary vector, mapped
 * files) and those of core/note.h. Nothing is read or written here.
 */

#include "base/strbuf.h"
#include "core/core.h"

/* struct user_fpregs_struct of a thread. */
struct core_fp {
	unsigned char bytes[512];
};

VEC_TYPE(core_fp_vec, struct core_fp);

/* What a core says besides memory. All borrowed. */
struct core_about {
	int pid;
	const char *comm, *args;
	const void *auxv;
	size_t auxv_len;
	const struct vma_vec *maps;
	const struct page_vec *pages;
	const struct core_thread_vec *threads; /* the first is the one that a debugger shows first */
	const struct core_fp_vec *fp;	       /* row by row with threads, or empty: not known */
	struct core_origin origin;
};

struct core_range {
	uint64_t start, end;
};

VEC_TYPE(core_range_vec, struct core_range);

struct core_plan {
	struct strbuf head;		  /* goes to offset 0 */
	struct core_segment_vec segments; /* with contents: `at` is where [start, end) goes */
	uint64_t size;			  /* of the whole file */
};

/*
 * `stored`: ranges of whole pages, sorted, disjoint, each inside of one mapping. LIMIT with too many segments. On every
 * return *ret is to be given to core_plan_deinit().
 */
MUST_CHECK struct err *core_plan_make(const struct core_about *about, const struct core_range_vec *stored,
				      struct core_plan *ret);
void core_plan_deinit(struct core_plan *p);
