/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/diff - what grew between several moments, processes or builds: what `ullage diff` shows.
 *
 * The first input is the base, the others are its targets. Things are matched by what they are called, never by address:
 * allocation stacks by function, base name of the file and line, and by functions alone where the builds differ, since
 * lines move between builds; types, states and classes by name; goroutines by id, where both inputs are one process.
 *
 * Heap profiles count what was in use when the last GC ended, so their time is that GC's, and two of the same GC cannot
 * differ. What is counted object by object (types) includes garbage, unless all inputs have owners; a note says so. Rates
 * need both times.
 *
 * Cost: each stack of each input is looked at once. Borrowed: the inputs must outlive the diff.
 */

#include "model/snapshot.h"

enum { DIFF_INPUTS_MAX = 64 };

#define DIFF_UNKNOWN INT64_MIN

enum diff_by {
	DIFF_SITE,	/* allocation stack; stack and creator of goroutines where there is no profile */
	DIFF_TYPE,	/* type; objects of one size and shape in a Go heap dump; class and array length in a JVM's */
	DIFF_STATE,	/* goroutines by state or wait reason */
	DIFF_CLASS,	/* class of the account; class of a JVM */
	DIFF_GOROUTINE, /* each one, by id */
	DIFF_PATH,	/* the way from a root, by dominators, and what it retains: paths inside of each other */
	DIFF_BY_MAX_
};

extern const char *const diff_by_names[]; /* ends with NULL */

struct diff_input {
	const char *name; /* for messages; of a node: as the user calls it */
	bool node;	  /* one of several places, not a moment of one */
	const struct snapshot *s;
};

struct diff_options {
	enum diff_by by;
	const char *sample_index; /* of profiles: the value compared; NULL: the profile's default */
	uint64_t leak_threshold;  /* groups that grew by fewer objects are left out; 0: none is */
};

struct diff_value {
	int64_t bytes, objects; /* DIFF_UNKNOWN; bytes may have another unit, see diff.unit */
};

struct diff_group {
	const char *name;	     /* NULL: see diff_key() */
	size_t at;		     /* its values, see diff_values() */
	struct diff_value delta;     /* of the target `of` */
	uint32_t of;		     /* the last input; of nodes: the one that grew most */
	int64_t survived, new, gone; /* goroutines of one process, from base to the last target; -1: unknown */
	uint32_t input, stack;	     /* whose stack it shows; stack 0: none */
	uint32_t created_by;	     /* of goroutines, a stack of one frame; 0: none */
	bool told;		     /* of paths: a longer one says the same */
};

/* A node whose value of a group is far from the median of all nodes. */
struct diff_outlier {
	uint32_t group, input;
	int64_t value, median; /* as diff_main() */
};

VEC_TYPE(diff_group_vec, struct diff_group);
VEC_TYPE(diff_value_vec, struct diff_value);
VEC_TYPE(diff_outlier_vec, struct diff_outlier);

struct diff {
	struct arena arena;
	const struct diff_input *inputs;
	size_t n; /* inputs */
	enum diff_by by;
	const char *type, *unit;      /* of bytes: "inuse_space", "bytes"; "cpu", "nanoseconds" */
	bool by_bytes;		      /* ranked by bytes, else by objects */
	struct diff_group_vec groups; /* by growth, largest first; behind `shown` those that are left out */
	size_t shown;		      /* groups with a value that grew by no less than the threshold */
	struct diff_value_vec values; /* one for each input, of every group */
	struct diff_value totals[DIFF_INPUTS_MAX];
	double seconds[DIFF_INPUTS_MAX];  /* from the base; NAN: unknown */
	struct diff_outlier_vec outliers; /* largest distance first */
	struct str_vec notes;
	/* private */
	struct stacks joint;
	struct u32_vec group_of[DIFF_INPUTS_MAX]; /* stack of the input's to the group */
	struct u32_vec group_of_joint;		  /* stack in `joint` to the group */
	struct hash_map group_of_name;		  /* address of the interned name to the group */
	bool names_only, of_goroutines;
	int columns[DIFF_INPUTS_MAX][2]; /* of profiles: bytes, objects; -1 */
};

/* What all inputs can be compared by; ARG with a sentence when they have nothing in common. */
MUST_CHECK struct err *diff_choose(const struct diff_input *inputs, size_t n, enum diff_by *ret);

/*
 * Compares n inputs, 2 to DIFF_INPUTS_MAX. ARG when they cannot be compared so: the sentence says why and what can be.
 * FORMAT when profiles measure different things. On every return *ret is to be given to diff_deinit().
 */
MUST_CHECK struct err *diff_make(const struct diff_input *inputs, size_t n, const struct diff_options *opt,
				 struct diff *ret);
void diff_deinit(struct diff *d);

/* The values of a group, one for each input. */
static inline const struct diff_value *diff_values(const struct diff *d, const struct diff_group *g)
{
	return &d->values.v[g->at];
}

/* What is ranked and judged. */
static inline int64_t diff_main(const struct diff *d, struct diff_value v)
{
	return d->by_bytes ? v.bytes : v.objects;
}

/* a - b; unknown where one of them is. */
struct diff_value diff_less(struct diff_value a, struct diff_value b);

/* The parts of snapshots that were compared. */
unsigned diff_parts(const struct diff *d);

/* The stacks that a group's stack and created_by are in. */
const struct stacks *diff_stacks(const struct diff *d, const struct diff_group *g);

/* The name of a group, or the frame that stands for its stack, "main.load (store.go:42)". In the arena of the diff. */
const char *diff_key(struct diff *d, const struct diff_group *g);

/* The same of the stack alone; "" without one. */
const char *diff_place(struct diff *d, const struct diff_group *g);

/* The way there, root first: "main.main > main.serve > main.load"; the path itself; "" without a stack. */
const char *diff_path(struct diff *d, const struct diff_group *g);

/*
 * The difference as a profile. With `sides` its two types are the values of base and last input, for a flame graph; else
 * it has the values of the last input less those of the base, every one that the profiles have, for pprof. *ret is
 * initialized by the call and to be given to profile_deinit().
 */
void diff_profile(const struct diff *d, bool sides, struct profile *ret);

static inline void diff_auto(struct diff *d)
{
	diff_deinit(d);
}
