/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/root - where the collector begins: words of data and bss by the module's pointer masks, stacks, finalizers.
 *
 * Source: runtime/mgcmark.go (markroot), mfinal.go, mcleanup.go, mheap.go (specials).
 * Of stacks the words count that the maps of their frames say are alive, each object once a stack. A stack whose frames have
 * no maps, or that has deferred calls or a panic, is taken conservatively, [sp, hi) word by word; that of a goroutine that
 * runs, whose sp is not known without its registers, from lo to hi. All modules of the process count (plugins).
 * What an object with a finalizer points to is a root too, though not in this list: its edges in the graph are.
 * Cost:   data and bss once, the used part of all stacks once, one gather over spans and one a special.
 * Memory: 40 bytes a root, 80 a goroutine.
 */

#include "goheap/object.h"

enum goheap_root_kind {
	GOHEAP_ROOT_GLOBAL,    /* at: address of the word in data or bss */
	GOHEAP_ROOT_STACK,     /* at: address of the word; owner: g */
	GOHEAP_ROOT_FINALIZER, /* value: the closure; at: the special; owner: the object that has the finalizer */
	GOHEAP_ROOT_CLEANUP,   /* the same of a cleanup; its argument (1.26 on) is a root of its own, with part 1 */
	GOHEAP_ROOT_QUEUED, /* to be run: its closure; its argument with part 1, a cleanup's with part 2; at: its place */
	GOHEAP_ROOT_WEAK,   /* handle of weak pointers; owner: the object they point to */
};

#define GOHEAP_ROOT_OUTSIDE UINT32_MAX

struct goheap_root {
	uint64_t at, value;
	uint64_t owner;
	uint32_t
		object; /* number of the object that `value` points to; OUTSIDE: none (only of finalizers and the like) */
	uint32_t place; /* of a word of a stack: index + 1 in `places`; 0: not known */
	uint8_t kind;	/* enum goheap_root_kind */
	uint8_t part;
};

VEC_TYPE(goheap_root_vec, struct goheap_root);

/* A word of the frames whose callee returns to `pc`, counted from their stack pointer: that is alive there. */
struct goheap_frame_place {
	uint64_t pc;
	uint32_t word;
};

VEC_TYPE(goheap_frame_place_vec, struct goheap_frame_place);

/* A goroutine that has a stack, at the moment of the copy. */
struct goheap_stack_copy {
	uint64_t g, goid, sp, lo, hi;
	uint64_t gopc, startpc;
	uint64_t waiting;  /* its sudogs */
	uint32_t first, n; /* of its roots in `v` */
	uint8_t status;	   /* enum gort_g_status */
	uint8_t reason;	   /* why it waits, as in gort/parked */
	bool running;	   /* its sp is not known: all of [lo, hi) was taken */
	bool exact;	   /* only what is alive was taken */
};

VEC_TYPE(goheap_stack_copy_vec, struct goheap_stack_copy);

/*
 * A map that a goroutine goes through: the iterator is alive on its stack, and has not come to the end.
 * Source: runtime/map.go (hiter), internal/runtime/maps/table.go (Iter): key, elem, type and map are the first words of both.
 */
struct goheap_iterator {
	uint64_t goid;
	uint64_t depth;	    /* of the iterator, bytes below the stack's upper end: the same when the stack is moved */
	uint64_t map, type; /* addresses: of the map's header, of its type as the iterator says */
	uint64_t mark;	    /* of what is chosen when it begins, mostly by chance, and stays */
};

VEC_TYPE(goheap_iterator_vec, struct goheap_iterator);

/* Data or bss of a module, copied before the spans were. */
struct goheap_data {
	uint64_t start;
	size_t len;
	unsigned char *bytes;
};

VEC_TYPE(goheap_data_vec, struct goheap_data);

struct goheap_roots {
	struct goheap_data_vec early; /* kept for goheap_roots_view */
	struct goheap_root_vec v;
	struct goheap_stack_copy_vec stacks;
	struct goheap_iterator_vec iterators; /* of exact stacks */
	struct goheap_frame_place_vec places;
	uint64_t finalizers, cleanups, queued;	   /* how many there are; queued: of both */
	uint64_t stack_bytes;			   /* read */
	uint64_t dangling;			   /* pointers of data, bss and stacks to free slots: no roots */
	uint64_t unreadable;			   /* bytes of data, bss and stacks */
	bool no_finalizer_queue, no_cleanup_queue; /* where it is was not found; there is no cleanup queue to 1.24 */
	bool damaged; /* a list that leads back to itself, a mask shorter than its data: what was left out is not known */
};

/*
 * For a target that runs, or will, before its spans are read: copies the variables, so that none of them points to an object that is
 * newer than the spans. *ret is then given to goheap_roots_read(), which takes them from there.
 */
void goheap_roots_early(const struct gort *g, struct goheap_roots *ret);

/*
 * Memory in which the variables are as they were when the roots were copied: what they point to is in the graph then, while
 * what they point to now may be newer. `roots` and `under` are borrowed.
 */
struct goheap_roots_view {
	struct memsrc src; /* first */
	struct memsrc *under;
	const struct goheap_roots *roots;
};

void goheap_roots_view_init(struct goheap_roots_view *v, const struct goheap_roots *roots, struct memsrc *under);

/* *ret is empty, or of goheap_roots_early(). FORMAT or FAULT when there is no list of goroutines. */
MUST_CHECK struct err *goheap_roots_read(const struct goheap_objects *o, struct goheap_roots *ret);
void goheap_roots_deinit(struct goheap_roots *r);
