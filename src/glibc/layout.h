/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * glibc/layout - where the fields of malloc's own records are, on amd64. Rows are told apart by what is found in memory,
 * not by the version of the library, so that a row fits whoever built it.
 *
 * Source: the C library's own debugging information (2.31, 2.36, 2.41, 2.43), and measured on processes under each. Of
 * 2.26 to 2.30, 2.42 by the history of malloc/malloc.c alone.
 */

#include <stdint.h>

enum {
	GLIBC_BINS = 127,	/* pairs of pointers; [0] is of chunks not sorted yet */
	GLIBC_CHUNK_ALIGN = 16, /* of chunks, and of their sizes */
	GLIBC_CHUNK_HEAD = 16,	/* prev_size, size: before what the program gets */
	GLIBC_CHUNK_MIN = 32,	/* smaller ones are fence posts */
	GLIBC_CHUNK_FD = 16,	/* of a free chunk: the next one, ... */
	GLIBC_CHUNK_BK = 24,	/* ... and the one before, or a thread cache's mark */
	GLIBC_HEAP_MAX =
		64 << 20, /* HEAP_MAX_SIZE: heaps of arenas are aligned to it, unless huge pages were asked for */
	GLIBC_ARENA_BYTES_MAX = 2200,
};

/* The low bits of a chunk's size. */
enum {
	GLIBC_PREV_INUSE = 1,
	GLIBC_IS_MMAPPED = 2,
	GLIBC_NON_MAIN = 4,
	GLIBC_FLAGS = 7,
};

/* struct malloc_state */
struct glibc_arena_layout {
	uint16_t fast, n_fast; /* fast bins: heads of lists by size; n_fast 0: none */
	uint16_t top, bins, next, threads, system, system_max, bytes;
};

/* struct malloc_par; counted from where the fields below are at these distances, not always from its start */
struct glibc_par_layout {
	uint16_t huge_page; /* size_t hp_pagesize; 0: none */
	uint16_t n_mmaps;   /* int; n_mmaps_max and max_n_mmaps follow */
	uint16_t mmapped;   /* size_t mmapped_mem; max_mmapped_mem and sbrk_base follow */
	uint16_t bytes;	    /* up to tcache_bins, tcache_max_bytes, tcache_count, which come next */
};

/* struct tcache_perthread_struct: counts by size, then as many heads of lists */
struct glibc_cache_layout {
	uint16_t chunk;	     /* size of the chunk that it is in, or that and GLIBC_CHUNK_ALIGN */
	uint16_t count;	     /* bytes of a count */
	uint16_t bins, same; /* of them, hold chunks of one size only */
	uint16_t slots;	     /* the counts are of room left */
};

extern const struct glibc_arena_layout glibc_arena_layouts[];
extern const unsigned glibc_n_arena_layouts;
extern const struct glibc_par_layout glibc_par_layouts[];
extern const unsigned glibc_n_par_layouts;
extern const struct glibc_cache_layout glibc_cache_layouts[];
extern const unsigned glibc_n_cache_layouts;
extern const uint16_t glibc_heap_infos[]; /* sizes of struct _heap_info: ar_ptr, prev, size, mprotect_size, ... */
extern const unsigned glibc_n_heap_infos;
