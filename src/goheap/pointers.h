/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/pointers - which words of heap objects are pointers, by the pointer maps of each version, and the graph they make.
 *
 *	to 1.19   heapArena.bitmap: two bits a word, pointer and "more follow"
 *	1.20 on   heapArena.bitmap: one bit a word, and noMorePtrs
 *	1.22 on   bits at the end of the span (objects to 512 bytes); a type in front of the object (over 512 bytes); the type
 *		  in the span (large objects, and user arenas, whose type is made up and has a mask that grows)
 * Source: runtime/mbitmap.go, mbitmap_allocheaders.go, mbitmap_noallocheaders.go (1.22), mgcmark.go (scanobject), arena.go.
 * A pointer into the heap is an edge; what holds one to a free slot is `torn`, which is nothing strange unless it is
 * reachable: garbage, and an object that is being made, may hold anything. Words of types (itabs and type descriptors next
 * to a pointer) are handed to `seen`, because they tell what the pointer points to.
 * Where nothing moves, what the last collection found dead and the sweeper has not freed has no edges: what it points to
 * may be gone. Of a target that runs all slots are read, and all have edges: they may have been swept and taken since.
 */

#include "goheap/object.h"
#include "graph/graph.h"

/* An object whose type the heap itself tells: `rtype` of its header or span, or of the interface that points to it. */
enum goheap_seen_how { GOHEAP_SEEN_HEADER, GOHEAP_SEEN_LARGE, GOHEAP_SEEN_IFACE };

struct goheap_seen {
	uint32_t object; /* number */
	uint32_t how;	 /* enum goheap_seen_how */
	uint64_t
		rtype; /* HEADER, LARGE: of the element, one or many of them; IFACE: dynamic type, as the interface has it
			  * (a pointer type points to the object; another kind is boxed in it) */
};

VEC_TYPE(goheap_seen_vec, struct goheap_seen);

struct goheap_pointers {
	uint64_t edges, copied, unreadable;
	uint64_t *torn;		     /* one bit an inner slot: it holds a pointer to a free slot or into a free span */
	uint64_t conservative;	     /* objects whose pointer map was not found, all words taken */
	struct goheap_seen_vec seen; /* at most one of each kind an object, the first found */
};

/*
 * Fills the graph (made by graph_init(n, n_inner)) with the edges of all allocated objects. An interface tells only of an
 * object that it points to the start of, or whose slot small values share. LIMIT when a block of the graph has 2^32 edges.
 */
MUST_CHECK struct err *goheap_pointers_read(const struct goheap_objects *o, struct graph *graph,
					    struct goheap_pointers *ret);
void goheap_pointers_deinit(struct goheap_pointers *p);

/* Of any slot: those without pointers are whole. */
static inline bool goheap_pointers_torn(const struct goheap_objects *o, const struct goheap_pointers *p,
					uint32_t number)
{
	return number < o->n_inner && p->torn[number / 64] >> number % 64 & 1;
}
