/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/dump_copy - contents on their way into a core: kept in memory while the target stands still, read from it later
 * otherwise, blanked where they are not wanted, and written in order without the zeros.
 */

#include <signal.h>

#include "core/write.h"
#include "engine/dump.h"
#include "engine/dump_structure.h"
#include "target/target.h"

struct held_piece {
	uint64_t start, end;
	size_t at; /* in the memory */
};

/* Memory that is there before the target is stopped: no page of it is faulted in meanwhile. */
struct held_memory {
	unsigned char *memory;
	size_t size, used;
	VEC(struct held_piece) pieces;
};

/* False when there is no such memory; *h is then empty. */
bool held_open(struct held_memory *h, size_t size);
void held_close(struct held_memory *h);

/* Copy `ranges` in order until the memory is full or the deadline (CLOCK_MONOTONIC, ns) is over. Bytes that were copied. */
uint64_t held_copy(struct held_memory *h, struct memsrc *src, const struct core_range_vec *ranges, int64_t deadline,
		   const volatile sig_atomic_t *interrupted);
void held_finish(struct held_memory *h); /* sorts: to be called once, after the last copy */

struct dump_copy {
	struct memsrc *src;
	const struct held_memory *held;
	struct dump_structure *structure; /* NULL: contents as they are */
	const struct core_segment_vec *segments;
	const struct core_range_vec *ranges; /* to be copied; sorted */
	dump_write_fn write;
	void *ctx;
	const volatile sig_atomic_t *interrupted;
	struct dump *out;
};

MUST_CHECK struct err *dump_copy_run(struct dump_copy *c);
