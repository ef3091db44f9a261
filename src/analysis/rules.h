/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/rules - what the rules of a diagnosis share; for analysis/rules_*.c and diagnose.c.
 *
 * A rule looks at the context and reports what it finds with rule_report(); it reports nothing where a figure that it
 * needs is unknown. Its thresholds are those of its row, by number.
 */

#include "analysis/diagnose.h"
#include "analysis/held.h"
#include "analysis/offheap.h"
#include "analysis/trend.h"
#include "analysis/whose.h"

enum { RULE_THRESHOLDS = 4 };

struct rule_context;
struct rule;
typedef void (*rule_fn)(struct rule_context *c, const struct rule *r);

struct rule {
	const char *kind;
	bool leak;
	enum diagnosis_level level;
	rule_fn fn;
	struct {
		double value;
		const char *reason;
	} threshold[RULE_THRESHOLDS];
};

/* Growth of the heap profile by call stack, between the snapshots. */
struct heap_growth {
	uint32_t stack;		  /* in rule_context.stacks */
	const struct frame *site; /* the innermost frame of the program's own; NULL: of the runtime only */
	double bytes, objects;	  /* grown by */
	double now, objects_now;  /* in use at the end */
};

struct rule_context {
	const struct diagnosis_input *in;
	struct diagnosis *d;
	const struct diagnosis_sample *first, *last; /* samples */
	double seconds;				     /* between them */
	const struct account *before, *after;	     /* NULL: not there */
	struct series gc;			     /* bytes marked by each collection seen, at its end */
	struct trend marked;
	struct series reach; /* bytes that were reachable at the looks that walked the heap */
	struct trend reachable;
	struct held held; /* what kept more */
	struct offheap off;
	struct stacks stacks;
	VEC(struct heap_growth) growth; /* by bytes, largest first */
	double growth_sum;		/* of what grew */
	bool profiled;
};

#define KNOWN(v) ((v) != ACCOUNT_UNKNOWN)

/* The series of one u64 member of the samples; unknown values are left out. */
#define SAMPLE(member) offsetof(struct diagnosis_sample, member)
void rule_series(const struct rule_context *c, size_t offset, struct series *ret);
struct trend rule_trend(const struct rule_context *c, size_t offset);

/* A finding with the row's kind and level, bytes and count unknown; valid until the next report. */
struct finding *rule_report(struct rule_context *c, const struct rule *r);
void rule_evidence(struct rule_context *c, struct finding *f, const char *fmt, ...) ERR_PRINTF(3, 4);
const char *rule_text(struct rule_context *c, const char *fmt, ...) ERR_PRINTF(2, 3);
void rule_site(struct rule_context *c, struct finding *f, const struct frame *site);
void rule_stack(struct rule_context *c, struct finding *f, const struct stacks *from, uint32_t stack);
struct finding *rule_found(const struct rule_context *c, const char *kind); /* NULL: not found */
void rule_open(struct rule_context *c, const struct diagnosis_open *open);

/*
 * The holder of what grew, with what it kept more of as evidence. Returns what would release that; NULL, and nothing said,
 * where the holder is not known. rules_held.c
 */
const char *rule_holder(struct rule_context *c, struct finding *f);

/* Words, in the context's arena. Negative sizes are 0. */
const char *rule_size(struct rule_context *c, double bytes);
const char *rule_time(struct rule_context *c, double seconds);

/* The limit of the cgroup, ACCOUNT_UNKNOWN without one; whether the cgroup is the target's own and not the root. */
uint64_t rule_limit(const struct rule_context *c);
bool rule_own_cgroup(const struct rule_context *c);
/* Bytes of pressure that are not managed by the Go runtime; ACCOUNT_UNKNOWN. */
uint64_t rule_outside(const struct rule_context *c);
/* "Set GOMEMLIMIT=...": with numbers, or NULL where there is no limit or nothing is left for the heap. */
const char *rule_gomemlimit(struct rule_context *c);

/* Growth of private memory that is not the Go runtime's, sample by sample; all of it where that is not known. */
void rule_outside_series(const struct rule_context *c, struct series *ret);

/* May what was recorded from there be freed by finalizers, which no collection has run yet? rules_offheap.c */
bool rule_awaits_collection(const struct rule_context *c, const struct offheap_group *g);

/* The families; each table ends with a row without a kind. */
extern const struct rule rules_count[], rules_heap[], rules_held[], rules_offheap[], rules_cgroup[], rules_kept[];

/* What grew and is no finding: rules_open.c. */
void rules_open(struct rule_context *c);
/* When the limit is reached: rules_oom.c. */
void rules_oom(struct rule_context *c);
