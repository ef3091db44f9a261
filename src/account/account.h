/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * account/account - take the account of one live process: the story of `ullage map`. Or of a core: what it has instead
 * of resident pages, and nothing of what the kernel would say.
 *
 * Reads mappings, pages, runtime structures and the cgroup of `pid`, classifies every resident byte, and fills `ret`.
 * Not Go, unknown Go version, missing permissions for a part: no error, but notes and fewer classes.
 * Errors: NOT_FOUND, GONE, DENIED, when not even the mappings can be read.
 */

#include <signal.h>

#include "model/account.h"

/* A core: a descriptor on the (unpacked) file, its name for messages, and the executable that somebody named, or NULL. */
struct account_core {
	int fd;
	const char *name, *exe;
};

struct account_options {
	bool pss;    /* read smaps for proportional sizes */
	bool cells;  /* fill account.cells, for pictures */
	bool owners; /* fill account.owners */
	bool cgroup; /* fill account.cgroup */
	bool stop;   /* stop the target while metadata is copied */
	int64_t stop_budget_ns;
	const char *procfs;			  /* "/proc" */
	const struct account_core *core;	  /* instead of a process, else NULL */
	const char *exe;			  /* the executable of whatever core comes, or NULL */
	const volatile sig_atomic_t *interrupted; /* nonzero: end early with what is there; may be NULL */
	void (*progress)(const char *step);	  /* called at each step; may be NULL */
};

/* `pid` counts when opt->core is NULL. */
MUST_CHECK struct err *engine_account(int pid, const struct account_options *opt, struct account *ret);

struct target;

/* What the options name, opened: opt->core, or the process. */
MUST_CHECK struct err *account_open(int pid, const struct account_options *opt, struct target *ret);
