/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/owners - the part SNAPSHOT_OWNERS of a live process or a core: what `ullage owners` shows. The work is done by
 * the rooms goheap, graph and owners; here are the target, the stop and the clock.
 */

#include <stdbool.h>
#include <stdint.h>

enum owners_stop { OWNERS_STOP_NO, OWNERS_STOP_ROOTS, OWNERS_STOP_FULL };

struct owners_options {
	enum owners_stop stop;
	int64_t stop_budget_ns;
	uint64_t memory;  /* bytes that may be used; 0: half of what is available */
	bool quick;	  /* no holders, no waste: for a watcher that asks often */
	bool sums;	  /* only how much is reachable and how much floats */
	const char *type; /* paths to objects of this type only; or NULL */
};

/* Bytes that may be used where nobody says how many: half of what the machine can spare; 0: not known, no bound. */
uint64_t engine_memory_budget(const char *procfs);
