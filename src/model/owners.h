/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/owners - who keeps the heap alive: what `ullage owners` shows of a Go process, a core file or a JVM heap dump.
 *
 * An object is reachable when a root leads to it; it is retained by what every way from the roots to it goes through
 * (its dominators). Bytes are those of slots, as the allocator counts them. Plain data, filled by the rooms owners (Go)
 * and jvm. Strings are in the arena of the snapshot. Lists are sorted by what is retained, largest first.
 */

#include "model/account.h"
#include "model/stack.h"

enum owners_root_kind {
	OWNERS_GLOBAL,
	OWNERS_STACK,	  /* goroutines, or threads of a JVM, grouped by where they were made and where they wait */
	OWNERS_FINALIZER, /* finalizers and cleanups */
	OWNERS_TIMER,
	OWNERS_OTHER, /* what the runtime itself holds; JNI and monitors of a JVM; what several roots hold together */
	OWNERS_ROOT_MAX_
};

extern const char *const owners_root_kinds[OWNERS_ROOT_MAX_]; /* "global", "stack", ... */

#define OWNERS_SEVERAL "(several roots)" /* the name of the row of what several roots hold together */

struct owners_root {
	enum owners_root_kind kind;
	const char *name;	/* "main.Sessions", "main.worker created by main.start", "(several roots)" */
	const char *used_by;	/* of a global without a symbol: functions that refer to it, or NULL */
	struct frame site;	/* where: goroutines: the go statement; "" = unknown */
	const char *blocked_at; /* of goroutines: the function they wait in, with state; or NULL */
	uint64_t goroutines;	/* of a stack root, else 0 */
	uint64_t retained, retained_objects;
};

struct owners_type {
	const char *
		type; /* "main.Session", "map[string]*main.Session", "[]byte" (an array of bytes), "func main.f.func1" */
	uint64_t objects, bytes;
	uint64_t retained; /* with all that only objects of this type keep */
};

/* One step of a path: how the step before holds this. */
struct owners_step {
	const char *type;	 /* as an engineer writes it: "map[string]*main.Session", "*main.Session", "[]byte" */
	const char *field;	 /* of the step before that holds it, "next"; NULL: an element, or more than one way */
	uint64_t objects, bytes; /* of this step alone */
};

/* Objects that are held alike: the way from a root through the dominators, types joined. */
struct owners_path {
	uint32_t root;		    /* in roots */
	uint32_t step_at, step_n;   /* in steps; the root itself is none */
	uint64_t retained, objects; /* what the end of the path retains, and how many objects that is */
	const char *text; /* all of it: "main.Sessions (global, used by main.f) -> map[string]*main.Session -> ..." */
	uint32_t site;	  /* where most of its bytes were allocated, in `stacks`; 0: no sample */
	const char *held_by; /* of what several roots hold: some of them; NULL: one root, or not known */
	double site_share;   /* of the sampled bytes of this path, 0..1 */
	uint64_t
		length; /* of all slices of the arrays that it ends in, in elements; 0: none, or not known of each array */
};

struct owners_map {
	const char *type, *owner; /* owner: a path's text, or NULL */
	uint64_t maps;		  /* how many alike were added up */
	uint64_t entries, capacity, bytes;
	uint64_t recoverable; /* bytes that a rebuilt map of these entries would not take */
};

struct owners_waste {
	const char *rule; /* of Go: a row of the table in owners/holders.c, "slice-capacity"; of a JVM: jvm/fill.c */
	const char *owner, *text; /* a path's text; one sentence on what it is */
	uint64_t count, bytes;
};

/* One of Go's usual holders, told by what it is and not only by its type. */
struct owners_holder {
	const char *
		kind; /* "map", "sync.Map", "sync.Pool", "chan", "context", "closure", "list", "cgo.Handle", "timer", ... */
	const char *type, *owner;
	uint64_t count;	   /* of such holders */
	uint64_t elements; /* that they hold; ACCOUNT_UNKNOWN */
	uint64_t bytes, retained;
	const char *text; /* one sentence with what is particular: "captures *main.Session", "children of main.base" */
};

/* Goroutines that wait for something that no other live goroutine or global reaches. */
struct owners_stuck {
	uint64_t count;
	const char *reason;	    /* "chan receive" */
	uint32_t stack, created_by; /* in `stacks` */
	uint64_t retained;	    /* bytes that only they reach */
};

struct owners_finalizers {
	uint64_t set, cleanups; /* objects that have one */
	uint64_t queued;	/* to be run */
	bool blocked;		/* the goroutine that runs them waits in one: see `at` */
	const char *at;		/* function, or NULL */
	uint64_t cycles;	/* objects with a finalizer that reach themselves: it can never run */
	uint64_t resurrected;
};

/*
 * An iteration under way: over a map, by an iterator on the stack of a goroutine, or by iter.Pull, which has a goroutine of its
 * own. At another moment it is the same when goroutine, depth, map and mark are.
 */
struct owners_iterator {
	uint64_t goroutine, depth, map, mark; /* depth: place on the stack; map: address. 0: iter.Pull */
	const char *type, *owner;	      /* "map[string]int", "iter.Pull"; the map's path, or NULL */
};

VEC_TYPE(owners_iterator_vec, struct owners_iterator);
VEC_TYPE(owners_root_vec, struct owners_root);
VEC_TYPE(owners_type_vec, struct owners_type);
VEC_TYPE(owners_step_vec, struct owners_step);
VEC_TYPE(owners_path_vec, struct owners_path);
VEC_TYPE(owners_map_vec, struct owners_map);
VEC_TYPE(owners_waste_vec, struct owners_waste);
VEC_TYPE(owners_holder_vec, struct owners_holder);
VEC_TYPE(owners_stuck_vec, struct owners_stuck);

struct owners {
	bool jvm;
	uint64_t reachable, reachable_objects;
	uint64_t floating, floating_objects; /* allocated, no longer reachable, not yet collected */
	uint64_t heap_marked;		     /* what the last GC before the reading marked; ACCOUNT_UNKNOWN */
	double typed_ratio;		     /* of reachable bytes; NAN unknown */
	int64_t stopped_ns, elapsed_ns;
	uint64_t copied;	  /* bytes read of the heap */
	uint64_t inconsistencies; /* reachable objects that point to free slots, and the like: what moved meanwhile */
	struct owners_root_vec roots;
	struct owners_type_vec types;
	struct owners_step_vec steps;
	struct owners_path_vec paths;
	struct owners_map_vec maps;
	struct owners_waste_vec waste;
	struct owners_holder_vec holders;
	struct owners_stuck_vec stuck;
	struct owners_iterator_vec iterators;
	struct owners_finalizers finalizers;
	struct stacks stacks;
};

void owners_init(struct owners *o);
void owners_deinit(struct owners *o);

/* Is it the type that was asked for, apart from "*" and "[]" in front: "main.Session" is asked for by "*main.Session". */
bool owners_type_is(const char *type, const char *asked);

/* Does a path begin with all steps of another, and go on? Roots are not compared. */
bool owners_path_extends(const struct owners *o, const struct owners_path *p, const struct owners_path *start);
