/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/reader - all that is found out about a target's code, and what its functions are.
 */

#include "gocode/body.h"
#include "gocode/callees.h"
#include "gocode/names.h"
#include "gocode/state.h"

enum { GOCODE_RESULTS = 4 };

struct gocode_results {
	bool done; /* else they are being found */
	struct gocode_value v[GOCODE_RESULTS];
};

VEC_TYPE(gocode_results_vec, struct gocode_results);

/* A function that calls a method of the sync.Map that a variable is. */
struct gocode_map_use {
	uint64_t addr;
	uint32_t caller; /* index in pclntab */
};

VEC_TYPE(gocode_map_use_vec, struct gocode_map_use);

/* All that is found out about a target's code. */
struct gocode_reader {
	const struct gort *g;	  /* borrowed */
	struct gort_types *types; /* borrowed */
	struct gocode_callees callees;
	struct gocode_names names;
	struct gocode_call_vec all;	/* what was found, in any order */
	struct gocode_map_use_vec maps; /* by gocode_calls_read(), in any order */
	struct hash_map captures;	/* entry of a closure's function -> the type of its context */
	struct hash_map functions;	/* of gocode_function_at() */
	struct hash_map known;		/* entry -> index + 1 in results */
	struct gocode_results_vec results;
	uint64_t budget; /* instructions that may still be followed */
	unsigned depth;
};

/* g->pclntab and g->layout must be there. */
void gocode_reader_init(struct gocode_reader *r, struct gort_types *types);
void gocode_reader_deinit(struct gocode_reader *r);
/* The budget is as it was at first. */
void gocode_reader_refill(struct gocode_reader *r);

/* What a function is; from FUNCTION on its index in pclntab. */
enum gocode_function {
	GOCODE_NO_FUNCTION,
	GOCODE_STOPS,  /* never returns */
	GOCODE_CLEARS, /* clears what RDI points to, and changes few registers */
	GOCODE_COPIES,
	GOCODE_OPAQUE, /* of the runtime: not to be followed */
	GOCODE_FUNCTION,
};

/* The function that begins at an address (those that clear or copy: that an address is in). */
uint64_t gocode_function_at(struct gocode_reader *r, uint64_t addr);

/* The type to a pointer of which the function at an address is a method; 0: it is none, or not known. */
uint64_t gocode_receiver_type(struct gocode_reader *r, uint64_t entry);

/* Is it a method of sync.Map? Its name tells, where no descriptor of that type is linked in too. */
bool gocode_of_sync_map(struct gocode_reader *r, uint64_t entry);
