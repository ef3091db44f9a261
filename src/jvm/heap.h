/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jvm/heap - the objects of a JVM heap dump and what they refer to, as a struct graph.
 *
 * Two readings of the file: the first numbers objects and learns classes, the second turns references into edges. An edge's
 * word is the number of the reference among those of the object: of a class's own fields first, then its superclass's, as they
 * stand in the file; the element of an array; the static field of a class.
 *
 * Also an edge: from an object to its class, unless that is never unloaded. None: to classes that are never unloaded
 * (those of the boot, platform and application loader), and to threads that run: both are roots anyway, and what they hold
 * goes when they do, whoever else knows them.
 * References that do not keep alive are none either: `referent` of weak, phantom and final references. Of soft ones it does:
 * a JVM clears those only when memory is short, so what they hold does take memory, but no OutOfMemoryError comes of it.
 *
 * Memory: 4 bytes an object and some 5 for its number, 8 more for each that may refer to others, 8 a reference.
 */

#include "codec/hprof_walk.h"
#include "graph/graph.h"
#include "jvm/edges.h"
#include "jvm/ids.h"
#include "model/stack.h"

enum {
	JVM_RECENT = 1 << 10,
	JVM_ROOTS_MAX = 1 << 24,	     /* of a file */
	JVM_PLANS_MAX = 1 << 26,	     /* references of all classes, with inherited ones */
	JVM_WORD_CLASS = GRAPH_WORD_MAX - 1, /* of an edge: from an object to its class */
};

/* What an object is, as far as all objects of the kind have it in common. */
struct jvm_shape {
	uint32_t class;	 /* in hprof.classes */
	uint32_t mirror; /* the class that this object of java.lang.Class stands for; 0: it is another object */
	uint32_t length; /* of an array */
	uint64_t bytes;	 /* in memory */
	bool runs;	 /* a thread that runs */
};

/* A reference of an instance: where it stands in the file's record, and in hprof.fields. */
struct jvm_plan_ref {
	uint32_t offset, field;
	bool weak;
};

/* How the instances of a class are read. */
struct jvm_plan {
	bool made;
	uint32_t at, n;			/* in plan_refs */
	bool final;			/* a java.lang.ref.FinalReference */
	uint32_t container;		/* what kind, see jvm/container; 0: none */
	uint32_t size_offset, size_len; /* of its number of entries; len 0: it has no such field */
};

/* A container, and how many entries it says it has. */
struct jvm_held {
	uint32_t object, entries; /* entries: UINT32_MAX where it does not say */
};

VEC_TYPE(jvm_shape_vec, struct jvm_shape);
VEC_TYPE(jvm_plan_vec, struct jvm_plan);
VEC_TYPE(jvm_plan_ref_vec, struct jvm_plan_ref);
VEC_TYPE(jvm_held_vec, struct jvm_held);
VEC_TYPE(hprof_root_vec, struct hprof_root);

struct jvm_heap {
	struct hprof hprof;
	struct jvm_ids ids;
	struct graph graph; /* without roots */
	uint32_t *shape;    /* of each object, in shapes */
	struct jvm_shape_vec shapes;
	uint32_t *mirror; /* by class: its object; GRAPH_NONE */
	bool *permanent;  /* by class: never unloaded */
	struct jvm_plan_vec plans;
	struct jvm_plan_ref_vec plan_refs;
	struct hprof_root_vec roots;
	struct u32_vec finals;	   /* objects that only a FinalReference may refer to; some are referred to by others */
	struct jvm_held_vec helds; /* containers, as they came in the file */
	struct stacks stacks;	   /* of the dump */
	struct hash_map traces;	   /* serial number of a stack trace to its stack */
	uint64_t duplicates;	   /* records of an object that had come */
	uint64_t dangling;	   /* references to what is no object of the dump */
	uint64_t damaged;	   /* instances shorter than their fields */
	uint64_t edges_kept;	   /* in the graph */
	uint64_t memory;	   /* that may be used; 0: any */
	bool sizes_told;	   /* by the dump; else the default layout was assumed */
	/* private */
	struct jvm_edges edges;
	struct hash_map frames;	 /* identifier of a frame to its record */
	struct hash_map lengths; /* class and length of arrays to their shape */
	struct {
		uint64_t key;
		uint32_t shape;
	} recent[JVM_RECENT];
	unsigned char *may_refer; /* by class: 0 not looked at, 1 no, 2 yes */
	size_t n_may_refer;
	uint64_t checked; /* bytes of the stream at the last look at memory */
	bool large;	  /* elements that come are those of an array that had not come */
};

/*
 * Reads all of the stream, which is left at its end. LIMIT when more than `memory` bytes would be used: the sentence says how
 * much it may take. FORMAT, UNSUPPORTED as hprof_walk(). On every return *ret is to be given to jvm_heap_deinit().
 */
MUST_CHECK struct err *jvm_heap_read(struct stream *s, uint64_t memory, struct jvm_heap *ret);
void jvm_heap_deinit(struct jvm_heap *h);

/* LIMIT when so much more than now would be too much. */
MUST_CHECK struct err *jvm_heap_room(const struct jvm_heap *h, uint64_t more);

static inline const struct jvm_shape *jvm_shape_of(const struct jvm_heap *h, uint32_t object)
{
	return &h->shapes.v[h->shape[object]];
}
