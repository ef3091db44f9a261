/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/account - take the account of one live process: the story of `ullage map`.
 *
 * Reads mappings, pages, runtime structures and the cgroup of `pid`, classifies every resident byte, and fills `ret`.
 * Not Go, unknown Go version, missing permissions for a part: no error, but notes and fewer classes.
 * Errors: NOT_FOUND, GONE, DENIED, when not even the mappings can be read.
 */

#include <signal.h>

#include "model/account.h"

struct account_options {
	bool pss;    /* read smaps for proportional sizes */
	bool cells;  /* fill account.cells, for pictures */
	bool owners; /* fill account.owners */
	bool cgroup; /* fill account.cgroup */
	bool stop;   /* stop the target while metadata is copied */
	int64_t stop_budget_ns;
	const char *procfs;			  /* "/proc" */
	const volatile sig_atomic_t *interrupted; /* nonzero: end early with what is there; may be NULL */
	void (*progress)(const char *step);	  /* called at each step; may be NULL */
};

MUST_CHECK struct err *engine_account(int pid, const struct account_options *opt, struct account *ret);
