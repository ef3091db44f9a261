/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/memshare - a memsrc that several threads may read from at once, whatever is under it.
 *
 * One that says of itself that it can be shared is passed through; any other is read by one thread at a time.
 */

#include "base/parallel.h"
#include "model/memsrc.h"

struct memshare {
	struct memsrc src;    /* first: a struct memsrc * is this object */
	struct memsrc *under; /* borrowed */
	struct parallel_lock lock;
};

void memshare_init(struct memshare *s, struct memsrc *under);
void memshare_deinit(struct memshare *s);
