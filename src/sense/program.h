/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sense/program - what an executable is: Go or not, which build, and where its runtime keeps what is looked at.
 *
 * Looked into once, whoever runs it: by device, inode, size and time of change of the file that is mapped. Nothing stays
 * open: a descriptor would keep a file system from being unmounted.
 */

#include "base/err.h"
#include "base/hash.h"
#include "base/vec.h"
#include "gort/quick.h"
#include "proc/process.h"

enum sense_runtime {
	SENSE_RUNTIME_UNTRIED,
	SENSE_RUNTIME_KNOWN,
	SENSE_RUNTIME_REFUSED, /* `refusal` says why */
};

struct sense_program {
	uint64_t dev, inode, size, changed_ns;
	unsigned refs;
	bool is_go;
	char *go_version, *module, *build_id; /* NULL unknown */
	uint64_t entry;			      /* ELF address */
	enum sense_runtime runtime;
	unsigned tries;	  /* in vain, each on a process that may just have begun */
	int64_t after_ns; /* not to be tried before: others that began together with that one have got no further */
	bool told_refusal;
	char *refusal;
	struct gort_quick quick;
};

struct sense_programs {
	VEC(struct sense_program *) v;
	struct hash_index by_file;
};

void sense_programs_deinit(struct sense_programs *ps);

/*
 * The program that a process runs, with one more reference; NULL when its file cannot be read (process->exe_errno). Cost: an
 * fstat of one that is known, else some 100 us.
 */
struct sense_program *sense_program_of(struct sense_programs *ps, const struct proc_process *process);
void sense_program_unref(struct sense_program *p);

/*
 * Finds the runtime's variables, by attaching to one process that runs it; some milliseconds and megabytes, all given back.
 * GONE when that one ended meanwhile. Afterwards `runtime` tells, unless it is to be tried again later.
 */
MUST_CHECK struct err *sense_program_attach(struct sense_program *p, const char *procfs, int pid);

/* Live address less ELF address of this process, by the auxiliary vector; false when that cannot be read. */
bool sense_program_bias(const struct sense_program *p, const struct proc_process *process, uint64_t *ret);
