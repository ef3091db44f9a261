/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * operand/hprof - the owners of a JVM heap dump that a command line names, within a bound of memory.
 */

#include "engine/owners.h"
#include "model/snapshot.h"
#include "operand/infile.h"

/* Adds the owners to *ret; a bound of 0 is half of what this machine has available. Errors of jvm_owners_read(). */
MUST_CHECK struct err *hprof_owners(struct infile *f, const struct owners_options *opt, const char *procfs,
				    struct snapshot *ret);
