/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/parallel - the same work on many pieces, on all the processors that this process may use.
 *
 * The one place where threads are started; all of them have ended when the call returns, so callers stay as simple as a
 * loop. `fn` is called for each piece once, from any thread, in no particular order, and must only write what belongs to
 * its piece or to its worker. Pieces should take a millisecond or more.
 */

#include <pthread.h>
#include <stddef.h>

enum { PARALLEL_MAX = 16 };

/* How many workers parallel_for() will use, 1 .. PARALLEL_MAX. */
unsigned parallel_workers(void);

/* fn(ctx, piece, worker) for pieces 0 .. n - 1; worker < parallel_workers(). Works with a single thread as well. */
void parallel_for(size_t n, void (*fn)(void *ctx, size_t piece, unsigned worker), void *ctx);

/* For the little that workers share and change: held for a few instructions, or for the read of something small. */
struct parallel_lock {
	pthread_mutex_t mutex;
};

void parallel_lock_init(struct parallel_lock *l);
void parallel_lock_deinit(struct parallel_lock *l);
void parallel_lock(struct parallel_lock *l);
void parallel_unlock(struct parallel_lock *l);
