/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct job {
	size_t n;
	atomic_size_t next;
	void (*fn)(void *ctx, size_t piece, unsigned worker);
	void *ctx;
};

struct worker {
	struct job *job;
	unsigned number;
	pthread_t thread;
};

unsigned parallel_workers(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	int n = CPU_COUNT(&set);
	return n < 1 ? 1 : n > PARALLEL_MAX ? PARALLEL_MAX : (unsigned)n;
}

static void *work(void *arg)
{
	const struct worker *w = arg;
	for (;;) {
		size_t piece = atomic_fetch_add(&w->job->next, 1);
		if (piece >= w->job->n)
			return NULL;
		w->job->fn(w->job->ctx, piece, w->number);
	}
}

void parallel_for(size_t n, void (*fn)(void *ctx, size_t piece, unsigned worker), void *ctx)
{
	struct job job = { .n = n, .fn = fn, .ctx = ctx };
	struct worker workers[PARALLEL_MAX];
	unsigned want = parallel_workers(), started = 1;
	for (unsigned i = 0; i < want; i++)
		workers[i] = (struct worker){ .job = &job, .number = i };
	while (started < want && started < n &&
	       pthread_create(&workers[started].thread, NULL, work, &workers[started]) == 0)
		started++;
	work(&workers[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(workers[i].thread, NULL);
}

/* With the attributes by default none of these can fail on a lock that is used as it should be. */
void parallel_lock_init(struct parallel_lock *l)
{
	pthread_mutex_init(&l->mutex, NULL);
}

void parallel_lock_deinit(struct parallel_lock *l)
{
	pthread_mutex_destroy(&l->mutex);
}

void parallel_lock(struct parallel_lock *l)
{
	pthread_mutex_lock(&l->mutex);
}

void parallel_unlock(struct parallel_lock *l)
{
	pthread_mutex_unlock(&l->mutex);
}
