/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/dump - a running process as an ELF core, which delve, viewcore, gdb and every reading command open.
 *
 * All mappings are segments; contents are those of resident pages alone, in a file with holes for the others, and what
 * clean pages of files hold is left to the files. No page is faulted in, none comes back from swap.
 *
 * How still the target stands:
 *   DUMP_STOP_NO     not stopped: pages are of different moments; registers are what the kernel shows of sleeping threads
 *   DUMP_STOP_META   stopped within the budget: registers, mappings, list of pages, then contents, what is not heap first,
 *                    as far as the budget lasts
 *   DUMP_STOP_FULL   stopped until all is copied: one moment. Into memory, and written after that, if there is room for it
 *
 * With `structure_only` what the objects hold is blank, and what connects them is not: see engine/dump_structure.h.
 */

#include <signal.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/account.h"

enum dump_stop { DUMP_STOP_NO, DUMP_STOP_META, DUMP_STOP_FULL };

struct dump_options {
	enum dump_stop stop;
	int64_t stop_budget_ns;
	bool structure_only;
	bool files; /* also what is in files: the core is then complete by itself */
	const char *procfs;
	const volatile sig_atomic_t *interrupted; /* may be NULL */
	void (*progress)(const char *step);	  /* may be NULL */
};

/* Bytes. */
struct dump {
	struct arena arena;
	int pid;
	const char *comm;
	uint64_t size;			/* of the file, holes and all */
	uint64_t contents;		/* copied into it */
	uint64_t held;			/* of these, copied while the target stood still */
	uint64_t in_files;		/* resident pages that are left to the files they are of */
	uint64_t swapped;		/* not read, because that would bring it back */
	uint64_t unread;		/* gone or changed before it could be read */
	uint64_t threads, registers;	/* and of how many the registers are known */
	uint64_t kept, pointers, blank; /* with structure_only: copied as it is; copied by words; left out */
	int64_t stopped_ns, elapsed_ns;
	bool interrupted; /* the file is not complete */
	struct str_vec notes;
};

/* Puts bytes into the file: `at` never goes back. What is passed over is zeros. */
typedef struct err *(*dump_write_fn)(void *ctx, uint64_t at, const void *data, size_t len);

/*
 * Errors: NOT_FOUND, GONE, DENIED; LIMIT when it cannot be stopped in time; UNSUPPORTED for structure_only of what is not
 * Go; those of `write`. On every return *ret is to be given to dump_deinit().
 */
MUST_CHECK struct err *engine_dump(int pid, const struct dump_options *opt, dump_write_fn write, void *ctx,
				   struct dump *ret);
void dump_deinit(struct dump *d);
