/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * analysis/suspicion - what looks wrong about groups of goroutines: hints with their evidence, never a verdict.
 *
 * A rule is a small function over one group and the scene around it, with thresholds and the reason for them, in one table
 * (suspicion_rules.c). What is known of libraries is data (libraries.def). A text says what was seen, then what that may
 * mean; what a source does not have (a profile has no waits, a dump no addresses) cannot be evidence.
 *
 * Cost: one pass over the goroutines and one over the different stacks.
 */

#include "analysis/goroutine_groups.h"
#include "base/strbuf.h"

struct suspicion {
	const char *rule, *text; /* text: sentences */
};

VEC_TYPE(suspicion_vec, struct suspicion);

/* Of group i: v[at[i]] .. v[at[i + 1] - 1]. */
struct suspicions {
	struct arena arena;
	struct suspicion_vec v;
	struct u32_vec at;
	struct u32_vec group_of; /* of each goroutine; HASH_NONE: in no group */
};

/* `groups` are those of gs by site. *ret is to be given to suspicions_deinit(). */
void suspicions_find(const struct goroutines *gs, const struct goroutine_groups *groups, struct suspicions *ret);
void suspicions_deinit(struct suspicions *s);

/* ---- for the rules ---- */

/* What a rule may look at. */
struct suspicion_scene {
	const struct goroutines *gs;
	const struct goroutine_groups *groups;
	struct hash_map on_stack; /* goroutines with this function (a string of groups->stacks) on their stack */
	struct hash_map by_id;	  /* row + 1 of a goroutine, by id and input */
	struct hash_map waiters;  /* goroutines that wait on one thing, by address and input */
	bool cut;		  /* goroutines may be missing */
};

/* What is true of the members of one group, as far as it is known. */
struct suspicion_facts {
	uint64_t creators, creators_gone; /* whose creator is known; of these: the function has returned */
	uint64_t channels, on_channels;	  /* different addresses waited on; members whose address is known */
	uint64_t crowd;			  /* most goroutines, of any group, that wait on one of these addresses */
	uint64_t ids, id_span;		  /* members with an id; largest less smallest */
	uint64_t no_deadline;
};

struct suspicion_rule {
	const char *name;
	bool (*holds)(const struct suspicion_scene *s, const struct goroutine_group *g, const struct suspicion_facts *f,
		      const struct suspicion_rule *self, struct strbuf *text);
	uint64_t few, many; /* goroutines: enough with, and without further evidence */
	int64_t wait;	    /* ns; 0: waits do not count */
	const char *why;    /* these thresholds */
};

extern const struct suspicion_rule suspicion_rules[]; /* ends with a NULL name */

/* Goroutines with a function on their stack whose name is `pattern`, or starts with it where it ends in "*". */
uint64_t suspicion_on_stack(const struct suspicion_scene *s, const char *pattern);
/* Is it on the stack of this group? */
bool suspicion_has(const struct suspicion_scene *s, const struct goroutine_group *g, const char *pattern);
