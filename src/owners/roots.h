/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * owners/roots - how raw roots become roots of the graph: what the files root_*.c share.
 *
 * Raw roots that an engineer would call one thing are one root of the graph, with one row in owners.roots: a variable; the
 * goroutines of one go statement that wait at one place; the finalizers of one function. What several members of a root
 * hold together is then that root's.
 *
 * Who holds a thing and who only uses it: most of what goroutines have on their stacks is of some variable, and each that
 * waits in a method has the receiver. So roots come in tiers, and a pointer of a later tier to what an earlier one reaches is
 * borrowed: it makes no root. Within a tier dominators are what they are.
 */

#include "owners/owners.h"

/* What makes a root this one and no other; b to d are 0 where they are not needed. */
struct roots_key {
	uint64_t kind, a, b, c, d;
};

VEC_TYPE(roots_key_vec, struct roots_key);

/* Variables by whose they are; goroutines one group after the other, the main one first; the runtime; timers; finalizers. */
enum { ROOTS_TIER_STACKS = 16, ROOTS_TIER_RUNTIME = 1 << 30, ROOTS_TIER_TIMERS, ROOTS_TIER_FINALIZERS };

struct roots_maker {
	struct owners_work *w;
	struct roots_key_vec keys; /* row by row with owners.roots, as are tiers */
	struct u32_vec tiers;
	struct hash_index by_key;
	struct owners_edge_vec edges;
};

/* The number of a root; *fresh: it is new, and its row is to be filled in, and its tier, if it is not the runtime's. */
uint32_t roots_group(struct roots_maker *m, const struct roots_key *key, bool *fresh);

/* `root` holds the object that `value` points to, by its word `word`. */
void roots_edge(struct roots_maker *m, uint32_t root, uint32_t object, uint64_t value, uint64_t word);

/* What an object points to, *n of them: to be read, or to be moved to a root. */
graph_edge *roots_edges_of(struct roots_maker *m, uint32_t object, uint32_t *n);

/* Moves an edge of `object` to `root`; the object points to itself instead, which leads nowhere. */
void roots_move(struct roots_maker *m, uint32_t object, graph_edge *edge, uint32_t root);

/* The word of an object's slot where the field at `offset` is: behind the header, where objects have one. */
uint32_t roots_word(const struct owners_work *w, uint32_t object, uint64_t offset);

/* The object that `value` points to, if it is an allocated one; else GRAPH_NONE. */
uint32_t roots_object(const struct roots_maker *m, uint64_t value);

/* Name of the function that a closure runs, "?" where there is none: in the arena of the snapshot. */
const char *roots_function(const struct roots_maker *m, uint64_t closure);

/* Whose package a function is of: the nearer to the program, the better it tells what something is for. */
enum roots_whose { ROOTS_OWN, ROOTS_THIRD_PARTY, ROOTS_STANDARD, ROOTS_RUNTIME };

enum roots_whose roots_whose(const struct gort *g, const char *function);

void roots_add_globals(struct roots_maker *m);
void roots_add_goroutines(struct roots_maker *m);
void roots_add_timers(struct roots_maker *m);
void roots_add_specials(struct roots_maker *m);

/* What objects with a finalizer point to, where nothing else reaches them: when everything else is marked in w->reach. */
void roots_add_finalized(struct roots_maker *m);
