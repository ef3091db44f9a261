/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * operand/diff_source - what a diff compares: processes, snapshots, profiles and dumps of other tools.
 */

#include "analysis/diff.h"
#include "codec/kind.h"
#include "engine/evidence.h"
#include "operand/options.h"

struct diff_sources {
	struct arena arena;
	struct snapshot s[DIFF_INPUTS_MAX];
	struct diff_input inputs[DIFF_INPUTS_MAX];
	enum codec_kind kind; /* of all of them */
	size_t n;
};

/*
 * Reads every operand: a process id, a file, an address, a core; NAME= in front makes it a node of that name. `how`: where
 * procfs and the executable of cores are; with parts OWNERS, what retains what, which costs more than all else. Errors: ARG
 * for too few or too many; FORMAT for a file that is malformed, and where the kinds differ: the sentence names both. On
 * every return *ret is to be given to diff_sources_close().
 */
MUST_CHECK struct err *diff_sources_read(const struct arg_vec *operands, const struct evidence_options *how,
					 struct diff_sources *ret, int *status);
void diff_sources_close(struct diff_sources *d);
