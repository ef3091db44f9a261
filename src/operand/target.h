/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * operand/target - the process that a command line names, and whether it may be stopped.
 */

#include <stdint.h>

#include "account/census.h"
#include "base/err.h"
#include "operand/options.h"

/*
 * The one process that `operands` or the options in `name` stand for. ARG when none or more than one is named, when an
 * operand is no process id, and when several processes match: the sentence lists them. NOT_FOUND when none matches.
 */
MUST_CHECK struct err *target_one(const char *procfs, const struct arg_vec *operands, const struct target_name *name,
				  int *ret);

/* Whether the command line names a target at all. */
bool target_given(const struct arg_vec *operands, const struct target_name *name);

/* The value of --stop[=MS|full]. */
enum stop_kind { STOP_NO, STOP_BRIEFLY, STOP_FULL };

struct stop_choice {
	enum stop_kind kind;
	int64_t budget_ns;
};

extern const char stop_not_given[]; /* the default of an OPTION_STR; NULL is --stop without a value */

/* ARG for what is neither `full` nor a number of milliseconds. */
MUST_CHECK struct err *stop_parse(const char *text, struct stop_choice *ret);
