/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jvm/owners - who keeps the objects of a JVM heap dump (HPROF) alive: what `ullage owners FILE.hprof` shows.
 *
 * Roots, types, paths by dominators as of a Go process; static fields are globals, threads of one name are grouped. Objects
 * that nothing reaches are left out but counted as floating: jcmd's dump has few, one of jmap -F or of an OutOfMemoryError
 * may have many. Bytes are shallow sizes as jcmd PID GC.class_histogram counts them. Weak references do not hold, soft ones
 * do (jvm/heap).
 * With a type, paths are not those of dominators but the shortest ways by which roots reach its objects, alike ones added
 * up: they show how each object is reached where many ways lead to it.
 *
 * Memory: JVM_OWNERS_BYTES an object and some 16 a reference, refused past a bound that the caller gives.
 */

#include "codec/stream.h"
#include "model/snapshot.h"

enum { JVM_OWNERS_BYTES = 32 };

struct jvm_owners_options {
	uint64_t memory;  /* bytes that may be used; 0: no bound */
	bool quick;	  /* no containers */
	const char *type; /* shortest paths to objects of this class; or NULL */
};

/*
 * Reads all of the stream, two or three times, into *ret, which is initialized: owners and clock.wall, and adds OWNERS to
 * parts. LIMIT past the bound, with how much it takes; UNSUPPORTED for what cannot be read twice; FORMAT with the offset.
 */
MUST_CHECK struct err *jvm_owners_read(struct stream *s, const struct jvm_owners_options *opt, struct snapshot *ret);
