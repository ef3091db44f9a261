/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/doctor - what works here, for this target, and what to do about what does not.
 *
 * Each check is one row: a name, a result, what was found, and the exact remedy when something is missing.
 */

#include "base/arena.h"
#include "base/err.h"
#include "base/vec.h"

enum doctor_result { DOCTOR_OK, DOCTOR_DEGRADED, DOCTOR_MISSING };

struct doctor_row {
	const char *check; /* "memory", "pagemap", "cgroup", "watch: data", ... */
	enum doctor_result result;
	const char *found;  /* one sentence */
	const char *remedy; /* one sentence, or NULL */
};

VEC_TYPE(doctor_vec, struct doctor_row);

struct doctor {
	struct arena arena;
	struct doctor_vec rows;
};

/* pid 0: the machine alone. `data` is where `watch` would keep its records. */
MUST_CHECK struct err *engine_doctor(const char *procfs, int pid, const char *data, struct doctor *ret);
void engine_doctor_free(struct doctor *d);
