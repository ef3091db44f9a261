/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * graph/retain - retained bytes by root, by kind of object and by path, from the dominators.
 *
 * Kinds are numbers that the caller gives (types of objects); 0 is unknown. A path is a way down the dominator tree with
 * objects of one kind at one place joined: each node of the tree of paths stands for all objects that are held alike.
 * A kind that repeats itself along the way (a list, a tree, nested maps) goes to its first node on that way, so that what
 * a node in between retains is what is shown below it. What is only a part of another object (a map's tables) is counted
 * into the node of that.
 * Cost: one pass over the objects and their pointers. Memory: 4 bytes a reachable vertex, and the paths.
 */

#include "graph/dominators.h"

enum { RETAIN_PATHS_MAX = 1 << 20 }; /* nodes of paths; what comes after is counted into the node above */

/* How a child kind, held at `word` of its dominator, is joined. */
struct retain_step {
	bool part;	/* it belongs to its holder: no node of its own */
	uint32_t field; /* names the place in the holder: equal places are joined; 0: any; < GRAPH_NONE */
};

struct retain_input {
	const struct graph *graph;
	const struct dominators *dominators;
	void *ctx;
	uint64_t (*bytes)(void *ctx, uint32_t object); /* of one object, numbers of the graph */
	const uint32_t *kinds; /* [objects], each < n_kinds; NULL: kind() is asked, which is slower */
	uint32_t (*kind)(void *ctx, uint32_t object);
	/*
	 * Asked of objects below objects. Word GRAPH_WORD_MAX: not held by a pointer of its dominator, but by several ways
	 * below it. NULL: no parts, and any place.
	 */
	struct retain_step (*step)(void *ctx, uint32_t holder_kind, uint32_t kind, uint32_t word);
	uint32_t n_kinds;
	const uint32_t *alike; /* [n_kinds]: kinds of one number are added up as that kind; NULL: each by itself */
};

struct retain_sum {
	uint64_t objects, bytes, retained, retained_objects;
};

struct retain_path {
	uint32_t parent; /* node, or GRAPH_NONE: directly below its root */
	uint32_t root;	 /* 0 .. n_roots - 1, or n_roots: below no root alone (several of them lead there) */
	uint32_t kind, field;
	struct retain_sum sum; /* objects (parts do not count), bytes: of the node alone; retained: with all below */
};

VEC_TYPE(retain_path_vec, struct retain_path);

struct retain {
	struct retain_sum *roots;     /* [n_roots + 1]: the last is what several roots hold together */
	struct retain_sum *kinds;     /* [n_kinds]; retained: below the topmost objects of the kind, nothing twice */
	struct retain_path_vec paths; /* a parent stands before its children */
	uint32_t *path_of;	      /* [dominators.n] order -> node; GRAPH_NONE: roots */
	bool cut; /* there were more paths than RETAIN_PATHS_MAX: what kinds retain is at least that */
};

MUST_CHECK struct err *retain_find(const struct retain_input *in, struct retain *ret);
void retain_deinit(struct retain *r);
