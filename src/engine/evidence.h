/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/evidence - read the chosen parts of a live process, or of a core (opt->account.core), into one snapshot: what heap, goroutines, timers, fds and
 * snap show. The target is opened once, and never stopped for the evidence (the account has its own option).
 */

#include "account/account.h"
#include "engine/owners.h"
#include "model/snapshot.h"

struct evidence_options {
	unsigned parts;			/* enum snapshot_part: what to read */
	unsigned required;		/* of these: an error ends it; the others become a note */
	struct account_options account; /* procfs, interrupted, progress and the account's own */
	struct owners_options owners;
};

/*
 * *ret is initialized here, whatever it held: what it owned must have been given back. Errors: NOT_FOUND, GONE, DENIED; UNSUPPORTED when a required part needs a Go runtime and there is none that can be
 * read. On every return *ret is to be given to snapshot_deinit().
 */
MUST_CHECK struct err *engine_evidence(int pid, const struct evidence_options *opt, struct snapshot *ret);

struct target;

/*
 * The parts, one file each (engine/evidence_<part>.c): from an open, attached target into the snapshot. Strings and rows as model/ says; what is
 * missing of a part is a note, an error is that it could not be had at all. UNSUPPORTED without a readable Go runtime.
 */
MUST_CHECK struct err *evidence_heap(struct target *t, const struct evidence_options *opt, struct snapshot *s);
MUST_CHECK struct err *evidence_census(struct target *t, const struct evidence_options *opt, struct snapshot *s);
MUST_CHECK struct err *evidence_goroutines(struct target *t, const struct evidence_options *opt, struct snapshot *s);
MUST_CHECK struct err *evidence_timers(struct target *t, const struct evidence_options *opt, struct snapshot *s);
MUST_CHECK struct err *evidence_fds(struct target *t, const struct evidence_options *opt, struct snapshot *s);
MUST_CHECK struct err *evidence_owners(struct target *t, const struct evidence_options *opt, struct snapshot *s);
