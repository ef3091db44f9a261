/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "leak.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* What is kept is written to, and the compiler cannot know that nobody reads it. */
static void *volatile last;

static void keep(void *block, size_t bytes)
{
	if (!block)
		abort();
	memset(block, 1, bytes);
	last = block;
}

void leak_malloc(size_t bytes)
{
	keep(malloc(bytes), bytes);
}

void leak_calloc(size_t n, size_t bytes)
{
	keep(calloc(n, bytes), n * bytes);
}

void leak_realloc(size_t end)
{
	void *block = NULL;
	for (size_t bytes = 16; bytes <= end; bytes *= 2) {
		block = realloc(block, bytes);
		keep(block, bytes);
	}
}

void leak_aligned(size_t bytes)
{
	void *block = NULL;
	if (posix_memalign(&block, 64, bytes) != 0)
		abort();
	keep(block, bytes);
	keep(aligned_alloc(256, bytes), bytes);
}

void *take_block(size_t bytes)
{
	void *block = malloc(bytes);
	keep(block, bytes);
	return block;
}

void free_block(void *block)
{
	free(block);
	last = NULL;
}

void churn_free(long n, size_t bytes)
{
	for (long i = 0; i < n; i++) {
		last = malloc(bytes);
		free(last);
	}
}

long churn_keep(long n, long every, size_t bytes)
{
	long kept = 0;
	for (long i = 0; i < n; i++) {
		last = malloc(bytes);
		if (i % every == 0)
			kept++;
		else
			free(last);
	}
	return kept;
}

static void *map(size_t bytes, int flags, int fd)
{
	void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (start == MAP_FAILED)
		abort();
	last = start;
	return start;
}

void *map_anon(size_t bytes)
{
	void *start = map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	last = NULL;
	return start;
}

void map_file(int fd, size_t bytes, int touch)
{
	void *start = map(bytes, MAP_SHARED, fd);
	if (touch)
		touch_pages(start, bytes);
	last = start;
}

void map_part(size_t pages, size_t from, size_t count)
{
	char *start = map(pages * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (munmap(start + from * PAGE, count * PAGE) != 0)
		abort();
	last = start;
}

void *map_grow(size_t from, size_t to)
{
	void *start = map(from, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	start = mremap(start, from, to, MREMAP_MAYMOVE);
	if (start == MAP_FAILED)
		abort();
	last = start;
	return start;
}

void grow_break(size_t bytes)
{
	last = sbrk((intptr_t)bytes);
	if (last == (void *)-1)
		abort();
	memset(last, 1, bytes);
}

void touch_pages(void *start, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PAGE)
		((volatile char *)start)[at] = 1;
	last = start;
}

void reserve(void **ret, size_t bytes)
{
	*ret = map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	madvise(*ret, bytes, MADV_NOHUGEPAGE);
}

/* ---- threads ---- */

static struct {
	int rounds;
	size_t bytes;
	int done;
	pthread_mutex_t lock;
	pthread_cond_t ended;
} work = { .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER };

/* Keeps one block of two each round, then waits for ever. */
static void *thread_work(void *arg)
{
	for (int i = 0; i < work.rounds; i++) {
		void *other = malloc(2 * work.bytes);
		keep(malloc(work.bytes), work.bytes);
		free(other);
		usleep(40000);
	}
	pthread_mutex_lock(&work.lock);
	work.done++;
	pthread_cond_signal(&work.ended);
	pthread_mutex_unlock(&work.lock);
	for (;;)
		pause();
	return arg;
}

static void *thread_end(void *arg)
{
	return arg;
}

static void start_thread_of(void *(*function)(void *arg), size_t stack)
{
	pthread_attr_t attr;
	pthread_t thread;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack);
	if (pthread_create(&thread, &attr, function, NULL) != 0)
		abort();
	pthread_attr_destroy(&attr);
}

void start_threads(int n, int rounds, size_t bytes)
{
	work.rounds = rounds;
	work.bytes = bytes;
	for (int i = 0; i < n; i++)
		start_thread_of(thread_work, 256 << 10);
	last = NULL;
}

void wait_threads(int n)
{
	pthread_mutex_lock(&work.lock);
	while (work.done < n)
		pthread_cond_wait(&work.ended, &work.lock);
	pthread_mutex_unlock(&work.lock);
}

void lose_threads(int n, size_t stack)
{
	for (int i = 0; i < n; i++)
		start_thread_of(thread_end, stack);
	last = NULL;
}

void call_back(leak_callback f, size_t bytes)
{
	f(bytes);
	last = NULL;
}
