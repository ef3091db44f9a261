/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cli/target - the process that a command line names.
 */

#include "account/census.h"
#include "base/err.h"
#include "cli/options.h"

/*
 * The one process that `operands` or the options in `name` stand for. ARG when none or more than one is named, when an
 * operand is no process id, and when several processes match: the sentence lists them. NOT_FOUND when none matches.
 */
MUST_CHECK struct err *target_one(const char *procfs, const struct arg_vec *operands, const struct target_name *name,
				  int *ret);

/* Whether the command line names a target at all. */
bool target_given(const struct arg_vec *operands, const struct target_name *name);
