/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/sampler - quick looks at one opened process, one after the other, and what stands where: goroutines by their go
 * statement, timers by callback.
 */

#include "analysis/diagnose.h"
#include "base/hash.h"
#include "base/intern.h"
#include "engine/target.h"

struct sampler_site {
	enum diagnosis_site_kind kind;
	const char *function, *file;
	uint32_t line;
	bool library;
	struct u64_vec counts;
	uint64_t gone;
};

struct sampler_alive {
	uint64_t id;
	uint32_t site;
};

struct sampler {
	struct target t;
	size_t looks;
	struct intern strings;
	struct hash_map by_pc, by_timer; /* to sites */
	VEC(struct sampler_site) sites;
	VEC(struct sampler_alive) alive, before; /* goroutines of this look and of the last, by id */
	VEC(struct diagnosis_site) view;
};

/* NOT_FOUND, GONE, DENIED. On every return *s is to be given to sampler_close(). */
MUST_CHECK struct err *sampler_open(const char *procfs, int pid, struct sampler *s);
void sampler_close(struct sampler *s);

/* GONE when the target has exited; what else cannot be read is unknown in the sample. */
MUST_CHECK struct err *sampler_look(struct sampler *s, struct diagnosis_sample *ret);

/* Number of collections that have ended; ACCOUNT_UNKNOWN. One quick read. */
uint64_t sampler_gc_count(const struct sampler *s);

/* The sites of all looks so far, valid until the next look. */
const struct diagnosis_site *sampler_sites(struct sampler *s, size_t *n);

/* How long the process has lived, seconds; NAN unknown. */
double sampler_age(const struct sampler *s);
