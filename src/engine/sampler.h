/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/sampler - quick looks at one opened process, one after the other, and what stands where (engine/sites).
 */

#include "engine/sites.h"
#include "target/target.h"

struct sampler {
	struct target t;
	struct sites sites;
	struct hash_map by_pc; /* of a go statement, to its site */
};

/* NOT_FOUND, GONE, DENIED. On every return *s is to be given to sampler_close(). */
MUST_CHECK struct err *sampler_open(const char *procfs, int pid, struct sampler *s);
void sampler_close(struct sampler *s);

/* GONE when the target has exited; what else cannot be read is unknown in the sample. */
MUST_CHECK struct err *sampler_look(struct sampler *s, struct diagnosis_sample *ret);

/* Bytes of the heap that roots lead to, by walking it; false when it cannot be had. Costs 150 ns an object and more. */
bool sampler_reachable(struct sampler *s, uint64_t *ret);

/* Number of collections that have ended; bytes allocated in the heap; ACCOUNT_UNKNOWN. One quick read. */
uint64_t sampler_gc_count(const struct sampler *s);
uint64_t sampler_heap_live(const struct sampler *s);

/* How long the process has lived, seconds; NAN unknown. */
double sampler_age(const struct sampler *s);
