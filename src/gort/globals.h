/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/globals - addresses of the runtime's variables in a binary that may be stripped.
 *
 * Two independent ways to each where they exist: the symbol table, the code of runtime functions named by pclntab
 * (a table of recipes), a second function that uses the same variable, and for mheap_ a structural search of bss.
 * Nothing here is believed until gort/attach has checked it on the live heap.
 * Cost: one pass over the names of pclntab, the code of some thirty functions, bss once; a few milliseconds.
 */

#include "gort/layout.h"
#include "gort/module.h"
#include "sym/pclntab.h"

enum gort_global {
	GORT_VAR_MHEAP,
	GORT_VAR_MEMSTATS,
	GORT_VAR_GCCONTROLLER,
	GORT_VAR_ALLGS, /* slice header */
	GORT_VAR_ALLM,	/* *m */
	GORT_VAR_ALLP,	/* slice header */
	GORT_VAR_SCHED,
	GORT_VAR_MBUCKETS,   /* *bucket */
	GORT_VAR_BBUCKETS,   /* *bucket, block profile */
	GORT_VAR_XBUCKETS,   /* *bucket, mutex profile */
	GORT_VAR_BUCKHASH,   /* *[179999] */
	GORT_VAR_MPROFCYCLE, /* uint32: cycle << 1 | flushed */
	GORT_VAR_MEMPROFILERATE,
	GORT_VAR_PERSISTENTCHUNKS, /* *notInHeap */
	GORT_VAR_GCBITSARENAS,	   /* struct {lock, free, next, current, previous} */
	GORT_VAR_GCPHASE,	   /* uint32 */
	GORT_VAR_WAITREASONS,	   /* array of string headers */
	GORT_VAR_BUILDVERSION,	   /* string header */
	GORT_VAR_ALLFIN,	   /* *finblock: finalizers that are to be run */
	GORT_VAR_GCCLEANUPS,	   /* struct cleanupQueue, 1.25 on */
	GORT_VAR_MAX_
};

enum { GORT_WAYS = 4 };

struct gort_global_way {
	uint64_t addr;	 /* 0 = this way found nothing */
	const char *way; /* "symbol", "code of runtime.mallocinit", "structure"; NULL = no such way */
};

struct gort_globals {
	uint64_t addr[GORT_VAR_MAX_]; /* chosen: what most ways say, the first way at a tie; 0 = not found */
	struct gort_global_way ways[GORT_VAR_MAX_][GORT_WAYS]; /* what each said, for doctor and for the checks */
	unsigned agree[GORT_VAR_MAX_];			       /* how many ways gave addr */
};

/* A symbol table to ask first (find NULL: there is none): 0 when unknown. Addresses are of the live image. */
typedef uint64_t (*gort_symbol_fn)(void *ctx, const char *name);
struct gort_symbols {
	gort_symbol_fn find;
	void *ctx;
};

/*
 * Never fails: what is not found is 0. `l` is the layout to be tried (offset of the lock in sched, structures of the
 * heap). The functions of the mutex and block profile are in few programs, so those have fewer ways elsewhere.
 */
void gort_globals_find(struct memsrc *src, const struct gort_module *m, struct sym_pclntab *t,
		       const struct gort_layout *l, struct gort_symbols symbols, struct gort_globals *ret);

extern const char *const gort_global_names[GORT_VAR_MAX_]; /* "runtime.mheap_", ... */
