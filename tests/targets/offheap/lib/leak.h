/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the program `offheap` takes memory with. Each function does one thing in one way, and keeps what it says it keeps;
 * none of them calls another one in its last instruction, so that each stays on the stack.
 */

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*leak_callback)(size_t bytes);

/* libleak: with frame pointers */
void leak_malloc(size_t bytes);
void leak_calloc(size_t n, size_t bytes);
void leak_realloc(size_t last);	 /* a block that grows from 16 bytes to `last` by doubling */
void leak_aligned(size_t bytes); /* one by posix_memalign, one by aligned_alloc */
void *take_block(size_t bytes);
void free_block(void *block);
void churn_free(long n, size_t bytes);		   /* n blocks, all given back */
long churn_keep(long n, long every, size_t bytes); /* n blocks, one of `every` is kept; how many were */
void *map_anon(size_t bytes);
void map_file(int fd, size_t bytes, int touch);		/* shared; writes to all pages if `touch` */
void map_part(size_t pages, size_t from, size_t count); /* maps, and unmaps a part of it */
void *map_grow(size_t from_bytes, size_t to_bytes);	/* mremap, may move */
void grow_break(size_t bytes);
void touch_pages(void *start, size_t bytes);
void reserve(void **ret, size_t bytes);		     /* mapped, and never to be backed by huge pages */
void start_threads(int n, int rounds, size_t bytes); /* that keep a block each round; they wait when they are done */
void wait_threads(int n);
void lose_threads(int n, size_t stack); /* that end and are never joined */
void call_back(leak_callback f, size_t bytes);

/* libnofp: without frame pointers and without symbols of its own functions */
void nofp_leak(size_t bytes);

/* libcxxleak: C++ */
void cxx_leak(size_t n);
void cxx_churn(long n);

#ifdef __cplusplus
}
#endif
