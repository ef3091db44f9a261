/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/root - where the collector begins: words of data and bss by the module's pointer masks, stacks, finalizers.
 *
 * Source: runtime/mgcmark.go (markroot), mfinal.go, mcleanup.go, mheap.go (specials).
 * Stacks are taken conservatively, [sp, hi) word by word; of a goroutine that runs, whose sp is not known without
 * stopping it, as much as the unwinder cannot exclude. All modules of the process count (plugins).
 */

#include "goheap/object.h"

enum goheap_root_kind {
	GOHEAP_ROOT_GLOBAL, /* at: address of the word in data or bss */
	GOHEAP_ROOT_STACK,  /* at: address of the word; owner: g */
	GOHEAP_ROOT_FINALIZER, /* value: the closure, or what the object with a finalizer points to; owner: that object's address */
	GOHEAP_ROOT_CLEANUP,
	GOHEAP_ROOT_QUEUED, /* a finalizer or cleanup that is to be run: its closure, its argument */
	GOHEAP_ROOT_WEAK,   /* handle of weak pointers */
};

struct goheap_root {
	uint64_t at, value; /* value: a pointer into the heap */
	uint64_t owner;
	uint32_t kind;
};

VEC_TYPE(goheap_root_vec, struct goheap_root);

/* Memory of the target that was copied at the moment of the roots, so that it can be looked at again. */
struct goheap_stack_copy {
	uint64_t g, goid, sp, hi;
	bool running;
	uint32_t first, n; /* of its roots in `v` */
};

VEC_TYPE(goheap_stack_copy_vec, struct goheap_stack_copy);

struct goheap_roots {
	struct goheap_root_vec v;
	struct goheap_stack_copy_vec stacks;
	uint64_t finalizers, cleanups, queued; /* how many there are */
	uint64_t stack_bytes;		       /* read */
};

MUST_CHECK struct err *goheap_roots_read(const struct goheap_objects *o, struct goheap_roots *ret);
void goheap_roots_deinit(struct goheap_roots *r);
