/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * goheap/typing - what type each object of the heap has, with debug information or without.
 *
 * Seeds are objects whose type something tells (goheap_seed); from them types spread along the edges of the graph: the type
 * of a field says what its pointer points to. Maps, channels and closures are followed by what the runtime's own structures
 * are. An object has a kind: the form and the type together, numbered; kind 0 is unknown. Slots that are free or dead may
 * have one too, and tell nothing of others: mark what is reachable as allocated, and not dead, before.
 * Where two ways give an object different types, the one that fills the slot best is kept.
 */

#include "gocode/reader.h"
#include "goheap/pointers.h"
#include "goheap/root.h"
#include "gort/type.h"
#include "sym/dwarf.h"

enum goheap_form {
	GOHEAP_FORM_UNKNOWN,
	GOHEAP_FORM_VALUE,    /* one of `type` */
	GOHEAP_FORM_ARRAY,    /* several of `type`, one behind the other: what a slice points to */
	GOHEAP_FORM_STRING,   /* the bytes of a string */
	GOHEAP_FORM_MAP,      /* the header of a map; type: the map's */
	GOHEAP_FORM_MAP_PART, /* its directory, tables, groups, buckets; type: the map's */
	GOHEAP_FORM_CHAN,     /* a channel and its buffer; type: the element's */
	GOHEAP_FORM_CHAN_PART,
	GOHEAP_FORM_CLOSURE, /* a function value; pc: its code */
	GOHEAP_FORM_RUNTIME, /* of the runtime's own: a g, an m, a p, a sudog; name says which */
};

/* Where the elements of a MAP_PART are, and so on: private to typing.c and the holders. */
enum goheap_map_part {
	GOHEAP_MAP_DIRECTORY,
	GOHEAP_MAP_TABLE,
	GOHEAP_MAP_GROUPS,
	GOHEAP_MAP_BUCKETS,
	GOHEAP_MAP_EXTRA, /* old maps: lists of overflow buckets */
};

/* Two kinds may have the same name (which is then the same pointer): with a header and without. */
struct goheap_kind {
	enum goheap_form form;
	uint64_t rtype; /* address of the type descriptor; 0: none */
	uint64_t pc;	/* of a closure */
	uint8_t part;	/* enum goheap_map_part */
	uint8_t header; /* words in front of the data: 1 where the object's type stands there */
	const char
		*name; /* of the object: "main.Session", "[]byte", "map[string]int", "chan int", "func main.f.func1" */
};

/* From outside the heap: the variable (of a type) at an address in data or bss, or a type that an object is known to have. */
struct goheap_seed {
	uint64_t addr;	/* of the variable; or of the object, when `object` */
	uint64_t rtype; /* of the variable; of the object or its elements; of the map or channel */
	bool object;
	bool array;	   /* of an object: several of rtype */
	bool part;	   /* of an object: of a map or a channel of this type, whichever of its parts fits */
	bool closure;	   /* addr: a function; rtype: what its closures look like */
	uint64_t variable; /* the variable that an object's type is told of; 0: none */
};

VEC_TYPE(goheap_seed_vec, struct goheap_seed);
VEC_TYPE(goheap_kind_vec, struct goheap_kind);

struct goheap_typing {
	const struct goheap_objects *objects; /* borrowed */
	const struct graph *graph;
	struct gort_types types;
	struct goheap_kind_vec kinds; /* [0] is unknown */
	uint32_t *kind;		      /* by number of object */
	struct hash_map fields;	      /* of goheap_typing_field() */
	uint64_t conflicts; /* objects that two ways gave different types, or whose pointers contradict the type */
};

/* Types all it can. `seen` is of goheap_pointers_read(); seeds may be empty. */
MUST_CHECK struct err *goheap_typing_run(const struct goheap_objects *o, const struct graph *g,
					 const struct goheap_seen_vec *seen, const struct goheap_seed_vec *seeds,
					 struct goheap_typing *ret);
void goheap_typing_deinit(struct goheap_typing *t);

/*
 * The name of the field of a kind at a word of its slot, "next", "items.head"; "[]" for an element of an array or map,
 * NULL when not known. Lives as long as `t`. *word becomes the word within the first element, so that places in different
 * elements are the same place. Inside an element of a struct "[].next"; a map's keys are "[key]", its elements "[]".
 */
const char *goheap_typing_field(struct goheap_typing *t, uint32_t kind, uint32_t *word);

/* Seeds from the heap profile: the types that allocation sites of sampled objects make (gort/site). */
void goheap_seeds_sampled(const struct goheap_objects *o, struct gort_types *types, struct goheap_seed_vec *ret);

/* Seeds by debug information, which comes first: what the code says of the same variables is then left out. */
void goheap_seeds_declared(struct gort_types *types, const struct sym_dwarf_variable_vec *declared, uint64_t bias,
			   struct goheap_seed_vec *ret);

/*
 * Seeds by code (gocode/calls): types of variables, what closures hold, what words of stacks point to. `maps` becomes the
 * variables that are a sync.Map.
 */
void goheap_seeds_code(struct gort_types *types, const struct goheap_roots *roots, struct goheap_seed_vec *ret,
		       struct gocode_map_use_vec *maps);

/*
 * Seeds from below: the headers of maps whose groups or buckets carry their type, or are among the seeds in `ret` already;
 * channels with a buffer, by what is in them. For those in structs that nothing tells the type of.
 * Cost: three passes over the pointers, the image's types and the slots of a channel's size once.
 */
void goheap_seeds_below(const struct goheap_objects *o, const struct graph *g, const struct goheap_seen_vec *seen,
			struct gort_types *types, struct goheap_seed_vec *ret);
