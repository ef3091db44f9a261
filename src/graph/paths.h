/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * graph/paths - types and paths of struct owners, from what graph/retain found: each node of the tree of paths that retains
 * enough, with the way to it in words. Of a Go heap and of a JVM's.
 *
 * "main.Sessions (global) -> map[string]*main.Session -> *main.Session -> []byte". The field that holds a step is in its text
 * where another step of the same type stands beside it: " -> .next *main.Node".
 */

#include "graph/retain.h"
#include "model/owners.h"

enum {
	PATHS_MAX = 20000,    /* the largest are kept */
	PATHS_SHARE = 100000, /* and those that retain this part of all reachable bytes */
};

/* What numbers mean. The strings must live as long as the owners. */
struct paths_words {
	void *ctx;
	const char *(*kind)(void *ctx, uint32_t kind);	 /* "*main.Session" */
	const char *(*field)(void *ctx, uint32_t field); /* of retain_step.field: "next"; NULL */
	const uint32_t *root_of;			 /* [n_roots + 1]: root of the graph -> its row in out->roots */
	const char *const *root; /* by row in out->roots: how a path begins: "main.Sessions (global)" */
	uint32_t n_kinds;
	const uint32_t *alike; /* as in struct retain_input; or NULL */
	struct u32_vec *nodes; /* out: the node of each path; or NULL */
	const char *type;      /* paths that end in it only, small ones too (owners_type_is()); NULL: all */
};

/* Fills in out->paths and .steps; out->roots and .reachable must be there. Texts are in the arena. */
void paths_fill(const struct retain *r, const struct paths_words *w, struct arena *arena, struct owners *out);

/* Fills in out->types. */
void paths_types_fill(const struct retain *r, const struct paths_words *w, struct owners *out);

/* The way to any node, also one that is no path of its own because it retains little. In the arena. */
const char *paths_node_text(const struct retain *r, const struct paths_words *w, uint32_t node, struct arena *arena);
