/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target whose C heap is known: makes a pattern of allocations, prints what its own malloc says of it, and waits.
 *
 *	cheap PATTERN [THREADS]
 *
 * Prints "ready ARENA ORDBLKS HBLKS HBLKHD UORDBLKS FORDBLKS FSMBLKS KEEPCOST LIVE" (of mallinfo2(3), and the bytes that
 * the program has by malloc_usable_size(3)). With "moving" the threads go on allocating.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCKS = 20000, THREADS_MAX = 64 };

static const char *pattern;
static pthread_barrier_t done;
static atomic_ullong live;

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

static int is(const char *name)
{
	return strcmp(pattern, name) == 0;
}

static size_t size_for(unsigned *seed)
{
	unsigned r = next(seed);
	if (is("small"))
		return r % 120;
	if (is("large"))
		return 100000 + r % 400000;
	return r % 16 == 0 ? r % 60000 : r % 1500;
}

static void *take(unsigned *seed)
{
	size_t size = size_for(seed) + 1;
	unsigned how = next(seed) % 8;
	void *p = NULL;
	if (how == 0)
		p = calloc(1, size);
	else if (how == 1)
		p = realloc(malloc(size / 2), size);
	else if (how == 2 && is("aligned"))
		p = memalign((size_t)64 << next(seed) % 8, size);
	else
		p = malloc(size);
	return p;
}

static void fill(void **blocks, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++) {
		if (is("sbrk") && i % (n / 8) == n / 16) /* somebody else moves the end of the heap */
			memset(sbrk(5000), 0x77, 5000);
		blocks[i] = take(&seed);
		memset(blocks[i], 0x5a, malloc_usable_size(blocks[i]) / 2 + 1);
	}
	/* holes: every other one, then a stretch */
	for (size_t i = 0; i < n; i++) {
		if (is("none") || (next(&seed) % 2 && !(i > n / 2 && i < n / 2 + n / 8)))
			continue;
		free(blocks[i]);
		blocks[i] = NULL;
	}
	for (size_t i = 0; i < n; i++)
		atomic_fetch_add(&live, blocks[i] ? malloc_usable_size(blocks[i]) + 8 : 0);
}

static void churn(void **blocks, size_t n, unsigned seed)
{
	for (;;) {
		size_t i = next(&seed) % n;
		free(blocks[i]);
		blocks[i] = take(&seed);
	}
}

static void *work(void *arg)
{
	unsigned seed = (unsigned)(size_t)arg * 7919u + 1u;
	size_t n = is("large") ? 200 : BLOCKS;
	static __thread void *blocks[BLOCKS];
	fill(blocks, n, seed);
	pthread_barrier_wait(&done);
	if (is("moving"))
		churn(blocks, n, seed);
	for (;;)
		pause();
	return NULL;
}

static void tell(void)
{
	struct mallinfo2 i = mallinfo2();
	char line[256];
	int n = snprintf(line, sizeof(line), "ready %zu %zu %zu %zu %zu %zu %zu %zu %llu\n", i.arena, i.ordblks,
			 i.hblks, i.hblkhd, i.uordblks, i.fordblks, i.fsmblks, i.keepcost, (unsigned long long)live);
	if (write(1, line, (size_t)n) != n)
		_exit(1);
}

/* Memory of others behind the end of the heap: it cannot grow further. */
static void wall(size_t behind)
{
	char *end = (char *)(((size_t)sbrk(0) + 4095) / 4096 * 4096) + behind;
	if (mmap(end, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		_exit(3);
}

int main(int argc, char **argv)
{
	pattern = argc > 1 ? argv[1] : "mixed";
	long threads = argc > 2 ? atol(argv[2]) : 1;
	if (threads < 1 || threads > THREADS_MAX)
		return 2;
	if (is("nobrk")) /* from the first block on, the main arena is in mappings */
		wall(0);
	if (is("block")) /* it goes on in mappings */
		wall(3 << 20);
	if (is("onearena"))
		mallopt(M_ARENA_MAX, 1);
	pthread_barrier_init(&done, NULL, (unsigned)threads);
	for (long t = 1; t < threads; t++) {
		pthread_t id;
		if (pthread_create(&id, NULL, work, (void *)t))
			return 1;
	}
	static void *blocks[BLOCKS];
	fill(blocks, is("large") ? 200 : BLOCKS, 1u);
	pthread_barrier_wait(&done);
	if (is("trimmed"))
		malloc_trim(0);
	tell();
	if (is("moving"))
		churn(blocks, BLOCKS, 1u);
	for (;;)
		pause();
}
