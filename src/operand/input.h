/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * operand/input - the evidence that a command line names: a live process, a snapshot, a profile or dump of another tool,
 * a pprof address.
 */

#include "codec/kind.h"
#include "engine/evidence.h"
#include "operand/options.h"
#include "operand/target.h"

/*
 * One input: the operand or the named process. Whatever it is, what was asked for stands in *ret afterwards
 * (ret->parts says what there is). ARG when none or several are named. A file of a kind that cannot have a required part
 * is ARG with a sentence that says what it is; a snapshot without one is UNSUPPORTED. `status` becomes
 * STATUS_INTERRUPTED when the read was interrupted. On every return *ret is to be given to snapshot_deinit().
 */
MUST_CHECK struct err *input_one(const struct arg_vec *operands, const struct target_name *name,
				 const struct evidence_options *want, struct snapshot *ret, int *status);

/* The same for one operand: a process id, a path or an address. */
MUST_CHECK struct err *input_operand(const char *operand, const struct evidence_options *want, struct snapshot *ret,
				     int *status);

/* Is this operand a file or an address, and not a process id? */
bool input_is_file(const char *operand);

/* What a file is, by its first bytes; OS when it cannot be opened. */
MUST_CHECK struct err *input_kind(const char *path, enum codec_kind *ret);
