/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jvm/root - what holds the objects of a JVM: static fields, threads, JNI, in words.
 *
 * One root for each static field of a class that is never unloaded, one for all those classes themselves, one for threads
 * of one name (digits apart) that wait at one place, one for each other kind of the dump. In two later steps, for what
 * none of those reaches: what waits for its finalizer, and what is only a monitor in use.
 */

#include "jvm/heap.h"
#include "model/owners.h"

struct jvm_root {
	enum owners_root_kind kind;
	const char *name; /* "Leak.cache", "thread \"main\""; in the arena */
	uint32_t threads; /* of OWNERS_STACK */
	uint32_t stack;	  /* of one of them, in heap.stacks; 0: none */
};

VEC_TYPE(jvm_root_vec, struct jvm_root);

/*
 * Gives the graph its roots: *ret has one each. Reads the file once more for the names of threads. LIMIT, FORMAT.
 */
MUST_CHECK struct err *jvm_roots_make(struct jvm_heap *h, struct stream *s, struct arena *arena,
				      struct jvm_root_vec *ret);
