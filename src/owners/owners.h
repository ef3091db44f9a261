/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * owners/owners - who keeps the heap alive, from what was read of the heap to the finished struct owners.
 *
 * Two steps, because only the first may need a target that stands still:
 *   owners_copy_roots(), owners_copy_heap()  spans, roots, pointers (goheap/)
 *   owners_finish()  types, dominators, names, paths, holders: reads contents again where it needs them, and believes none
 *                    that does not agree
 * Memory at its peak: 12 bytes a slot, 24 a reachable object, 8 a pointer.
 */

#include "goheap/root.h"
#include "goheap/typing.h"
#include "gort/refs.h"
#include "graph/reach.h"
#include "graph/retain.h"
#include "model/snapshot.h"
#include "sym/elf.h"

/* What is known of the target besides its memory; all borrowed. */
struct owners_input {
	const struct gort *g;
	const struct sym_symbol_vec *symbols;	       /* may be empty */
	const struct gort_ref_vec *refs;	       /* which code refers to which data; of stripped images */
	const struct sym_dwarf_variable_vec *declared; /* by debug information; may be empty */
	uint64_t bias;	  /* live address - ELF address, for symbols and what is declared */
	uint64_t memory;  /* bytes that may be used; 0: no bound */
	bool quick;	  /* no holders, no waste: for a watcher that asks often */
	bool sums;	  /* only how much is reachable and how much floats */
	const char *type; /* --type: paths to objects of this type only; or NULL */
};

/* A goroutine of the copy, row by row with raw_roots.stacks. */
struct owners_goroutine {
	uint32_t object;	    /* its g; GRAPH_NONE: not found */
	uint32_t root;		    /* of the graph: that of its group */
	uint32_t edge_at, edge_n;   /* what its g points to: in g_edges */
	uint32_t stack, created_by; /* in out->stacks; 0: it ran, or moved since the copy */
	const char *state;	    /* why it waits, "chan receive"; else its status */
	bool system;		    /* the runtime's own */
};

VEC_TYPE(owners_goroutine_vec, struct owners_goroutine);

struct owners_words; /* owners/paths.c: what the numbers of paths mean */

/* A pointer of a root of the graph. */
struct owners_edge {
	uint32_t root;
	graph_edge edge;
};

VEC_TYPE(owners_edge_vec, struct owners_edge);

/* All that was found out: what the parts below work on. */
struct owners_work {
	const struct owners_input *in;
	struct snapshot *snapshot; /* notes, arena; the result is snapshot->owners */
	struct owners *out;
	struct gort_heap heap;
	struct goheap_objects objects;
	struct goheap_roots raw_roots;
	struct graph graph;
	struct goheap_pointers pointers;
	struct goheap_typing typing;
	struct gocode_map_use_vec sync_maps; /* variables, by the code that calls their methods */
	struct graph_reach reach;
	struct dominators dominators;
	struct retain retain;
	struct u32_vec root_of; /* by root of the graph: index in out->roots; one more for what several hold */
	struct owners_words *words;
	struct owners_goroutine_vec goroutines;
	struct graph_edge_vec g_edges;
	struct owners_edge_vec borrowed; /* pointers of roots to what earlier roots reach: no edges (owners/roots.h) */
	struct u32_vec finalizable;	 /* objects with a finalizer that no other root than finalizers leads to */
};

/* How far the target stands still: not at all, while roots are copied, or until the heap is copied, too. */
enum owners_still { OWNERS_RUNS, OWNERS_PAUSES, OWNERS_STANDS };

void owners_work_init(struct owners_work *w, const struct owners_input *in, struct snapshot *s);
void owners_work_deinit(struct owners_work *w);

/* Spans and roots: what a short stop should hold still. */
MUST_CHECK struct err *owners_copy_roots(struct owners_work *w, enum owners_still still);
/* Pointers of all objects: what --stop=full holds still as well. */
MUST_CHECK struct err *owners_copy_heap(struct owners_work *w);
MUST_CHECK struct err *owners_finish(struct owners_work *w);

/* ---- the parts of owners_finish(), one file each ---- */

/*
 * Groups and names raw roots: fills out->roots (without sums), the graph's roots, root_of and goroutines; marks all that they
 * lead to in w->reach. Edges out of a g, and of the heaps of timers, become those of their roots. owners/roots.c
 */
MUST_CHECK struct err *owners_roots_make(struct owners_work *w);

/*
 * Sums into out->roots, which it sorts (root_of follows), .types, .paths with .steps, texts. Where several roots hold
 * something together, that is one more row. owners/paths.c
 */
MUST_CHECK struct err *owners_paths_fill(struct owners_work *w);

/* The text of the path that holds an object, in the arena of the snapshot; NULL when it is not reachable. owners/paths.c */
const char *owners_path_text(struct owners_work *w, uint32_t object);
void owners_words_free(struct owners_words *n); /* NULL is fine */

/* Where what the paths hold was allocated: .site and .site_share of the paths, by the heap profile. owners/sampled.c */
void owners_sampled_join(struct owners_work *w);

/* Maps, pools, channels, contexts, closures, slices, strings, ...: .maps, .holders, .waste. owners/holders.c */
MUST_CHECK struct err *owners_holders_fill(struct owners_work *w);

/* Iterations under way: .iterators, and unless it is to be quick a row of .holders for those of one owner. owners/iterators.c */
MUST_CHECK struct err *owners_iterators_fill(struct owners_work *w);

/* Goroutines that wait for what nobody else reaches: .stuck. owners/stuck.c */
MUST_CHECK struct err *owners_stuck_fill(struct owners_work *w);

/* Finalizers and cleanups: .finalizers. owners/finalizers.c */
MUST_CHECK struct err *owners_finalizers_fill(struct owners_work *w);
