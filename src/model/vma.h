/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/vma - one mapping of an address space, and what of it is resident.
 *
 * Plain data. Strings belong to the arena that the table was read into.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/vec.h"

enum vma_flags {
	VMA_READ = 1u << 0,
	VMA_WRITE = 1u << 1,
	VMA_EXEC = 1u << 2,
	VMA_SHARED = 1u << 3,
	VMA_DELETED = 1u << 4, /* the kernel adds " (deleted)"; it is cut from the name */
	VMA_HUGETLB = 1u << 5, /* hugetlbfs: its pages are in no Rss */
};

struct vma {
	uint64_t start, end;
	uint64_t offset; /* in the file */
	uint64_t inode;	 /* 0: no file behind it */
	uint32_t dev_major, dev_minor;
	unsigned flags;	  /* enum vma_flags */
	const char *name; /* path, "[heap]", "[stack]", "[anon: label]", or "" */
};

VEC_TYPE(vma_vec, struct vma); /* sorted by address, disjoint */

static inline uint64_t vma_size(const struct vma *v)
{
	return v->end - v->start;
}

/* The mapping that holds addr, or NULL. */
const struct vma *vma_find(const struct vma_vec *vmas, uint64_t addr);

/* Resident or swapped pages: a run of neighbours of one kind. The zero page counts as absent, as it does in Rss. */
enum page_kind {
	PAGE_ANON, /* private memory */
	PAGE_FILE, /* page cache or shared memory, mapped here */
	PAGE_SWAP, /* in swap or in migration: not resident */
};

struct page_run {
	uint64_t start, end;
	enum page_kind kind;
	bool huge; /* mapped by a huge page */
};

VEC_TYPE(page_vec, struct page_run); /* sorted by address, disjoint */
